//! A part of the training samples that is held out for testing.

use super::{DataError, Dataset};
use crate::config::Holdout;
use crate::random::{Stream, permutation};

/// Keeps the stream of the choice apart from those of training.
const HOLDOUT: u64 = 6;

impl Dataset {
    /// Tests on a share of the training samples of each class, and trains on the others; the data set's own test samples are left
    /// alone. Which they are depends on the holdout's seed alone, not on that of a run, so that weights are tested on what no run has
    /// trained on.
    ///
    /// # Errors
    /// When nothing would be left for training or for testing.
    pub(super) fn with_holdout(self, holdout: &Holdout) -> Result<Dataset, DataError> {
        let mut by_class = vec![Vec::new(); self.classes.len()];
        (0..self.train.len()).for_each(|sample| by_class[self.train.label(sample)].push(sample));
        let mut held_out = vec![false; self.train.len()];
        for (class, samples) in by_class.iter().enumerate() {
            let count = (samples.len() as f64 * holdout.share).round() as usize;
            let order = permutation(samples.len(), Stream::new(&[holdout.seed, HOLDOUT, class as u64]));
            order.iter().take(count).for_each(|&place| held_out[samples[place as usize]] = true);
        }
        let chosen = |is_held_out: bool| -> Vec<usize> {
            (0..held_out.len()).filter(|&sample| held_out[sample] == is_held_out).collect()
        };
        let (train, test) = (chosen(false), chosen(true));
        if train.is_empty() || test.is_empty() {
            let (share, samples) = (holdout.share, self.train.len());
            return Err(DataError::Holdout { share, samples, name: self.name });
        }
        let (train, test) = (self.train.part(&train), self.train.part(&test));
        Ok(Dataset { train, test, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn a_share_of_each_class_is_held_out_and_nothing_is_lost() {
        let whole = Dataset::read(&Source::Digits).unwrap();
        let held_out = |share: f64, seed: u64| {
            Dataset::read(&Source::Digits).unwrap().with_holdout(&Holdout { share, seed }).unwrap()
        };
        let data = held_out(0.1, 0);
        assert_eq!((data.train.len() + data.test.len(), whole.train.len()), (1438, 1438));
        let images = |data: &Dataset| {
            let all = |samples: &crate::data::Samples| -> Vec<(usize, Vec<u8>)> {
                (0..samples.len())
                    .map(|sample| (samples.label(sample), samples.image(sample).unwrap().planes.to_vec()))
                    .collect()
            };
            (all(&data.train), all(&data.test))
        };
        let (train, test) = images(&data);
        for class in 0..10 {
            let of_class = |samples: &[(usize, Vec<u8>)]| samples.iter().filter(|(label, _)| *label == class).count();
            let (train, test) = (of_class(&train) as f64, of_class(&test) as f64);
            assert!((test / (train + test) - 0.1).abs() < 0.005, "class {class}: {train} and {test}");
        }
        let mut both = [train, test.clone()].concat();
        let (mut all, _) = images(&whole);
        both.sort_unstable();
        all.sort_unstable();
        assert!(both == all, "every sample is in one of the halves");
        assert!(images(&held_out(0.1, 0)).1 == test);
        assert!(images(&held_out(0.1, 1)).1 != test);
    }

    #[test]
    fn something_is_left_for_both() {
        let data = Dataset::read(&Source::Digits).unwrap();
        let text = data.with_holdout(&Holdout { share: 0.001, seed: 0 }).unwrap_err().to_string();
        assert!(text.contains("`holdout = 0.001`"), "{text}");
    }
}
