//! `max_pool_grad`: the gradient of `max_pool`.

use super::tensor::{Tensor, maximum};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, pool, samples};

/// See [`Op::doc`].
pub struct MaxPoolGrad;

impl Op for MaxPoolGrad {
    fn name(&self) -> &'static str {
        "max_pool_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `max_pool`: each element of `dy` is added to the `dx` of the greatest element under its window, \
         the first one in row-major order (as in PyTorch). A window with a NaN passes nothing on.\n\n\
         Operands: `x` (f32[N,C,H,W]) and `dy` (f32[N,C,H',W']). With respect to `x` it is constant almost everywhere; with \
         respect to `dy` it would need a gather, which is not there: no second derivative.\n\n\
         Attributes: those of `max_pool`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &pool::ATTRIBUTES)?;
        let [x, dy] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        check::shape(self, "`dy`", dy, &pool::result(self, &attributes, &x.dims)?)?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let [x, dy] = [operands[0], operands[1]];
        let mut greatest = Tensor::full(&dy.dims, f64::NEG_INFINITY);
        pool::visit(attributes, &x.dims, &dy.dims, |from, to| {
            greatest.data[to] = maximum(greatest.data[to], x.data[from]);
        });
        let mut given = vec![false; dy.data.len()];
        let mut dx = Tensor::full(&result.dims, 0.0);
        pool::visit(attributes, &x.dims, &dy.dims, |from, to| {
            if !given[to] && x.data[from] == greatest.data[to] {
                given[to] = true;
                dx.data[from] += dy.data[to];
            }
        });
        dx
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("it has no rule: the second derivative of a maximum needs a gather".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        pool::samples(self, seed).into_iter().map(|(x, y, attributes)| samples::case(&[&x, &y], attributes)).collect()
    }
}
