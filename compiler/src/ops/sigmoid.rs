//! `sigmoid`: the logistic function.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Sigmoid;

impl Op for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn doc(&self) -> &'static str {
        "The logistic function, `y = 1 / (1 + e^-x)`. Gradient: `dx = y (1 - y) dy`, so that `x` need not be kept."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| 1.0 / (1.0 + (-x).exp()))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        let rest = emit.one_minus(node);
        let slope = emit.mul(node, rest);
        Ok(vec![Some(emit.mul(dy, slope))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let one = builder.constant(1.0);
            let negative = builder.push(Expression::Neg(x[0]));
            let power = builder.push(Expression::Exp(negative));
            let divisor = builder.push(Expression::Add(power, one));
            builder.push(Expression::Div(one, divisor))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
