//! Data sets, what happens to their images, and the threads that prepare batches.
//!
//! A data set is what its files hold: bytes, memory-mapped where the file is not compressed. A [`Pipeline`] turns one image
//! into f32, channels last, with the random choices of its sample; a [`Loader`] does that ahead of time, in order.

mod cifar10;
mod digits;
mod error;
mod idx;
mod loader;
mod transform;

pub use error::DataError;
pub use loader::{Batch, Loader, Order};
pub use transform::Pipeline;

use crate::config::Source;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// A labelled set of images of one size.
#[derive(Debug)]
pub struct Dataset {
    /// What it is called in messages.
    pub name: &'static str,
    /// Extents of an image: channels, height, width.
    pub dims: [usize; 3],
    /// The byte that stands for 1.0.
    pub white: u8,
    /// The names of the classes, in the order of the labels.
    pub classes: &'static [&'static str],
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

    /// Mean and standard deviation of each channel over all training images, in units of `white`.
    ///
    /// Computed in whole numbers, so the order of summation does not matter.
    pub fn statistics(&self) -> (Vec<f64>, Vec<f64>) {
        let [channels, height, width] = self.dims;
        let mut sums = vec![(0u64, 0u64); channels];
        for image in (0..self.train.len()).map(|index| self.train.image(index)) {
            for (plane, (sum, squares)) in image.chunks_exact(height * width).zip(&mut sums) {
                // 2^16 squares of bytes fit into 32 bits, which vectorise better than 64.
                for chunk in plane.chunks(1 << 16) {
                    *sum += u64::from(chunk.iter().map(|&value| u32::from(value)).sum::<u32>());
                    *squares += u64::from(chunk.iter().map(|&value| u32::from(value) * u32::from(value)).sum::<u32>());
                }
            }
        }
        let count = (self.train.len() * height * width) as f64;
        let white = f64::from(self.white);
        sums.into_iter()
            .map(|(sum, squares)| {
                let mean = sum as f64 / count;
                let variance = (squares as f64 / count - mean * mean).max(0.0);
                (mean / white, variance.sqrt() / white)
            })
            .unzip()
    }
}

/// The images and labels of one half of a data set.
#[derive(Debug)]
pub struct Samples {
    parts: Vec<Part>,
    labels: Vec<u8>,
    image_len: usize,
}

/// Images that follow each other in one file.
#[derive(Debug)]
struct Part {
    bytes: Bytes,
    /// Where the first image starts.
    offset: usize,
    /// From one image to the next.
    stride: usize,
    /// How many there are.
    count: usize,
}

/// What a file holds.
#[derive(Debug)]
enum Bytes {
    Owned(Vec<u8>),
    Mapped(Mmap),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}

impl Bytes {
    /// Maps a file into memory.
    fn map(file: &File) -> std::io::Result<Bytes> {
        // An empty file cannot be mapped everywhere.
        if file.metadata()?.len() == 0 {
            return Ok(Bytes::Owned(Vec::new()));
        }
        // SAFETY: the map is only read, as bytes, for which every value is valid. Nothing here writes data files; that
        // nobody else truncates or rewrites one during a run is what every reader of a mapped file has to ask of its user.
        let map = unsafe { Mmap::map(file)? };
        Ok(Bytes::Mapped(map))
    }
}

impl Dataset {
    /// Bytes of its images and labels.
    pub fn memory(&self) -> u64 {
        let bytes = |samples: &Samples| {
            samples.parts.iter().map(|part| part.bytes.len() as u64).sum::<u64>() + samples.labels.len() as u64
        };
        bytes(&self.train) + bytes(&self.test)
    }
}

impl Samples {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of an image, as [channels, height, width].
    pub fn image(&self, index: usize) -> &[u8] {
        let mut index = index;
        for part in &self.parts {
            if index < part.count {
                let start = part.offset + index * part.stride;
                return &part.bytes[start..start + self.image_len];
            }
            index -= part.count;
        }
        panic!("sample {index} past the end of {} samples", self.len());
    }

    /// The class of an image.
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }
}
