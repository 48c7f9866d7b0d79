//! `sub`: the difference of two tensors.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Sub;

impl Op for Sub {
    fn name(&self) -> &'static str {
        "sub"
    }

    fn doc(&self) -> &'static str {
        "Elementwise difference, `y = a - b`, of two tensors of one shape."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<2>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].zip(operands[1], |a, b| a - b)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(dy), Some(emit.neg(dy))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Sub(x[0], x[1])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 2, |_| Attributes::new())
    }
}
