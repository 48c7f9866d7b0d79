//! `standardize`: mean 0 and variance 1 within each part of each sample.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, standardize_grad};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct Standardize;

impl Op for Standardize {
    fn name(&self) -> &'static str {
        "standardize"
    }

    fn doc(&self) -> &'static str {
        "Mean 0 and variance 1 within each part of each sample: `y = (x - mean) / sqrt(var + eps)`, with the mean and the (biased) \
         variance of the part.\n\n\
         The channels are divided into `groups`. With `axes=[1]` a part is a group of channels, of f32[N,C] or of each pixel of \
         f32[N,C,H,W]; with `axes=[1,2,3]` it is a group of channels over all pixels.\n\n\
         Attributes: `axes` (`[1]` or `[1,2,3]`), `groups` (whole number that divides the channels), `eps` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let [x] = check::operands(self, operands)?;
        infer(self, x, attributes)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let (x, part) = (operands[0], Part::of(attributes, &operands[0].dims));
        let (mean, deviation) = moments(x, attributes);
        Tensor::from_fn(&x.dims, |at| (x.at(at) - mean[part.number(at)]) / deviation[part.number(at)])
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let attributes = graph[node].attributes.clone();
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&standardize_grad::StandardizeGrad, &[x, dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        shapes(seed).into_iter().map(|(dims, attributes)| samples::case(&[&dims], attributes)).collect()
    }
}

/// The operand's type, if the attributes fit it.
pub(super) fn infer(op: &dyn Op, x: &TensorType, attributes: &Attributes) -> Result<TensorType, OpError> {
    let attributes = check::attributes(op, attributes, &["axes", "eps", "groups"])?;
    check::channels(op, x)?;
    let axes = attributes.axes("axes", x.rank())?;
    if axes != [1] && axes != [1, 2, 3] {
        return Err(OpError::new(format!("`{}` over the axes {axes:?} of {x}", op.name()))
            .hint("the axes are [1], or [1,2,3] of f32[N,C,H,W]"));
    }
    check_groups(op, x, attributes.count("groups", 1)?)?;
    check_eps(op, attributes.number("eps")?)?;
    Ok(x.clone())
}

/// Whether so many groups divide the channels.
pub(super) fn check_groups(op: &dyn Op, x: &TensorType, groups: usize) -> Result<(), OpError> {
    if x.dims[1].is_multiple_of(groups) {
        return Ok(());
    }
    Err(OpError::new(format!("`{}` in {groups} groups does not divide the {} channels of {x}", op.name(), x.dims[1])))
}

/// Whether `eps` keeps the root real.
pub(super) fn check_eps(op: &dyn Op, eps: f64) -> Result<(), OpError> {
    if eps >= 0.0 {
        return Ok(());
    }
    Err(OpError::new(format!("`{}` needs an `eps` of at least 0, here is {eps}", op.name())))
}

/// The attributes of a standardization.
pub(super) fn attributes(axes: &[usize], groups: usize, eps: f64) -> Attributes {
    Attributes::new()
        .with("axes", Attribute::extents(axes))
        .with("groups", Attribute::Int(groups as i64))
        .with("eps", Attribute::Float(eps))
}

/// Which elements are standardized together.
pub(super) struct Part {
    channels: usize,
    groups: usize,
    /// Pixels of an image that have parts of their own: its extents, or one.
    plane: [usize; 2],
}

impl Part {
    pub(super) fn of(attributes: &Attributes, dims: &[usize]) -> Self {
        let groups = attributes.int("groups") as usize;
        let apart = attributes.ints("axes").len() == 1 && dims.len() == 4;
        let plane = if apart { [dims[2], dims[3]] } else { [1, 1] };
        Part { channels: dims[1] / groups, groups, plane }
    }

    /// The number of the part of the element at an index.
    pub(super) fn number(&self, at: &[usize]) -> usize {
        let pixel = |axis: usize| if self.plane == [1, 1] { 0 } else { at[2 + axis] };
        let group = at[0] * self.groups + at[1] / self.channels;
        (group * self.plane[0] + pixel(0)) * self.plane[1] + pixel(1)
    }

    /// The sum of `value` over each part.
    pub(super) fn sums(&self, dims: &[usize], value: impl Fn(&[usize]) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; dims[0] * self.groups * self.plane[0] * self.plane[1]];
        each_index(dims, |at| sums[self.number(at)] += value(at));
        sums
    }
}

/// The mean of each part, and the root of its variance plus `eps`.
pub(super) fn moments(x: &Tensor, attributes: &Attributes) -> (Vec<f64>, Vec<f64>) {
    let part = Part::of(attributes, &x.dims);
    let sums = part.sums(&x.dims, |at| x.at(at));
    let count = (x.data.len() / sums.len()) as f64;
    let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    let squares = part.sums(&x.dims, |at| (x.at(at) - mean[part.number(at)]).powi(2));
    let eps = attributes.float("eps");
    (mean, squares.iter().map(|square| (square / count + eps).sqrt()).collect())
}

/// `gamma standardize(x) + beta`, for a node whose operands are `x`, `gamma` and `beta`: what norms of a sample decompose to.
pub(super) fn scaled(graph: &mut Graph, node: NodeId, attributes: Attributes) -> NodeId {
    let [x, gamma, beta] = [0, 1, 2].map(|at| graph[node].operands[at]);
    let mut emit = Emitter::new(graph, node);
    let xhat = emit.emit(&Standardize, &[x], attributes);
    let gamma = emit.channel_broadcast(gamma, x);
    let beta = emit.channel_broadcast(beta, x);
    let product = emit.mul(xhat, gamma);
    emit.add(product, beta)
}

/// The gradients of [`scaled`]: `dgamma = sum dy xhat`, `dbeta = sum dy`, `dx` that of the standardization on `dy gamma`.
pub(super) fn scaled_grad(graph: &mut Graph, node: NodeId, dy: NodeId, attributes: Attributes) -> Vec<Option<NodeId>> {
    let [x, gamma] = [0, 1].map(|at| graph[node].operands[at]);
    let mut emit = Emitter::new(graph, node);
    let xhat = emit.emit(&Standardize, &[x], attributes.clone());
    let product = emit.mul(dy, xhat);
    let dgamma = emit.channel_sum(product);
    let dbeta = emit.channel_sum(dy);
    let gamma = emit.channel_broadcast(gamma, x);
    let dxhat = emit.mul(dy, gamma);
    let dx = emit.emit(&standardize_grad::StandardizeGrad, &[x, dxhat], attributes);
    vec![Some(dx), Some(dgamma), Some(dbeta)]
}

/// The reference of [`scaled`].
pub(super) fn eval_scaled(operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
    let xhat = Standardize.eval(&operands[..1], attributes, result);
    Tensor::from_fn(&result.dims, |at| operands[1].data[at[1]] * xhat.at(at) + operands[2].data[at[1]])
}

/// Extents and attributes to test the standardization and its gradient on.
pub(super) fn shapes(seed: u64) -> Vec<(Vec<usize>, Attributes)> {
    let mut random = samples::Random::new(seed);
    let mut shape = |rank: usize, axes: &[usize], groups: usize| {
        let mut dims: Vec<usize> = (0..rank).map(|_| random.range(1, 3)).collect();
        dims[1] = groups * random.range(2, 5);
        (dims, attributes(axes, groups, 1e-3))
    };
    vec![
        shape(2, &[1], 1),
        shape(2, &[1], 2),
        shape(4, &[1], 1),
        shape(4, &[1], 2),
        shape(4, &[1, 2, 3], 1),
        shape(4, &[1, 2, 3], 3),
    ]
}
