//! `input`: a tensor that the caller fills before each step.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, leaf, samples};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct Input;

impl Op for Input {
    fn name(&self) -> &'static str {
        "input"
    }

    fn doc(&self) -> &'static str {
        "A tensor that the caller fills before each step: the leaf `name`, of type `element[dims]`.\n\n\
         `image` f32[N,C,H,W], `label` i32[N], `seed` i32[] and `lr` f32[] are the ones in use.\n\n\
         Attributes: `name` (text), `dims` (extents), `element` (`\"f32\"` or `\"i32\"`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["dims", "element", "name"])?;
        leaf::infer(self, operands, &attributes, &[ElementType::F32, ElementType::I32])
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
        let batch = samples::Random::new(seed).range(1, 4);
        vec![
            (Vec::new(), leaf::attributes("image", &TensorType::f32(&[batch, 3, 4, 4]))),
            (Vec::new(), leaf::attributes("label", &TensorType::i32(&[batch]))),
            (Vec::new(), leaf::attributes("seed", &TensorType::i32(&[]))),
        ]
    }
}
