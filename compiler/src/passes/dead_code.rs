//! Dead code: what no output needs goes.

use crate::graph::Graph;
use std::collections::BTreeSet;

/// Removes every node that no output depends on; inputs stay, since the caller fills them.
pub fn dead_code(graph: &mut Graph) {
    let mut live = BTreeSet::new();
    let mut stack: Vec<_> = graph.outputs.iter().map(|output| output.value).collect();
    stack.extend(graph.ids().into_iter().filter(|&id| graph[id].op.name() == "input"));
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
