//! Replaces composite ops (batch norm, its statistics, global pooling) by reductions, broadcasts and elementwise nodes.

use crate::graph::Graph;
use crate::ops::Lowering;

/// Runs each op's own decomposition until none is left.
pub fn decompose(graph: &mut Graph) {
    decompose_if(graph, |_| true);
}

/// The same for the ops of certain names.
pub fn decompose_if(graph: &mut Graph, is_meant: impl Fn(&str) -> bool) {
    loop {
        let mut changed = false;
        for id in graph.topological() {
            if let (Lowering::Decompose(rule), true) = (graph[id].op.lowering(), is_meant(graph[id].op.name())) {
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
