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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Metric {
    /// The share of hits, 0 to 1.
    Accuracy,
    /// The mean loss.
    Loss,
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
        let value = match metric {
            Metric::Accuracy => meter.top1(),
            Metric::Loss => meter.mean_loss(),
        };
        let is_better = self.best.is_none_or(|best| match metric {
            Metric::Accuracy => value > best + least,
            Metric::Loss => value < best - least,
        });
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
