//! `square`: the square.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Square;

impl Op for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn doc(&self) -> &'static str {
        "Elementwise square, `y = x^2`. Gradient: `dx = 2 x dy`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| x * x)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let mut emit = Emitter::new(graph, node);
        let product = emit.mul(dy, x);
        Ok(vec![Some(emit.scale(product, 2.0))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Mul(x[0], x[0])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
