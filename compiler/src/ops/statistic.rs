//! `statistic`: a running statistic.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, leaf, samples};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct Statistic;

impl Op for Statistic {
    fn name(&self) -> &'static str {
        "statistic"
    }

    fn doc(&self) -> &'static str {
        "A running statistic of batch norm: the leaf `name`, which lives from step to step but is not trained.\n\n\
         Attributes: `name` (text), `dims` (extents), `element` (`\"f32\"`), `init_value` (number: every element at \
         the start)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["dims", "element", "init_value", "name"])?;
        attributes.number("init_value")?;
        leaf::infer(self, operands, &attributes, &[ElementType::F32])
    }

    fn eval(&self, _: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        panic!("the leaf `{}` is looked up, not computed", attributes.text("name"))
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Ok(Vec::new())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Leaf
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let ty = TensorType::f32(&[samples::Random::new(seed).range(1, 8)]);
        let attributes = leaf::attributes("bn1.running_var", &ty);
        vec![(Vec::new(), attributes.with("init_value", crate::graph::Attribute::Float(1.0)))]
    }
}
