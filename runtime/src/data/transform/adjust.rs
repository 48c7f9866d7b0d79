//! Changes of colour that `color_jitter` and `rand_augment` share. Images are planes of bytes from 0 to `white`.

/// The luma of ITU-R BT.601, of images with three channels; the image itself of those with one.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

fn bounded(value: f32, white: u8) -> u8 {
    value.round().clamp(0.0, f32::from(white)) as u8
}

/// `factor x + (1 - factor) other`, for each byte.
fn blend(x: u8, other: f32, factor: f32, white: u8) -> u8 {
    bounded(factor * f32::from(x) + (1.0 - factor) * other, white)
}

/// The grey value of a pixel.
fn luma(planes: &[u8], area: usize, pixel: usize) -> f32 {
    if planes.len() == 3 * area {
        (0..3).map(|channel| LUMA[channel] * f32::from(planes[channel * area + pixel])).sum()
    } else {
        planes[pixel..].iter().step_by(area).map(|&x| f32::from(x)).sum::<f32>() / (planes.len() / area) as f32
    }
}

/// Towards black with factors below 1, away from it above.
pub(super) fn brightness(planes: &mut [u8], factor: f32, white: u8) {
    planes.iter_mut().for_each(|x| *x = blend(*x, 0.0, factor, white));
}

/// Towards the image's mean grey, or away from it.
pub(super) fn contrast(planes: &mut [u8], area: usize, factor: f32, white: u8) {
    let total: f64 = (0..area).map(|pixel| f64::from(luma(planes, area, pixel))).sum();
    let mean = (total / area as f64) as f32;
    planes.iter_mut().for_each(|x| *x = blend(*x, mean, factor, white));
}

/// Towards each pixel's grey, or away from it.
pub(super) fn saturation(planes: &mut [u8], area: usize, factor: f32, white: u8) {
    for pixel in 0..area {
        let grey = luma(planes, area, pixel);
        planes[pixel..].iter_mut().step_by(area).for_each(|x| *x = blend(*x, grey, factor, white));
    }
}

/// Turns the colour circle by `turn`, of which 1 is the whole. Three channels.
pub(super) fn hue(planes: &mut [u8], area: usize, turn: f32, white: u8) {
    for pixel in 0..area {
        let [r, g, b] = [0, 1, 2].map(|channel| f32::from(planes[channel * area + pixel]));
        let (greatest, least) = (r.max(g).max(b), r.min(g).min(b));
        let chroma = greatest - least;
        if chroma == 0.0 {
            continue;
        }
        // The hue in sixths of the circle, from red over green to blue.
        let sixth = if greatest == r {
            (g - b) / chroma
        } else if greatest == g {
            2.0 + (b - r) / chroma
        } else {
            4.0 + (r - g) / chroma
        };
        // Each channel is at its greatest for a third of the circle, and falls off linearly on either side of it.
        for (channel, middle) in [0.0, 2.0, 4.0].into_iter().enumerate() {
            let distance = (sixth + 6.0 * turn - middle).rem_euclid(6.0);
            let share = (2.0 - distance.min(6.0 - distance)).clamp(0.0, 1.0);
            planes[channel * area + pixel] = bounded(least + chroma * share, white);
        }
    }
}

/// Towards the image smoothed by (1 1 1, 1 5 1, 1 1 1) / 13, or away from it. The edge stays as it is.
pub(super) fn sharpness(planes: &mut [u8], [height, width]: [usize; 2], factor: f32, white: u8) {
    for plane in planes.chunks_exact_mut(height * width) {
        let before = plane.to_vec();
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let at = y * width + x;
                let around = [at - width, at, at + width].map(|middle| &before[middle - 1..=middle + 1]);
                let sum: u32 = around.into_iter().flatten().map(|&x| u32::from(x)).sum();
                let smooth = (sum + 4 * u32::from(before[at])) as f32 / 13.0;
                plane[at] = blend(before[at], smooth.round(), factor, white);
            }
        }
    }
}

/// Stretches each channel to the whole range.
pub(super) fn auto_contrast(planes: &mut [u8], area: usize, white: u8) {
    for plane in planes.chunks_exact_mut(area) {
        let (Some(&low), Some(&high)) = (plane.iter().min(), plane.iter().max()) else { continue };
        if low < high {
            let scale = f32::from(white) / f32::from(high - low);
            plane.iter_mut().for_each(|x| *x = bounded(f32::from(*x - low) * scale, white));
        }
    }
}

