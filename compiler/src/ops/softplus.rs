//! `softplus`: the smooth positive part.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, sigmoid};

/// See [`Op::doc`].
pub struct Softplus;

impl Op for Softplus {
    fn name(&self) -> &'static str {
        "softplus"
    }

    fn doc(&self) -> &'static str {
        "The smooth positive part, `y = log(1 + exp x)`, computed as `max(x, 0) + log(1 + exp(-|x|))`, which does not overflow. \
         Gradient: `dx = dy sigmoid(x)`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| x.max(0.0) + (-x.abs()).exp().ln_1p())
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let mut emit = Emitter::new(graph, node);
        let slope = emit.emit(&sigmoid::Sigmoid, &[x], Attributes::new());
        Ok(vec![Some(emit.mul(dy, slope))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let (zero, one) = (builder.constant(0.0), builder.constant(1.0));
            let positive = builder.push(Expression::Max(x[0], zero));
            let size = builder.push(Expression::Abs(x[0]));
            let negative = builder.push(Expression::Neg(size));
            let power = builder.push(Expression::Exp(negative));
            let sum = builder.push(Expression::Add(power, one));
            let rest = builder.push(Expression::Log(sum));
            builder.push(Expression::Add(positive, rest))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
