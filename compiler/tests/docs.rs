//! The documents that say what the compiler does: docs/ops.md is written from [`OPS`] (`RNET_BLESS=1` writes it anew), and the examples and
//! the table of stages of docs/ir.md are true.

use rnet_compiler::compile::LOWERING_STAGES;
use rnet_compiler::graph::parse;
use rnet_compiler::ops::{Lowering, OPS};
use rnet_compiler::passes::PIPELINE;
use std::fs;
use std::path::{Path, PathBuf};

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// One sentence for each way that an op turns into code.
fn lowered(lowering: &Lowering) -> &'static str {
    match lowering {
        Lowering::Leaf => "a leaf: storage, no computation.",
        Lowering::Elementwise(_) => "elementwise: rides in front of or behind any anchor.",
        Lowering::Broadcast => "none of its own: its operand is read at a coarser index where the value is used.",
        Lowering::Reduction => "a reduction: rides behind an anchor or an elementwise graph.",
        Lowering::Anchor => "an anchor: a loop nest of its own.",
        Lowering::Decompose(_) => "none: the pass `decompose` replaces it by simpler ops.",
    }
}

fn ops() -> String {
    let mut text = "# Ops\n\n\
        Written by `RNET_BLESS=1 cargo test -p rnet-compiler --test docs` from the list `OPS` in `compiler/src/ops/mod.rs`; a test \
        compares.\n\n\
        Each op is one file under `compiler/src/ops/`, named as the op is named here, in the text form of a graph ([ir.md](ir.md)) \
        and, where a researcher can write it, in the language ([language.md](language.md)). Shapes are logical: activations \
        [N,C,H,W], convolution weights [O,I,Kh,Kw], dense weights [out,in].\n"
        .to_string();
    for op in OPS {
        text += &format!("\n## {}\n\n{}\n\nCode: {}\n", op.name(), op.doc(), lowered(&op.lowering()));
    }
    text
}

#[test]
fn ops_are_documented_as_they_are() {
    let (path, written) = (document("ops.md"), ops());
    if std::env::var_os("RNET_BLESS").is_some() {
        fs::write(&path, &written).expect("docs/ops.md can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let line = found.lines().zip(written.lines()).position(|(found, written)| found != written);
    assert!(
        found == written,
        "docs/ops.md is not what the ops say, first in line {}: RNET_BLESS=1 writes it anew",
        line.map_or(found.lines().count().min(written.lines().count()), |at| at) + 1
    );
}

#[test]
fn examples_of_the_text_form_read_back() {
    let page = fs::read_to_string(document("ir.md")).expect("docs/ir.md is there");
    let examples: Vec<&str> =
        page.split("```ir\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(examples.len() >= 4, "only {} examples", examples.len());
    for example in examples {
        let graph = parse(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        assert_eq!(graph.to_string(), example);
    }
}

#[test]
fn every_stage_is_in_the_table() {
    let page = fs::read_to_string(document("ir.md")).expect("docs/ir.md is there");
    let passes = PIPELINE.iter().map(|pass| (pass.name, pass.doc));
    for (name, doc) in passes.chain(LOWERING_STAGES.iter().copied()) {
        let row = format!("| `{name}` | {doc} |");
        assert!(page.lines().any(|line| line == row), "docs/ir.md lacks the row {row}");
    }
}
