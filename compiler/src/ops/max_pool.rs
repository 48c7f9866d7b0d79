//! `max_pool`: the greatest element under a sliding window.

use super::emit::Emitter;
use super::tensor::{Tensor, maximum};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, max_pool_grad, pool, samples};

/// See [`Op::doc`].
pub struct MaxPool;

impl Op for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn doc(&self) -> &'static str {
        "The greatest element under a sliding window; padding counts as minus infinity, NaN wins.\n\n\
         From f32[N,C,H,W] to f32[N,C,H',W'] with `H' = floor((H + 2 ph - (Kh - 1) dh - 1) / sh) + 1`; with `ceil` the quotient \
         is rounded up, unless that window would begin in the padding behind. The padding is at most half the window's reach, so no \
         window lies in it entirely.\n\n\
         Attributes: `kernel`, `stride`, `pad`, `dilation` (two whole numbers each, for height and width; without `dilation` it is \
         [1,1]), `ceil` (`true`, or absent)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &pool::ATTRIBUTES)?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        pool::result(self, &attributes, &x.dims)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let mut y = Tensor::full(&result.dims, f64::NEG_INFINITY);
        pool::visit(attributes, &operands[0].dims, &result.dims, |from, to| {
            y.data[to] = maximum(y.data[to], operands[0].data[from]);
        });
        y
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let attributes = graph[node].attributes.clone();
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&max_pool_grad::MaxPoolGrad, &[x, dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        pool::samples(self, seed).into_iter().map(|(x, _, attributes)| samples::case(&[&x], attributes)).collect()
    }
}
