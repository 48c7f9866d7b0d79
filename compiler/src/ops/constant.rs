//! `constant`: one number everywhere.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Constant;

impl Op for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn doc(&self) -> &'static str {
        "One number everywhere: `y = value`, of type `f32[dims]`.\n\n\
         Attributes: `value` (number), `dims` (extents)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::operands::<0>(self, operands)?;
        let attributes = check::attributes(self, attributes, &["dims", "value"])?;
        attributes.number("value")?;
        check::result(self, ElementType::F32, attributes.extents("dims")?)
    }

    fn eval(&self, _: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        Tensor::full(&result.dims, attributes.float("value"))
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Ok(Vec::new())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, _, attributes| builder.constant(attributes.float("value")))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| samples::number("value", random.unit() - 0.5))
            .into_iter()
            .map(|(types, attributes)| (Vec::new(), attributes.with("dims", Attribute::extents(&types[0].dims))))
            .collect()
    }
}
