//! Constructors: the words with arguments that sections and annotations are made of, such as `sgd(lr = 0.1)` and `normal(0.01)`.

use super::evaluate::{Elaborator, Outcome};
use super::parameters::{Annotations, Init};
use super::training::LARGEST;
use super::value::{Bound, Default, Environment, Kind, Parameter, Value};
use crate::diagnostic::{Diagnostic, Span, suggestion};
use crate::syntax::ast::{Annotation, Argument, Expr, ExprKind};

/// One constructor.
pub(super) struct Constructor {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
}

pub(super) const fn new(name: &'static str, parameters: &'static [Parameter]) -> Constructor {
    Constructor { name, parameters }
}

/// `stop = ..`
pub(super) static STOPS: &[Constructor] = &[
    new("never", &[]),
    new(
        "early",
        &[
            Parameter::new("patience", Kind::Int, Default::Needed),
            Parameter::new("metric", Kind::Text, Default::Text("accuracy")),
            Parameter::new("least", Kind::Float, Default::Float(0.0)),
        ],
    ),
];

/// `@init(..)`
pub(super) static INITS: &[Constructor] = &[
    new("he_normal", &[]),
    new("he_uniform", &[]),
    new("xavier_normal", &[]),
    new("xavier_uniform", &[]),
    new("zeros", &[]),
    new("normal", &[Parameter::new("std", Kind::Float, Default::Needed)]),
    new("uniform", &[Parameter::new("bound", Kind::Float, Default::Needed)]),
    new("constant", &[Parameter::new("value", Kind::Float, Default::Needed)]),
    new("dirac", &[]),
    new("whitening", &[Parameter::new("eps", Kind::Float, Default::Float(5e-4))]),
];

/// `@..`
pub(super) static ANNOTATIONS: &[Constructor] = &[
    new("init", &[]),
    new("frozen", &[]),
    new("lr", &[Parameter::new("factor", Kind::Float, Default::Needed)]),
    new("decay", &[Parameter::new("factor", Kind::Float, Default::Needed)]),
];

/// An expression that is a name, called or not.
pub(super) fn head(expr: &Expr) -> Option<(&str, Span, &[Argument])> {
    match &expr.kind {
        ExprKind::Name(name) => Some((name, expr.span, &[])),
        ExprKind::Call(callee, arguments) => match &callee.kind {
            ExprKind::Name(name) => Some((name, callee.span, arguments)),
            _ => None,
        },
        ExprKind::Group(inner) => head(inner),
        _ => None,
    }
}

pub(super) fn number(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        other => panic!("elaborate: {} is no number", other.kind()),
    }
}

impl<'a> Elaborator<'a> {
    /// A constructor out of `table`, with its arguments.
    pub fn construct(
        &mut self,
        what: &str,
        table: &'static [Constructor],
        expr: &'a Expr,
        env: &Environment<'a>,
    ) -> Outcome<(&'static str, Bound<'a>)> {
        let names = || table.iter().map(|constructor| constructor.name);
        let Some((name, span, arguments)) = head(expr) else {
            let wrong = Diagnostic::error("E130", expr.span, format!("{what} is expected here"));
            return self.stop(wrong.hint(format!("one of {}", names().collect::<Vec<_>>().join(", "))));
        };
        let Some(constructor) = table.iter().find(|constructor| constructor.name == name) else {
            let wrong = Diagnostic::error("E130", span, format!("`{name}` is not {what}"));
            return self.stop(wrong.maybe_hint(suggestion(name, names())));
        };
        let given = self.given(arguments, env)?;
        Ok((constructor.name, self.bind(constructor.name, constructor.parameters, false, given, expr.span)?))
    }

    /// A number within bounds, both included.
    pub fn within(&mut self, bound: &Bound<'a>, name: &str, low: f64, high: f64) -> Outcome<f64> {
        let (given, span) = bound.get(name);
        let value = number(given);
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        let range = if high == f64::INFINITY { format!("at least {low}") } else { format!("between {low} and {high}") };
        self.error("E102", span, format!("`{name}` is {range}, this is {}", given.spelling()))
    }

    /// A whole number that is not negative.
    pub fn natural(&mut self, bound: &Bound<'a>, name: &str) -> Outcome<u64> {
        let (value, span) = bound.get(name);
        let Value::Int(value) = value else { panic!("elaborate: `{name}` is no whole number") };
        match u64::try_from(*value) {
            Ok(value) => Ok(value),
            Err(_) => self.error("E102", span, format!("`{name}` is at least 0, this is {value}")),
        }
    }

    /// A list of numbers.
    pub fn numbers(&mut self, bound: &Bound<'a>, name: &str) -> Outcome<Vec<f64>> {
        let (value, span) = bound.get(name);
        let Value::List(items) = value else { panic!("elaborate: `{name}` is no list") };
        match items.iter().find(|item| !Kind::Float.takes(item)) {
            Some(item) => {
                self.error("E101", span, format!("`{name}` is a list of numbers, in it is {}", item.describe()))
            }
            None => Ok(items.iter().map(number).collect()),
        }
    }

    /// What the `@`s behind a layer say.
    pub fn annotations(&mut self, annotations: &'a [Annotation], env: &Environment<'a>) -> Outcome<Annotations> {
        let mut said = Annotations::default();
        for (at, annotation) in annotations.iter().enumerate() {
            let name = annotation.name.text.as_str();
            if annotations[..at].iter().any(|before| before.name.text == name) {
                return self.error("E103", annotation.name.span, format!("`@{name}` is said twice of one layer"));
            }
            if name == "init" {
                let [Argument { name: None, value }] = &annotation.arguments[..] else {
                    let wrong = Diagnostic::error("E103", annotation.name.span, "`@init` takes one initialiser");
                    return self.stop(wrong.hint("for example `@init(he_normal)` or `@init(normal(0.01))`"));
                };
                said.init = Some(self.init(value, env)?);
                continue;
            }
            let Some(constructor) = ANNOTATIONS.iter().find(|constructor| constructor.name == name) else {
                let wrong =
                    Diagnostic::error("E131", annotation.name.span, format!("there is no annotation `@{name}`"));
                return self.stop(wrong.maybe_hint(suggestion(name, ANNOTATIONS.iter().map(|known| known.name))));
            };
            let given = self.given(&annotation.arguments, env)?;
            let bound = self.bind(constructor.name, constructor.parameters, false, given, annotation.name.span)?;
            match constructor.name {
                "frozen" => said.frozen = true,
                "lr" => said.lr = Some(self.within(&bound, "factor", 0.0, LARGEST)?),
                _ => said.decay = Some(self.within(&bound, "factor", 0.0, LARGEST)?),
            }
        }
        Ok(said)
    }

    fn init(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Init> {
        let (name, bound) = self.construct("an initialiser", INITS, expr, env)?;
        Ok(match name {
            "he_normal" => Init::HeNormal,
            "he_uniform" => Init::HeUniform,
            "xavier_normal" => Init::XavierNormal,
            "xavier_uniform" => Init::XavierUniform,
            "zeros" => Init::Constant(0.0),
            "normal" => Init::Normal(self.within(&bound, "std", 0.0, LARGEST)?),
            "uniform" => Init::Uniform(self.within(&bound, "bound", 0.0, LARGEST)?),
            "dirac" => Init::Dirac,
            "whitening" => Init::Whitening(self.within(&bound, "eps", 0.0, LARGEST)?),
            _ => Init::Constant(self.within(&bound, "value", -LARGEST, LARGEST)?),
        })
    }
}
