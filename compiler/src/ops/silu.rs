//! `silu`: x times its sigmoid.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, sigmoid};

/// See [`Op::doc`].
pub struct Silu;

impl Op for Silu {
    fn name(&self) -> &'static str {
        "silu"
    }

    fn doc(&self) -> &'static str {
        "`x` times its sigmoid, `y = x / (1 + e^-x)` (Elfwing et al. 2017; also called swish).\n\n\
         Gradient: with `s = sigmoid(x)`, `dx = s (1 + x (1 - s)) dy`. Decomposes to `sigmoid` and `mul`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| x / (1.0 + (-x).exp()))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let mut emit = Emitter::new(graph, node);
        let gate = emit.emit(&sigmoid::Sigmoid, &[x], Attributes::new());
        let rest = emit.one_minus(gate);
        let product = emit.mul(x, rest);
        let factor = emit.offset(product, 1.0);
        let slope = emit.mul(gate, factor);
        Ok(vec![Some(emit.mul(dy, slope))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let mut emit = Emitter::new(graph, node);
            let gate = emit.emit(&sigmoid::Sigmoid, &[x], Attributes::new());
            emit.mul(x, gate)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
