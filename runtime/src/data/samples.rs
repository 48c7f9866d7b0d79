//! The images and labels of one half of a data set.

use super::{DataError, Extents, read_picture};
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    store: Arc<Store>,
    /// For each sample its place in the store; all of them in order where there is none.
    places: Option<Vec<u32>>,
    labels: Vec<u32>,
}

/// Where images are.
#[derive(Debug)]
enum Store {
    /// Of one size, one behind the other.
    Parts { parts: Vec<Part>, dims: [usize; 3], white: u8 },
    /// Pictures of any size, a file each.
    Pictures(Vec<PathBuf>),
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
        Samples { store: Arc::new(Store::Parts { parts, dims, white }), places: None, labels }
    }

    /// Pictures, with a label for each.
    pub(super) fn of_pictures(files: Vec<PathBuf>, labels: Vec<u32>) -> Samples {
        assert_eq!(files.len(), labels.len(), "pictures and labels");
        Samples { store: Arc::new(Store::Pictures(files)), places: None, labels }
    }

    /// Some of them, in that order.
    pub(super) fn part(&self, chosen: &[usize]) -> Samples {
        Samples {
            store: Arc::clone(&self.store),
            places: Some(chosen.iter().map(|&index| self.place(index) as u32).collect()),
            labels: chosen.iter().map(|&index| self.labels[index]).collect(),
        }
    }

    fn place(&self, index: usize) -> usize {
        self.places.as_ref().map_or(index, |places| places[index] as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of images and labels. Images of pictures are in memory as far as a pipeline keeps them.
    pub fn memory(&self) -> u64 {
        let images: usize = match &*self.store {
            Store::Parts { dims, .. } => self.len() * dims.iter().product::<usize>(),
            Store::Pictures(_) => 0,
        };
        (images + size_of_val(&self.labels[..])) as u64
    }

    /// What is known of the extents of every image.
    pub fn extents(&self) -> Extents {
        match &*self.store {
            Store::Parts { dims: [_, height, width], .. } => Extents { height: *height, width: *width, is_exact: true },
            Store::Pictures(_) => Extents { height: 1, width: 1, is_exact: false },
        }
    }

    /// Whether each is a picture in a file of its own, which has to be decoded.
    pub fn are_pictures(&self) -> bool {
        matches!(*self.store, Store::Pictures(_))
    }

    /// The file of a picture, of samples that are pictures.
    pub fn file(&self, index: usize) -> Option<&Path> {
        match &*self.store {
            Store::Parts { .. } => None,
            Store::Pictures(files) => Some(&files[self.place(index)]),
        }
    }

    /// An image.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn image(&self, index: usize) -> Result<Image<'_>, DataError> {
        let mut at = self.place(index);
        match &*self.store {
            Store::Pictures(files) => read_picture(&files[at]),
            Store::Parts { parts, dims, white } => {
                let len = dims.iter().product::<usize>();
                for part in parts {
                    if at < part.count {
                        let planes = Cow::Borrowed(&part.bytes[part.offset + at * part.stride..][..len]);
                        return Ok(Image { dims: *dims, white: *white, planes });
                    }
                    at -= part.count;
                }
                panic!("sample {index} past the end of {} samples", self.len());
            }
        }
    }

    /// The class of an image.
    pub fn label(&self, index: usize) -> usize {
        self.labels[index] as usize
    }
}
