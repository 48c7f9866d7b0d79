//! `random_flip(alternating)`: mirrors left to right.

use super::{Canvas, Draws, Extents, Step};
use crate::data::DataError;

/// With probability a half; or, alternating, by a coin that is tossed once for each sample and turned over at each epoch, so that
/// any two epochs in a row show both sides (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024).
#[derive(Debug)]
pub(super) struct RandomFlip {
    pub alternating: bool,
}

impl Step for RandomFlip {
    fn extents(&self, given: &Extents, _: &str) -> Result<Extents, DataError> {
        Ok(*given)
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        let is_mirrored = if self.alternating {
            draws.of_sample.coin() ^ !draws.epoch.is_multiple_of(2)
        } else {
            draws.stream.coin()
        };
        if is_mirrored {
            let [_, columns] = canvas.axes();
            columns.reverse();
        }
    }
}
