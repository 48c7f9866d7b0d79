//! `sign`: 1 above zero, -1 below, 0 at zero.

use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Sign;

impl Op for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn doc(&self) -> &'static str {
        "Elementwise sign: 1 above zero, -1 below, 0 at zero and where `x` is no number. It has no gradient."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0)))
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("a sign is the same everywhere but at zero".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let zero = builder.constant(0.0);
            let above = builder.push(Expression::Greater(x[0], zero));
            let below = builder.push(Expression::Greater(zero, x[0]));
            builder.push(Expression::Sub(above, below))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
