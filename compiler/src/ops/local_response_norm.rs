//! `local_response_norm`: divides by the size of neighbouring channels.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, channel_window_sum, check, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct LocalResponseNorm;

impl Op for LocalResponseNorm {
    fn name(&self) -> &'static str {
        "local_response_norm"
    }

    fn doc(&self) -> &'static str {
        "Divides by the size of neighbouring channels (Krizhevsky et al. 2012, with PyTorch's window and its mean): `y = x b^-beta`, where \
         `b[n,c,..] = k + alpha / size times the sum of x[n,j,..]^2 over the channels j from c - floor(size / 2) to \
         c + floor((size - 1) / 2)` that there are; of f32[N,C] or f32[N,C,H,W].\n\n\
         Gradient: `dx = b^-beta dy - 2 alpha beta / size x s`, where s sums `dy x b^(-beta - 1)` over the channels whose windows hold \
         this one. Decomposes to `square`, `channel_window_sum`, `scale`, `offset`, `power` and `mul`.\n\n\
         Attributes: `size` (whole number), `alpha`, `beta`, `k` (numbers of at least 0)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["alpha", "beta", "k", "size"])?;
        attributes.count("size", 1)?;
        for name in ["alpha", "beta", "k"] {
            let value = attributes.number(name)?;
            if value < 0.0 {
                return Err(OpError::new(format!(
                    "`local_response_norm` needs a `{name}` of at least 0, here is {value}"
                )));
            }
        }
        let [x] = check::operands(self, operands)?;
        check::channels(self, x)?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let Norm { before, after, share, beta, k } = Norm::of(attributes);
        Tensor::from_fn(&result.dims, |at| {
            let window = at[1].saturating_sub(before)..(at[1] + after + 1).min(result.dims[1]);
            let mut from = at.to_vec();
            let square = |channel: usize| {
                from[1] = channel;
                x.at(&from).powi(2)
            };
            x.at(at) * (k + share * window.map(square).sum::<f64>()).powf(-beta)
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let norm = Norm::of(&graph[node].attributes);
        let mut emit = Emitter::new(graph, node);
        let base = norm.base(&mut emit, x);
        let factor = emit.power(base, -norm.beta);
        let direct = emit.mul(dy, factor);
        let slope = emit.power(base, -norm.beta - 1.0);
        let product = emit.mul(dy, x);
        let product = emit.mul(product, slope);
        let sum = channel_window_sum::emit(&mut emit, product, norm.after, norm.before);
        let sum = emit.scale(sum, 2.0 * norm.share * norm.beta);
        let through = emit.mul(x, sum);
        Ok(vec![Some(emit.sub(direct, through))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let norm = Norm::of(&graph[node].attributes);
            let mut emit = Emitter::new(graph, node);
            let base = norm.base(&mut emit, x);
            let factor = emit.power(base, -norm.beta);
            emit.mul(x, factor)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|axis| random.range(1, if axis == 1 { 7 } else { 3 })).collect();
            let attributes = samples::number("alpha", random.unit())
                .with("beta", Attribute::Float(0.25 + random.unit()))
                .with("k", Attribute::Float(1.0 + random.unit()))
                .with("size", Attribute::Int(random.range(1, 6) as i64));
            samples::case(&[&dims], attributes)
        };
        vec![sample(2), sample(4)]
    }
}

/// The checked attributes.
struct Norm {
    before: usize,
    after: usize,
    /// alpha / size
    share: f64,
    beta: f64,
    k: f64,
}

impl Norm {
    fn of(attributes: &Attributes) -> Self {
        let size = attributes.int("size") as usize;
        let [alpha, beta, k] = ["alpha", "beta", "k"].map(|name| attributes.float(name));
        Norm { before: size / 2, after: (size - 1) / 2, share: alpha / size as f64, beta, k }
    }

    /// b
    fn base(&self, emit: &mut Emitter, x: NodeId) -> NodeId {
        let square = emit.square(x);
        let sum = channel_window_sum::emit(emit, square, self.before, self.after);
        let sum = emit.scale(sum, self.share);
        emit.offset(sum, self.k)
    }
}
