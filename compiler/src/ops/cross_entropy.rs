//! `cross_entropy`: the classification loss.

use super::emit::Emitter;
use super::tensor::{Tensor, maximum};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, cross_entropy_grad, samples};

/// See [`Op::doc`].
pub struct CrossEntropy;

impl Op for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn doc(&self) -> &'static str {
        "Cross entropy of softmax, the mean over the batch: `y = -1/N sum over n, k of t[n,k] log softmax(x[n])[k]`, where the \
         target is `t[n,k] = (1 - smoothing) [k = label[n]] + smoothing / K` (Szegedy et al. 2015).\n\n\
         Operands: `logits` (f32[N,K]) and `label` (i32[N]); the result is f32[]. Computed from `x - max x`, so large logits \
         do not overflow.\n\n\
         Attributes: `smoothing` (number in [0, 1))."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        infer_rows(self, operands, attributes)?;
        Ok(TensorType::f32(&[]))
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let smoothing = attributes.float("smoothing");
        let total: f64 = rows(operands)
            .flat_map(|(logits, label)| {
                let shift = log_sum_exp(logits);
                (0..logits.len()).map(move |k| target(k, label, logits.len(), smoothing) * (shift - logits[k]))
            })
            .sum();
        Tensor::full(&result.dims, total / operands[0].dims[0] as f64)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [logits, label] = [graph[node].operands[0], graph[node].operands[1]];
        let attributes = graph[node].attributes.clone();
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&cross_entropy_grad::CrossEntropyGrad, &[logits, label, dy], attributes)), None])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        classification(seed)
    }
}

/// Checks what the loss and its gradient share: logits, labels, smoothing. Further operands are the caller's.
pub(super) fn infer_rows(op: &dyn Op, operands: &[&TensorType], attributes: &Attributes) -> Result<(), OpError> {
    check::attributes(op, attributes, &["smoothing"])?.number_within("smoothing", 0.0, 1.0)?;
    let [logits, label] = check::operands(op, operands)?;
    infer_labels(op, logits, label)
}

/// Logits f32[N,K] and a label for each row.
pub(super) fn infer_labels(op: &dyn Op, logits: &TensorType, label: &TensorType) -> Result<(), OpError> {
    check::rank(op, "batch of logits", logits, 2)?;
    check::shape(op, "label", label, &TensorType::i32(&logits.dims[..1]))
}

/// Each row of logits with its label.
pub(super) fn rows<'a>(operands: &[&'a Tensor]) -> impl Iterator<Item = (&'a [f64], f64)> {
    operands[0].data.chunks(operands[0].dims[1]).zip(operands[1].data.iter().copied())
}

/// `log sum exp`, computed from the greatest on.
pub(super) fn log_sum_exp(x: &[f64]) -> f64 {
    let greatest = x.iter().copied().fold(f64::NEG_INFINITY, maximum);
    greatest + x.iter().map(|x| (x - greatest).exp()).sum::<f64>().ln()
}

/// The smoothed target of class `k`. A label that names no class has no target but the smoothing.
pub(super) fn target(k: usize, label: f64, classes: usize, smoothing: f64) -> f64 {
    let named = if k as f64 == label { 1.0 - smoothing } else { 0.0 };
    named + smoothing / classes as f64
}

/// Samples of logits and labels.
pub(super) fn classification(seed: u64) -> samples::Samples {
    let mut random = samples::Random::new(seed);
    let mut sample = |smoothing: f64| {
        let [n, k] = [random.range(1, 4), random.range(2, 6)];
        let types = vec![TensorType::f32(&[n, k]), TensorType::i32(&[n])];
        (types, samples::number("smoothing", smoothing))
    };
    vec![sample(0.0), sample(0.1)]
}
