//! The learning rate of a step.

use crate::config::{Length, Schedule};

impl Schedule {
    /// The factor of the base rate at `step` (from 0) of a run of `steps` steps.
    ///
    /// During the warm-up the factor that the schedule has at its end is reached linearly, beginning with 1/warmup of it;
    /// curves over the whole run begin where the warm-up ends (Goyal et al. 2017; the cosine is Loshchilov & Hutter's, 2017).
    pub fn factor(&self, step: u64, steps: u64) -> f64 {
        let warmup = match self {
            Schedule::Constant => 0,
            Schedule::Step { warmup, .. } | Schedule::Cosine { warmup, .. } | Schedule::Linear { warmup, .. } => {
                *warmup
            }
        };
        let rising = if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 };
        let progress = step.saturating_sub(warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
        rising
            * match self {
                Schedule::Constant => 1.0,
                Schedule::Step { at, by, .. } => by.powi(at.iter().filter(|&&at| at <= step).count() as i32),
                Schedule::Cosine { last, .. } => {
                    last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
                }
                Schedule::Linear { last, .. } => 1.0 + (last - 1.0) * progress,
            }
    }
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
        let linear = Schedule::Linear { last: 0.0, warmup: 10 };
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
        ] {
            let found = schedule.factor(at, 100);
            assert!((found - expected).abs() < 1e-12, "{schedule:?} at {at}: {found}");
        }
    }
}
