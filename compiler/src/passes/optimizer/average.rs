//! What is kept of the weights on their way: an exponential moving average, or slow weights.

use super::{input, memory};
use crate::graph::{Graph, NodeId, OutputKind};
use crate::ops::emit::Emitter;
use crate::ops::leaf;
use rnet_runtime::optimizer::{AVERAGE_SHARE, Average, SLOW_DUE, SLOW_KEEP};

/// Adds the average's updates, for trained parameters and running statistics alike.
pub(super) fn average(graph: &mut Graph, average: Average) {
    if average == Average::None {
        return;
    }
    let leaves: Vec<(String, NodeId)> = graph
        .ids()
        .into_iter()
        .filter(|&id| matches!(graph[id].op.name(), "parameter" | "statistic"))
        .filter_map(|id| Some((leaf::key(&graph[id])?, id)))
        .collect();
    for at in 0..graph.outputs.len() {
        let output = graph.outputs[at].clone();
        let Some((_, leaf)) = leaves.iter().find(|(key, _)| output.kind == OutputKind::Update && *key == output.name)
        else {
            continue;
        };
        let new = output.value;
        match average {
            Average::None => {}
            Average::Ema { .. } => {
                let (mean, share) = (memory(graph, *leaf, "average", true), input(graph, AVERAGE_SHARE));
                let moved = towards(graph, *leaf, mean, new, share);
                remember(graph, mean, moved);
            }
            Average::Lookahead { .. } => {
                let (slow, keep) = (memory(graph, *leaf, "slow", true), input(graph, SLOW_KEEP));
                let due = input(graph, SLOW_DUE);
                let moved = towards(graph, *leaf, new, slow, keep);
                let mut emit = Emitter::new(graph, *leaf);
                let moved = emit.select(due, moved, slow);
                let stepped = emit.select(due, moved, new);
                remember(graph, slow, moved);
                graph.outputs[at].value = stepped;
            }
        }
    }
}

/// `from + share (to - from)`
fn towards(graph: &mut Graph, of: NodeId, from: NodeId, to: NodeId, share: NodeId) -> NodeId {
    let mut emit = Emitter::new(graph, of);
    let dims = emit.dims(of);
    let share = emit.broadcast(share, &[], &dims);
    let way = emit.sub(to, from);
    let part = emit.mul(share, way);
    emit.add(from, part)
}

fn remember(graph: &mut Graph, memory: NodeId, new: NodeId) {
    let key = leaf::key(&graph[memory]).expect("a memory is a leaf");
    graph.output(OutputKind::Update, &key, new);
}
