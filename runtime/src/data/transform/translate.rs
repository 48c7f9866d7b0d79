//! `translate(by)`: moves the image by up to so many pixels along each axis.

use super::{Canvas, Draws, Extents, Step};
use crate::data::DataError;

/// What comes in is the image's reflection at its edge, which is not repeated: of a b c moved by two to the right is left c b a.
#[derive(Debug)]
pub(super) struct Translate(pub usize);

impl Step for Translate {
    fn extents(&self, given: &Extents, name: &str) -> Result<Extents, DataError> {
        if self.0 >= given.height.min(given.width) {
            let (by, images) = (self.0, given.to_string());
            return Err(DataError::Translate { by, name: name.to_string(), images });
        }
        Ok(*given)
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        for axis in canvas.axes() {
            let by = draws.stream.below(2 * self.0 + 1) as isize - self.0 as isize;
            let last = axis.len() as isize - 1;
            let reflected = |position: isize| last - (last - position.abs()).abs();
            *axis = (0..=last).map(|position| axis[reflected(position - by) as usize]).collect();
        }
    }
}
