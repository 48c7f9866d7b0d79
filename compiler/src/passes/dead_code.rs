//! Dead code: what no output needs goes.

use crate::graph::{Graph, NodeId};
use std::collections::BTreeSet;

/// Removes every node that no output depends on. Inputs stay, since the caller fills them, and so do parameters and statistics: a file of
/// weights holds all that a model has, even what an evaluation does not read.
pub fn dead_code(graph: &mut Graph) {
    let mut live = BTreeSet::new();
    let mut stack: Vec<_> = graph.outputs.iter().map(|output| output.value).collect();
    let stays = |&id: &NodeId| matches!(graph[id].op.name(), "input" | "parameter" | "statistic");
    stack.extend(graph.ids().into_iter().filter(stays));
    while let Some(id) = stack.pop() {
        if live.insert(id) {
            stack.extend(&graph[id].operands);
        }
    }
    for id in graph.topological().into_iter().rev() {
        if !live.contains(&id) {
            graph.remove(id);
        }
    }
}
