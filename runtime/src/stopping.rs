//! When a run ends before its time.

use crate::metrics::Meter;
use serde::{Deserialize, Serialize};

/// `stop = ..` in the `train` section.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub enum Stopping {
    /// Never.
    #[default]
    Never,
    /// After `patience` tests in a row without a new best (Prechelt, "Early Stopping - But When?", 1998).
    Early {
        /// How many.
        patience: u64,
        /// Of what.
        metric: Metric,
        /// By how much a new best has to be better than the last.
        least: f64,
    },
}

/// What tests are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The share of hits, 0 to 1.
    #[default]
    Accuracy,
    /// The mean loss.
    Loss,
}

impl Metric {
    /// Its value in a test with that share of hits and that mean loss.
    pub fn of(self, top1: f64, loss: f64) -> f64 {
        match self {
            Metric::Accuracy => top1,
            Metric::Loss => loss,
        }
    }

    /// Whether a value is better than another by more than `least`.
    pub fn is_better(self, value: f64, than: f64, least: f64) -> bool {
        match self {
            Metric::Accuracy => value > than + least,
            Metric::Loss => value < than - least,
        }
    }
}

impl Stopping {
    /// What the best test is the best by: what early stopping looks at, else the accuracy.
    pub fn metric(&self) -> Metric {
        match self {
            Stopping::Never => Metric::Accuracy,
            Stopping::Early { metric, .. } => *metric,
        }
    }
}

/// How long it is since the last best.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Stall {
    /// The best so far.
    pub best: Option<f64>,
    /// Tests since then.
    pub tests: u64,
}

impl Stall {
    /// Takes note of a test.
    pub fn note(&mut self, stopping: &Stopping, meter: &Meter) {
        let Stopping::Early { metric, least, .. } = stopping else { return };
        let value = metric.of(meter.top1(), meter.mean_loss());
        let is_better = self.best.is_none_or(|best| metric.is_better(value, best, *least));
        (self.best, self.tests) = if is_better { (Some(value), 0) } else { (self.best, self.tests + 1) };
    }

    /// Whether patience is at its end.
    pub fn is_over(&self, stopping: &Stopping) -> bool {
        matches!(stopping, Stopping::Early { patience, .. } if self.tests >= *patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_tests_without_a_new_best() {
        let early = |metric, least| Stopping::Early { patience: 2, metric, least };
        for (stopping, values, expected) in [
            (Stopping::Never, &[0.5, 0.5, 0.5, 0.5][..], None),
            (early(Metric::Accuracy, 0.0), &[0.5, 0.6, 0.6, 0.55], Some(3)),
            (early(Metric::Accuracy, 0.0), &[0.5, 0.4, 0.6, 0.5, 0.7], None),
            (early(Metric::Accuracy, 0.2), &[0.5, 0.6, 0.7, 0.8], Some(2)),
            (early(Metric::Loss, 0.0), &[0.5, 0.4, 0.3, 0.2], None),
            (early(Metric::Loss, 0.0), &[0.5, 0.4, 0.6, 0.7], Some(3)),
            (early(Metric::Loss, 0.2), &[0.5, 0.4, 0.35, 0.1], Some(2)),
        ] {
            let mut stall = Stall::default();
            let over = values.iter().position(|&value| {
                stall.note(&stopping, &Meter { loss: 10.0 * value, correct: 10.0 * value, images: 10 });
                stall.is_over(&stopping)
            });
            assert_eq!(over, expected, "{stopping:?} on {values:?}");
        }
    }
}
