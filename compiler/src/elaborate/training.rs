//! What the `train` section says of the way weights move: loss, optimizer, groups, clipping, averages, schedule.

use super::constructor::{Constructor, new, number};
use super::evaluate::{Elaborator, Outcome};
use super::value::{Bound, Default, Environment, Kind, Parameter, Value};
use crate::diagnostic::{Diagnostic, Span};
use crate::graph::Attribute;
use crate::syntax::ast::{Expr, ExprKind};
use rnet_runtime::config::{Loss, Part, Schedule, TrainConfig};
use rnet_runtime::optimizer::{Average, Clip, Group, Optimizer, Rule};

const SMOOTHING: &[Parameter] = &[Parameter::new("smoothing", Kind::Float, Default::Float(0.0))];

/// `loss = ..`
pub(super) static LOSSES: &[Constructor] =
    &[new("cross_entropy", SMOOTHING), new("mean_squared_error", &[]), new("binary_cross_entropy", SMOOTHING)];

const LR: Parameter = Parameter::new("lr", Kind::Float, Default::Needed);
const BETA1: Parameter = Parameter::new("beta1", Kind::Float, Default::Float(0.9));
const BETA2: Parameter = Parameter::new("beta2", Kind::Float, Default::Float(0.999));
const NESTEROV: Parameter = Parameter::new("nesterov", Kind::Bool, Default::Bool(false));

const fn momentum(default: f64) -> Parameter {
    Parameter::new("momentum", Kind::Float, Default::Float(default))
}

const fn weight_decay(default: f64) -> Parameter {
    Parameter::new("weight_decay", Kind::Float, Default::Float(default))
}

const fn eps(default: f64) -> Parameter {
    Parameter::new("eps", Kind::Float, Default::Float(default))
}

/// `optimizer = ..`
pub(super) static OPTIMIZERS: &[Constructor] = &[
    new("sgd", &[LR, momentum(0.0), weight_decay(0.0), NESTEROV]),
    new("adam", &[LR, BETA1, BETA2, eps(1e-8), weight_decay(0.0)]),
    new("adamw", &[LR, BETA1, BETA2, eps(1e-8), weight_decay(1e-2)]),
    new(
        "rmsprop",
        &[
            LR,
            Parameter::new("alpha", Kind::Float, Default::Float(0.99)),
            eps(1e-8),
            weight_decay(0.0),
            momentum(0.0),
            Parameter::new("centered", Kind::Bool, Default::Bool(false)),
        ],
    ),
    new("lion", &[LR, BETA1, Parameter::new("beta2", Kind::Float, Default::Float(0.99)), weight_decay(0.0)]),
    new("lars", &[LR, momentum(0.9), weight_decay(0.0), Parameter::new("trust", Kind::Float, Default::Float(1e-3))]),
    new("lamb", &[LR, BETA1, BETA2, eps(1e-6), weight_decay(0.0)]),
    new(
        "muon",
        &[
            LR,
            momentum(0.95),
            weight_decay(0.0),
            Parameter::new("nesterov", Kind::Bool, Default::Bool(true)),
            Parameter::new("iterations", Kind::Int, Default::Int(5)),
        ],
    ),
];

/// The elements of `groups = [..]`.
static GROUPS: &[&str] = &["optimizer", "lr", "weight_decay"];

/// `clip = ..`
pub(super) static CLIPS: &[Constructor] = &[
    new("none", &[]),
    new("norm", &[Parameter::new("bound", Kind::Float, Default::Needed)]),
    new("value", &[Parameter::new("bound", Kind::Float, Default::Needed)]),
];

/// `average = ..`
pub(super) static AVERAGES: &[Constructor] = &[
    new("none", &[]),
    new("ema", &[Parameter::new("decay", Kind::Float, Default::Needed)]),
    new(
        "lookahead",
        &[
            Parameter::new("every", Kind::Int, Default::Int(5)),
            Parameter::new("alpha", Kind::Float, Default::Float(0.5)),
            Parameter::new("ramp", Kind::Float, Default::Float(0.0)),
        ],
    ),
];

const LAST: Parameter = Parameter::new("last", Kind::Float, Default::Float(0.0));
const WARMUP: Parameter = Parameter::new("warmup", Kind::Int, Default::Int(0));
/// Of a part of a sequence; 0 is what is left of the run.
const STEPS: Parameter = Parameter::new("steps", Kind::Int, Default::Int(0));

