//! Replaces composite ops (batch norm, its statistics, global pooling) by reductions, broadcasts and elementwise nodes.

use crate::graph::Graph;
use crate::ops::Lowering;

/// Runs each op's own decomposition until none is left.
pub fn decompose(graph: &mut Graph) {
    loop {
        let mut changed = false;
        for id in graph.topological() {
            if let Lowering::Decompose(rule) = graph[id].op.lowering() {
                let new = rule(graph, id);
                graph.replace(id, new);
                graph.remove(id);
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}
