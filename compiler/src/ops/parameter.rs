//! `parameter`: a trained tensor.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, leaf, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Parameter;

impl Op for Parameter {
    fn name(&self) -> &'static str {
        "parameter"
    }

    fn doc(&self) -> &'static str {
        "A trained tensor: the leaf `name`, which lives from step to step.\n\n\
         It starts as `init` says: `\"normal\"` with standard deviation `init_value` (He et al. 2015 take \
         `sqrt(2 / fan)`), `\"uniform\"` in `[-init_value, init_value)`, or `\"constant\"` `init_value`.\n\n\
         Attributes: `name` (text), `dims` (extents), `element` (`\"f32\"`), `init` (text), `init_value` (number), \
         `frozen` (optional: never trained), `lr` and `decay` (optional factors of the learning rate and of the \
         weight decay)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let known = ["decay", "dims", "element", "frozen", "init", "init_value", "lr", "name"];
        let attributes = check::attributes(self, attributes, &known)?;
        let init = attributes.text("init")?;
        let filters = ["dirac", "whitening"].contains(&init);
        if !filters && !["normal", "uniform", "constant"].contains(&init) {
            return Err(OpError::new(format!("`parameter` has no initialiser {init:?}"))
                .hint("there are \"normal\", \"uniform\", \"constant\", \"dirac\" and \"whitening\""));
        }
        if filters && attributes.extents("dims")?.len() != 4 {
            return Err(OpError::new(format!("`parameter` starts as {init:?} where it holds filters, f32[O,I,Kh,Kw]"))
                .hint("annotate the convolution alone"));
        }
        let value = attributes.number("init_value")?;
        if init != "constant" && value < 0.0 {
            return Err(OpError::new(format!(
                "`parameter` needs a positive spread of its {init} start, here is {value}"
            )));
        }
        attributes.flag("frozen")?;
        for factor in ["lr", "decay"] {
            if attributes.has(factor) {
                attributes.number(factor)?;
            }
        }
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

    fn samples(&self, _: u64) -> samples::Samples {
        let weight = leaf::attributes("conv1.weight", &TensorType::f32(&[4, 3, 3, 3]))
            .with("init", Attribute::Text("normal".to_string()))
            .with("init_value", Attribute::Float(0.27));
        let bias = leaf::attributes("fc.bias", &TensorType::f32(&[10]))
            .with("init", Attribute::Text("constant".to_string()))
            .with("init_value", Attribute::Float(0.0))
            .with("frozen", Attribute::Bool(true))
            .with("lr", Attribute::Float(2.0))
            .with("decay", Attribute::Float(0.0));
        vec![(Vec::new(), weight), (Vec::new(), bias)]
    }
}
