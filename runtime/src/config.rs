//! What a `.rnet` file says about data and training, resolved: plain values, no language.

use crate::optimizer::{Average, Clip, Group, Optimizer};
pub use crate::schedule::{Part, Schedule};
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
    /// Of initial weights, shuffling, augmentation and dropout.
    pub seed: u64,
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
}

/// How long a run is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Length {
    /// Optimizer steps.
    Steps(u64),
    /// Passes over the training set.
    Epochs(u64),
}

/// The `data` section.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DataConfig {
    /// Where samples come from.
    pub source: Source,
    /// What happens to a training image, in order.
    pub train: Vec<Transform>,
    /// What happens to a test image, in order.
    pub test: Vec<Transform>,
}

/// Where samples come from. Paths are relative to the working directory, or to `--data` where it is given.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Source {
    /// UCI digits, in the binary: 1x8x8, 10 classes; every fifth sample is for testing.
    Digits,
    /// CIFAR-10 binary batches: 3x32x32, 10 classes.
    Cifar10(String),
    /// MNIST-like IDX files, plain or gzipped: 1x28x28, 10 classes.
    Mnist(String),
    /// The same files, Fashion-MNIST's directory.
    FashionMnist(String),
}

/// One step of preprocessing. Images are `[C,H,W]` with values 0..1 before `Normalize`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Transform {
    /// Zero padding (of the raw image) on each side.
    Pad(usize),
    /// A random window of that side.
    RandomCrop(usize),
    /// The middle window of that side.
    CenterCrop(usize),
    /// Mirrors left to right, with probability a half.
    RandomFlip,
    /// `(x - mean_c) / std_c`; where empty, the data set's own mean and deviation over its training images.
    Normalize {
        /// For each channel, in units of white.
        mean: Vec<f64>,
        /// For each channel, in units of white.
        std: Vec<f64>,
    },
}
