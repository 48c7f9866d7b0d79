//! The passes: one file each. [`PIPELINE`] lists those that every graph goes through; differentiation and the optimizer come before,
//! for graphs that train.

pub mod cse;
pub mod dead_code;
pub mod decompose;
pub mod differentiate;
pub mod fold_batch_norm;
pub mod fuse;
pub mod measure_layers;
pub mod optimizer;
pub mod separate;
pub mod simplify;

use crate::graph::{Graph, verify};
use std::ops::ControlFlow;

/// One transformation of a graph that keeps its meaning.
pub struct Pass {
    /// As `rnet dump --after` knows it.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// The transformation.
    pub run: fn(&mut Graph),
}

/// What every graph goes through, in order.
pub const PIPELINE: &[Pass] = &[
    Pass { name: "simplify", doc: "algebra that is exact to the bit", run: simplify::simplify },
    Pass {
        name: "fold_batch_norm",
        doc: "batch norm by running statistics goes into the convolution's weights",
        run: fold_batch_norm::fold_batch_norm,
    },
    Pass {
        name: "decompose",
        doc: "composite ops become reductions, broadcasts and elementwise nodes",
        run: decompose::decompose,
    },
    Pass { name: "cse", doc: "equal nodes become one", run: cse::cse },
    Pass { name: "dead_code", doc: "what no output needs goes", run: dead_code::dead_code },
    Pass { name: "fuse", doc: "nodes are grouped into kernels", run: fuse::fuse },
];

/// What takes the place of `fuse` where every value is to be seen.
pub const SEPARATE: Pass =
    Pass { name: "separate", doc: "each node becomes a kernel of its own", run: separate::separate };

/// Is told of every stage: its name, and a way to print it. May stop there, with a text.
pub type Visitor<'v> = dyn FnMut(&str, &dyn Fn() -> String) -> ControlFlow<String> + 'v;

/// Runs the pipeline; `visit` is told of the graph after each pass.
///
/// # Panics
/// Names the pass after which the graph does not verify, and prints the graph.
pub fn run(graph: &mut Graph, visit: &mut Visitor) -> ControlFlow<String> {
    check(graph, "the graph before all passes");
    for pass in PIPELINE {
        step(pass, graph);
        visit(pass.name, &|| graph.to_string())?;
    }
    ControlFlow::Continue(())
}

/// The same with every value in a kernel of its own.
///
/// # Panics
/// As [`run`].
pub fn run_separate(graph: &mut Graph) {
    check(graph, "the graph before all passes");
    PIPELINE.iter().filter(|pass| pass.name != "fuse").chain([&SEPARATE]).for_each(|pass| step(pass, graph));
}

fn step(pass: &Pass, graph: &mut Graph) {
    (pass.run)(graph);
    check(graph, pass.name);
}

fn check(graph: &Graph, name: &str) {
    if let Err(error) = verify(graph) {
        panic!("{name}: {error}\n{graph}");
    }
}
