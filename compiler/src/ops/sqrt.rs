//! `sqrt`: the square root.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Sqrt;

impl Op for Sqrt {
    fn name(&self) -> &'static str {
        "sqrt"
    }

    fn doc(&self) -> &'static str {
        "Elementwise square root, `y = sqrt(x)`; NaN below zero. Gradient: `dx = dy / (2 y)`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(f64::sqrt)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        let quotient = emit.div(dy, node);
        Ok(vec![Some(emit.scale(quotient, 0.5))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Sqrt(x[0])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
