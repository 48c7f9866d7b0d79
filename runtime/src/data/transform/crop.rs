//! `random_crop(side)` and `center_crop(side)`: a square window.

use super::{Canvas, Draws, Extents, Step};
use crate::data::DataError;

/// A window of that side.
#[derive(Debug)]
pub(super) struct Crop {
    pub side: usize,
    /// Anywhere, rather than in the middle.
    pub is_random: bool,
}

impl Step for Crop {
    fn extents(&self, given: &Extents, name: &str) -> Result<Extents, DataError> {
        let (side, Extents { height, width, .. }) = (self.side, *given);
        if side == 0 || side > height.min(width) {
            let transform = if self.is_random { "random_crop" } else { "center_crop" };
            let images = given.to_string();
            return Err(DataError::Crop { transform, side, name: name.to_string(), images, least: height.min(width) });
        }
        Ok(Extents { height: side, width: side, is_exact: true })
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        for axis in canvas.axes() {
            let room = axis.len() - self.side;
            let start = if self.is_random { draws.stream.below(room + 1) } else { room / 2 };
            axis.truncate(start + self.side);
            axis.drain(..start);
        }
    }
}
