//! The images and labels of one half of a data set.

use super::{DataError, Extents};
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;

/// An image as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image<'a> {
    /// Channels, height, width.
    pub dims: [usize; 3],
    /// The byte that stands for 1.0.
    pub white: u8,
    /// Its bytes, as [channels, height, width].
    pub planes: Cow<'a, [u8]>,
}

/// The images and labels of one half of a data set.
#[derive(Debug)]
pub struct Samples {
    parts: Vec<Part>,
    labels: Vec<u32>,
    dims: [usize; 3],
    white: u8,
}

/// Images that follow each other in one file.
#[derive(Debug)]
pub(super) struct Part {
    pub bytes: Bytes,
    /// Where the first image starts.
    pub offset: usize,
    /// From one image to the next.
    pub stride: usize,
    /// How many there are.
    pub count: usize,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Bytes {
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
    pub fn map(file: &File) -> std::io::Result<Bytes> {
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

impl Samples {
    /// Images of one size in files, with a label for each.
    pub(super) fn of_parts(parts: Vec<Part>, labels: Vec<u32>, dims: [usize; 3], white: u8) -> Samples {
        let count: usize = parts.iter().map(|part| part.count).sum();
        assert_eq!(count, labels.len(), "images and labels");
        Samples { parts, labels, dims, white }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of images and labels.
    pub fn memory(&self) -> u64 {
        let images: usize = self.parts.iter().map(|part| part.bytes.len()).sum();
        (images + size_of_val(&self.labels[..])) as u64
    }

    /// What is known of the extents of every image.
    pub fn extents(&self) -> Extents {
        let [_, height, width] = self.dims;
        Extents { height, width, is_exact: true }
    }

    /// An image.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn image(&self, index: usize) -> Result<Image<'_>, DataError> {
        let (mut at, len) = (index, self.dims.iter().product::<usize>());
        for part in &self.parts {
            if at < part.count {
                let planes = Cow::Borrowed(&part.bytes[part.offset + at * part.stride..][..len]);
                return Ok(Image { dims: self.dims, white: self.white, planes });
            }
            at -= part.count;
        }
        panic!("sample {index} past the end of {} samples", self.len());
    }

    /// The class of an image.
    pub fn label(&self, index: usize) -> usize {
        self.labels[index] as usize
    }
}
