//! `hardsigmoid`: a sigmoid of three straight pieces.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, relu6, samples};

/// See [`Op::doc`].
pub struct Hardsigmoid;

impl Op for Hardsigmoid {
    fn name(&self) -> &'static str {
        "hardsigmoid"
    }

    fn doc(&self) -> &'static str {
        "A sigmoid of three straight pieces, `y = min(max(x + 3, 0), 6) / 6`.\n\n\
         Gradient: `dy / 6` where `0 < y < 1`, else 0, so that `x` need not be kept. Decomposes to `offset`, `relu6` and `scale`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(hardsigmoid)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        let inside = relu6::between(&mut emit, node, 1.0, dy);
        Ok(vec![Some(emit.scale(inside, 1.0 / 6.0))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let mut emit = Emitter::new(graph, node);
            let moved = emit.offset(x, 3.0);
            let piece = emit.emit(&relu6::Relu6, &[moved], Attributes::new());
            emit.scale(piece, 1.0 / 6.0)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}

/// The function itself, NaN for NaN.
pub(super) fn hardsigmoid(x: f64) -> f64 {
    if x.is_nan() { x } else { (x + 3.0).clamp(0.0, 6.0) / 6.0 }
}
