//! `div`: the elementwise quotient of two tensors.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Div;

impl Op for Div {
    fn name(&self) -> &'static str {
        "div"
    }

    fn doc(&self) -> &'static str {
        "Elementwise quotient, `y = a / b`, of two tensors of one shape. Gradients: `da = dy / b`, `db = -y dy / b`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<2>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].zip(operands[1], |a, b| a / b)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let b = graph[node].operands[1];
        let mut emit = Emitter::new(graph, node);
        let da = emit.div(dy, b);
        let product = emit.mul(node, da);
        Ok(vec![Some(da), Some(emit.neg(product))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Div(x[0], x[1])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 2, |_| Attributes::new())
    }
}
