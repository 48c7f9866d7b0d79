//! Mean and deviation of the training images.

use super::{DataError, Dataset, sweep};

/// Pictures that are looked at, where each has to be decoded.
const MOST_PICTURES: usize = 1000;

/// Count, sum and sum of squares of one channel. In whole numbers, so that the order of summation does not matter.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Sums {
    fn add(&mut self, plane: &[u8]) {
        self.count += plane.len() as u64;
        // 2^16 squares of bytes fit into 32 bits, which vectorise better than 64.
        for chunk in plane.chunks(1 << 16) {
            self.sum += u64::from(chunk.iter().map(|&value| u32::from(value)).sum::<u32>());
            self.squares += u64::from(chunk.iter().map(|&value| u32::from(value) * u32::from(value)).sum::<u32>());
        }
    }
}

impl Dataset {
    /// Mean and standard deviation of each channel over all training images, in units of `white`. Of pictures in files over those of
    /// at most 1,000, evenly spread.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn statistics(&self) -> Result<(Vec<f64>, Vec<f64>), DataError> {
        let train = &self.train;
        let step = if train.are_pictures() { train.len().div_ceil(MOST_PICTURES) } else { 1 };
        let chosen: Vec<usize> = (0..train.len()).step_by(step).collect();
        let empty = || vec![Sums::default(); self.channels];
        let sums = sweep(&chosen, empty, |sums: &mut Vec<Sums>, sample| {
            let image = train.image(sample)?;
            let [_, height, width] = image.dims;
            image.planes.chunks_exact(height * width).zip(sums).for_each(|(plane, sums)| sums.add(plane));
            Ok(())
        })?;
        let white = f64::from(self.white);
        let total =
            |channel: usize, of: fn(&Sums) -> u64| sums.iter().map(|sums| of(&sums[channel])).sum::<u64>() as f64;
        let statistics = (0..self.channels).map(|channel| {
            let count = total(channel, |sums| sums.count);
            let mean = total(channel, |sums| sums.sum) / count;
            let variance = (total(channel, |sums| sums.squares) / count - mean * mean).max(0.0);
            (mean / white, variance.sqrt() / white)
        });
        Ok(statistics.unzip())
    }
}
