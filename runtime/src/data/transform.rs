//! What happens to an image: from bytes, planar, straight into the f32 of a batch, channels last.
//!
//! Padding, cropping and mirroring only say which pixel comes from where; they are composed into one walk over the result.
//! Normalising is a table from byte to f32 for each channel, so it costs nothing.

use super::{DataError, Dataset};
use crate::config::Transform;
use crate::random::Stream;

/// The transforms of a training or test image, ready to run.
#[derive(Clone, Debug)]
pub struct Pipeline {
    steps: Vec<Step>,
    /// Extents of the raw image: channels, height, width.
    source: [usize; 3],
    /// Extents of the result: channels, height, width.
    dims: [usize; 3],
    /// The value of each byte, for each channel.
    values: Vec<[f32; 256]>,
}

/// A transform that moves pixels.
#[derive(Clone, Copy, Debug)]
enum Step {
    Pad(usize),
    RandomCrop(usize),
    CenterCrop(usize),
    RandomFlip,
}

/// One axis of the walk: position i of the result comes from position `start + i * direction` of the raw image, or is
/// zero where that is outside `visible`.
#[derive(Clone, Debug)]
struct Axis {
    start: isize,
    direction: isize,
    len: usize,
    visible: std::ops::Range<isize>,
}

impl Axis {
    fn whole(len: usize) -> Axis {
        Axis { start: 0, direction: 1, len, visible: 0..len as isize }
    }

    fn pad(&mut self, by: usize) {
        self.start -= self.direction * by as isize;
        self.len += 2 * by;
    }

    /// Keeps `len` positions from `offset` on. What is cut off stays invisible, also to a later padding.
    fn crop(&mut self, offset: usize, len: usize) {
        self.start += self.direction * offset as isize;
        self.len = len;
        let end = self.start + self.direction * (len as isize - 1);
        let (low, high) = (self.start.min(end), self.start.max(end) + 1);
        self.visible = self.visible.start.max(low)..self.visible.end.min(high);
    }

    fn mirror(&mut self) {
        self.start += self.direction * (self.len as isize - 1);
        self.direction = -self.direction;
    }

    /// The positions of the result that show the raw image.
    fn shown(&self) -> std::ops::Range<usize> {
        let visible = |&position: &usize| self.visible.contains(&self.at(position));
        let first = (0..self.len).find(visible).unwrap_or(self.len);
        let end = (first..self.len).find(|position| !visible(position)).unwrap_or(self.len);
        first..end
    }

    fn at(&self, position: usize) -> isize {
        self.start + self.direction * position as isize
    }
}

impl Pipeline {
    /// Checks the transforms against the images of a data set.
    ///
    /// # Errors
    /// When a crop is larger than what it is given, or a normalisation does not fit.
    pub fn new(transforms: &[Transform], dataset: &Dataset) -> Result<Pipeline, DataError> {
        let name = dataset.name;
        let [channels, mut height, mut width] = dataset.dims;
        let mut steps = Vec::new();
        let mut normalization = None;
        for transform in transforms {
            let (word, step) = match transform {
                Transform::Pad(by) => ("pad", Step::Pad(*by)),
                Transform::RandomCrop(side) => ("random_crop", Step::RandomCrop(*side)),
                Transform::CenterCrop(side) => ("center_crop", Step::CenterCrop(*side)),
                Transform::RandomFlip => ("random_flip", Step::RandomFlip),
                Transform::Normalize { mean, std } => {
                    if normalization.is_some() {
                        return Err(DataError::NormalizeNotLast { transform: "normalize" });
                    }
                    normalization = Some((mean, std));
                    continue;
                }
            };
            if normalization.is_some() {
                return Err(DataError::NormalizeNotLast { transform: word });
            }
            match step {
                Step::Pad(by) => (height, width) = (height + 2 * by, width + 2 * by),
                Step::RandomCrop(side) | Step::CenterCrop(side) => {
                    if side == 0 || side > height.min(width) {
                        return Err(DataError::Crop { transform: word, side, name, height, width });
                    }
                    (height, width) = (side, side);
                }
                Step::RandomFlip => {}
            }
            steps.push(step);
        }
        let values = match normalization {
            Some((mean, std)) => table(dataset, mean, std)?,
            None => vec![raw(dataset.white, 0.0, 1.0); channels],
        };
        Ok(Pipeline { steps, source: dataset.dims, dims: [channels, height, width], values })
    }

