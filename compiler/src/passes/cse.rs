//! Common subexpressions: nodes of one op, operands and attributes become one. The oldest stays, with its place.

use crate::graph::Graph;
use std::collections::HashMap;

/// Merges equal nodes. Leaves are equal when their names are, so a leaf is never merged with another one's twin.
pub fn cse(graph: &mut Graph) {
    let mut known = HashMap::new();
    for id in graph.topological() {
        let node = &graph[id];
        // An attribute's printed form reads back to the same value, so it stands for the value.
        let key = (node.op.name(), node.operands.clone(), node.attributes.to_string());
        match known.get(&key) {
            Some(&first) => {
                graph.replace(id, first);
                graph.remove(id);
            }
            None => {
                known.insert(key, id);
            }
        }
    }
}
