//! `color_jitter(brightness, contrast, saturation, hue)`: the light of another day.

use super::{Canvas, Draws, Extents, Step, adjust};
use crate::data::DataError;

/// The four changes in random order, each by a factor from 1 - x to 1 + x, not below 0; the hue turns by up to `hue` of the circle
/// either way. Those of 0 are left out.
#[derive(Debug)]
pub(super) struct ColorJitter {
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    pub hue: f64,
    /// Channels of the image.
    pub channels: usize,
}

impl Step for ColorJitter {
    fn extents(&self, given: &Extents, name: &str) -> Result<Extents, DataError> {
        if self.channels != 3 && (self.saturation > 0.0 || self.hue > 0.0) {
            return Err(DataError::Colorless { name: name.to_string(), channels: self.channels });
        }
        Ok(*given)
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        let (white, area) = (canvas.white, canvas.extents().iter().product());
        let planes = canvas.planes_mut();
        let mut order = [0, 1, 2, 3];
        for last in (1..order.len()).rev() {
            order.swap(last, draws.stream.below(last + 1));
        }
        for change in order {
            let strength = [self.brightness, self.contrast, self.saturation, self.hue][change];
            if strength == 0.0 {
                continue;
            }
            let factor = draws.stream.between((1.0 - strength).max(0.0), 1.0 + strength) as f32;
            match change {
                0 => adjust::brightness(planes, factor, white),
                1 => adjust::contrast(planes, area, factor, white),
                2 => adjust::saturation(planes, area, factor, white),
                _ => adjust::hue(planes, area, factor - 1.0, white),
            }
        }
    }
}
