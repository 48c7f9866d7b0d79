//! `correct`: how many rows are classified right.

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
         Operands: `logits` (f32[N,K]) and `label` (i32[N]). Of equal logits the first counts; a row with a NaN is wrong. It has \
         no gradient."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [logits, label] = check::operands(self, operands)?;
        cross_entropy::infer_labels(self, logits, label)?;
        Ok(TensorType::f32(&[]))
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let right = |(logits, label): &(&[f64], f64)| {
            let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, maximum);
            logits.iter().position(|&x| x == greatest).is_some_and(|k| k as f64 == *label)
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
