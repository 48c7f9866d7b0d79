//! The `data` section.

use serde::{Deserialize, Serialize};

/// The `data` section.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DataConfig {
    /// Where samples come from.
    pub source: Source,
    /// What happens to a training image, in order.
    pub train: Vec<Transform>,
    /// What happens to a test image, in order.
    pub test: Vec<Transform>,
    /// Training samples that are tested on, rather than the source's own test samples.
    pub holdout: Option<Holdout>,
    /// What the answers to a test image are averaged over.
    pub views: Views,
}

impl DataConfig {
    /// Whether training images are mixed, so that a label is a share for each class: `label` is f32[N, classes].
    pub fn has_soft_labels(&self) -> bool {
        self.train.iter().any(|transform| transform.stage() == Stage::Mix)
    }
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
    /// CIFAR-100 binary files: 3x32x32, 100 classes.
    Cifar100(String),
    /// JPEG and PNG pictures of any size, 3 channels, a folder a class: under `train` and `test` or `val`, or directly.
    Folder {
        /// The folder.
        path: String,
        /// Whether pictures that cannot be decoded are left out; else the first of them ends the run.
        skip_corrupt: bool,
    },
    /// A file of arrays, NPZ or safetensors.
    Arrays(String),
}

/// Training samples that are held out for testing.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Holdout {
    /// Their share of each class.
    pub share: f64,
    /// Determines which.
    pub seed: u64,
}

/// The views of a test image whose logits are averaged. The image itself is always one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Views {
    /// Each view is mirrored as well, with equal weight.
    pub flips: bool,
    /// Pixels by which two more views are moved, up and left, and down and right, where this is not 0. They and the image
    /// itself weigh one half each.
    pub shift: usize,
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
    RandomFlip {
        /// Each epoch mirrors those that the one before did not.
        alternating: bool,
    },
    /// Moves by up to that many pixels along each axis; what comes in is the image's reflection at its edge.
    Translate(usize),
    /// Brings to other extents.
    Resize(Resize),
    /// A window of random area and shape, brought to a square (Szegedy et al. 2015).
    RandomResizedCrop {
        /// The square's side.
        side: usize,
        /// Least and greatest share of the area.
        scale: [f64; 2],
        /// Least and greatest ratio of width to height.
        ratio: [f64; 2],
    },
    /// Brightness, contrast, saturation and hue at random, in random order.
    ColorJitter {
        /// A factor up to so far from 1.
        brightness: f64,
        /// A factor up to so far from 1.
        contrast: f64,
        /// A factor up to so far from 1.
        saturation: f64,
        /// Up to so much of the colour circle either way, at most 0.5.
        hue: f64,
    },
    /// Random operations out of fourteen, all of one magnitude (Cubuk et al. 2020).
    RandAugment {
        /// How many, one after the other.
        operations: usize,
        /// How strong, 0 to 30.
        magnitude: usize,
    },
    /// A square of that side around a random pixel is 0 in the result (DeVries and Taylor 2017).
    Cutout(usize),
    /// `(x - mean_c) / std_c`; where empty, the data set's own mean and deviation over its training images.
    Normalize {
        /// For each channel, in units of white.
        mean: Vec<f64>,
        /// For each channel, in units of white.
        std: Vec<f64>,
    },
    /// `w x + (1 - w) y` with the next image y of the batch, and so the labels; w from Beta(alpha, alpha) (Zhang et al. 2018).
    Mixup(f64),
    /// A rectangle of the next image of the batch, and its share of the label; the rest's share is from Beta(alpha, alpha)
    /// (Yun et al. 2019).
    Cutmix(f64),
}

/// How `resize` chooses the new extents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Resize {
    /// The shorter side becomes this long, the other in proportion.
    Shorter(usize),
    /// Height and width.
    To([usize; 2]),
}

/// When a transform may stand in a chain: behind those of its own stage and of earlier ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Moves or changes pixels.
    Pixels,
    /// Blots pixels out.
    Erase,
    /// Normalises, once.
    Normalize,
    /// Mixes whole images of a batch, each kind once.
    Mix,
}

impl Transform {
    /// Its name in the language.
    pub fn name(&self) -> &'static str {
        match self {
            Transform::Pad(_) => "pad",
            Transform::RandomCrop(_) => "random_crop",
            Transform::CenterCrop(_) => "center_crop",
            Transform::RandomFlip { .. } => "random_flip",
            Transform::Translate(_) => "translate",
            Transform::Resize(_) => "resize",
            Transform::RandomResizedCrop { .. } => "random_resized_crop",
            Transform::ColorJitter { .. } => "color_jitter",
            Transform::RandAugment { .. } => "rand_augment",
            Transform::Cutout(_) => "cutout",
            Transform::Normalize { .. } => "normalize",
            Transform::Mixup(_) => "mixup",
            Transform::Cutmix(_) => "cutmix",
        }
    }

    /// When it may stand in a chain.
    pub fn stage(&self) -> Stage {
        match self {
            Transform::Cutout(_) => Stage::Erase,
            Transform::Normalize { .. } => Stage::Normalize,
            Transform::Mixup(_) | Transform::Cutmix(_) => Stage::Mix,
            _ => Stage::Pixels,
        }
    }

    /// Whether it does the same to an image each time.
    pub fn is_fixed(&self) -> bool {
        matches!(
            self,
            Transform::Pad(_) | Transform::CenterCrop(_) | Transform::Resize(_) | Transform::Normalize { .. }
        )
    }

    /// Why it cannot stand behind `before`, in words; `None` where it can.
    pub fn misplaced(&self, before: &[Transform]) -> Option<String> {
        let name = self.name();
        if let Some(later) = before.iter().find(|other| other.stage() > self.stage()) {
            return Some(format!(
                "`{name}` comes after `{}`; the order is what changes pixels, `cutout`, `normalize`, `mixup` or `cutmix`",
                later.name()
            ));
        }
        let is_single = matches!(self.stage(), Stage::Normalize | Stage::Mix);
        (is_single && before.iter().any(|other| other.name() == name)).then(|| format!("`{name}` is there twice"))
    }
}
