//! `batch_mean`: the mean of each channel.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct BatchMean;

impl Op for BatchMean {
    fn name(&self) -> &'static str {
        "batch_mean"
    }

    fn doc(&self) -> &'static str {
        "The mean of each channel over the batch, and over height and width where there are any: `y[c] = mean of x[:,c,..]`.\n\n\
         Operands: `x` (f32[N,C] or f32[N,C,H,W]) and `shift` (f32[C]), a guess of the mean. The shift has no effect but on \
         rounding, so it has no gradient: the op decomposes to `shift + sum(x - shift) / n`, whose sum `batch_var` shares."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x, shift] = check::operands(self, operands)?;
        check::channels(self, x)?;
        check::per_channel(self, "shift", shift, x)?;
        Ok(shift.clone())
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let mut y = Tensor::full(&result.dims, 0.0);
        each_index(&x.dims, |index| y.data[index[1]] += x.at(index));
        let count = (x.data.len() / y.data.len()) as f64;
        y.map(|sum| sum / count)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let share = 1.0 / count(graph, node);
        let mut emit = Emitter::new(graph, node);
        let dy = emit.scale(dy, share);
        Ok(vec![Some(emit.channel_broadcast(dy, x)), None])
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
    let shift = graph[node].operands[1];
    let deviation = mean_deviation(graph, node);
    Emitter::new(graph, node).add(deviation, shift)
}

/// How many elements each channel of the operand has.
pub(super) fn count(graph: &Graph, node: NodeId) -> f64 {
    (graph[graph[node].operands[0]].ty.len() / graph[node].ty.len()) as f64
}

/// The mean of `x - shift`.
pub(super) fn mean_deviation(graph: &mut Graph, node: NodeId) -> NodeId {
    let [x, shift] = [graph[node].operands[0], graph[node].operands[1]];
    let share = 1.0 / count(graph, node);
    let mut emit = Emitter::new(graph, node);
    let shift = emit.channel_broadcast(shift, x);
    let deviation = emit.sub(x, shift);
    let sum = emit.channel_sum(deviation);
    emit.scale(sum, share)
}
