//! Folds batch norm by running statistics into the weights of the convolution in front of it.
//!
//! `gamma (conv(x, w) - mean) / sqrt(var + eps) + beta` is `conv(x, w scale) + bias` with `scale = gamma / sqrt(var + eps)`
//! for each filter and `bias = beta - mean scale` (Jacob et al. 2018, section 3.2).
//!
//! Weights are state of the running program, so they are scaled at each run: a pass over the weights, in exchange for a
//! multiplication of each result. The epilogue keeps its addition. Where the weights outnumber the results (late layers
//! on few images) normalising behind the convolution is the cheaper of the two, and the graph stays as it is.

use crate::graph::{Graph, NodeId};
use crate::ops::batch_norm::scale_and_bias;
use crate::ops::emit::Emitter;

/// Rewrites every `batch_norm` whose mean and variance are statistics and whose operand is a `conv2d` that nothing else
/// reads and whose weights are no more than its results.
pub fn fold_batch_norm(graph: &mut Graph) {
    for id in graph.topological() {
        let Some(conv) = foldable(graph, id) else { continue };
        let statistics = [1, 2, 3, 4].map(|at| graph[id].operands[at]);
        let [x, weight] = [0, 1].map(|at| graph[conv].operands[at]);
        let (eps, op) = (graph[id].attributes.float("eps"), graph[conv].op);
        let geometry = graph[conv].attributes.clone();

        let mut emit = Emitter::new(graph, id);
        let (scale, bias) = scale_and_bias(&mut emit, statistics, eps);
        let dims = emit.dims(weight);
        let scale = emit.broadcast(scale, &[0], &dims);
        let weight = emit.mul(weight, scale);
        let bias = emit.channel_broadcast(bias, id);
        let place = graph[conv].place.clone();
        let folded = graph.add(op, &[x, weight], geometry, place);
        let new = Emitter::new(graph, id).add(folded, bias);
        graph.replace(id, new);
        graph.remove(id);
        graph.remove(conv);
    }
}

/// The convolution in front of a batch norm that is to be folded.
fn foldable(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = &graph[id];
    if node.op.name() != "batch_norm" {
        return None;
    }
    let conv = node.operands[0];
    let by_statistics = [1, 2].iter().all(|&at| graph[node.operands[at]].op.name() == "statistic");
    let alone = graph.users(conv) == [id] && graph.outputs.iter().all(|output| output.value != conv);
    let is_conv = graph[conv].op.name() == "conv2d";
    (is_conv && by_statistics && alone && graph[graph[conv].operands[1]].ty.len() <= graph[conv].ty.len())
        .then_some(conv)
}
