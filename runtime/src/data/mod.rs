//! Data sets, what happens to their images, and the threads that prepare batches.
//!
//! A data set is what its files hold: bytes, memory-mapped where the file is not compressed. A [`Pipeline`] turns one image
//! into f32, channels last, with the random choices of its sample; a [`Loader`] does that ahead of time, in order.

mod cifar10;
mod digits;
mod error;
mod idx;
mod loader;
pub mod picture;
mod samples;
mod transform;
mod views;

pub use error::DataError;
pub use loader::{Batch, Loader, Order};
pub use samples::{Image, Samples};
pub use transform::{Draws, Extents, Pipeline};
pub use views::View;

use crate::config::Source;
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
    /// What is tested on.
    pub test: Samples,
}

impl Dataset {
    /// Reads the data set that a `.rnet` file names.
    ///
    /// # Errors
    /// When a file is missing or not what it should be.
    pub fn open(source: &Source) -> Result<Dataset, DataError> {
        match source {
            Source::Digits => Ok(digits::read()),
            Source::Cifar10(directory) => cifar10::read(Path::new(directory)),
            Source::Mnist(directory) => idx::read(Path::new(directory), &idx::MNIST),
            Source::FashionMnist(directory) => idx::read(Path::new(directory), &idx::FASHION_MNIST),
        }
    }

    /// Bytes of its images and labels that are in memory or mapped into it.
    pub fn memory(&self) -> u64 {
        self.train.memory() + self.test.memory()
    }

    /// Mean and standard deviation of each channel over all training images, in units of `white`.
    ///
    /// Computed in whole numbers, so the order of summation does not matter.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn statistics(&self) -> Result<(Vec<f64>, Vec<f64>), DataError> {
        let mut sums = vec![(0u64, 0u64, 0u64); self.channels];
        for index in 0..self.train.len() {
            let image = self.train.image(index)?;
            let [_, height, width] = image.dims;
            for (plane, (count, sum, squares)) in image.planes.chunks_exact(height * width).zip(&mut sums) {
                *count += plane.len() as u64;
                // 2^16 squares of bytes fit into 32 bits, which vectorise better than 64.
                for chunk in plane.chunks(1 << 16) {
                    *sum += u64::from(chunk.iter().map(|&value| u32::from(value)).sum::<u32>());
                    *squares += u64::from(chunk.iter().map(|&value| u32::from(value) * u32::from(value)).sum::<u32>());
                }
            }
        }
        let white = f64::from(self.white);
        let statistics = sums.into_iter().map(|(count, sum, squares)| {
            let mean = sum as f64 / count as f64;
            let variance = (squares as f64 / count as f64 - mean * mean).max(0.0);
            (mean / white, variance.sqrt() / white)
        });
        Ok(statistics.unzip())
    }
}

/// Names that are known beforehand.
fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}
