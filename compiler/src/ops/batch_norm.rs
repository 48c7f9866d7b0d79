//! `batch_norm`: normalises each channel by a given mean and variance.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct BatchNorm;

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn doc(&self) -> &'static str {
        "Normalises each channel by a given mean and variance (Ioffe & Szegedy 2015): \
         `y = gamma (x - mean) / sqrt(var + eps) + beta`.\n\n\
         Operands: `x` (f32[N,C] or f32[N,C,H,W]), `mean`, `var`, `gamma`, `beta` (f32[C] each). In training `mean` and \
         `var` are `batch_mean` and `batch_var` of `x`, through which the gradient then flows too; in inference they are \
         the running statistics.\n\n\
         Gradients, with `r = 1 / sqrt(var + eps)` and `xhat = (x - mean) r`: `dbeta = sum dy`, `dgamma = sum dy xhat`, \
         `dx = gamma r dy`, `dmean = -gamma r dbeta`, `dvar = -gamma r^2 dgamma / 2`. The two sums are all that is reduced.\n\n\
         Decomposes to `x scale + bias` with `scale = gamma r`, `bias = beta - mean scale`.\n\n\
         Attributes: `eps` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let eps = check::attributes(self, attributes, &["eps"])?.number("eps")?;
        if eps < 0.0 {
            return Err(OpError::new(format!("`batch_norm` needs an `eps` of at least 0, here is {eps}")));
        }
        let [x, mean, var, gamma, beta] = check::operands(self, operands)?;
        check::channels(self, x)?;
        for (role, ty) in [("mean", mean), ("variance", var), ("gamma", gamma), ("beta", beta)] {
            check::per_channel(self, role, ty, x)?;
        }
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let [x, mean, var, gamma, beta] = [0, 1, 2, 3, 4].map(|at| operands[at]);
        let eps = attributes.float("eps");
        Tensor::from_fn(&result.dims, |index| {
            let c = index[1];
            gamma.data[c] * (x.at(index) - mean.data[c]) / (var.data[c] + eps).sqrt() + beta.data[c]
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [x, mean, var, gamma] = [0, 1, 2, 3].map(|at| graph[node].operands[at]);
        let eps = graph[node].attributes.float("eps");
        let mut emit = Emitter::new(graph, node);
        let shifted = emit.offset(var, eps);
        let r = emit.rsqrt(shifted);
        let mean_everywhere = emit.channel_broadcast(mean, x);
        let centred = emit.sub(x, mean_everywhere);
        let r_everywhere = emit.channel_broadcast(r, x);
        let xhat = emit.mul(centred, r_everywhere);
        let product = emit.mul(dy, xhat);
        let dbeta = emit.channel_sum(dy);
        let dgamma = emit.channel_sum(product);
        let scale = emit.mul(gamma, r);
        let scale_everywhere = emit.channel_broadcast(scale, x);
        let dx = emit.mul(dy, scale_everywhere);
        let dmean = emit.mul(scale, dbeta);
        let dmean = emit.neg(dmean);
        let scale_r = emit.mul(scale, r);
        let dvar = emit.mul(scale_r, dgamma);
        let dvar = emit.scale(dvar, -0.5);
        Ok(vec![Some(dx), Some(dmean), Some(dvar), Some(dgamma), Some(dbeta)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(decompose)
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|_| random.range(1, 4)).collect();
            let channels = &dims[1..2];
            samples::case(&[&dims, channels, channels, channels, channels], samples::number("eps", 1e-3))
        };
        vec![sample(4), sample(2)]
    }
}

/// What batch norm multiplies each channel by and then adds to it: `gamma r` and `beta - mean gamma r`, `f32[C]` each.
pub fn scale_and_bias(emit: &mut Emitter, [mean, var, gamma, beta]: [NodeId; 4], eps: f64) -> (NodeId, NodeId) {
    let shifted = emit.offset(var, eps);
    let r = emit.rsqrt(shifted);
    let scale = emit.mul(gamma, r);
    let moved = emit.mul(mean, scale);
    (scale, emit.sub(beta, moved))
}

fn decompose(graph: &mut Graph, node: NodeId) -> NodeId {
    let x = graph[node].operands[0];
    let statistics = [1, 2, 3, 4].map(|at| graph[node].operands[at]);
    let eps = graph[node].attributes.float("eps");
    let mut emit = Emitter::new(graph, node);
    let (scale, bias) = scale_and_bias(&mut emit, statistics, eps);
    let scale = emit.channel_broadcast(scale, x);
    let bias = emit.channel_broadcast(bias, x);
    let product = emit.mul(x, scale);
    emit.add(product, bias)
}
