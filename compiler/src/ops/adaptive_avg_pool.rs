//! `adaptive_avg_pool`: the mean of windows that divide the input among a given number of results.

use super::adaptive::{self, LARGEST_WINDOW};
use super::emit::Emitter;
use super::stencil::Method;
use super::tensor::Tensor;
use super::{
    Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, avg_pool, avg_pool_grad, flatten, resample, samples,
    stencil, unflatten,
};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct AdaptiveAvgPool;

impl Op for AdaptiveAvgPool {
    fn name(&self) -> &'static str {
        "adaptive_avg_pool"
    }

    fn doc(&self) -> &'static str {
        "The mean of windows that divide the input among a given number of results, from f32[N,C,H,W] to f32[N,C,H',W'] \
         (PyTorch's `AdaptiveAvgPool2d`): the window of row p goes from `floor(p H / H')` up to `ceil((p + 1) H / H')`, that one \
         not included, and so for columns.\n\n\
         Decomposes to `reduce_sum` (one result), to `avg_pool` (equal small windows), or to `resample` along either axis.\n\n\
         Attributes: `out` (two whole numbers: H' and W')."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        adaptive::infer(self, operands, attributes)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let mut middle = result.clone();
        middle.dims[3] = x.dims[3];
        let [rows, columns] = [2, 3].map(|axis| stencil::stencils(Method::Mean, x.dims[axis], result.dims[axis]));
        stencil::apply(&stencil::apply(x, &rows, 2, &middle), &columns, 3, result)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let (dims, out) = extents(graph, node);
        let mut emit = Emitter::new(graph, node);
        let dx = match way(&dims, &out) {
            Way::Whole => {
                let dy = emit.emit(&flatten::Flatten, &[dy], Attributes::new());
                let share = emit.scale(dy, 1.0 / (dims[2] * dims[3]) as f64);
                emit.broadcast(share, &[0, 1], &dims)
            }
            Way::Windows(attributes) => {
                let attributes = attributes.with("dims", Attribute::extents(&dims));
                emit.emit(&avg_pool_grad::AvgPoolGrad, &[dy], attributes)
            }
            Way::Axes => {
                let dy = resample::emit_grad(&mut emit, dy, 3, dims[3], Method::Mean);
                resample::emit_grad(&mut emit, dy, 2, dims[2], Method::Mean)
            }
        };
        Ok(vec![Some(dx)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let (dims, out) = extents(graph, node);
            let mut emit = Emitter::new(graph, node);
            match way(&dims, &out) {
                Way::Whole => {
                    let sum = emit.reduce_sum(x, &[2, 3]);
                    let mean = emit.scale(sum, 1.0 / (dims[2] * dims[3]) as f64);
                    emit.emit(&unflatten::Unflatten, &[mean], Attributes::new().with("dims", Attribute::extents(&out)))
                }
                Way::Windows(attributes) => emit.emit(&avg_pool::AvgPool, &[x], attributes),
                Way::Axes => {
                    let x = resample::emit(&mut emit, x, 2, out[2], Method::Mean);
                    resample::emit(&mut emit, x, 3, out[3], Method::Mean)
                }
            }
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        adaptive::samples(seed, &[([1, 1], 0), ([2, 3], 2), ([2, 1], 5), ([3, 2], 1), ([3, 4], 0)])
    }
}

/// The extents of the operand and of the result.
fn extents(graph: &Graph, node: NodeId) -> (Vec<usize>, Vec<usize>) {
    (graph[graph[node].operands[0]].ty.dims.clone(), graph[node].ty.dims.clone())
}

/// How the windows are summed.
enum Way {
    /// One window: the whole plane.
    Whole,
    /// Equal windows that do not meet: `avg_pool` with these attributes.
    Windows(Attributes),
    /// Rows, then columns.
    Axes,
}

fn way(x: &[usize], y: &[usize]) -> Way {
    if y[2..] == [1, 1] {
        return Way::Whole;
    }
    let kernel = [x[2] / y[2], x[3] / y[3]];
    let divides = x[2].is_multiple_of(y[2]) && x[3].is_multiple_of(y[3]);
    if !divides || x == y || kernel[0] * kernel[1] > LARGEST_WINDOW {
        return Way::Axes;
    }
    Way::Windows(adaptive::apart(kernel))
}
