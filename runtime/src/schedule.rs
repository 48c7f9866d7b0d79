//! The learning rate of a step.

use crate::config::Length;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate at a step, as a factor of the base rate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Schedule {
    /// 1.
    Constant,
    /// Times `by` at each of the steps `at`, after a linear warm-up over `warmup` steps.
    Step {
        /// The steps, counted from 0, from which on the rate is lower.
        at: Vec<u64>,
        /// By which factor.
        by: f64,
        /// Steps of the warm-up.
        warmup: u64,
    },
    /// Half a cosine from 1 to `last` over the whole run, after a linear warm-up over `warmup` steps.
    Cosine {
        /// The factor at the end.
        last: f64,
        /// Steps of the warm-up.
        warmup: u64,
    },
    /// Linear from `first` to `last` over the whole run, after a linear warm-up over `warmup` steps.
    Linear {
        /// The factor at the beginning.
        first: f64,
        /// The factor at the end.
        last: f64,
        /// Steps of the warm-up.
        warmup: u64,
    },
    /// From 1 to `last` as a power of what is left of the run, after a linear warm-up over `warmup` steps.
    Polynomial {
        /// The power.
        power: f64,
        /// The factor at the end.
        last: f64,
        /// Steps of the warm-up.
        warmup: u64,
    },
    /// Half a cosine up from `1 / divide` to 1 over the share `peak` of the run, and half a cosine down to
    /// `1 / (divide divide_last)` (Smith & Topin 2018, in PyTorch's form).
    OneCycle {
        /// The share of the run after which the rate is greatest.
        peak: f64,
        /// The greatest rate over the first.
        divide: f64,
        /// The first rate over the last.
        divide_last: f64,
    },
    /// Linear from 1/n to 1 over n steps, then 1.
    Warmup,
    /// Schedules one after the other, each counting from its own beginning.
    Sequence(Vec<Part>),
}

/// A schedule of a sequence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// What it does.
    pub schedule: Schedule,
    /// For how many steps; what is left of the run where omitted.
    pub steps: Option<u64>,
}

impl Schedule {
    /// The factor of the base rate at `step` (from 0) of a run of `steps` steps.
    ///
    /// During the warm-up the factor that the schedule has at its end is reached linearly, beginning with 1/warmup of it;
    /// curves over the whole run begin where the warm-up ends (Goyal et al. 2017; the cosine is Loshchilov & Hutter's, 2017).
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let warmup = match *self {
            Schedule::Step { warmup, .. }
            | Schedule::Cosine { warmup, .. }
            | Schedule::Linear { warmup, .. }
            | Schedule::Polynomial { warmup, .. } => warmup,
            Schedule::Warmup => steps,
            Schedule::Constant | Schedule::OneCycle { .. } | Schedule::Sequence(_) => 0,
        };
        let rising = if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 };
        let progress = step.saturating_sub(warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
        rising
            * match self {
                Schedule::Constant | Schedule::Warmup => 1.0,
                Schedule::Step { at, by, .. } => by.powi(at.iter().filter(|&&at| at <= step).count() as i32),
                Schedule::Cosine { last, .. } => eased(1.0, *last, progress),
                Schedule::Linear { first, last, .. } => first + (last - first) * progress,
                Schedule::Polynomial { power, last, .. } => {
                    last + (1.0 - last) * (1.0 - progress).max(0.0).powf(*power)
                }
                Schedule::OneCycle { peak, divide, divide_last } => {
                    // The rate is greatest at, and the run ends with, a whole step.
                    let (top, end) = (peak * steps as f64 - 1.0, steps as f64 - 1.0);
                    let (step, first) = (step as f64, 1.0 / divide);
                    if step <= top {
                        eased(first, 1.0, step / top.max(f64::MIN_POSITIVE))
                    } else {
                        let share = (step - top) / (end - top).max(f64::MIN_POSITIVE);
                        eased(1.0, first / divide_last, share.min(1.0))
                    }
                }
                Schedule::Sequence(parts) => sequence(parts, step, steps),
            }
    }
}

/// Half a cosine from `from` to `to`.
fn eased(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
}

/// The factor of the part in which the step lies; behind the last part, where that has ended.
fn sequence(parts: &[Part], step: u64, steps: u64) -> f64 {
    let mut begin = 0;
    for (at, part) in parts.iter().enumerate() {
        let own = part.steps.unwrap_or(steps.saturating_sub(begin));
        if step < begin.saturating_add(own) || at + 1 == parts.len() {
            return part.schedule.factor((step - begin).min(own), own);
        }
        begin += own;
    }
    1.0
}

impl Length {
    /// How many steps a run has in which an epoch has `per_epoch`.
    pub fn steps(self, per_epoch: u64) -> u64 {
        match self {
            Length::Steps(steps) => steps,
            Length::Epochs(epochs) => epochs.saturating_mul(per_epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_at_the_corners() {
        let step = Schedule::Step { at: vec![10, 20], by: 0.1, warmup: 4 };
        let cosine = Schedule::Cosine { last: 0.2, warmup: 0 };
        let linear = Schedule::Linear { first: 1.0, last: 0.0, warmup: 10 };
        let polynomial = Schedule::Polynomial { power: 2.0, last: 0.2, warmup: 0 };
        let cycle = Schedule::OneCycle { peak: 0.3, divide: 10.0, divide_last: 100.0 };
        let part = |schedule: &Schedule, steps| Part { schedule: schedule.clone(), steps };
        let rise = Schedule::Linear { first: 0.2, last: 1.0, warmup: 0 };
        let sequence =
            Schedule::Sequence(vec![part(&rise, Some(20)), part(&Schedule::Warmup, Some(10)), part(&cosine, None)]);
        let short = Schedule::Sequence(vec![part(&rise, Some(20))]);
        for (schedule, at, expected) in [
            (&Schedule::Constant, 99, 1.0),
            (&step, 0, 0.25),
            (&step, 3, 1.0),
            (&step, 9, 1.0),
            (&step, 10, 0.1),
            (&step, 20, 0.01),
            (&cosine, 0, 1.0),
            (&cosine, 50, 0.6),
            (&cosine, 100, 0.2),
            (&linear, 4, 0.5),
            (&linear, 10, 1.0),
            (&linear, 55, 0.5),
            (&polynomial, 50, 0.4),
            (&polynomial, 100, 0.2),
            (&cycle, 0, 0.1),
            (&cycle, 29, 1.0),
            (&cycle, 64, 0.5005),
            (&cycle, 99, 0.001),
            (&sequence, 0, 0.2),
            (&sequence, 10, 0.6),
            (&sequence, 20, 0.1),
            (&sequence, 29, 1.0),
            (&sequence, 30, 1.0),
            (&sequence, 65, 0.6),
            (&short, 20, 1.0),
            (&short, 90, 1.0),
        ] {
            let found = schedule.factor(at, 100);
            assert!((found - expected).abs() < 1e-12, "{schedule:?} at {at}: {found}");
        }
    }
}
