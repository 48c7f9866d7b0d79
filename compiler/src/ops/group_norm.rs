//! `group_norm`: normalises groups of channels of each sample.

use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, standardize};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct GroupNorm;

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
    }

    fn doc(&self) -> &'static str {
        "Normalises groups of neighbouring channels of each sample, over height and width where there are any, by their mean and \
         (biased) variance (Wu & He 2018): `y = gamma (x - mean) / sqrt(var + eps) + beta`, with a `gamma` and a `beta` for each \
         channel. One group is the layer norm of a whole image, a group for each channel the instance norm.\n\n\
         Operands: `x` (f32[N,C] or f32[N,C,H,W]), `gamma`, `beta` (f32[C] each). Decomposes to `standardize`, `mul` and `add`.\n\n\
         Attributes: `groups` (whole number that divides the channels), `eps` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["eps", "groups"])?;
        let (eps, groups) = (attributes.number("eps")?, attributes.count("groups", 1)?);
        standardize::check_eps(self, eps)?;
        let [x, gamma, beta] = check::operands(self, operands)?;
        check::channels(self, x)?;
        standardize::check_groups(self, x, groups)?;
        check::per_channel(self, "gamma", gamma, x)?;
        check::per_channel(self, "beta", beta, x)?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        standardize::eval_scaled(operands, &part(attributes, result.rank()), result)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let part = part(&graph[node].attributes, graph[node].ty.rank());
        Ok(standardize::scaled_grad(graph, node, dy, part))
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let part = part(&graph[node].attributes, graph[node].ty.rank());
            standardize::scaled(graph, node, part)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize, groups: usize| {
            let mut dims: Vec<usize> = (0..rank).map(|_| random.range(1, 3)).collect();
            dims[1] = groups * random.range(2, 4);
            let attributes = samples::number("eps", 1e-3).with("groups", Attribute::Int(groups as i64));
            samples::case(&[&dims, &dims[1..2], &dims[1..2]], attributes)
        };
        vec![sample(2, 2), sample(4, 1), sample(4, 3)]
    }
}

/// The standardization in it.
fn part(attributes: &Attributes, rank: usize) -> Attributes {
    let axes: Vec<usize> = (1..rank).collect();
    standardize::attributes(&axes, attributes.int("groups") as usize, attributes.float("eps"))
}
