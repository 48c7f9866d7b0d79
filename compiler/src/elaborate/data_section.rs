//! The `data` section: where samples come from, and what happens to them.

use super::constructor::{Constructor, new, number};
use super::evaluate::{Elaborator, Outcome};
use super::load::Modules;
use super::sections::entry;
use super::value::{Bound, Default, Environment, Kind, Parameter, Value};
use crate::diagnostic::Diagnostic;
use crate::syntax::ast::{Expr, ExprKind, Section};
use rnet_runtime::config::{DataConfig, Holdout, Resize, Source, Transform, Views};

/// The keys of `data`.
pub(super) const DATA_KEYS: &[&str] =
    &["source", "train", "test", "holdout", "holdout_seed", "average_flips", "average_shift"];

/// Most pixels along a side.
const LARGEST_SIDE: u64 = 1 << 16;

/// `source = ..`
pub(super) static SOURCES: &[Constructor] = &[
    new("digits", &[]),
    new("cifar10", &[Parameter::new("path", Kind::Text, Default::Text("data/cifar-10-batches-bin"))]),
    new("cifar100", &[Parameter::new("path", Kind::Text, Default::Text("data/cifar-100-binary"))]),
    new("mnist", &[Parameter::new("path", Kind::Text, Default::Text("data/mnist"))]),
    new("fashion_mnist", &[Parameter::new("path", Kind::Text, Default::Text("data/fashion-mnist"))]),
    new(
        "folder",
        &[
            Parameter::new("path", Kind::Text, Default::Needed),
            Parameter::new("skip_corrupt", Kind::Bool, Default::Bool(false)),
        ],
    ),
    new("arrays", &[Parameter::new("path", Kind::Text, Default::Needed)]),
];

/// The steps of `train = ..` and `test = ..` in a data section.
pub(super) static TRANSFORMS: &[Constructor] = &[
    new("pad", &[Parameter::new("by", Kind::Int, Default::Needed)]),
    new("random_crop", &[Parameter::new("side", Kind::Int, Default::Needed)]),
    new("center_crop", &[Parameter::new("side", Kind::Int, Default::Needed)]),
    new("random_flip", &[Parameter::new("alternating", Kind::Bool, Default::Bool(false))]),
    new("translate", &[Parameter::new("by", Kind::Int, Default::Needed)]),
    new("resize", &[Parameter::new("side", Kind::Pair, Default::Needed)]),
    new(
        "random_resized_crop",
        &[
            Parameter::new("side", Kind::Int, Default::Needed),
            Parameter::new("scale", Kind::List, Default::Range(0.08, 1.0)),
            Parameter::new("ratio", Kind::List, Default::Range(0.75, 4.0 / 3.0)),
        ],
    ),
    new(
        "color_jitter",
        &[
            Parameter::new("brightness", Kind::Float, Default::Float(0.0)),
            Parameter::new("contrast", Kind::Float, Default::Float(0.0)),
            Parameter::new("saturation", Kind::Float, Default::Float(0.0)),
            Parameter::new("hue", Kind::Float, Default::Float(0.0)),
        ],
    ),
    new(
        "rand_augment",
        &[Parameter::new("n", Kind::Int, Default::Int(2)), Parameter::new("m", Kind::Int, Default::Int(9))],
    ),
    new("cutout", &[Parameter::new("side", Kind::Int, Default::Needed)]),
    new(
        "normalize",
        &[Parameter::new("mean", Kind::List, Default::Nothing), Parameter::new("std", Kind::List, Default::Nothing)],
    ),
    new("mixup", &[Parameter::new("alpha", Kind::Float, Default::Float(0.2))]),
    new("cutmix", &[Parameter::new("alpha", Kind::Float, Default::Float(1.0))]),
];

impl<'a> Elaborator<'a> {
    /// A `data` section.
    pub fn data(&mut self, section: &'a Section) -> Outcome<DataConfig> {
        let env = Environment::of(Modules::MAIN);
        let Some(source) = entry(section, "source") else {
            let wrong = Diagnostic::error("E134", section.span, "a data section needs a `source`");
            return self.stop(
                wrong.hint("for example `source = digits` or `source = cifar10(\"data/cifar-10-batches-bin\")`"),
            );
        };
        let source = self.source(&source.value, &env)?;
        let train = self.transforms(section, "train", &env)?;
        let test = self.transforms(section, "test", &env)?;
        let holdout = self.holdout(section, &env)?;
        let flips = match entry(section, "average_flips") {
            Some(entry) => self.flag("average_flips", &entry.value, &env)?,
            None => false,
        };
        let shift = match entry(section, "average_shift") {
            Some(entry) => self.whole("average_shift", &entry.value, 0, LARGEST_SIDE as i64, &env)? as usize,
            None => 0,
        };
        Ok(DataConfig { source, train, test, holdout, views: Views { flips, shift } })
    }

