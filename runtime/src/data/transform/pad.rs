//! `pad(by)`: black on each side of the raw image.

use super::{Canvas, Draws, Extents, Step};
use crate::data::DataError;

#[derive(Debug)]
pub(super) struct Pad(pub usize);

impl Step for Pad {
    fn extents(&self, given: &Extents, _: &str) -> Result<Extents, DataError> {
        Ok(Extents { height: given.height + 2 * self.0, width: given.width + 2 * self.0, ..*given })
    }

    fn apply(&self, canvas: &mut Canvas, _: &mut Draws) {
        for axis in canvas.axes() {
            axis.splice(0..0, std::iter::repeat_n(None, self.0));
            axis.extend(std::iter::repeat_n(None, self.0));
        }
    }
}
