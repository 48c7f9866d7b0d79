//! `cutout(side)`: a square is blotted out.

use super::{Canvas, Draws, Extents, Step};
use crate::data::DataError;

/// The square's middle is a random pixel, so that part of it may lie outside. It is 0 in the result: the mean colour, where the
/// pipeline normalises (DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017).
#[derive(Debug)]
pub(super) struct Cutout(pub usize);

impl Step for Cutout {
    fn extents(&self, given: &Extents, _: &str) -> Result<Extents, DataError> {
        Ok(*given)
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        let [rows, columns] = canvas.extents().map(|len| {
            let middle = draws.stream.below(len);
            middle.saturating_sub(self.0 / 2)..(middle + self.0.div_ceil(2)).min(len)
        });
        canvas.erase(rows, columns);
    }
}
