//! `cross_entropy_grad`: the gradient of `cross_entropy`.

use super::cross_entropy::Label;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, cross_entropy, samples};

/// See [`Op::doc`].
pub struct CrossEntropyGrad;

impl Op for CrossEntropyGrad {
    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `cross_entropy`: `dx[n,k] = dloss (softmax(x[n])[k] - t[n,k]) / N`.\n\n\
         Operands: `logits` (f32[N,K]), `label` (i32[N], or f32[N,K]) and `dloss` (f32[]).\n\n\
         Attributes: `smoothing` (number in [0, 1))."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let [logits, label, dloss] = check::operands(self, operands)?;
        cross_entropy::infer_rows(self, &[logits, label], attributes)?;
        check::shape(self, "`dloss`", dloss, &TensorType::f32(&[]))?;
        Ok(logits.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let smoothing = attributes.float("smoothing");
        let share = operands[2].data[0] / operands[0].dims[0] as f64;
        let row = |(logits, label): (&[f64], Label)| {
            let shift = cross_entropy::log_sum_exp(logits);
            let classes = logits.len();
            let softmax = logits.iter().map(move |x| (x - shift).exp());
            let gradient = softmax.enumerate();
            gradient.map(|(k, p)| share * (p - label.target(k, classes, smoothing))).collect::<Vec<f64>>()
        };
        Tensor { dims: result.dims.clone(), data: cross_entropy::rows(operands).flat_map(row).collect() }
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("the second derivative of the loss has no rule".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut samples = cross_entropy::classification(seed);
        samples.iter_mut().for_each(|(types, _)| types.push(TensorType::f32(&[])));
        samples
    }
}
