//! Decoded pictures, kept in memory as far as they fit.

use super::Image;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The images of a set of samples, by their places.
#[derive(Debug)]
pub(super) struct Cache {
    images: Vec<OnceLock<Image<'static>>>,
    /// Bytes that may still be taken.
    room: AtomicU64,
}

impl Cache {
    /// An empty one for so many samples, which takes at most `bytes`.
    pub fn new(samples: usize, bytes: u64) -> Cache {
        Cache { images: (0..samples).map(|_| OnceLock::new()).collect(), room: AtomicU64::new(bytes) }
    }

    /// The image of a sample, if it is there.
    pub fn get(&self, sample: usize) -> Option<&Image<'static>> {
        self.images[sample].get()
    }

    /// Keeps an image if there is room, else gives it back.
    pub fn keep(&self, sample: usize, image: Image<'static>) -> Result<&Image<'static>, Image<'static>> {
        let bytes = image.planes.len() as u64;
        let taken = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(bytes));
        if taken.is_err() {
            return Err(image);
        }
        Ok(self.images[sample].get_or_init(|| image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn what_does_not_fit_is_given_back() {
        let image = |len: usize| Image { dims: [1, 1, len], white: 255, planes: Cow::Owned(vec![len as u8; len]) };
        let cache = Cache::new(3, 10);
        assert!(cache.get(0).is_none());
        assert_eq!(cache.keep(0, image(6)), Ok(&image(6)));
        assert_eq!(cache.keep(1, image(5)), Err(image(5)));
        assert_eq!(cache.keep(2, image(4)), Ok(&image(4)));
        assert_eq!((cache.get(0), cache.get(1), cache.get(2)), (Some(&image(6)), None, Some(&image(4))));
    }
}
