//! Makes each node a kernel of its own.
//!
//! Every value is then stored, so that whoever runs the program launch by launch can look at each of them. Nothing is
//! computed twice, nothing rides along: slow, and the same up to rounding.

use crate::graph::Graph;
use crate::ops::Lowering;

/// Gives each node of a decomposed graph that is no leaf a kernel.
pub fn separate(graph: &mut Graph) {
    let computed = graph.topological().into_iter();
    let computed: Vec<_> = computed.filter(|&id| !matches!(graph[id].op.lowering(), Lowering::Leaf)).collect();
    for (number, id) in computed.into_iter().enumerate() {
        graph[id].kernel = Some(number as u32);
    }
}