/// `schedule = ..`
pub(super) static SCHEDULES: &[Constructor] = &[
    new("constant", &[STEPS]),
    new(
        "step",
        &[
            Parameter::new("at", Kind::List, Default::Needed),
            Parameter::new("by", Kind::Float, Default::Float(0.1)),
            WARMUP,
            STEPS,
        ],
    ),
    new("cosine", &[LAST, WARMUP, STEPS]),
    new("linear", &[LAST, WARMUP, Parameter::new("first", Kind::Float, Default::Float(1.0)), STEPS]),
    new("polynomial", &[Parameter::new("power", Kind::Float, Default::Float(1.0)), LAST, WARMUP, STEPS]),
    new(
        "one_cycle",
        &[
            Parameter::new("peak", Kind::Float, Default::Float(0.3)),
            Parameter::new("divide", Kind::Float, Default::Float(25.0)),
            Parameter::new("divide_last", Kind::Float, Default::Float(1e4)),
            STEPS,
        ],
    ),
    new("warmup", &[Parameter::new("steps", Kind::Int, Default::Needed)]),
];

/// `precision = ..`
pub(super) static PRECISIONS: &[Constructor] = &[new("f32", &[]), new("bf16", &[])];

/// Largest factor, and rate, of a schedule, an optimizer or an annotation.
pub(super) const LARGEST: f64 = 1e6;

fn flag(bound: &Bound, name: &str) -> bool {
    matches!(bound.get(name).0, Value::Bool(true))
}