    /// Extents of a transformed image: channels, height, width.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Transforms one image, given as [channels, height, width], into `target`, as [height, width, channels].
    pub fn apply(&self, image: &[u8], mut random: Stream, target: &mut [f32]) {
        let [channels, height, width] = self.source;
        let (mut rows, mut columns) = (Axis::whole(height), Axis::whole(width));
        for step in &self.steps {
            match *step {
                Step::Pad(by) => {
                    rows.pad(by);
                    columns.pad(by);
                }
                Step::RandomCrop(side) => {
                    rows.crop(random.below(rows.len - side + 1), side);
                    columns.crop(random.below(columns.len - side + 1), side);
                }
                Step::CenterCrop(side) => {
                    rows.crop((rows.len - side) / 2, side);
                    columns.crop((columns.len - side) / 2, side);
                }
                Step::RandomFlip => {
                    if random.coin() {
                        columns.mirror();
                    }
                }
            }
        }
        let (shown_rows, shown_columns) = (rows.shown(), columns.shown());
        for (channel, (plane, values)) in image.chunks_exact(height * width).zip(&self.values).enumerate() {
            let zero = values[0];
            for (y, row) in target.chunks_exact_mut(columns.len * channels).enumerate() {
                let mut pixels = row[channel..].iter_mut().step_by(channels);
                if !shown_rows.contains(&y) || shown_columns.is_empty() {
                    pixels.for_each(|pixel| *pixel = zero);
                    continue;
                }
                let source = &plane[rows.at(y) as usize * width..][..width];
                pixels.by_ref().take(shown_columns.start).for_each(|pixel| *pixel = zero);
                let shown = pixels.by_ref().take(shown_columns.len());
                if columns.direction > 0 {
                    let source = &source[columns.at(shown_columns.start) as usize..];
                    shown.zip(source).for_each(|(pixel, &byte)| *pixel = values[usize::from(byte)]);
                } else {
                    let source = &source[..=columns.at(shown_columns.start) as usize];
                    shown.zip(source.iter().rev()).for_each(|(pixel, &byte)| *pixel = values[usize::from(byte)]);
                }
                pixels.for_each(|pixel| *pixel = zero);
            }
        }
    }
}

/// The value of each byte: `(byte / white - mean) / std`.
fn raw(white: u8, mean: f64, std: f64) -> [f32; 256] {
    std::array::from_fn(|byte| ((byte as f64 / f64::from(white) - mean) / std) as f32)
}

