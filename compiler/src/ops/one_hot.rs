//! `one_hot`: classes as rows with a 1.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct OneHot;

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn doc(&self) -> &'static str {
        "Classes as rows with a 1: `y[n,k] = [k = label[n]]`. A label that names no class gives a row of zeros.\n\n\
         Operand: `label` (i32[N]); the result is f32[N,classes]. It has no gradient.\n\n\
         Attributes: `classes` (whole number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let classes = check::attributes(self, attributes, &["classes"])?.count("classes", 1)?;
        let [label] = check::operands(self, operands)?;
        if label.element != ElementType::I32 || label.rank() != 1 {
            return Err(OpError::new(format!("`one_hot` needs i32[N] as its label, here is {label}")));
        }
        check::result(self, ElementType::F32, vec![label.dims[0], classes])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        Tensor::from_fn(&result.dims, |at| f64::from(u8::from(operands[0].data[at[0]] == at[1] as f64)))
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Ok(vec![None])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let [n, classes] = [random.range(1, 6), random.range(1, 6)];
        vec![(vec![TensorType::i32(&[n])], Attributes::new().with("classes", Attribute::Int(classes as i64)))]
    }
}