impl<'a> Elaborator<'a> {
    pub(super) fn loss(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Loss> {
        let (name, bound) = self.construct("a loss", LOSSES, expr, env)?;
        Ok(match name {
            "cross_entropy" => Loss::CrossEntropy { smoothing: self.within(&bound, "smoothing", 0.0, 0.999)? },
            "mean_squared_error" => Loss::MeanSquaredError,
            _ => Loss::BinaryCrossEntropy { smoothing: self.within(&bound, "smoothing", 0.0, 0.999)? },
        })
    }

    pub(super) fn optimizer(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Optimizer> {
        let (name, bound) = self.construct("an optimizer", OPTIMIZERS, expr, env)?;
        let (lr, weight_decay) =
            (self.within(&bound, "lr", 0.0, LARGEST)?, self.within(&bound, "weight_decay", 0.0, LARGEST)?);
        let share = |this: &mut Self, name: &str| this.below_one(&bound, name);
        let rule = match name {
            "sgd" => {
                Rule::Sgd { momentum: self.within(&bound, "momentum", 0.0, 1.0)?, nesterov: flag(&bound, "nesterov") }
            }
            "adam" | "adamw" => Rule::Adam {
                betas: [share(self, "beta1")?, share(self, "beta2")?],
                eps: self.within(&bound, "eps", 0.0, 1.0)?,
                decoupled: name == "adamw",
            },
            "rmsprop" => Rule::RmsProp {
                alpha: share(self, "alpha")?,
                eps: self.within(&bound, "eps", 0.0, 1.0)?,
                momentum: share(self, "momentum")?,
                centered: flag(&bound, "centered"),
            },
            "lion" => Rule::Lion { betas: [share(self, "beta1")?, share(self, "beta2")?] },
            "lars" => {
                Rule::Lars { momentum: share(self, "momentum")?, trust: self.within(&bound, "trust", 0.0, LARGEST)? }
            }
            "lamb" => Rule::Lamb {
                betas: [share(self, "beta1")?, share(self, "beta2")?],
                eps: self.within(&bound, "eps", 0.0, 1.0)?,
            },
            _ => Rule::Muon {
                momentum: share(self, "momentum")?,
                nesterov: flag(&bound, "nesterov"),
                iterations: self.at_least_one(&bound, "iterations", 100)?,
            },
        };
        if let Rule::Sgd { momentum: 0.0, nesterov: true } = rule {
            return self.error("E102", bound.get("nesterov").1, "Nesterov's form needs a momentum greater than 0");
        }
        Ok(Optimizer { rule, lr, weight_decay })
    }

    /// A number of at least 0 and below 1.
    fn below_one(&mut self, bound: &Bound<'a>, name: &str) -> Outcome<f64> {
        let (value, span) = bound.get(name);
        match number(value) {
            value if (0.0..1.0).contains(&value) => Ok(value),
            value => self.error("E102", span, format!("`{name}` is at least 0 and below 1, this is {value}")),
        }
    }

    /// A whole number from 1 to `most`.
    fn at_least_one(&mut self, bound: &Bound<'a>, name: &str, most: u64) -> Outcome<u64> {
        let value = self.natural(bound, name)?;
        if (1..=most).contains(&value) {
            return Ok(value);
        }
        self.error("E102", bound.get(name).1, format!("`{name}` lies between 1 and {most}, this is {value}"))
    }

    /// `groups = [group("*.bn*", weight_decay = 0), ..]`
    pub(super) fn groups(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Vec<Group>> {
        let ExprKind::List(items) = &expr.ungrouped().kind else {
            let wrong = Diagnostic::error("E130", expr.span, "`groups` is a list of groups of weights");
            return self.stop(wrong.hint("for example `[group(\"*.bn*\", weight_decay = 0)]`"));
        };
        let groups: Vec<Outcome<Group>> = items.iter().map(|item| self.group(item, env)).collect();
        groups.into_iter().collect()
    }

    fn group(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Group> {
        let arguments = match super::constructor::head(expr) {
            Some(("group", _, arguments)) => arguments,
            _ => {
                let wrong = Diagnostic::error("E130", expr.span, "a group of weights is expected here");
                return self.stop(wrong.hint("for example `group(\"*.bn*\", weight_decay = 0)`"));
            }
        };
        let (mut pattern, mut optimizer, mut lr, mut weight_decay) = (None, None, None, None);
        for argument in arguments {
            let (name, value) = (argument.name.as_ref().map(|name| name.text.as_str()), &argument.value);
            match name {
                // An optimizer is a word of its own, no value.
                Some("optimizer") if optimizer.is_none() => optimizer = Some(self.optimizer(value, env)?),
                Some("lr") if lr.is_none() => lr = Some(self.rate("lr", value, env)?),
                Some("weight_decay") if weight_decay.is_none() => {
                    weight_decay = Some(self.rate("weight_decay", value, env)?);
                }
                Some("pattern") | None if pattern.is_none() => match self.eval(value, env)? {
                    Value::Text(text) => pattern = Some(text.to_string()),
                    other => {
                        let message = format!("a pattern is a text, this is {}", other.describe());
                        return self.error("E101", value.span, message);
                    }
                },
                Some(name) if GROUPS.contains(&name) || name == "pattern" => {
                    return self.error("E103", value.span, format!("`{name}` of `group` is set twice"));
                }
                Some(name) => {
                    let known = GROUPS.iter().copied().chain(["pattern"]);
                    let span = argument.name.as_ref().map_or(value.span, |name| name.span);
                    let wrong = Diagnostic::error("E104", span, format!("`group` has no parameter `{name}`"));
                    return self.stop(wrong.maybe_hint(crate::diagnostic::suggestion(name, known)));
                }
                None => return self.error("E103", value.span, "too many arguments: `group` takes one pattern"),
            }
        }
        let Some(pattern) = pattern else {
            let wrong = Diagnostic::error("E103", expr.span, "`group` needs the argument `pattern`: a text in quotes");
            return self
                .stop(wrong.hint("a weight's name, in which `*` stands for any characters: `group(\"fc.*\", ..)`"));
        };
        if optimizer.is_none() && lr.is_none() && weight_decay.is_none() {
            let wrong = Diagnostic::error("E103", expr.span, "this group changes nothing");
            return self.stop(wrong.hint("it takes `lr`, `weight_decay` and `optimizer`"));
        }
        Ok(Group { pattern, optimizer, lr, weight_decay })
    }

    fn rate(&mut self, name: &str, expr: &'a Expr, env: &Environment<'a>) -> Outcome<f64> {
        match self.eval(expr, env)? {
            value if Kind::Float.takes(&value) && (0.0..=LARGEST).contains(&number(&value)) => Ok(number(&value)),
            value if Kind::Float.takes(&value) => {
                let message = format!("`{name}` is between 0 and {LARGEST}, this is {}", value.spelling());
                self.error("E102", expr.span, message)
            }
            other => self.error("E101", expr.span, format!("`{name}` is a number, this is {}", other.describe())),
        }
    }

    pub(super) fn clip(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Clip> {
        let (name, bound) = self.construct("a bound on gradients", CLIPS, expr, env)?;
        if name == "none" {
            return Ok(Clip::None);
        }
        let most = self.within(&bound, "bound", 0.0, LARGEST)?;
        if most == 0.0 {
            return self.error("E102", bound.get("bound").1, "a bound of 0 leaves nothing of the gradients");
        }
        Ok(if name == "norm" { Clip::Norm(most) } else { Clip::Value(most) })
    }

    pub(super) fn average(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Average> {
        let (name, bound) = self.construct("an average of weights", AVERAGES, expr, env)?;
        Ok(match name {
            "none" => Average::None,
            "ema" => Average::Ema { decay: self.below_one(&bound, "decay")? },
            _ => Average::Lookahead {
                every: self.at_least_one(&bound, "every", 1 << 20)?,
                alpha: self.within(&bound, "alpha", 0.0, 1.0)?,
                ramp: self.within(&bound, "ramp", 0.0, 100.0)?,
            },
        })
    }

    /// A schedule, or a chain of them that follow one another.
    pub(super) fn schedule(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Schedule> {
        let ExprKind::Chain(steps) = &expr.ungrouped().kind else {
            let part = self.part(expr, env)?;
            return Ok(match part {
                Part { schedule, steps: None } => schedule,
                part => Schedule::Sequence(vec![part]),
            });
        };
        let mut parts = Vec::with_capacity(steps.len());
        for (at, step) in steps.iter().enumerate() {
            let part = self.part(step, env)?;
            if part.steps.is_none() && at + 1 < steps.len() {
                let wrong =
                    Diagnostic::error("E103", step.span, "a schedule before another one needs its number of `steps`");
                return self.stop(wrong.hint("for example `warmup(500) -> constant(steps = 10_000) -> cosine`"));
            }
            parts.push(part);
        }
        Ok(Schedule::Sequence(parts))
    }

    fn part(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Part> {
        let (name, bound) = self.construct("a schedule", SCHEDULES, expr, env)?;
        let warmup = |this: &mut Self| this.natural(&bound, "warmup");
        let last = |this: &mut Self| this.within(&bound, "last", 0.0, 1.0);
        let schedule = match name {
            "constant" => Schedule::Constant,
            "step" => Schedule::Step {
                at: self.increasing(&bound, "at")?,
                by: self.within(&bound, "by", 0.0, 1e3)?,
                warmup: warmup(self)?,
            },
            "cosine" => Schedule::Cosine { last: last(self)?, warmup: warmup(self)? },
            "linear" => Schedule::Linear {
                first: self.within(&bound, "first", 0.0, 1.0)?,
                last: last(self)?,
                warmup: warmup(self)?,
            },
            "polynomial" => Schedule::Polynomial {
                power: self.within(&bound, "power", 0.0, 100.0)?,
                last: last(self)?,
                warmup: warmup(self)?,
            },
            "one_cycle" => Schedule::OneCycle {
                peak: self.within(&bound, "peak", 0.0, 1.0)?,
                divide: self.within(&bound, "divide", 1.0, 1e12)?,
                divide_last: self.within(&bound, "divide_last", 1.0, 1e12)?,
            },
            _ => Schedule::Warmup,
        };
        let steps = match name {
            "warmup" => self.at_least_one(&bound, "steps", i64::MAX as u64)?,
            _ => self.natural(&bound, "steps")?,
        };
        Ok(Part { schedule, steps: (steps > 0).then_some(steps) })
    }

    /// An increasing list of steps.
    fn increasing(&mut self, bound: &Bound<'a>, name: &str) -> Outcome<Vec<u64>> {
        let (value, span) = bound.get(name);
        let Value::List(items) = value else { panic!("elaborate: `{name}` is no list") };
        let mut steps: Vec<u64> = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item {
                Value::Int(step) if *step >= 0 && steps.last().is_none_or(|last| *last < *step as u64) => {
                    steps.push(*step as u64);
                }
                other => {
                    let message = format!("`{name}` is an increasing list of steps, in it is {}", other.describe());
                    return self.error("E102", span, message);
                }
            }
        }
        Ok(steps)
    }

    /// Holds groups and optimizers against the model's weights: a pattern that fits none is a mistake, and so are rates and rules
    /// that a weight cannot have.
    pub(super) fn check_training(&mut self, config: &TrainConfig, [optimizer, groups]: [Span; 2]) -> Outcome<()> {
        let graph = &self.builder.graph;
        let weights: Vec<(String, usize)> = graph
            .ids()
            .into_iter()
            .filter(|&id| graph[id].op.name() == "parameter")
            .filter_map(|id| match graph[id].attributes.get("name") {
                Some(Attribute::Text(name)) if !graph[id].attributes.flag("frozen") => {
                    Some((name.clone(), graph[id].ty.rank()))
                }
                _ => None,
            })
            .collect();
        if let Some(group) = config.groups.iter().find(|group| !weights.iter().any(|(name, _)| group.fits(name))) {
            let known = weights.iter().map(|(name, _)| name.as_str());
            let wrong =
                Diagnostic::error("E102", groups, format!("no trained weight has a name like {:?}", group.pattern));
            let hint = crate::diagnostic::suggestion(&group.pattern, known);
            return self.stop(
                wrong.hint(hint.unwrap_or_else(|| "`rnet summary` lists the layers by their names".to_string())),
            );
        }
        for (name, rank) in &weights {
            let own = config.optimizer_of(name);
            if config.optimizer.lr == 0.0 && own.lr != 0.0 {
                let words =
                    "a group cannot have a learning rate where the optimizer's is 0: schedules scale them together";
                return self.error("E102", groups, words);
            }
            if matches!(own.rule, Rule::Muon { .. }) && *rank < 2 {
                let message = format!("`muon` moves matrices and filters, `{name}` is a vector");
                let span = if matches!(config.optimizer.rule, Rule::Muon { .. }) { optimizer } else { groups };
                let wrong = Diagnostic::error("E102", span, message);
                return self.stop(wrong.hint(
                    "another `optimizer`, and `groups = [group(\"*conv*.weight\", optimizer = muon(..))]` for what it moves",
                ));
            }
        }
        Ok(())
    }
}
