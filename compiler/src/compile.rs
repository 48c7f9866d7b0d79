//! From a graph to a program: the passes, the plan, the loop nests, CLIF, each stage open to inspection.

use crate::graph::Graph;
use crate::lower::loops::Nest;
use crate::lower::nest::Arithmetic;
use crate::lower::{clif, plan};
use crate::passes;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;
use rnet_runtime::program::{Kernel, Launch, Program};
use std::fmt::Write;
use std::ops::ControlFlow;

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
    program_with(graph, Arithmetic::default(), isa, observe)
}

/// [`program`] with products computed as `arithmetic` says.
///
/// # Panics
/// As [`program`].
pub fn program_with(graph: Graph, arithmetic: Arithmetic, isa: &dyn TargetIsa, observe: &mut Observer) -> Program {
    whole(lower(graph, arithmetic, isa, &mut |stage, text| {
        observe(stage, text);
        ControlFlow::Continue(())
    }))
}

/// The same computation with every value stored by a launch of its own, which carries the op's name and place: for looking
/// at values.
///
/// # Panics
/// As [`program`].
pub fn separate_program(mut graph: Graph, arithmetic: Arithmetic, isa: &dyn TargetIsa) -> Program {
    passes::run_separate(&mut graph);
    whole(emit(&graph, arithmetic, isa, &mut |_, _| ControlFlow::Continue(())))
}

fn whole(lowered: ControlFlow<String, Program>) -> Program {
    match lowered {
        ControlFlow::Continue(program) => program,
        ControlFlow::Break(_) => unreachable!("no stage stops the way"),
    }
}

/// The text of one stage from the first pass on; what comes behind it is not done. None where there is no stage of that name.
///
/// # Panics
/// As [`program`].
pub fn stage(graph: Graph, arithmetic: Arithmetic, isa: &dyn TargetIsa, name: &str) -> Option<String> {
    let lowered = lower(graph, arithmetic, isa, &mut |stage, text| {
        if stage == name { ControlFlow::Break(text()) } else { ControlFlow::Continue(()) }
    });
    lowered.break_value()
}

/// Goes through the stages until `visit` stops at one, with its text.
fn lower(
    mut graph: Graph,
    arithmetic: Arithmetic,
    isa: &dyn TargetIsa,
    visit: &mut passes::Visitor,
) -> ControlFlow<String, Program> {
    passes::run(&mut graph, visit)?;
    emit(&graph, arithmetic, isa, visit)
}

/// The stages behind the passes.
fn emit(
    graph: &Graph,
    arithmetic: Arithmetic,
    isa: &dyn TargetIsa,
    visit: &mut passes::Visitor,
) -> ControlFlow<String, Program> {
    let plan = plan::plan(graph, arithmetic);
    visit("plan", &|| plan.to_string())?;

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
    visit("loops", &|| each(&names, |at| nests[at].to_string()))?;
    let functions: Vec<Function> = nests.iter().zip(&names).map(|(nest, name)| clif::emit(nest, name, isa)).collect();
    visit("clif", &|| each(&names, |at| functions[at].display().to_string()))?;
    visit("asm", &|| each(&names, |at| assembly(&functions[at], isa)))?;
    let kernels = nests.iter().zip(names.iter().zip(functions));
    let kernels = kernels
        .map(|(nest, (name, function))| Kernel {
            name: name.clone(),
            function,
            gemms: nest.gemms.clone(),
            scratch: nest.scratch,
        })
        .collect();
    ControlFlow::Continue(Program { kernels, launches, buffers: plan.buffers, states: plan.states, arena: plan.arena })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::parse;

    #[test]
    fn what_comes_behind_a_wanted_stage_is_not_done() {
        let text = r#"graph {
  %0 = input {dims=[2,3], element="f32", name="x"} : f32[2,3]
  %1 = relu %0 : f32[2,3]
  result y = %1
}
"#;
        let graph = parse(text).expect("a graph");
        let isa = rnet_runtime::jit::host_isa().expect("Cranelift knows this machine");
        let stages: Vec<&str> = passes::PIPELINE
            .iter()
            .map(|pass| pass.name)
            .chain(LOWERING_STAGES.iter().map(|(name, _)| *name))
            .collect();
        for (at, wanted) in stages.iter().enumerate() {
            let mut visited = Vec::new();
            let stopped = lower(graph.clone(), Arithmetic::default(), &*isa, &mut |stage, text| {
                visited.push(stage.to_string());
                if stage == *wanted { ControlFlow::Break(text()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(visited, stages[..=at]);
            assert_eq!(stopped.break_value(), stage(graph.clone(), Arithmetic::default(), &*isa, wanted));
        }
        assert_eq!(stage(graph, Arithmetic::default(), &*isa, "graph"), None);
    }
}
