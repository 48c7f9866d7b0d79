//! `clamp`: brought between two numbers.

use super::tensor::{Tensor, maximum};
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct Clamp;

impl Op for Clamp {
    fn name(&self) -> &'static str {
        "clamp"
    }

    fn doc(&self) -> &'static str {
        "Brought between two numbers, `y = min(max(x, low), high)`; NaN stays NaN. Written by the optimizer, so it has no \
         gradient.\n\n\
         Attributes: `low`, `high` (numbers)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["high", "low"])?;
        let (low, high) = (attributes.number("low")?, attributes.number("high")?);
        if low > high {
            return Err(OpError::new(format!("`clamp` between {low} and {high}: the first is the greater")));
        }
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let (low, high) = (attributes.float("low"), attributes.float("high"));
        operands[0].map(|x| -maximum(-maximum(x, low), -high))
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("an optimizer's step is not differentiated".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let low = builder.constant(attributes.float("low"));
            let high = builder.constant(attributes.float("high"));
            let above = builder.push(Expression::Max(x[0], low));
            builder.push(Expression::Min(above, high))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| {
            samples::number("low", -random.unit()).with("high", Attribute::Float(random.unit()))
        })
    }
}
