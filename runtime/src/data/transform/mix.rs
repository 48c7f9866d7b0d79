//! `mixup(alpha)` and `cutmix(alpha)`: each image of a batch with something of the next one, and its label with the same share.
//!
//! Zhang et al., "mixup: Beyond empirical risk minimization", 2018; Yun et al., "CutMix: Regularization strategy to train strong
//! classifiers with localizable features", 2019. The share is drawn for each image by itself.

use crate::random::Stream;
use std::ops::Range;

/// What is done to a batch.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Mix {
    pub mixup: Option<f64>,
    pub cutmix: Option<f64>,
}

impl Mix {
    /// Mixes images of `height` rows and `width` columns of pixels, channels innermost; the first is the next of the last. Returns
    /// what is left of each image, as a share. `stream` has the random numbers of each.
    ///
    /// Of both kinds each image gets one, by the toss of a coin.
    pub fn apply(
        &self,
        images: &mut [f32],
        [height, width]: [usize; 2],
        count: usize,
        stream: impl Fn(usize) -> Stream,
    ) -> Vec<f32> {
        let len = images.len() / count;
        // The last image is mixed with what the first was.
        let first = images[..len].to_vec();
        let mix = |at: usize| {
            let mut stream = stream(at);
            let (image, rest) = images[at * len..].split_at_mut(len);
            let next = if rest.is_empty() { &first[..] } else { &rest[..len] };
            match (self.mixup, self.cutmix) {
                (Some(alpha), Some(_)) if stream.coin() => mixup(image, next, alpha, &mut stream),
                (Some(alpha), None) => mixup(image, next, alpha, &mut stream),
                (_, Some(alpha)) => cutmix(image, next, [height, width], alpha, &mut stream),
                (None, None) => 1.0,
            }
        };
        (0..count).map(mix).collect()
    }
}

fn mixup(image: &mut [f32], next: &[f32], alpha: f64, stream: &mut Stream) -> f32 {
    let share = stream.beta(alpha) as f32;
    image.iter_mut().zip(next).for_each(|(x, y)| *x = share * *x + (1.0 - share) * y);
    share
}

fn cutmix(image: &mut [f32], next: &[f32], [height, width]: [usize; 2], alpha: f64, stream: &mut Stream) -> f32 {
    let side = (1.0 - stream.beta(alpha)).sqrt();
    // A rectangle of the image's own shape around a random pixel; part of it may lie outside.
    let mut span = |len: usize| -> Range<usize> {
        let (middle, half) = (stream.below(len), (side * len as f64 / 2.0) as usize);
        middle.saturating_sub(half)..(middle + half).min(len)
    };
    let (rows, columns) = (span(height), span(width));
    let row_len = image.len() / height;
    let channels = row_len / width;
    for row in rows.clone() {
        let cells = row * row_len + columns.start * channels..row * row_len + columns.end * channels;
        image[cells.clone()].copy_from_slice(&next[cells]);
    }
    1.0 - (rows.len() * columns.len()) as f32 / (height * width) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Image n holds 10^n everywhere: 4x5 pixels of two channels.
    fn mixed(mix: Mix, count: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut images: Vec<f32> = (0..count).flat_map(|image| [10f32.powi(image as i32); 40]).collect();
        let shares = mix.apply(&mut images, [4, 5], count, |at| Stream::new(&[seed, at as u64]));
        (images, shares)
    }

    #[test]
    fn an_image_holds_its_share_of_itself_and_the_rest_of_the_next() {
        let both = Mix { mixup: Some(0.4), cutmix: Some(1.0) };
        for mix in [Mix { mixup: Some(0.4), ..Mix::default() }, Mix { cutmix: Some(1.0), ..Mix::default() }, both] {
            let mut of_both = [0, 0];
            for seed in 0..40 {
                let (images, shares) = mixed(mix, 3, seed);
                for (at, (image, share)) in images.chunks_exact(40).zip(&shares).enumerate() {
                    let (own, next) = (10f32.powi(at as i32), 10f32.powi((at as i32 + 1) % 3));
                    let mean = image.iter().sum::<f32>() / 40.0;
                    let expected = share * own + (1.0 - share) * next;
                    assert!((mean - expected).abs() < 1e-4 * expected, "{mean}, expected {expected}: {mix:?}");
                    assert!((0.0..=1.0).contains(share));
                    of_both[usize::from(image.iter().all(|&x| x == own || x == next))] += 1;
                }
            }
            let expected = [mix.mixup.is_some(), mix.cutmix.is_some()];
            assert_eq!(of_both.map(|count| count > 10), expected, "{of_both:?} of {mix:?}");
        }
    }

    #[test]
    fn an_image_alone_stays_what_it_is() {
        for mix in [Mix { mixup: Some(0.4), ..Mix::default() }, Mix { cutmix: Some(1.0), ..Mix::default() }] {
            let (images, _) = mixed(mix, 1, 0);
            assert!(images.iter().all(|&x| (x - 1.0).abs() < 1e-6), "{images:?}");
        }
    }
}
