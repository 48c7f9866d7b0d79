//! `random_resized_crop(side, scale, ratio)`: a window of random area and shape, brought to a square.

use super::resize::{Window, resample};
use super::{Canvas, Draws, Extents, Step};
use crate::data::DataError;

/// How often a window is drawn before the greatest in the middle is taken.
const ATTEMPTS: usize = 10;

/// The area is uniform in `scale`, the logarithm of width / height in that of `ratio` (Szegedy et al., "Going deeper with
/// convolutions", 2015). Of windows that do not fit ten are tried; after them the greatest of an allowed shape is taken from the
/// middle.
#[derive(Debug)]
pub(super) struct RandomResizedCrop {
    pub side: usize,
    pub scale: [f64; 2],
    pub ratio: [f64; 2],
}

impl RandomResizedCrop {
    fn window(&self, [height, width]: [usize; 2], draws: &mut Draws) -> Window {
        let [low, high] = self.ratio;
        for _ in 0..ATTEMPTS {
            let area = (height * width) as f64 * draws.stream.between(self.scale[0], self.scale[1]);
            let ratio = draws.stream.between(low.ln(), high.ln()).exp();
            let [w, h] = [(area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize];
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = draws.stream.below(height - h + 1);
                let left = draws.stream.below(width - w + 1);
                return Window { top, left, height: h, width: w };
            }
        }
        let shape = width as f64 / height as f64;
        let [h, w] = if shape < low {
            [((width as f64 / low).round() as usize).clamp(1, height), width]
        } else if shape > high {
            [height, ((height as f64 * high).round() as usize).clamp(1, width)]
        } else {
            [height, width]
        };
        Window { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
    }
}

impl Step for RandomResizedCrop {
    fn extents(&self, _: &Extents, _: &str) -> Result<Extents, DataError> {
        Ok(Extents { height: self.side, width: self.side, is_exact: true })
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        let window = self.window(canvas.extents(), draws);
        resample(canvas, &window, [self.side; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_of_the_area_and_shape_that_were_asked_for() {
        let step = RandomResizedCrop { side: 8, scale: [0.25, 0.5], ratio: [0.75, 4.0 / 3.0] };
        let (mut smallest, mut greatest) = (f64::INFINITY, 0.0f64);
        for sample in 0..500 {
            let window = step.window([300, 200], &mut Draws::train(1, 0, sample));
            assert!(window.top + window.height <= 300 && window.left + window.width <= 200, "{window:?}");
            let share = (window.height * window.width) as f64 / 60_000.0;
            let ratio = window.width as f64 / window.height as f64;
            assert!((0.24..0.51).contains(&share) && (0.74..1.35).contains(&ratio), "{window:?}");
            (smallest, greatest) = (smallest.min(share), greatest.max(share));
        }
        assert!(smallest < 0.26 && greatest > 0.49, "{smallest} to {greatest}");
    }

    #[test]
    fn where_no_window_fits_the_middle_is_taken() {
        let step = RandomResizedCrop { side: 8, scale: [1.0, 1.0], ratio: [1.0, 1.0] };
        let wide = step.window([10, 30], &mut Draws::train(1, 0, 0));
        assert_eq!(wide, Window { top: 0, left: 10, height: 10, width: 10 });
        let high = step.window([30, 10], &mut Draws::train(1, 0, 0));
        assert_eq!(high, Window { top: 10, left: 0, height: 10, width: 10 });
        let square = step.window([10, 10], &mut Draws::train(1, 0, 0));
        assert_eq!(square, Window { top: 0, left: 0, height: 10, width: 10 });
    }
}
