//! `stop = ..` in the `train` section.

use super::constructor::STOPS;
use super::evaluate::{Elaborator, Outcome};
use super::value::{Environment, Value};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::syntax::ast::Expr;
use rnet_runtime::stopping::{Metric, Stopping};

const METRICS: [&str; 2] = ["accuracy", "loss"];

impl<'a> Elaborator<'a> {
    /// When a run ends before its time.
    pub(super) fn stopping(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Stopping> {
        let (name, bound) = self.construct("a rule for stopping", STOPS, expr, env)?;
        if name == "never" {
            return Ok(Stopping::Never);
        }
        let patience = self.natural(&bound, "patience")?;
        if patience == 0 {
            return self.error("E102", bound.get("patience").1, "`patience` is at least 1, this is 0");
        }
        let (metric, span) = bound.get("metric");
        let Value::Text(metric) = metric else { panic!("elaborate: {} is no text", metric.kind()) };
        let metric = match &**metric {
            "accuracy" => Metric::Accuracy,
            "loss" => Metric::Loss,
            other => {
                let message = format!("`metric` is \"accuracy\" or \"loss\", this is \"{other}\"");
                let wrong = Diagnostic::error("E102", span, message);
                return self.stop(wrong.maybe_hint(suggestion(other, METRICS)));
            }
        };
        Ok(Stopping::Early { patience, metric, least: self.within(&bound, "least", 0.0, f64::INFINITY)? })
    }
}
