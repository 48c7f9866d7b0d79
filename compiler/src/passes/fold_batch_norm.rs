//! Folds batch norm by running statistics into the weights of the convolution in front of it.
//!
//! `gamma (conv(x, w) - mean) / sqrt(var + eps) + beta` is `conv(x, w scale) + bias` with `scale = gamma / sqrt(var + eps)`
//! for each filter and `bias = beta - mean scale` (Jacob et al. 2018, section 3.2).
//!
//! Weights are state of the running program, so they are scaled at each run: a pass over the weights, in exchange for a
//! multiplication of each result. The epilogue keeps its addition. Where the weights outnumber the results (late layers
//! on few images) normalising behind the convolution is the cheaper of the two, and the graph stays as it is. A bias that the
//! convolution has already is scaled too: `gamma (conv(x, w) + b - mean) / ..` adds `b scale`.

use crate::graph::{Graph, NodeId};
use crate::ops::batch_norm::scale_and_bias;
use crate::ops::emit::Emitter;

/// Rewrites every `batch_norm` whose mean and variance are statistics and whose operand is a `conv2d`, with or without a bias,
/// that nothing else reads and whose weights are no more than its results.
pub fn fold_batch_norm(graph: &mut Graph) {
    fold(graph, |graph, conv| graph[graph[conv].operands[1]].ty.len() <= graph[conv].ty.len());
}

/// The same however many weights there are, for those who scale them once and for all.
pub fn fold_every_batch_norm(graph: &mut Graph) {
    fold(graph, |_, _| true);
}

fn fold(graph: &mut Graph, pays: impl Fn(&Graph, NodeId) -> bool) {
    for id in graph.topological() {
        let Some((conv, bias)) = foldable(graph, id).filter(|&(conv, _)| pays(graph, conv)) else { continue };
        let [y, statistics @ ..] = <[NodeId; 5]>::try_from(graph[id].operands.clone()).expect("batch norm has five");
        let [x, weight] = [0, 1].map(|at| graph[conv].operands[at]);
        let (eps, op) = (graph[id].attributes.float("eps"), graph[conv].op);
        let geometry = graph[conv].attributes.clone();

        let mut emit = Emitter::new(graph, id);
        let (scale, mut summand) = scale_and_bias(&mut emit, statistics, eps);
        if let Some(bias) = bias {
            let scaled = emit.mul(bias, scale);
            summand = emit.add(scaled, summand);
        }
        let dims = emit.dims(weight);
        let scale = emit.broadcast(scale, &[0], &dims);
        let weight = emit.mul(weight, scale);
        let summand = emit.channel_broadcast(summand, id);
        let place = graph[conv].place.clone();
        let folded = graph.add(op, &[x, weight], geometry, place);
        let new = Emitter::new(graph, id).add(folded, summand);
        graph.replace(id, new);
        graph.remove(id);
        if y != conv {
            graph.remove(y);
        }
        graph.remove(conv);
    }
}

/// The convolution in front of a batch norm that can be folded, and its bias `f32[O]`.
fn foldable(graph: &Graph, id: NodeId) -> Option<(NodeId, Option<NodeId>)> {
    let node = &graph[id];
    if node.op.name() != "batch_norm" || ![1, 2].iter().all(|&at| graph[node.operands[at]].op.name() == "statistic") {
        return None;
    }
    let y = node.operands[0];
    let (conv, bias) = match biased(graph, y) {
        Some((conv, bias)) => (conv, Some(bias)),
        None => (y, None),
    };
    let alone = is_read_by(graph, y, id) && (conv == y || is_read_by(graph, conv, y));
    (graph[conv].op.name() == "conv2d" && alone).then_some((conv, bias))
}

/// Whether a value goes to one node alone, once, and is no result of the graph.
pub fn is_read_by(graph: &Graph, value: NodeId, reader: NodeId) -> bool {
    let uses = graph[reader].operands.iter().filter(|&&operand| operand == value).count();
    uses == 1 && graph.users(value) == [reader] && graph.outputs.iter().all(|output| output.value != value)
}

/// The two parts of a value plus a number for each channel: the value, and the numbers `f32[C]`.
pub fn biased(graph: &Graph, sum: NodeId) -> Option<(NodeId, NodeId)> {
    let node = &graph[sum];
    if node.op.name() != "add" {
        return None;
    }
    let [a, b] = [node.operands[0], node.operands[1]];
    let bias = |id: NodeId| {
        let node = &graph[id];
        (node.op.name() == "broadcast" && node.attributes.ints("axes") == [1]).then(|| node.operands[0])
    };
    bias(b).map(|bias| (a, bias)).or_else(|| bias(a).map(|bias| (b, bias)))
}