    /// Where samples come from.
    pub fn source(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Source> {
        let (name, bound) = self.construct("a data source", SOURCES, expr, env)?;
        let path = |bound: &Bound| match bound.get("path").0 {
            Value::Text(path) => path.to_string(),
            other => panic!("elaborate: {} is no path", other.kind()),
        };
        Ok(match name {
            "digits" => Source::Digits,
            "cifar10" => Source::Cifar10(path(&bound)),
            "cifar100" => Source::Cifar100(path(&bound)),
            "mnist" => Source::Mnist(path(&bound)),
            "folder" => {
                let skip_corrupt = matches!(bound.get("skip_corrupt").0, Value::Bool(true));
                Source::Folder { path: path(&bound), skip_corrupt }
            }
            "arrays" => Source::Arrays(path(&bound)),
            _ => Source::FashionMnist(path(&bound)),
        })
    }

    fn holdout(&mut self, section: &'a Section, env: &Environment<'a>) -> Outcome<Option<Holdout>> {
        let seed = entry(section, "holdout_seed");
        let Some(share) = entry(section, "holdout") else {
            return match seed {
                Some(seed) => self.error("E134", seed.key.span, "`holdout_seed` without a `holdout`"),
                None => Ok(None),
            };
        };
        let seed = match seed {
            Some(seed) => self.whole("holdout_seed", &seed.value, 0, i64::MAX, env)?,
            None => 0,
        };
        match self.eval(&share.value, env)? {
            Value::Float(share) if 0.0 < share && share < 1.0 => Ok(Some(Holdout { share, seed })),
            other => {
                let message = format!("`holdout` lies between 0 and 1, this is {}", other.spelling());
                self.error("E102", share.value.span, message)
            }
        }
    }

    fn flag(&mut self, key: &str, expr: &'a Expr, env: &Environment<'a>) -> Outcome<bool> {
        match self.eval(expr, env)? {
            Value::Bool(value) => Ok(value),
            other => {
                self.error("E101", expr.span, format!("`{key}` is `true` or `false`, this is {}", other.describe()))
            }
        }
    }

    /// A chain of transforms; none where the key is omitted.
    fn transforms(&mut self, section: &'a Section, key: &str, env: &Environment<'a>) -> Outcome<Vec<Transform>> {
        let Some(entry) = entry(section, key) else { return Ok(Vec::new()) };
        let steps = match &entry.value.ungrouped().kind {
            ExprKind::Chain(steps) => &steps[..],
            ExprKind::Name(name) if name == "id" => &[],
            _ => std::slice::from_ref(&entry.value),
        };
        let mut transforms: Vec<Transform> = Vec::with_capacity(steps.len());
        for step in steps {
            let transform = self.transform(step, env)?;
            if key == "test" && !transform.is_fixed() {
                let message = format!("`{}` in `test`: test images are not changed at random", transform.name());
                return self.error("E102", step.span, message);
            }
            if let Some(message) = transform.misplaced(&transforms) {
                return self.error("E102", step.span, message);
            }
            transforms.push(transform);
        }
        Ok(transforms)
    }

    fn transform(&mut self, step: &'a Expr, env: &Environment<'a>) -> Outcome<Transform> {
        let (name, bound) = self.construct("a transform", TRANSFORMS, step, env)?;
        Ok(match name {
            "pad" => Transform::Pad(self.between(&bound, "by", 0, LARGEST_SIDE)?),
            "random_crop" => Transform::RandomCrop(self.side(&bound)?),
            "center_crop" => Transform::CenterCrop(self.side(&bound)?),
            "random_flip" => {
                Transform::RandomFlip { alternating: matches!(bound.get("alternating").0, Value::Bool(true)) }
            }
            "translate" => Transform::Translate(self.between(&bound, "by", 1, LARGEST_SIDE)?),
            "resize" => Transform::Resize(self.resize(&bound)?),
            "random_resized_crop" => Transform::RandomResizedCrop {
                side: self.side(&bound)?,
                scale: self.interval(&bound, "scale", 1.0)?,
                ratio: self.interval(&bound, "ratio", f64::INFINITY)?,
            },
            "color_jitter" => {
                let [brightness, contrast, saturation] = ["brightness", "contrast", "saturation"]
                    .map(|strength| self.within(&bound, strength, 0.0, f64::INFINITY));
                let hue = self.within(&bound, "hue", 0.0, 0.5)?;
                let (brightness, contrast, saturation) = (brightness?, contrast?, saturation?);
                if brightness.max(contrast).max(saturation).max(hue) == 0.0 {
                    let message = "`color_jitter` changes nothing where all of its arguments are 0";
                    return self.error("E102", step.span, message);
                }
                Transform::ColorJitter { brightness, contrast, saturation, hue }
            }
            "rand_augment" => Transform::RandAugment {
                operations: self.between(&bound, "n", 1, 14)?,
                magnitude: self.between(&bound, "m", 0, 30)?,
            },
            "cutout" => Transform::Cutout(self.side(&bound)?),
            "mixup" => Transform::Mixup(self.alpha(&bound)?),
            "cutmix" => Transform::Cutmix(self.alpha(&bound)?),
            _ => self.normalize(step, &bound)?,
        })
    }

    fn normalize(&mut self, step: &'a Expr, bound: &Bound<'a>) -> Outcome<Transform> {
        let (mean, std) = (self.numbers(bound, "mean")?, self.numbers(bound, "std")?);
        if mean.len() != std.len() {
            let message = format!("`normalize` has {} means and {} deviations", mean.len(), std.len());
            return self.error("E102", step.span, message);
        }
        if let Some(std) = std.iter().find(|std| **std <= 0.0) {
            let message = format!("a deviation is greater than 0, this is {std}");
            return self.error("E102", bound.get("std").1, message);
        }
        Ok(Transform::Normalize { mean, std })
    }

    fn resize(&mut self, bound: &Bound<'a>) -> Outcome<Resize> {
        let (value, span) = bound.get("side");
        let side = |value: &Value| match value {
            Value::Int(side) if (1..=LARGEST_SIDE as i64).contains(side) => Some(*side as usize),
            _ => None,
        };
        let resize = match value {
            Value::List(sides) => match &sides[..] {
                [height, width] => side(height).zip(side(width)).map(|(height, width)| Resize::To([height, width])),
                _ => None,
            },
            other => side(other).map(Resize::Shorter),
        };
        match resize {
            Some(resize) => Ok(resize),
            None => {
                let words =
                    "`side` of `resize` is the shorter side, or a list of height and width, from 1 to 65536 pixels";
                self.error("E102", span, format!("{words}; this is {}", value.spelling()))
            }
        }
    }

    /// Two increasing numbers greater than 0.
    fn interval(&mut self, bound: &Bound<'a>, name: &str, high: f64) -> Outcome<[f64; 2]> {
        let numbers = self.numbers(bound, name)?;
        match numbers[..] {
            [least, greatest] if 0.0 < least && least <= greatest && greatest <= high && greatest.is_finite() => {
                Ok([least, greatest])
            }
            _ => {
                let (value, span) = bound.get(name);
                let range = if high == 1.0 { " and at most 1" } else { "" };
                let words = format!("`{name}` is a list of the least and the greatest, greater than 0{range}");
                self.error("E102", span, format!("{words}; this is {}", value.spelling()))
            }
        }
    }

    fn alpha(&mut self, bound: &Bound<'a>) -> Outcome<f64> {
        let (value, span) = bound.get("alpha");
        match number(value) {
            alpha if alpha > 0.0 && alpha <= 1e3 => Ok(alpha),
            alpha => self.error("E102", span, format!("`alpha` is greater than 0 and at most 1000, this is {alpha}")),
        }
    }

    fn side(&mut self, bound: &Bound<'a>) -> Outcome<usize> {
        self.between(bound, "side", 1, LARGEST_SIDE)
    }

    fn between(&mut self, bound: &Bound<'a>, name: &str, least: u64, most: u64) -> Outcome<usize> {
        let (value, span) = bound.get(name);
        match value {
            Value::Int(value) if (least as i64..=most as i64).contains(value) => Ok(*value as usize),
            other => self.error(
                "E102",
                span,
                format!("`{name}` lies between {least} and {most}, this is {}", other.spelling()),
            ),
        }
    }
}
