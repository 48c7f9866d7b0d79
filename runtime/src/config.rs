//! What a `.rnet` file says about data and training, resolved: plain values, no language.

mod data;

use crate::optimizer::{Average, Clip, Group, Optimizer};
use crate::program::Precision;
pub use crate::schedule::{Part, Schedule};
use crate::stopping::Stopping;
pub use data::{DataConfig, Holdout, Resize, Source, Stage, Transform, Views};
use serde::{Deserialize, Serialize};

/// The `train` section.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// What is made small.
    pub loss: Loss,
    /// How weights move, and how fast at first.
    pub optimizer: Optimizer,
    /// Weights for which that is different; of several groups that fit the last counts.
    pub groups: Vec<Group>,
    /// A bound on gradients.
    pub clip: Clip,
    /// Batches whose gradients are added up for one update.
    pub accumulate: u64,
    /// An average or a slow copy of the weights.
    pub average: Average,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Images a step.
    pub batch: usize,
    /// How long.
    pub length: Length,
    /// Epochs from one test to the next; the run ends with one in any case.
    pub test_every: u64,
    /// When it ends before that.
    pub stopping: Stopping,
    /// Of initial weights, shuffling, augmentation and dropout.
    pub seed: u64,
    /// In what the operands of the training step's convolutions and dense layers are rounded; evaluation is in f32.
    pub precision: Precision,
}

/// What training makes small, a mean over the batch. The target t of an image is 1 at its class and 0 elsewhere, or what mixing
/// images has made of that; smoothing makes it `(1 - smoothing) t + smoothing / classes`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Loss {
    /// Cross entropy of the softmax of the logits.
    CrossEntropy {
        /// Of the targets.
        smoothing: f64,
    },
    /// The mean squared difference of logits and targets.
    MeanSquaredError,
    /// The mean binary cross entropy of the sigmoids of the logits.
    BinaryCrossEntropy {
        /// Of the targets.
        smoothing: f64,
    },
}

impl Loss {
    /// What evaluation measures: the same against targets that are not smoothed.
    pub fn plain(self) -> Loss {
        match self {
            Loss::CrossEntropy { .. } => Loss::CrossEntropy { smoothing: 0.0 },
            Loss::MeanSquaredError => Loss::MeanSquaredError,
            Loss::BinaryCrossEntropy { .. } => Loss::BinaryCrossEntropy { smoothing: 0.0 },
        }
    }

    /// The least that it can be where each image is of one class: the entropy that smoothing gives its target.
    pub fn floor(self, classes: usize) -> f64 {
        let surprise = |share: f64| if share > 0.0 { -share * share.ln() } else { 0.0 };
        let shares = |smoothing: f64| {
            let other = smoothing / classes as f64;
            (1.0 - smoothing + other, other, (classes - 1) as f64)
        };
        match self {
            Loss::CrossEntropy { smoothing } => {
                let (own, other, others) = shares(smoothing);
                surprise(own) + others * surprise(other)
            }
            Loss::MeanSquaredError => 0.0,
            Loss::BinaryCrossEntropy { smoothing } => {
                let (own, other, others) = shares(smoothing);
                let both = |share: f64| surprise(share) + surprise(1.0 - share);
                (both(own) + others * both(other)) / classes as f64
            }
        }
    }
}

/// How long a run is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Length {
    /// Optimizer steps.
    Steps(u64),
    /// Passes over the training set.
    Epochs(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the least of the losses along the line of logits that tell the class from the others, which contains the least of all.
    #[test]
    fn the_floor_is_the_least_loss() {
        let classes = 4;
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        for smoothing in [0.0, 0.1, 0.5] {
            let (own, other) = (1.0 - smoothing + smoothing / 4.0, smoothing / 4.0);
            let logits = (-40_000..40_000).map(|at| f64::from(at) / 1000.0);
            let cross_entropy = |x: f64| (x.exp() + 3.0).ln() - own * x;
            let least = logits.clone().map(cross_entropy).fold(f64::INFINITY, f64::min);
            let floor = Loss::CrossEntropy { smoothing }.floor(classes);
            assert!((floor - least).abs() < 1e-6, "{smoothing}: {floor} {least}");
            // Each logit is free for itself.
            let each = |share: f64| logits.clone().map(|x| softplus(x) - share * x).fold(f64::INFINITY, f64::min);
            let least = (each(own) + 3.0 * each(other)) / 4.0;
            let floor = Loss::BinaryCrossEntropy { smoothing }.floor(classes);
            assert!((floor - least).abs() < 1e-6, "{smoothing}: {floor} {least}");
        }
        assert_eq!(Loss::MeanSquaredError.floor(classes), 0.0);
    }
}
