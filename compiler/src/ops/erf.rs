//! `erf`: the error function.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Erf;

impl Op for Erf {
    fn name(&self) -> &'static str {
        "erf"
    }

    fn doc(&self) -> &'static str {
        "The error function, `y = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x`.\n\n\
         Gradient: `dx = 2 / sqrt(pi) e^(-x^2) dy`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(libm::erf)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let mut emit = Emitter::new(graph, node);
        let square = emit.square(x);
        let exponent = emit.neg(square);
        let power = emit.exp(exponent);
        let slope = emit.scale(power, std::f64::consts::FRAC_2_SQRT_PI);
        Ok(vec![Some(emit.mul(dy, slope))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Erf(x[0])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
