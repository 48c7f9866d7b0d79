//! Stories: each `tests/stories/NAME.md` shows a small network (the block marked `rnet`) and what the compiler makes of it. A block
//! marked with two or more words is filled in by this test, and compared; `RNET_BLESS=1` writes it anew:
//!
//! - `STAGE` is a stage of `rnet dump`, of the training step; `STAGE of eval` is that of the graph that evaluates;
//! - `STAGE beyond OTHER` leaves out the lines that the other stage has too;
//! - `losses` are those of ten training steps on one made-up batch, computed natively, by every micro-kernel that the machine has.

use rnet_compiler::compile;
use rnet_compiler::diagnostic::Sources;
use rnet_compiler::elaborate::{Elaborated, Mode, Options, elaborate};
use rnet_compiler::graph::parse;
use rnet_compiler::passes::{PIPELINE, differentiate::differentiate, optimizer::optimizer};
use rnet_compiler::syntax;
use rnet_runtime::executable::Executable;
use rnet_runtime::jit::host_isa;
use rnet_runtime::kernels::Isa;
use rnet_runtime::program::{Program, Storage};
use rnet_runtime::state::State;
use rnet_runtime::workers::Workers;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

const STEPS: u64 = 10;

fn stories() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    let entries = fs::read_dir(directory).expect("tests/stories is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths
}

fn elaborated(source: &str, mode: Mode) -> Elaborated {
    let options = Options { mode, batch: None, model: None, train: None, set: Vec::new(), memory: 1 << 30 };
    let mut sources = Sources::new(Box::new(|path| Err(format!("{path}: a story has no imports"))));
    let file = sources.add("net.rnet", source);
    let outcome = syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, &options));
    outcome.unwrap_or_else(|found| {
        let shown: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
        panic!("{}", shown.join("\n"))
    })
}