/// The tables of `normalize(mean, std)`; where both are empty, the training set's own.
fn table(dataset: &Dataset, mean: &[f64], std: &[f64]) -> Result<Vec<[f32; 256]>, DataError> {
    let name = dataset.name;
    let expected = dataset.dims[0];
    let own = if mean.is_empty() || std.is_empty() { Some(dataset.statistics()) } else { None };
    let choose = |argument: &'static str, given: &[f64], own: Option<&Vec<f64>>| match own {
        Some(own) if given.is_empty() => Ok(own.clone()),
        _ if given.len() != expected => Err(DataError::Channels { argument, expected, found: given.len(), name }),
        _ => Ok(given.to_vec()),
    };
    let mean = choose("mean", mean, own.as_ref().map(|(mean, _)| mean))?;
    let std = choose("std", std, own.as_ref().map(|(_, std)| std))?;
    if let Some(channel) = std.iter().position(|&value| !(value > 0.0 && value.is_finite())) {
        return Err(DataError::Deviation { channel, value: std[channel], name });
    }
    Ok(mean.iter().zip(&std).map(|(&mean, &std)| raw(dataset.white, mean, std)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Bytes, Part, Samples};

    /// One image of 2 channels, 3 rows and 4 columns, with values 1 to 24, both for training and for testing.
    fn dataset() -> Dataset {
        let samples = || Samples {
            parts: vec![Part { bytes: Bytes::Owned((1..=24).collect()), offset: 0, stride: 24, count: 1 }],
            labels: vec![0],
            image_len: 24,
        };
        Dataset { name: "tiny", dims: [2, 3, 4], white: 1, classes: &["only"], train: samples(), test: samples() }
    }

    fn run(transforms: &[Transform], seed: u64) -> ([usize; 3], Vec<f32>) {
        let dataset = dataset();
        let pipeline = Pipeline::new(transforms, &dataset).unwrap();
        let mut target = vec![f32::NAN; pipeline.dims().iter().product()];
        pipeline.apply(dataset.train.image(0), Stream::new(&[seed]), &mut target);
        (pipeline.dims(), target)
    }

    /// What `apply` should do, one transform after the other on planar images.
    fn naive(transforms: &[Transform], seed: u64) -> Vec<f32> {
        let mut random = Stream::new(&[seed]);
        let (mut height, mut width) = (3usize, 4usize);
        let mut planes: Vec<Vec<f32>> =
            vec![(1..=12).map(|x| x as f32).collect(), (13..=24).map(|x| x as f32).collect()];
        let mut window = |planes: &mut Vec<Vec<f32>>, top: isize, left: isize, h: usize, w: usize| {
            for plane in planes {
                let at = |y: isize, x: isize| {
                    let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                    if inside { plane[y as usize * width + x as usize] } else { 0.0 }
                };
                *plane = (0..h * w).map(|i| at((i / w) as isize + top, (i % w) as isize + left)).collect();
            }
            (height, width) = (h, w);
            (height, width)
        };
        let (mut h, mut w) = (3usize, 4usize);
        for transform in transforms {
            (h, w) = match *transform {
                Transform::Pad(by) => window(&mut planes, -(by as isize), -(by as isize), h + 2 * by, w + 2 * by),
                Transform::RandomCrop(side) => {
                    let top = random.below(h - side + 1) as isize;
                    let left = random.below(w - side + 1) as isize;
                    window(&mut planes, top, left, side, side)
                }
                Transform::CenterCrop(side) => {
                    window(&mut planes, ((h - side) / 2) as isize, ((w - side) / 2) as isize, side, side)
                }
                Transform::RandomFlip => {
                    if random.coin() {
                        planes.iter_mut().for_each(|plane| plane.chunks_mut(w).for_each(|row| row.reverse()));
                    }
                    (h, w)
                }
                Transform::Normalize { .. } => unreachable!(),
            };
        }
        (0..h * w).flat_map(|i| planes.iter().map(move |plane| plane[i])).collect()
    }

    #[test]
    fn nothing_to_do_is_a_transposition() {
        let (dims, target) = run(&[], 0);
        assert_eq!(dims, [2, 3, 4]);
        assert_eq!(target[..6], [1.0, 13.0, 2.0, 14.0, 3.0, 15.0]);
    }

    #[test]
    fn composed_transforms_agree_with_one_after_the_other() {
        use Transform::{CenterCrop, Pad, RandomCrop, RandomFlip};
        let chains: [&[Transform]; 7] = [
            &[Pad(2), RandomCrop(3), RandomFlip],
            &[RandomFlip, Pad(1), RandomCrop(4)],
            &[CenterCrop(2), Pad(2)],
            &[RandomFlip, CenterCrop(3), RandomFlip, Pad(1), RandomCrop(2)],
            &[RandomCrop(2), Pad(3), RandomFlip, RandomCrop(5), Pad(1)],
            &[Pad(5), RandomCrop(2), RandomFlip, Pad(1)],
            &[RandomCrop(1), RandomFlip, Pad(1)],
        ];
        for chain in chains {
            for seed in 0..200 {
                assert_eq!(run(chain, seed).1, naive(chain, seed), "{chain:?} with seed {seed}");
            }
        }
    }

    #[test]
    fn padding_is_zero_before_normalisation() {
        let normalize = Transform::Normalize { mean: vec![1.0, 2.0], std: vec![2.0, 4.0] };
        let (dims, target) = run(&[Transform::Pad(1), normalize], 0);
        assert_eq!(dims, [2, 5, 6]);
        assert_eq!(target[..2], [-0.5, -0.5]);
        assert_eq!(target[14..18], [0.0, 2.75, 0.5, 3.0]);
    }

    #[test]
    fn the_data_sets_own_statistics_normalise_to_mean_zero_and_deviation_one() {
        let (_, target) = run(&[Transform::Normalize { mean: vec![], std: vec![] }], 0);
        for channel in 0..2 {
            let values = || target[channel..].iter().step_by(2).map(|&x| f64::from(x));
            assert!(values().sum::<f64>().abs() < 1e-5);
            assert!((values().map(|x| x * x).sum::<f64>() / 12.0 - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |transforms: &[Transform], expected: &str| {
            let text = Pipeline::new(transforms, &dataset()).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        };
        let normalize = |mean: &[f64], std: &[f64]| Transform::Normalize { mean: mean.to_vec(), std: std.to_vec() };
        check(&[Transform::RandomCrop(4)], "`random_crop(4)`: the images of tiny are 3x4 at this point");
        check(&[Transform::Pad(1), Transform::CenterCrop(6)], "are 5x6 at this point");
        check(&[Transform::CenterCrop(0)], "`center_crop(0)`");
        check(&[normalize(&[], &[]), Transform::RandomFlip], "`random_flip` comes after `normalize`");
        check(&[normalize(&[], &[]), normalize(&[], &[])], "`normalize` comes after `normalize`");
        check(&[normalize(&[1.0], &[1.0, 1.0])], "`mean` has 1 values, but the images of tiny have 2 channels");
        check(&[normalize(&[1.0, 1.0], &[1.0, 0.0])], "the deviation of channel 1 of tiny is 0");
    }
}
