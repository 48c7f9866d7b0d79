//! Texts that somebody's cat has walked over: mutants of every example and of every mistake. Whatever they are, the compiler answers with a
//! graph that verifies or with diagnostics, in bounded time, and a text that parses keeps its tree when it is laid out.
//! `RNET_MUTANTS` sets how many there are.

use rnet_compiler::diagnostic::Sources;
use rnet_compiler::elaborate::{Mode, Options, elaborate};
use rnet_compiler::graph::verify;
use rnet_compiler::syntax::{self, format, tidy};
use std::path::Path;

/// A small generator of numbers; the mutants are the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// What is put into texts besides their own pieces.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "->",
    "=>",
    "=",
    ",",
    ":",
    "@",
    ".",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "0",
    "-1",
    "1",
    "2",
    "3",
    "1000000",
    "9223372036854775807",
    "1e308",
    "0.5",
    "\"\"",
    "same",
    "true",
    "if true { 1 } else { 2 }",
    "x => x",
    "id",
    "relu",
    "bn",
    "conv3x3",
    "conv2d",
    "dense",
    "flatten",
    "global_avg_pool",
    "max_pool(2)",
    "adaptive_max_pool([5, 3])",
    "residual",
    "auto",
    "add",
    "concat",
    "mul",
    "repeat",
    "sequential",
    "shared",
    "shape",
    "range",
    "len",
    "max",
    "sqrt",
    "floor",
    "let",
    "block",
    "model",
    "train",
    "data",
    "import",
    "assert",
    "input",
    "@frozen",
    "@init(zeros)",
    "N",
    "params",
    "\n",
    ";",
    "//",
    "///",
    "\u{e9}",
    "\u{0}",
    "&",
    "'",
];

fn files() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for directory in ["lang-examples", "tests/errors", "tests/errors/parts", "compiler/src"] {
        let mut paths: Vec<_> = std::fs::read_dir(root.join(directory))
            .expect("the directory is there")
            .map(|entry| entry.expect("it can be read").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rnet"))
            .collect();
        paths.sort();
        texts.extend(paths.into_iter().map(|path| std::fs::read_to_string(path).expect("a text")));
    }
    texts
}

/// Words, numbers, signs and the spaces between them.
fn cut(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut word = false;
    for character in text.chars() {
        let letter = character.is_alphanumeric() || character == '_';
        match pieces.last_mut() {
            Some(last) if word && letter => last.push(character),
            _ => pieces.push(character.to_string()),
        }
        word = letter;
    }
    pieces
}

fn mutate(dice: &mut Dice, texts: &[String]) -> String {
    let mut pieces = cut(&texts[dice.below(texts.len())]);
    for _ in 0..=dice.below(4) {
        let at = dice.below(pieces.len());
        match dice.below(7) {
            0 => drop(pieces.drain(at..(at + 1 + dice.below(5)).min(pieces.len()))),
            1 => pieces.insert(at, PIECES[dice.below(PIECES.len())].to_string()),
            2 if !pieces.is_empty() => pieces[at] = PIECES[dice.below(PIECES.len())].to_string(),
            3 if !pieces.is_empty() => {
                let other = dice.below(pieces.len());
                pieces.swap(at, other);
            }
            4 if !pieces.is_empty() => {
                let from = dice.below(pieces.len());
                let copy = pieces[from..(from + 1 + dice.below(12)).min(pieces.len())].to_vec();
                pieces.splice(at..at, copy);
            }
            5 => {
                let other = cut(&texts[dice.below(texts.len())]);
                let from = dice.below(other.len());
                pieces.splice(at..at, other[from..(from + 1 + dice.below(40)).min(other.len())].iter().cloned());
            }
            _ => pieces.truncate(at.max(1)),
        }
    }
    pieces.concat()
}

fn examine(text: &str) {
    let read = |path: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        ["lang-examples", "tests/errors"]
            .iter()
            .find_map(|directory| std::fs::read_to_string(root.join(directory).join(path)).ok())
            .ok_or_else(|| "no such file".to_string())
    };
    let mut sources = Sources::new(Box::new(read));
    let file = sources.add("mutant.rnet", text);
    let shown = |found: &[rnet_compiler::diagnostic::Diagnostic], sources: &Sources| {
        assert!(!found.is_empty(), "an error without a diagnostic");
        found.iter().for_each(|diagnostic| assert!(!diagnostic.render(sources, false).is_empty()));
    };
    let ast = match syntax::parse(&sources, file) {
        Ok(ast) => ast,
        Err(found) => return shown(&found, &sources),
    };
    let tidied = tidy::tidy(&sources, file).expect("it parses");
    let again = sources.add("tidied.rnet", &tidied);
    let same = syntax::parse(&sources, again).expect("a layout parses");
    assert_eq!(format::format(&same), format::format(&ast), "the layout has another tree");
    assert_eq!(tidy::tidy(&sources, again).expect("it parses"), tidied, "the layout is not settled");
    let options =
        Options { mode: Mode::Train, batch: None, model: None, train: None, set: Vec::new(), memory: 1 << 34 };
    match elaborate(&mut sources, &ast, &options) {
        Ok(elaborated) => {
            verify(&elaborated.graph).expect("a graph that verifies");
            let resolved = sources.add("resolved.rnet", &elaborated.resolved);
            let ast = syntax::parse(&sources, resolved)
                .unwrap_or_else(|found| panic!("{}", found[0].render(&sources, false)));
            let second = elaborate(&mut sources, &ast, &options)
                .unwrap_or_else(|found| panic!("{}", found[0].render(&sources, false)));
            assert_eq!(second.resolved, elaborated.resolved, "the resolved text is not settled");
            assert_eq!(second.layers.len(), elaborated.layers.len());
        }
        Err(found) => shown(&found, &sources),
    }
}

#[test]
fn no_text_breaks_the_compiler() {
    let texts = files();
    let count: u64 = std::env::var("RNET_MUTANTS").ok().map_or(3_000, |count| count.parse().expect("a number"));
    let start: u64 = std::env::var("RNET_MUTANTS_FROM").ok().map_or(0, |start| start.parse().expect("a number"));
    for number in start..start + count {
        let text = mutate(&mut Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), &texts);
        let outcome = std::panic::catch_unwind(|| examine(&text));
        assert!(outcome.is_ok(), "mutant {number}:\n{text}");
    }
}
