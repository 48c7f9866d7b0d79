//! `softmax_grad`: the gradient of `softmax`.

use super::softmax::{over_channels, shapes};
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct SoftmaxGrad;

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `softmax`: `dx[n,c,..] = y[n,c,..] (dy[n,c,..] - sum over k of y[n,k,..] dy[n,k,..])`.\n\n\
         Operands: `y`, the result of the softmax, and `dy` (f32[N,C] or f32[N,C,H,W])."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let y = check::same::<2>(self, operands)?;
        check::channels(self, &y)?;
        Ok(y)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let [y, dy] = [operands[0], operands[1]];
        let mut rest = result.dims.clone();
        rest[1] = 1;
        let mut sum = Tensor::full(&rest, 0.0);
        each_index(&y.dims, |at| *sum.at_mut(&over_channels(at)) += y.at(at) * dy.at(at));
        Tensor::from_fn(&y.dims, |at| y.at(at) * (dy.at(at) - sum.at(&over_channels(at))))
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("the second derivative of the softmax has no rule".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        shapes(seed).iter().map(|dims| samples::case(&[dims, dims], Attributes::new())).collect()
    }
}
