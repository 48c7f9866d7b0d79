//! `memory`: what the optimizer remembers of one parameter or statistic.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, leaf, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Memory;

impl Op for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn doc(&self) -> &'static str {
        "What the optimizer remembers of the parameter or statistic `name`, such as its `velocity`; it lives from step to \
         step.\n\n\
         Where leaves are told apart by name alone (outputs, the reference evaluator, checkpoints) it goes by `<slot>/<name>`. \
         It starts at zero, or where `copies` is true as what it remembers starts.\n\n\
         Attributes: `name` (text: of what it remembers), `slot` (text: which memory of it), `dims` (extents), `element` \
         (`\"f32\"`), `copies` (true or false)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["copies", "dims", "element", "name", "slot"])?;
        attributes.text("slot")?;
        attributes.flag("copies")?;
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
        let ty = TensorType::f32(&[samples::Random::new(seed).range(1, 8), 3]);
        let slot = |name: &str| leaf::attributes("fc.weight", &ty).with("slot", Attribute::Text(name.to_string()));
        vec![(Vec::new(), slot("velocity")), (Vec::new(), slot("average").with("copies", Attribute::Bool(true)))]
    }
}
