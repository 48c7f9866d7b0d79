//! `resize(side)` and `resize([height, width])`: other extents.

use super::{Canvas, Draws, Extents, Step};
use crate::config;
use crate::data::DataError;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

#[derive(Debug)]
pub(super) struct Resize(pub config::Resize);

impl Resize {
    /// The new extents of an image.
    fn target(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        match self.0 {
            config::Resize::To(extents) => extents,
            config::Resize::Shorter(side) if height <= width => [side, (side * width / height).max(1)],
            config::Resize::Shorter(side) => [(side * height / width).max(1), side],
        }
    }
}

impl Step for Resize {
    fn extents(&self, given: &Extents, _: &str) -> Result<Extents, DataError> {
        Ok(match self.0 {
            config::Resize::Shorter(side) if !given.is_exact => Extents { height: side, width: side, is_exact: false },
            _ => {
                let [height, width] = self.target([given.height, given.width]);
                Extents { height, width, is_exact: true }
            }
        })
    }

    fn apply(&self, canvas: &mut Canvas, _: &mut Draws) {
        let [height, width] = canvas.extents();
        let target = self.target([height, width]);
        if target != [height, width] {
            let window = Window { top: 0, left: 0, height, width };
            resample(canvas, &window, target);
        }
    }
}

/// A part of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// Brings a part of the image to other extents: linear interpolation, and where the image shrinks, a triangle as wide as the
/// pixels that it stands for.
///
/// # Panics
/// When the window is empty or sticks out.
pub(super) fn resample(canvas: &mut Canvas, window: &Window, [height, width]: [usize; 2]) {
    let [from_height, from_width] = canvas.extents();
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
        window.left as f64,
        window.top as f64,
        window.width as f64,
        window.height as f64,
    );
    let mut resizer = Resizer::new();
    let mut resampled = Vec::with_capacity(canvas.channels() * height * width);
    for plane in canvas.planes().chunks_exact(from_height * from_width) {
        let source = ImageRef::new(from_width as u32, from_height as u32, plane, PixelType::U8);
        let source = source.unwrap_or_else(|error| panic!("resize: {error}"));
        let mut target = Image::new(width as u32, height as u32, PixelType::U8);
        resizer.resize(&source, &mut target, &options).unwrap_or_else(|error| panic!("resize: {error}"));
        resampled.extend_from_slice(target.buffer());
    }
    canvas.replace(resampled, [height, width]);
}