/// Makes every value of each channel about equally frequent.
pub(super) fn equalize(planes: &mut [u8], area: usize, white: u8) {
    for plane in planes.chunks_exact_mut(area) {
        let mut counts = [0usize; 256];
        plane.iter().for_each(|&x| counts[usize::from(x)] += 1);
        let last = counts.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
        let step = (area - last) / usize::from(white).max(1);
        if step == 0 {
            continue;
        }
        let mut below = 0;
        let table = counts.map(|count| {
            let value = ((below + step / 2) / step).min(usize::from(white)) as u8;
            below += count;
            value
        });
        plane.iter_mut().for_each(|x| *x = table[usize::from(*x)]);
    }
}

/// Turns over every value from `threshold` on.
pub(super) fn solarize(planes: &mut [u8], threshold: f32, white: u8) {
    planes.iter_mut().filter(|x| f32::from(**x) >= threshold).for_each(|x| *x = white.saturating_sub(*x));
}

/// Keeps the `bits` highest of eight bits.
pub(super) fn posterize(planes: &mut [u8], bits: u32) {
    let mask = !(0xffu32 >> bits) as u8;
    planes.iter_mut().for_each(|x| *x &= mask);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels of three channels, as planes.
    fn planes(pixels: &[[u8; 3]]) -> Vec<u8> {
        (0..3).flat_map(|channel| pixels.iter().map(move |pixel| pixel[channel])).collect()
    }

    fn changed(pixels: &[[u8; 3]], change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut planes = planes(pixels);
        change(&mut planes);
        planes
    }

    #[test]
    fn colours_change_as_they_should() {
        let pixels = [[200, 100, 0], [50, 50, 50]];
        let check = |change: &dyn Fn(&mut [u8]), expected: [[u8; 3]; 2]| {
            assert_eq!(changed(&pixels, change), planes(&expected));
        };
        check(&|x| brightness(x, 0.5, 255), [[100, 50, 0], [25, 25, 25]]);
        check(&|x| brightness(x, 2.0, 255), [[255, 200, 0], [100, 100, 100]]);
        // Grey is 0.299 * 200 + 0.587 * 100 = 118.5; the mean grey is 84.25.
        check(&|x| contrast(x, 2, 0.0, 255), [[84, 84, 84], [84, 84, 84]]);
        check(&|x| contrast(x, 2, 1.5, 255), [[255, 108, 0], [33, 33, 33]]);
        check(&|x| saturation(x, 2, 0.0, 255), [[119, 119, 119], [50, 50, 50]]);
        check(&|x| saturation(x, 2, 1.0, 255), pixels);
        check(&|x| hue(x, 2, 0.0, 255), pixels);
        check(&|x| hue(x, 2, 1.0 / 3.0, 255), [[0, 200, 100], [50, 50, 50]]);
        check(&|x| hue(x, 2, -1.0 / 3.0, 255), [[100, 0, 200], [50, 50, 50]]);
        check(&|x| hue(x, 2, 0.5, 255), [[0, 100, 200], [50, 50, 50]]);
        check(&|x| auto_contrast(x, 2, 255), [[255, 255, 0], [0, 0, 255]]);
        check(&|x| solarize(x, 100.0, 255), [[55, 155, 0], [50, 50, 50]]);
        check(&|x| posterize(x, 2), [[192, 64, 0], [0, 0, 0]]);
    }

    #[test]
    fn an_equalized_image_uses_all_values_evenly() {
        let mut plane: Vec<u8> = (0..2560).map(|at| 100 + (at / 256) as u8).collect();
        equalize(&mut plane, 2560, 255);
        let mut values = plane.clone();
        values.dedup();
        assert_eq!(values, [0, 28, 57, 85, 114, 142, 171, 199, 228, 255]);
    }

    #[test]
    fn sharpness_spares_the_edge() {
        let mut plane = vec![0; 25];
        plane[12] = 130;
        let before = plane.clone();
        sharpness(&mut plane, [5, 5], 1.0, 255);
        assert_eq!(plane, before);
        sharpness(&mut plane, [5, 5], 0.0, 255);
        assert_eq!(plane[5..15], [0, 10, 10, 10, 0, 0, 10, 50, 10, 0]);
        assert_eq!(plane[..5], [0; 5]);
    }
}
