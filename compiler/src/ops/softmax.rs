//! `softmax`: positive shares of the channels that sum to 1.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index, maximum};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, softmax_grad};

/// See [`Op::doc`].
pub struct Softmax;

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn doc(&self) -> &'static str {
        "Positive shares of the channels that sum to 1: `y[n,c,..] = e^x[n,c,..] / sum over k of e^x[n,k,..]`, of f32[N,C] or, at each \
         pixel, of f32[N,C,H,W].\n\n\
         Computed from `x - max x`, so large values do not overflow. Its gradient is computed from `y` (`softmax_grad`). The \
         loss `cross_entropy` has a softmax of its own."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x] = check::operands(self, operands)?;
        check::channels(self, x)?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let mut rest = result.dims.clone();
        rest[1] = 1;
        let (mut greatest, mut sum) = (Tensor::full(&rest, f64::NEG_INFINITY), Tensor::full(&rest, 0.0));
        each_index(&x.dims, |at| {
            let to = greatest.at_mut(&over_channels(at));
            *to = maximum(*to, x.at(at));
        });
        let power = |at: &[usize]| (x.at(at) - greatest.at(&over_channels(at))).exp();
        each_index(&x.dims, |at| *sum.at_mut(&over_channels(at)) += power(at));
        Tensor::from_fn(&x.dims, |at| power(at) / sum.at(&over_channels(at)))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&softmax_grad::SoftmaxGrad, &[node, dy], Attributes::new()))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        shapes(seed).iter().map(|dims| samples::case(&[dims], Attributes::new())).collect()
    }
}

/// The place in a tensor with one channel.
pub(super) fn over_channels(at: &[usize]) -> Vec<usize> {
    let mut at = at.to_vec();
    at[1] = 0;
    at
}

/// Extents to test the softmax and its gradient on.
pub(super) fn shapes(seed: u64) -> [Vec<usize>; 2] {
    let mut random = samples::Random::new(seed);
    [2, 4].map(|rank| (0..rank).map(|axis| random.range(1, if axis == 1 { 7 } else { 3 })).collect())
}
