//! Elaboration: a text that parses gives a graph that verifies, or diagnostics that can be shown. The resolved text of a graph elaborates
//! to the same layers, and a small graph goes through differentiation, the optimizer and all passes.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use rnet_compiler::diagnostic::{Diagnostic, Sources};
use rnet_compiler::elaborate::{Elaborated, Mode, Options, elaborate};
use rnet_compiler::graph::verify;
use rnet_compiler::{passes, syntax};
use std::ops::ControlFlow;
use std::path::Path;

/// Nodes of a graph that is taken through the passes; larger ones say little more and take long.
const SMALL: usize = 300;

fn imported(path: &str) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // Nothing outside of the examples can be imported, whatever the fuzzer makes of the path.
    if path.contains("..") || path.starts_with('/') {
        return Err("not here".to_string());
    }
    ["lang-examples", "tests/errors"]
        .iter()
        .find_map(|directory| std::fs::read_to_string(root.join(directory).join(path)).ok())
        .ok_or_else(|| "no such file".to_string())
}

fn shown(found: &[Diagnostic], sources: &Sources) {
    assert!(!found.is_empty(), "an error without a diagnostic");
    found.iter().for_each(|diagnostic| assert!(!diagnostic.render(sources, false).is_empty()));
}

fn elaborated(
    sources: &mut Sources,
    name: &str,
    text: &str,
    mode: Mode,
) -> Option<Result<Elaborated, Vec<Diagnostic>>> {
    let file = sources.add(name, text);
    let ast = syntax::parse(sources, file).ok()?;
    let options = Options { mode, batch: None, model: None, train: None, set: Vec::new(), memory: 1 << 30 };
    Some(elaborate(sources, &ast, &options))
}

fuzz_target!(|text: &str| -> Corpus {
    let mut sources = Sources::new(Box::new(imported));
    let Some(outcome) = elaborated(&mut sources, "fuzzed.rnet", text, Mode::Train) else { return Corpus::Reject };
    let Elaborated { mut graph, layers, train, resolved, warnings, .. } = match outcome {
        Ok(elaborated) => elaborated,
        Err(found) => {
            shown(&found, &sources);
            return Corpus::Keep;
        }
    };
    verify(&graph).expect("a graph that verifies");
    warnings.iter().for_each(|warning| shown(std::slice::from_ref(warning), &sources));
    let second = elaborated(&mut sources, "resolved.rnet", &resolved, Mode::Train)
        .unwrap_or_else(|| panic!("does not parse:\n{resolved}"))
        .unwrap_or_else(|found| panic!("{}\n{resolved}", found[0].render(&sources, false)));
    assert_eq!(second.resolved, resolved, "the resolved text is not settled");
    assert_eq!(second.layers.len(), layers.len());
    let evaluating = elaborated(&mut sources, "resolved.rnet", &resolved, Mode::Eval)
        .expect("it parses")
        .unwrap_or_else(|found| panic!("in evaluation alone: {}", found[0].render(&sources, false)));
    if graph.len() < SMALL {
        if passes::differentiate::differentiate(&mut graph).is_ok() {
            passes::optimizer::optimizer(&mut graph, &train);
            let _: ControlFlow<String> = passes::run(&mut graph, &mut |_, _| ControlFlow::Continue(()));
        }
        let mut graph = evaluating.graph;
        let _: ControlFlow<String> = passes::run(&mut graph, &mut |_, _| ControlFlow::Continue(()));
    }
    Corpus::Keep
});
