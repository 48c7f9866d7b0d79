//! `adaptive_max_pool`: the greatest element of windows that divide the input among a given number of results.

use super::adaptive::{self, LARGEST_WINDOW};
use super::emit::Emitter;
use super::stencil::{self, Method};
use super::tensor::{Tensor, maximum};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, max_pool, max_pool_grad, resample, samples};

/// See [`Op::doc`].
pub struct AdaptiveMaxPool;

impl Op for AdaptiveMaxPool {
    fn name(&self) -> &'static str {
        "adaptive_max_pool"
    }

    fn doc(&self) -> &'static str {
        "The greatest element of windows that divide the input among a given number of results, from f32[N,C,H,W] to f32[N,C,H',W'] \
         (PyTorch's `AdaptiveMaxPool2d`): the window of row p goes from `floor(p H / H')` up to `ceil((p + 1) H / H')`, that one \
         not included, and so for columns. NaN wins.\n\n\
         The gradient goes to the first greatest element of each window in row-major order. Decomposes to `max_pool` (equal small windows), or \
         to `max_pool` along columns and then along rows, behind a `resample` where the windows of an axis are of different lengths.\n\n\
         Attributes: `out` (two whole numbers: H' and W')."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        adaptive::infer(self, operands, attributes)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        Tensor::from_fn(&result.dims, |index| {
            let [rows, columns] = [2, 3].map(|axis| stencil::window(x.dims[axis], result.dims[axis], index[axis]));
            let places = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
            places.map(|(row, column)| x.at(&[index[0], index[1], row, column])).fold(f64::NEG_INFINITY, maximum)
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let (x, out) = (graph[node].operands[0], graph[node].ty.dims.clone());
        let mut emit = Emitter::new(graph, node);
        let mut dx = dy;
        for (step, value, _) in forward(&mut emit, x, &out).into_iter().rev() {
            dx = match step {
                Step::Windows { axis, method } => {
                    let extent = emit.dims(value)[axis];
                    resample::emit_grad(&mut emit, dx, axis, extent, method)
                }
                Step::Pool(attributes) => emit.emit(&max_pool_grad::MaxPoolGrad, &[value, dx], attributes),
            };
        }
        Ok(vec![Some(dx)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let (x, out) = (graph[node].operands[0], graph[node].ty.dims.clone());
            forward(&mut Emitter::new(graph, node), x, &out).last().map_or(x, |(.., y)| *y)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        adaptive::samples(seed, &[([1, 1], 0), ([2, 3], 2), ([2, 1], 5), ([3, 2], 1), ([3, 5], 0)])
    }
}

/// A step of the way from the operand to the result.
enum Step {
    /// The windows along an axis, equally long.
    Windows { axis: usize, method: Method },
    /// `max_pool` with these attributes.
    Pool(Attributes),
}

/// Emits the steps from `x` to a result of these extents; with each its operand and its value.
///
/// Columns come before rows: then the first greatest row of first greatest columns is the first greatest element in row-major order.
fn forward(emit: &mut Emitter, x: NodeId, out: &[usize]) -> Vec<(Step, NodeId, NodeId)> {
    let dims = emit.dims(x);
    let kernel = [dims[2] / out[2], dims[3] / out[3]];
    let mut steps = Vec::new();
    if [2, 3].iter().all(|&axis| dims[axis].is_multiple_of(out[axis])) && kernel[0] * kernel[1] <= LARGEST_WINDOW {
        pool(emit, &mut steps, x, kernel);
        return steps;
    }
    let mut value = x;
    for axis in [3, 2] {
        let length = stencil::longest(dims[axis], out[axis]);
        if !dims[axis].is_multiple_of(out[axis]) {
            let method = Method::Windows(out[axis]);
            let windows = resample::emit(emit, value, axis, length * out[axis], method);
            steps.push((Step::Windows { axis, method }, value, windows));
            value = windows;
        }
        value = pool(emit, &mut steps, value, if axis == 2 { [length, 1] } else { [1, length] });
    }
    steps
}

/// Windows of that extent that do not meet; nothing where they are single elements.
fn pool(emit: &mut Emitter, steps: &mut Vec<(Step, NodeId, NodeId)>, x: NodeId, kernel: [usize; 2]) -> NodeId {
    if kernel == [1, 1] {
        return x;
    }
    let attributes = adaptive::apart(kernel);
    let y = emit.emit(&max_pool::MaxPool, &[x], attributes.clone());
    steps.push((Step::Pool(attributes), x, y));
    y
}
