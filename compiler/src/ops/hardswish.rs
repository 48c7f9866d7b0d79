//! `hardswish`: x times its hard sigmoid.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, hardsigmoid, relu6, samples};

/// See [`Op::doc`].
pub struct Hardswish;

impl Op for Hardswish {
    fn name(&self) -> &'static str {
        "hardswish"
    }

    fn doc(&self) -> &'static str {
        "`x` times its hard sigmoid, `y = x min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).\n\n\
         Gradient: with `h = hardsigmoid(x)`, `dx = h dy`, and `x dy / 6` more where `0 < h < 1`. Decomposes to \
         `hardsigmoid` and `mul`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| x * hardsigmoid::hardsigmoid(x))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let mut emit = Emitter::new(graph, node);
        let gate = emit.emit(&hardsigmoid::Hardsigmoid, &[x], Attributes::new());
        let product = emit.mul(dy, x);
        let inside = relu6::between(&mut emit, gate, 1.0, product);
        let inside = emit.scale(inside, 1.0 / 6.0);
        let gated = emit.mul(dy, gate);
        Ok(vec![Some(emit.add(gated, inside))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let mut emit = Emitter::new(graph, node);
            let gate = emit.emit(&hardsigmoid::Hardsigmoid, &[x], Attributes::new());
            emit.mul(x, gate)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
