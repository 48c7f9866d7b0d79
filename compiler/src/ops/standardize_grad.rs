//! `standardize_grad`: the gradient of `standardize`.

use super::standardize::{self, Part};
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct StandardizeGrad;

impl Op for StandardizeGrad {
    fn name(&self) -> &'static str {
        "standardize_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `standardize`: with `r = 1 / sqrt(var + eps)` and `xhat = (x - mean) r`, \
         `dx = r (dy - mean of dy - xhat times the mean of dy xhat)`, the means being those of the part.\n\n\
         Operands: `x` and `dy`, of one shape; the moments are computed again from `x`.\n\n\
         Attributes: those of `standardize`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        standardize::infer(self, &check::same::<2>(self, operands)?, attributes)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let [x, dy] = [operands[0], operands[1]];
        let part = Part::of(attributes, &x.dims);
        let (mean, deviation) = standardize::moments(x, attributes);
        let xhat = |at: &[usize]| (x.at(at) - mean[part.number(at)]) / deviation[part.number(at)];
        let plain = part.sums(&x.dims, |at| dy.at(at));
        let along = part.sums(&x.dims, |at| dy.at(at) * xhat(at));
        let count = (x.data.len() / plain.len()) as f64;
        Tensor::from_fn(&x.dims, |at| {
            let number = part.number(at);
            (dy.at(at) - plain[number] / count - xhat(at) * along[number] / count) / deviation[number]
        })
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("the second derivative of the standardization has no rule".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        standardize::shapes(seed)
            .into_iter()
            .map(|(dims, attributes)| samples::case(&[&dims, &dims], attributes))
            .collect()
    }
}
