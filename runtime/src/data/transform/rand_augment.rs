//! `rand_augment(n, m)`: n operations out of fourteen, all of magnitude m of 30.
//!
//! Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2020; the operations and what a
//! magnitude means are those of torchvision.

use super::{Canvas, Draws, Extents, Step, adjust};
use crate::data::DataError;

/// The greatest magnitude.
pub(super) const GREATEST: usize = 30;

#[derive(Debug)]
pub(super) struct RandAugment {
    pub operations: usize,
    pub magnitude: usize,
}

/// What can happen to an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

use Operation::*;

const OPERATIONS: [Operation; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

impl Step for RandAugment {
    fn extents(&self, given: &Extents, _: &str) -> Result<Extents, DataError> {
        Ok(*given)
    }

    fn apply(&self, canvas: &mut Canvas, draws: &mut Draws) {
        for _ in 0..self.operations {
            let operation = OPERATIONS[draws.stream.below(OPERATIONS.len())];
            // The sign is drawn whether the operation has one or not.
            let sign = if draws.stream.coin() { 1.0 } else { -1.0 };
            perform(operation, self.magnitude as f32 / GREATEST as f32, sign, canvas);
        }
    }
}

/// Does it with a strength from 0 to 1.
fn perform(operation: Operation, strength: f32, sign: f32, canvas: &mut Canvas) {
    let ([height, width], white) = (canvas.extents(), canvas.white);
    let area = height * width;
    let (shear, factor) = (sign * 0.3 * strength, 1.0 + sign * 0.9 * strength);
    match operation {
        Identity => {}
        ShearX => warp(canvas, [[1.0, shear], [0.0, 1.0]], [0.0; 2]),
        ShearY => warp(canvas, [[1.0, 0.0], [shear, 1.0]], [0.0; 2]),
        TranslateX => warp(canvas, UNIT, [(sign * 150.0 / 331.0 * width as f32 * strength).trunc(), 0.0]),
        TranslateY => warp(canvas, UNIT, [0.0, (sign * 150.0 / 331.0 * height as f32 * strength).trunc()]),
        Rotate => {
            let (sine, cosine) = (sign * 30.0 * strength).to_radians().sin_cos();
            warp(canvas, [[cosine, sine], [-sine, cosine]], [0.0; 2]);
        }
        Brightness => adjust::brightness(canvas.planes_mut(), factor, white),
        Color if canvas.channels() == 3 => adjust::saturation(canvas.planes_mut(), area, factor, white),
        // Grey has no colour to change.
        Color => {}
        Contrast => adjust::contrast(canvas.planes_mut(), area, factor, white),
        Sharpness => adjust::sharpness(canvas.planes_mut(), [height, width], factor, white),
        Posterize => adjust::posterize(canvas.planes_mut(), 8 - (4.0 * strength).round() as u32),
        Solarize => adjust::solarize(canvas.planes_mut(), f32::from(white) * (1.0 - strength), white),
        AutoContrast => adjust::auto_contrast(canvas.planes_mut(), area, white),
        Equalize => adjust::equalize(canvas.planes_mut(), area, white),
    }
}

const UNIT: [[f32; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];

/// Shows at each pixel the nearest one at `matrix` times its place (x, y) from the middle, less `by`; black where that is outside.
fn warp(canvas: &mut Canvas, [[xx, xy], [yx, yy]]: [[f32; 2]; 2], [by_x, by_y]: [f32; 2]) {
    let [height, width] = canvas.extents();
    let (middle_x, middle_y) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
    let mut sources = Vec::with_capacity(height * width);
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f32 - middle_x - by_x, row as f32 - middle_y - by_y);
            let from_x = (xx * x + xy * y + middle_x).round();
            let from_y = (yx * x + yy * y + middle_y).round();
            let is_inside = (0.0..width as f32).contains(&from_x) && (0.0..height as f32).contains(&from_y);
            sources.push(is_inside.then(|| from_y as usize * width + from_x as usize));
        }
    }
    let planes = canvas.planes().chunks_exact(height * width);
    let warped = planes.flat_map(|plane| sources.iter().map(|source| source.map_or(0, |at| plane[at]))).collect();
    canvas.replace(warped, [height, width]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Image;
    use std::borrow::Cow;

    /// Two channels of many values.
    fn image() -> Image<'static> {
        let planes = (0..2400).map(|at| (10 + at * 7 % 97) as u8).collect();
        Image { dims: [2, 30, 40], white: 255, planes: Cow::Owned(planes) }
    }

    /// Of one channel all values count up from 10.
    fn counting(height: usize, width: usize) -> Image<'static> {
        let planes = (10..).take(height * width).collect();
        Image { dims: [1, height, width], white: 255, planes: Cow::Owned(planes) }
    }

    #[test]
    fn nothing_changes_without_strength_but_where_there_is_none() {
        for operation in OPERATIONS {
            let image = image();
            let mut canvas = Canvas::new(&image);
            perform(operation, 0.0, 1.0, &mut canvas);
            let is_same = canvas.planes() == &image.planes[..];
            assert_eq!(is_same, !matches!(operation, AutoContrast | Equalize), "{operation:?}");
        }
    }

    #[test]
    fn everything_else_changes_the_image_and_keeps_its_extents() {
        for operation in OPERATIONS {
            let image = image();
            let mut canvas = Canvas::new(&image);
            perform(operation, 1.0, 1.0, &mut canvas);
            assert_eq!(canvas.extents(), [30, 40]);
            let is_same = canvas.planes() == &image.planes[..];
            assert_eq!(is_same, matches!(operation, Identity | Color), "{operation:?}");
        }
    }

    #[test]
    fn pixels_go_where_they_should() {
        let moved = |image: &Image, operation, sign| {
            let mut canvas = Canvas::new(image);
            perform(operation, 1.0, sign, &mut canvas);
            canvas.planes().to_vec()
        };
        let image = counting(4, 6);
        // 150 / 331 of 6 pixels are 2 whole ones.
        assert_eq!(moved(&image, TranslateX, 1.0)[..6], [0, 0, 10, 11, 12, 13]);
        assert_eq!(moved(&image, TranslateX, -1.0)[..6], [12, 13, 14, 15, 0, 0]);
        assert_eq!(moved(&image, TranslateY, 1.0)[..12], [0, 0, 0, 0, 0, 0, 10, 11, 12, 13, 14, 15]);
        // A shear of 0.3 moves the outer rows, four from the middle, by one pixel in opposite directions, those beside them too.
        let sheared = moved(&counting(9, 3), ShearX, 1.0);
        assert_eq!(sheared[..6], [0, 10, 11, 0, 13, 14]);
        assert_eq!(sheared[12..15], [22, 23, 24]);
        assert_eq!(sheared[24..], [35, 36, 0]);
        // 30 degrees one way and the other: the middle stays.
        let square = counting(5, 5);
        let (turned, back) = (moved(&square, Rotate, 1.0), moved(&square, Rotate, -1.0));
        assert!(turned != back && turned[12] == 22 && back[12] == 22, "{turned:?} {back:?}");
        assert_eq!((turned[2], back[2]), (11, 13));
    }
}
