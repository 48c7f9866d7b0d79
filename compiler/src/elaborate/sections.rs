//! What both kinds of section share, and the `train` section: plain values for the runtime.

use super::data_section::DATA_KEYS;
use super::evaluate::{Elaborator, Outcome};
use super::load::Modules;
use super::training::PRECISIONS;
use super::value::{Environment, Value};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::syntax::ast::{Ast, Entry, Expr, Item, Section, SectionKind};
use rnet_runtime::config::{Length, TrainConfig};
use rnet_runtime::program::Precision;

/// The keys of `train`.
pub(super) const TRAIN_KEYS: &[&str] = &[
    "model",
    "data",
    "loss",
    "optimizer",
    "groups",
    "clip",
    "accumulate",
    "average",
    "schedule",
    "batch",
    "steps",
    "epochs",
    "test_every",
    "stop",
    "seed",
    "precision",
];

/// What an omitted key of `train` stands for; a run without `steps` lasts 10 epochs.
pub(super) const TRAIN_DEFAULTS: &[(&str, &str)] = &[
    ("loss", "cross_entropy"),
    ("optimizer", "sgd(lr = 0.1, momentum = 0.9, weight_decay = 1e-4)"),
    ("groups", "[]"),
    ("clip", "none"),
    ("accumulate", "1"),
    ("average", "none"),
    ("schedule", "constant"),
    ("batch", "128"),
    ("epochs", "10"),
    ("test_every", "1"),
    ("stop", "never"),
    ("seed", "0"),
    ("precision", "f32"),
];

/// Most images a step.
const LARGEST_BATCH: i64 = 1 << 20;

/// Most batches for one update.
const MOST_ACCUMULATED: i64 = 1 << 20;

/// The sections of that kind.
pub(super) fn sections(ast: &Ast, kind: SectionKind) -> Vec<&Section> {
    ast.items
        .iter()
        .filter_map(|item| match item {
            Item::Section(section) if section.kind == kind => Some(section),
            _ => None,
        })
        .collect()
}

/// The value of a key.
pub(super) fn entry<'a>(section: &'a Section, key: &str) -> Option<&'a Entry> {
    section.entries.iter().find(|entry| entry.key.text == key)
}

/// Unknown keys and keys that are set twice, in every section.
pub(super) fn keys(ast: &Ast) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (kind, what, known) in [(SectionKind::Train, "train", TRAIN_KEYS), (SectionKind::Data, "data", DATA_KEYS)] {
        for section in sections(ast, kind) {
            for (at, entry) in section.entries.iter().enumerate() {
                let (key, span) = (entry.key.text.as_str(), entry.key.span);
                if !known.contains(&key) {
                    let wrong = Diagnostic::error("E132", span, format!("`{what}` has no key `{key}`"));
                    found.push(wrong.maybe_hint(suggestion(key, known.iter().copied())));
                } else if let Some(first) = section.entries[..at].iter().find(|first| first.key.text == key) {
                    let wrong = Diagnostic::error("E133", span, format!("`{key}` is set twice"));
                    found.push(wrong.and(first.key.span, "the first is here"));
                }
            }
            if let (Some(steps), Some(epochs)) = (entry(section, "steps"), entry(section, "epochs")) {
                let words = "a run lasts so many `steps` or so many `epochs`, not both";
                let wrong = Diagnostic::error("E133", epochs.key.span, words);
                found.push(wrong.and(steps.key.span, "`steps` is set here"));
            }
        }
    }
    found
}

impl<'a> Elaborator<'a> {
    /// The `train` section, of which every key but `model` and `data` is set.
    pub fn train(&mut self, section: &'a Section) -> Outcome<TrainConfig> {
        let env = Environment::of(Modules::MAIN);
        let value = |key: &str| {
            let entry = entry(section, key);
            &entry.unwrap_or_else(|| panic!("elaborate: `train` has no `{key}` in spite of its defaults")).value
        };
        // Every key is looked at, whatever is wrong with another.
        let loss = self.loss(value("loss"), &env);
        let optimizer = self.optimizer(value("optimizer"), &env);
        let groups = self.groups(value("groups"), &env);
        let clip = self.clip(value("clip"), &env);
        let accumulate = self.whole("accumulate", value("accumulate"), 1, MOST_ACCUMULATED, &env);
        let average = self.average(value("average"), &env);
        let schedule = self.schedule(value("schedule"), &env);
        let batch = self.whole("batch", value("batch"), 1, LARGEST_BATCH, &env);
        let length = match entry(section, "steps") {
            Some(steps) => self.whole("steps", &steps.value, 1, i64::MAX, &env).map(Length::Steps),
            None => self.whole("epochs", value("epochs"), 1, i64::MAX, &env).map(Length::Epochs),
        };
        let test_every = self.whole("test_every", value("test_every"), 1, i64::MAX, &env);
        let stopping = self.stopping(value("stop"), &env);
        let seed = self.whole("seed", value("seed"), 0, i64::MAX, &env);
        let precision = self.construct("a precision", PRECISIONS, value("precision"), &env);
        Ok(TrainConfig {
            loss: loss?,
            optimizer: optimizer?,
            groups: groups?,
            clip: clip?,
            accumulate: accumulate?,
            average: average?,
            schedule: schedule?,
            batch: batch? as usize,
            length: length?,
            test_every: test_every?,
            stopping: stopping?,
            seed: seed?,
            precision: Precision::named(precision?.0).unwrap_or_default(),
        })
    }

    /// A whole number at a key of a section.
    pub fn whole(&mut self, key: &str, expr: &'a Expr, low: i64, high: i64, env: &Environment<'a>) -> Outcome<u64> {
        match self.eval(expr, env)? {
            Value::Int(value) if (low..=high).contains(&value) => Ok(value as u64),
            Value::Int(value) if high == i64::MAX => {
                self.error("E102", expr.span, format!("`{key}` is at least {low}, this is {value}"))
            }
            Value::Int(value) => {
                self.error("E102", expr.span, format!("`{key}` lies between {low} and {high}, this is {value}"))
            }
            other => self.error("E101", expr.span, format!("`{key}` is a whole number, this is {}", other.describe())),
        }
    }
}
