//! Data sets, what happens to their images, and the threads that prepare batches.
//!
//! A data set is what its files hold: bytes, memory-mapped where the file is not compressed. A [`Pipeline`] turns one image
//! into f32, channels last, with the random choices of its sample; a [`Loader`] does that ahead of time, in order.

mod arrays;
mod cache;
mod cifar;
mod decode;
mod digits;
mod error;
pub mod fetch;
mod folder;
mod holdout;
mod idx;
mod loader;
pub mod picture;
mod samples;
pub mod sheet;
mod statistics;
mod sweep;
mod transform;
mod views;

pub use decode::{encode_png, read_picture};
pub use error::DataError;
pub use loader::{Batch, Loader, Order, threads};
pub use samples::{Image, Samples};
pub use sweep::sweep;
pub use transform::{Draws, Extents, Pipeline};
pub use views::View;

use crate::config::{Holdout, Source};
use samples::{Bytes, Part};
use std::path::Path;

/// A labelled set of images.
#[derive(Debug)]
pub struct Dataset {
    /// What it is called in messages.
    pub name: String,
    /// Channels of every image.
    pub channels: usize,
    /// The byte that stands for 1.0.
    pub white: u8,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// What is trained on.
    pub train: Samples,
    /// What is tested on; empty where the source says nothing of it.
    pub test: Samples,
    /// Why pictures have been left out: one reason each.
    pub skipped: Vec<DataError>,
}

impl Dataset {
    /// Reads the data set that a `.rnet` file names, and holds a share of its training samples out where that is asked for.
    ///
    /// # Errors
    /// When a file is missing or not what it should be; when nothing is there to test on.
    pub fn open(source: &Source, holdout: Option<&Holdout>) -> Result<Dataset, DataError> {
        let dataset = Dataset::read(source)?;
        match holdout {
            Some(holdout) => dataset.with_holdout(holdout),
            None if dataset.test.is_empty() => Err(DataError::NoTest { name: dataset.name }),
            None => Ok(dataset),
        }
    }

    /// Bytes of its images and labels that are in memory or mapped into it.
    pub fn memory(&self) -> u64 {
        self.train.memory() + self.test.memory()
    }

    /// Reads the data set as it is, perhaps without test samples.
    ///
    /// # Errors
    /// When a file is missing or not what it should be.
    pub fn read(source: &Source) -> Result<Dataset, DataError> {
        match source {
            Source::Digits => Ok(digits::read()),
            Source::Cifar10(directory) => cifar::read(Path::new(directory), &cifar::CIFAR10),
            Source::Cifar100(directory) => cifar::read(Path::new(directory), &cifar::CIFAR100),
            Source::Mnist(directory) => idx::read(Path::new(directory), &idx::MNIST),
            Source::FashionMnist(directory) => idx::read(Path::new(directory), &idx::FASHION_MNIST),
            Source::Arrays(file) => arrays::read(Path::new(file)),
            Source::Folder { path, skip_corrupt } => {
                let dataset = folder::read(Path::new(path))?;
                if *skip_corrupt { folder::without_corrupt(dataset) } else { Ok(dataset) }
            }
        }
    }
}

/// Names that are known beforehand.
fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}
