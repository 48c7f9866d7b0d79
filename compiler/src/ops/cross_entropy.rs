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
        "Cross entropy of softmax, the mean over the batch: `y = 1/N sum over n of (log sum exp x[n] - sum over k of t[n,k] x[n,k])`, \
         which is `-1/N sum over n, k of t[n,k] log softmax(x[n])[k]`, since targets add up to 1. The target is `t[n,k] = (1 - smoothing) [k = label[n]] + smoothing / K` (Szegedy et al. 2015), or with shares of classes \
         `(1 - smoothing) label[n,k] + smoothing / K`.\n\n\
         Operands: `logits` (f32[N,K]) and `label` (i32[N], or f32[N,K]); the result is f32[]. Computed from `x - max x`, so large logits \
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
            .map(|(logits, label)| {
                let aim = |k: usize| label.target(k, logits.len(), smoothing) * logits[k];
                log_sum_exp(logits) - (0..logits.len()).map(aim).sum::<f64>()
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

/// Logits f32[N,K] and a label for each row: a class, or the share of each class.
pub(super) fn infer_labels(op: &dyn Op, logits: &TensorType, label: &TensorType) -> Result<(), OpError> {
    check::rank(op, "batch of logits", logits, 2)?;
    if label == logits {
        return Ok(());
    }
    check::shape(op, "label", label, &TensorType::i32(&logits.dims[..1]))
}

/// What is said of an image's class.
#[derive(Clone, Copy)]
pub(super) enum Label<'a> {
    /// Its number.
    Class(f64),
    /// The share of each class.
    Shares(&'a [f64]),
}

impl Label<'_> {
    /// The smoothed target of class `k`. A label that names no class has no target but the smoothing.
    pub(super) fn target(self, k: usize, classes: usize, smoothing: f64) -> f64 {
        let share = match self {
            Label::Class(class) => f64::from(u8::from(k as f64 == class)),
            Label::Shares(shares) => shares[k],
        };
        (1.0 - smoothing) * share + smoothing / classes as f64
    }
}

/// Each row of logits with its label.
pub(super) fn rows<'a>(operands: &[&'a Tensor]) -> impl Iterator<Item = (&'a [f64], Label<'a>)> {
    let (classes, label) = (operands[0].dims[1], operands[1]);
    let of = move |row: usize| match label.dims.len() {
        2 => Label::Shares(&label.data[row * classes..][..classes]),
        _ => Label::Class(label.data[row]),
    };
    operands[0].data.chunks(classes).enumerate().map(move |(row, logits)| (logits, of(row)))
}

/// `log sum exp`, computed from the greatest on.
pub(super) fn log_sum_exp(x: &[f64]) -> f64 {
    let greatest = x.iter().copied().fold(f64::NEG_INFINITY, maximum);
    greatest + x.iter().map(|x| (x - greatest).exp()).sum::<f64>().ln()
}

/// Samples of logits and labels.
pub(super) fn classification(seed: u64) -> samples::Samples {
    let mut random = samples::Random::new(seed);
    let mut sample = |smoothing: f64, soft: bool| {
        let [n, k] = [random.range(1, 4), random.range(2, 6)];
        let label = if soft { TensorType::f32(&[n, k]) } else { TensorType::i32(&[n]) };
        (vec![TensorType::f32(&[n, k]), label], samples::number("smoothing", smoothing))
    };
    vec![sample(0.0, false), sample(0.1, false), sample(0.0, true), sample(0.1, true)]
}
