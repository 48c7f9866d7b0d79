//! `correct`: how many rows are classified right.

use super::cross_entropy::Label;
use super::tensor::{Tensor, maximum};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, cross_entropy, samples};

/// See [`Op::doc`].
pub struct Correct;

impl Op for Correct {
    fn name(&self) -> &'static str {
        "correct"
    }

    fn doc(&self) -> &'static str {
        "How many rows have their greatest logit at the label: a count, of type f32[].\n\n\
         Operands: `logits` (f32[N,K]) and `label` (i32[N], or f32[N,K], whose greatest share is the class). Of equal logits and \
         shares the first counts; a row with a NaN is wrong. It has no gradient."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [logits, label] = check::operands(self, operands)?;
        cross_entropy::infer_labels(self, logits, label)?;
        Ok(TensorType::f32(&[]))
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let first = |row: &[f64]| {
            let greatest = row.iter().copied().fold(f64::NEG_INFINITY, maximum);
            row.iter().position(|&x| x == greatest).map(|k| k as f64)
        };
        let right = |(logits, label): &(&[f64], Label)| {
            let class = match label {
                Label::Class(class) => Some(*class),
                Label::Shares(shares) => first(shares),
            };
            class.is_some() && first(logits) == class
        };
        Tensor::full(&result.dims, cross_entropy::rows(operands).filter(right).count() as f64)
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("it counts, and a count has no gradient".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let samples = cross_entropy::classification(seed).into_iter();
        samples.map(|(types, _)| (types, Attributes::new())).collect()
    }
}
