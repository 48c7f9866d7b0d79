//! `velocity`: the optimizer's memory of one parameter.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, leaf, samples};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct Velocity;

impl Op for Velocity {
    fn name(&self) -> &'static str {
        "velocity"
    }

    fn doc(&self) -> &'static str {
        "The optimizer's momentum buffer of the parameter `name`; it starts at zero and lives from step to step.\n\n\
         Where leaves are told apart by name alone (outputs, the reference evaluator) it goes by `velocity.<name>`.\n\n\
         Attributes: `name` (text: the parameter's), `dims` (extents), `element` (`\"f32\"`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["dims", "element", "name"])?;
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
        vec![(Vec::new(), leaf::attributes("fc.weight", &ty))]
    }
}
