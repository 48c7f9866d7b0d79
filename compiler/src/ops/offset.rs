//! `offset`: plus a number.

use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Offset;

impl Op for Offset {
    fn name(&self) -> &'static str {
        "offset"
    }

    fn doc(&self) -> &'static str {
        "Plus a number, `y = x + by`.\n\n\
         Attributes: `by` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["by"])?;
        attributes.number("by")?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let by = attributes.float("by");
        operands[0].map(|x| x + by)
    }

    fn grad(&self, _: &mut Graph, _: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Ok(vec![Some(dy)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let by = builder.constant(attributes.float("by"));
            builder.push(Expression::Add(x[0], by))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| samples::number("by", 4.0 * random.unit() - 2.0))
    }
}
