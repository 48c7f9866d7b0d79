//! `power`: a fixed power of positive numbers.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Power;

impl Op for Power {
    fn name(&self) -> &'static str {
        "power"
    }

    fn doc(&self) -> &'static str {
        "A fixed power of positive numbers, `y = x^exponent = e^(exponent ln x)`; NaN where `x < 0`. Gradient: \
         `dx = exponent x^(exponent - 1) dy`.\n\n\
         Attributes: `exponent` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &["exponent"])?.number("exponent")?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let exponent = attributes.float("exponent");
        operands[0].map(|x| (exponent * x.ln()).exp())
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let exponent = graph[node].attributes.float("exponent");
        let mut emit = Emitter::new(graph, node);
        let power = emit.power(x, exponent - 1.0);
        let slope = emit.scale(power, exponent);
        Ok(vec![Some(emit.mul(dy, slope))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let exponent = builder.constant(attributes.float("exponent"));
            let log = builder.push(Expression::Log(x[0]));
            let log = builder.push(Expression::Mul(log, exponent));
            builder.push(Expression::Exp(log))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| samples::number("exponent", 3.0 * random.unit() - 1.5))
    }
}
