//! `batch_var`: the variance of each channel.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, batch_mean, check, samples};

/// See [`Op::doc`].
pub struct BatchVar;

impl Op for BatchVar {
    fn name(&self) -> &'static str {
        "batch_var"
    }

    fn doc(&self) -> &'static str {
        "The variance of each channel over the batch, and over height and width where there are any: \
         `y[c] = mean of (x[:,c,..] - mean)^2`, divided by the count, not by one less.\n\n\
         Operands: `x` (f32[N,C] or f32[N,C,H,W]) and `shift` (f32[C]), a guess of the mean, without effect but on rounding. \
         Gradient: `dx = 2 (x - mean) dy / n`.\n\n\
         Decomposes to `max(E[d^2] - E[d]^2, 0)` with `d = x - shift` (Chan, Golub & LeVeque 1983), which needs one reading \
         of `x`; a shift near the mean keeps the difference from cancelling, and the maximum keeps rounding from making it \
         negative."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x, shift] = check::operands(self, operands)?;
        check::channels(self, x)?;
        check::per_channel(self, "shift", shift, x)?;
        Ok(shift.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let mean = batch_mean::BatchMean.eval(operands, attributes, result);
        let mut y = Tensor::full(&result.dims, 0.0);
        each_index(&x.dims, |index| y.data[index[1]] += (x.at(index) - mean.data[index[1]]).powi(2));
        let count = (x.data.len() / y.data.len()) as f64;
        y.map(|sum| sum / count)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [x, shift] = [graph[node].operands[0], graph[node].operands[1]];
        let share = 2.0 / batch_mean::count(graph, node);
        let mut emit = Emitter::new(graph, node);
        let mean = emit.batch_mean(x, shift);
        let mean = emit.channel_broadcast(mean, x);
        let centred = emit.sub(x, mean);
        let dy = emit.scale(dy, share);
        let dy = emit.channel_broadcast(dy, x);
        Ok(vec![Some(emit.mul(centred, dy)), None])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(decompose)
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|_| random.range(1, 4)).collect();
            samples::case(&[&dims, &dims[1..2]], Attributes::new())
        };
        vec![sample(4), sample(2)]
    }
}

fn decompose(graph: &mut Graph, node: NodeId) -> NodeId {
    let [x, shift] = [graph[node].operands[0], graph[node].operands[1]];
    let share = 1.0 / batch_mean::count(graph, node);
    let first = batch_mean::mean_deviation(graph, node);
    let mut emit = Emitter::new(graph, node);
    let shift = emit.channel_broadcast(shift, x);
    let deviation = emit.sub(x, shift);
    let square = emit.square(deviation);
    let sum = emit.channel_sum(square);
    let second = emit.scale(sum, share);
    let first = emit.square(first);
    let variance = emit.sub(second, first);
    emit.relu(variance)
}
