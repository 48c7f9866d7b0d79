//! What a `.rnet` file says about data and training, resolved: plain values, no language.

mod data;

pub use data::{DataConfig, Holdout, Resize, Source, Stage, Transform, Views};

use crate::program::Precision;
use crate::stopping::Stopping;
use serde::{Deserialize, Serialize};

/// The `train` section.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrainConfig {
    /// `cross_entropy(smoothing = s)`.
    pub label_smoothing: f64,
    /// `sgd(lr, momentum, nesterov, weight_decay)`.
    pub optimizer: Sgd,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Images a step.
    pub batch: usize,
    /// How long.
    pub length: Length,
    /// When it ends before that.
    pub stopping: Stopping,
    /// Of initial weights, shuffling, augmentation and dropout.
    pub seed: u64,
    /// In what the operands of the training step's convolutions and dense layers are rounded; evaluation is in f32.
    pub precision: Precision,
}

/// Stochastic gradient descent as in PyTorch: `g = grad + wd p; v = mu v + g; p -= lr (nesterov ? g + mu v : v)`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sgd {
    /// Base learning rate.
    pub lr: f64,
    /// mu
    pub momentum: f64,
    /// Nesterov's form.
    pub nesterov: bool,
    /// wd
    pub weight_decay: f64,
}

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
    /// Linear from 1 to `last` over the whole run, after a linear warm-up over `warmup` steps.
    Linear {
        /// The factor at the end.
        last: f64,
        /// Steps of the warm-up.
        warmup: u64,
    },
}

/// How long a run is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Length {
    /// Optimizer steps.
    Steps(u64),
    /// Passes over the training set.
    Epochs(u64),
}
