//! The `data` and `train` sections: plain values for the runtime.

use super::constructor::{SOURCES, TRANSFORMS, number};
use super::evaluate::{Elaborator, Outcome};
use super::load::Modules;
use super::value::{Environment, Value};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::syntax::ast::{Ast, Entry, Expr, ExprKind, Item, Section, SectionKind};
use rnet_runtime::config::{DataConfig, Length, Source, TrainConfig, Transform};

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
    "seed",
];

/// The keys of `data`.
pub(super) const DATA_KEYS: &[&str] = &["source", "train", "test"];

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
    ("seed", "0"),
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
        let seed = self.whole("seed", value("seed"), 0, i64::MAX, &env);
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
            seed: seed?,
        })
    }

    fn whole(&mut self, key: &str, expr: &'a Expr, low: i64, high: i64, env: &Environment<'a>) -> Outcome<u64> {
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

    /// A `data` section.
    pub fn data(&mut self, section: &'a Section) -> Outcome<DataConfig> {
        let env = Environment::of(Modules::MAIN);
        let Some(source) = entry(section, "source") else {
            let wrong = Diagnostic::error("E134", section.span, "a data section needs a `source`");
            return self.stop(
                wrong.hint("for example `source = digits` or `source = cifar10(\"data/cifar-10-batches-bin\")`"),
            );
        };
        let (name, bound) = self.construct("a data source", SOURCES, &source.value, &env)?;
        let path = |bound: &super::value::Bound| match bound.get("path").0 {
            Value::Text(path) => path.to_string(),
            other => panic!("elaborate: {} is no path", other.kind()),
        };
        let source = match name {
            "digits" => Source::Digits,
            "cifar10" => Source::Cifar10(path(&bound)),
            "mnist" => Source::Mnist(path(&bound)),
            _ => Source::FashionMnist(path(&bound)),
        };
        let train = self.transforms(section, "train", &env)?;
        let test = self.transforms(section, "test", &env)?;
        if let (Some(random), Some(entry)) = (
            test.iter().position(|step| matches!(step, Transform::RandomCrop(_) | Transform::RandomFlip)),
            entry(section, "test"),
        ) {
            let name = if matches!(test[random], Transform::RandomFlip) { "random_flip" } else { "random_crop" };
            return self.error(
                "E102",
                entry.value.span,
                format!("`{name}` in `test`: test images are not changed at random"),
            );
        }
        Ok(DataConfig { source, train, test })
    }

    /// A chain of transforms; none where the key is omitted.
    fn transforms(&mut self, section: &'a Section, key: &str, env: &Environment<'a>) -> Outcome<Vec<Transform>> {
        let Some(entry) = entry(section, key) else { return Ok(Vec::new()) };
        let steps = match &entry.value.ungrouped().kind {
            ExprKind::Chain(steps) => &steps[..],
            ExprKind::Name(name) if name == "id" => &[],
            _ => std::slice::from_ref(&entry.value),
        };
        let mut transforms = Vec::with_capacity(steps.len());
        for step in steps {
            let (name, bound) = self.construct("a transform", TRANSFORMS, step, env)?;
            transforms.push(match name {
                "pad" => Transform::Pad(self.side(&bound, "by", 0)?),
                "random_crop" => Transform::RandomCrop(self.side(&bound, "side", 1)?),
                "center_crop" => Transform::CenterCrop(self.side(&bound, "side", 1)?),
                "random_flip" => Transform::RandomFlip,
                _ => {
                    let (mean, std) = (self.numbers(&bound, "mean")?, self.numbers(&bound, "std")?);
                    if mean.len() != std.len() {
                        let message = format!("`normalize` has {} means and {} deviations", mean.len(), std.len());
                        return self.error("E102", step.span, message);
                    }
                    if let Some(std) = std.iter().find(|std| **std <= 0.0) {
                        return self.error(
                            "E102",
                            bound.get("std").1,
                            format!("a deviation is greater than 0, this is {std}"),
                        );
                    }
                    Transform::Normalize { mean, std }
                }
            });
        }
        Ok(transforms)
    }

    fn side(&mut self, bound: &super::value::Bound<'a>, name: &str, least: u64) -> Outcome<usize> {
        let (value, span) = bound.get(name);
        match number(value) as i64 {
            side if (least as i64..=1 << 16).contains(&side) => Ok(side as usize),
            side => self.error("E102", span, format!("`{name}` lies between {least} and 65536 pixels, this is {side}")),
        }
    }
}