/// The text of every stage up to the loop nests, and the program. Machine code is another on every machine and stays out.
fn compiled(model: &Elaborated, mode: Mode) -> (HashMap<String, String>, Program) {
    let mut graph = model.graph.clone();
    let mut stages = HashMap::from([("graph".to_string(), graph.to_string())]);
    if mode == Mode::Train {
        differentiate(&mut graph).expect("every op of a story has a gradient");
        stages.insert("grad".to_string(), graph.to_string());
        optimizer(&mut graph, &model.train);
        stages.insert("optimizer".to_string(), graph.to_string());
    }
    let isa = host_isa().expect("Cranelift knows this machine");
    let program = compile::program(graph, &*isa, &mut |stage, text| {
        if !["clif", "asm"].contains(&stage) {
            stages.insert(stage.to_string(), text());
        }
    });
    for name in ["graph", "grad", "optimizer"].into_iter().chain(PIPELINE.iter().map(|pass| pass.name)) {
        if let Some(text) = stages.get(name) {
            let read = parse(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert_eq!(read.to_string(), *text, "{name} reads back as another graph");
        }
    }
    (stages, program)
}

/// Pixels in [-1, 1) that look like noise; the class of an image moves its mean, so that there is something to learn.
fn pixel(at: usize, image: usize, classes: usize) -> f32 {
    let mixed = (at as u32).wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(0x85eb_ca6b);
    let noise = (mixed >> 8) as f32 / (1 << 24) as f32 - 0.5;
    noise + (image % classes) as f32 / classes as f32 - 0.5
}

/// The losses before each of `STEPS` steps, to four decimals.
fn losses(model: &Elaborated, program: &Program, isa: Isa) -> String {
    let mut state = State::new(&program.states, model.train.seed);
    let mut executable = Executable::with_isa(program.clone(), isa).expect("the program links");
    let logits =
        program.buffers.iter().find(|buffer| matches!(&buffer.storage, Storage::Output(name) if name == "logits"));
    let classes = logits.expect("a model has logits").dims[1];
    for buffer in &program.buffers {
        let Storage::Input(name) = &buffer.storage else { continue };
        match name.as_str() {
            "image" => {
                let (length, each) = (buffer.dims.iter().product(), buffer.dims[1..].iter().product::<usize>());
                let values: Vec<f32> = (0..length).map(|at| pixel(at, at / each, classes)).collect();
                executable.set_logical(name, &values);
            }
            "label" => {
                let labels = executable.input_i32(name);
                labels.iter_mut().enumerate().for_each(|(image, label)| *label = (image % classes) as i32);
            }
            "lr" => {}
            other => panic!("a story's network has no input `{other}`"),
        }
    }
    let workers = Workers::new(2);
    let mut lines = String::new();
    for step in 0..STEPS {
        let factor = model.train.schedule.factor(step, STEPS);
        executable.input_f32("lr")[0] = (model.train.optimizer.lr * factor) as f32;
        executable.run(&workers, &mut state);
        lines += &format!("step {step}: loss {:.4}\n", executable.output("loss")[0]);
    }
    lines
}

/// What belongs into the block that is marked so.
fn content(marks: &[&str], train: &HashMap<String, String>, eval: &HashMap<String, String>, losses: &str) -> String {
    let stage = |stages: &HashMap<String, String>, name: &str| {
        stages.get(name).unwrap_or_else(|| panic!("there is no stage `{name}`")).clone()
    };
    match marks {
        ["losses"] => losses.to_string(),
        [name] => stage(train, name),
        [name, "of", "eval"] => stage(eval, name),
        [name, "beyond", other] => {
            let other = stage(train, other);
            let known: BTreeSet<&str> = other.lines().collect();
            let whole = stage(train, name);
            let lines = whole.lines().filter(|line| !known.contains(line));
            lines.map(|line| format!("{line}\n")).collect()
        }
        _ => panic!("no block is marked {marks:?}"),
    }
}

/// The story with every block as it should be, and how many there are.
fn told(text: &str) -> (String, usize) {
    let source = text.split_once("```rnet\n").and_then(|(_, rest)| rest.split_once("```"));
    let source = source.expect("a story shows a network").0;
    let model = elaborated(source, Mode::Train);
    let (train, program) = compiled(&model, Mode::Train);
    let (eval, _) = compiled(&elaborated(source, Mode::Eval), Mode::Eval);
    let mut each = Isa::supported().into_iter().map(|isa| (isa, losses(&model, &program, isa)));
    let (first, curve) = each.next().expect("the portable micro-kernel is always there");
    for (isa, other) in each {
        assert_eq!(curve, other, "{} and {} differ", first.name(), isa.name());
    }

    let (mut whole, mut blocks, mut inside) = (String::new(), 0, false);
    for line in text.lines() {
        let marks: Vec<&str> = line.strip_prefix("```").into_iter().flat_map(str::split_whitespace).collect();
        if inside {
            inside = line != "```";
            if inside {
                continue;
            }
        } else if marks.len() >= 2 {
            whole += &format!("{line}\n{}```\n", content(&marks[1..], &train, &eval, &curve));
            (blocks, inside) = (blocks + 1, true);
            continue;
        } else {
            whole += &format!("{line}\n");
        }
    }
    assert!(!inside, "a block is not closed");
    (whole, blocks)
}

#[test]
fn stories_are_told_as_they_happen() {
    let bless = std::env::var_os("RNET_BLESS").is_some();
    let (mut wrong, paths) = (Vec::new(), stories());
    assert!(paths.len() >= 3, "only {paths:?}");
    for path in paths {
        let text = fs::read_to_string(&path).expect("the directory lists it");
        let (whole, blocks) = told(&text);
        assert!(blocks >= 3, "{} shows only {blocks} stages", path.display());
        if bless {
            fs::write(&path, &whole).expect("the story can be written");
        } else if text != whole {
            let line = text.lines().zip(whole.lines()).position(|(found, happens)| found != happens);
            wrong.push(format!("{} is otherwise, first in line {:?}", path.display(), line.map(|line| line + 1)));
        }
    }
    assert!(wrong.is_empty(), "{}; RNET_BLESS=1 writes them anew", wrong.join("\n"));
}

/// A control: a story with a wrong number is not what is told.
#[test]
fn a_wrong_number_is_found() {
    let path = &stories()[0];
    let text = fs::read_to_string(path).expect("the directory lists it");
    let damaged = text.replacen("loss 0.", "loss 7.", 1);
    assert_ne!(damaged, text);
    assert_eq!(told(&damaged).0, text);
}
