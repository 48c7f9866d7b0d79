//! `layer_norm`: normalises the channels of each place.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, standardize};

/// See [`Op::doc`].
pub struct LayerNorm;

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn doc(&self) -> &'static str {
        "Normalises the channels of each sample of f32[N,C], or of each pixel of f32[N,C,H,W], by their mean and (biased) variance (Ba, \
         Kiros & Hinton 2016): `y = gamma (x - mean) / sqrt(var + eps) + beta`, with a `gamma` and a `beta` for each channel. The \
         layer norm of a whole image is `group_norm` with one group.\n\n\
         Operands: `x`, `gamma`, `beta` (f32[C] each). Decomposes to `standardize`, `mul` and `add`.\n\n\
         Attributes: `eps` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let eps = check::attributes(self, attributes, &["eps"])?.number("eps")?;
        standardize::check_eps(self, eps)?;
        let [x, gamma, beta] = check::operands(self, operands)?;
        check::channels(self, x)?;
        check::per_channel(self, "gamma", gamma, x)?;
        check::per_channel(self, "beta", beta, x)?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        standardize::eval_scaled(operands, &part(attributes), result)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let part = part(&graph[node].attributes);
        Ok(standardize::scaled_grad(graph, node, dy, part))
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let part = part(&graph[node].attributes);
            standardize::scaled(graph, node, part)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let mut dims: Vec<usize> = (0..rank).map(|_| random.range(1, 3)).collect();
            dims[1] = random.range(2, 6);
            samples::case(&[&dims, &dims[1..2], &dims[1..2]], samples::number("eps", 1e-3))
        };
        vec![sample(2), sample(4)]
    }
}

/// The standardization in it.
fn part(attributes: &Attributes) -> Attributes {
    standardize::attributes(&[1], 1, attributes.float("eps"))
}
