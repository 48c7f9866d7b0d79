//! `mul`: the elementwise product of two tensors.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Mul;

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn doc(&self) -> &'static str {
        "Elementwise product, `y = a b`, of two tensors of one shape."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<2>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].zip(operands[1], |a, b| a * b)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [a, b] = [graph[node].operands[0], graph[node].operands[1]];
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.mul(dy, b)), Some(emit.mul(dy, a))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Mul(x[0], x[1])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 2, |_| Attributes::new())
    }
}
