//! From a graph to a program: the passes, the plan, the loop nests, CLIF, each stage open to inspection.

use crate::graph::Graph;
use crate::lower::loops::Nest;
use crate::lower::nest::Algorithm;
use crate::lower::{clif, plan};
use crate::passes;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;
use rnet_runtime::program::{Kernel, Launch, Program};
use std::fmt::Write;

/// The stages behind the passes, in order, each with one line of explanation. `rnet dump --list` prints them after the passes.
pub const LOWERING_STAGES: &[(&str, &str)] = &[
    ("plan", "launches in waves, and where every value lies in memory"),
    ("loops", "one loop nest for each distinct kernel"),
    ("clif", "the Cranelift IR of each distinct kernel"),
    ("asm", "the machine code of each distinct kernel"),
];

/// Is told of every stage: its name, and a way to print it that costs nothing unless it is called.
pub type Observer<'o> = dyn FnMut(&str, &dyn Fn() -> String) + 'o;

/// Optimises and lowers a computation for the host.
///
/// # Panics
/// With the name of the pass, when a pass leaves a graph that does not verify: a mistake of the compiler.
pub fn program(graph: Graph, isa: &dyn TargetIsa, observe: &mut Observer) -> Program {
    program_with(graph, Algorithm::default(), isa, observe)
}

/// [`program`] with convolutions computed as `algorithm` says.
///
/// # Panics
/// As [`program`].
pub fn program_with(mut graph: Graph, algorithm: Algorithm, isa: &dyn TargetIsa, observe: &mut Observer) -> Program {
    passes::run(&mut graph, observe);
    lower(&graph, algorithm, isa, observe)
}

/// The same computation with every value stored by a launch of its own, which carries the op's name and place: for looking
/// at values.
///
/// # Panics
/// As [`program`].
pub fn separate_program(mut graph: Graph, algorithm: Algorithm, isa: &dyn TargetIsa) -> Program {
    passes::run_separate(&mut graph);
    lower(&graph, algorithm, isa, &mut |_, _| ())
}

fn lower(graph: &Graph, algorithm: Algorithm, isa: &dyn TargetIsa, observe: &mut Observer) -> Program {
    let plan = plan::plan(graph, algorithm);
    observe("plan", &|| plan.to_string());

    let mut nests: Vec<&Nest> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut launches = Vec::with_capacity(plan.launches.len());
    for launch in &plan.launches {
        let kernel = nests.iter().position(|nest| **nest == launch.nest).unwrap_or_else(|| {
            nests.push(&launch.nest);
            names.push(format!("k{} {}", nests.len() - 1, launch.label));
            nests.len() - 1
        });
        launches.push(Launch {
            label: launch.label.clone(),
            source: launch.source.clone(),
            kernel,
            buffers: launch.buffers.clone(),
            tasks: launch.nest.grid.iter().product(),
            wave: launch.wave,
            flops: launch.flops,
            bytes: launch.bytes,
        });
    }
    observe("loops", &|| each(&names, |at| nests[at].to_string()));
    let functions: Vec<Function> = nests.iter().zip(&names).map(|(nest, name)| clif::emit(nest, name, isa)).collect();
    observe("clif", &|| each(&names, |at| functions[at].display().to_string()));
    observe("asm", &|| each(&names, |at| assembly(&functions[at], isa)));
    let kernels = nests.iter().zip(names.iter().zip(functions));
    let kernels = kernels
        .map(|(nest, (name, function))| Kernel {
            name: name.clone(),
            function,
            gemms: nest.gemms.clone(),
            scratch: nest.scratch,
        })
        .collect();
    Program { kernels, launches, buffers: plan.buffers, states: plan.states, arena: plan.arena }
}

fn each(names: &[String], text: impl Fn(usize) -> String) -> String {
    names.iter().enumerate().fold(String::new(), |mut all, (at, name)| {
        writeln!(all, "// {name}\n{}", text(at)).expect("writing to a string succeeds");
        all
    })
}

/// The machine code of a function, as the code generator's own listing.
fn assembly(function: &Function, isa: &dyn TargetIsa) -> String {
    let mut context = Context::for_function(function.clone());
    context.set_disasm(true);
    match context.compile(isa, &mut ControlPlane::default()) {
        Ok(code) => code.vcode.clone().unwrap_or_default(),
        Err(error) => panic!("clif: {error:?}"),
    }
}
