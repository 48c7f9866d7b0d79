//! Filters that make the patches of training images white (Coates & Ng 2012; Jordan 2024 begins a network with them).
//!
//! With the eigenvectors v and eigenvalues l of the covariance of all patches, the filters are `v / sqrt(l + eps)`, greatest l first,
//! and then their negatives, so that activations keep both sides.

use crate::data::{DataError, Dataset, Loader, Order, Pipeline};
use crate::program::{Init, StateKind};
use crate::state::State;
use std::sync::Arc;

/// Training images that patches are taken from.
const IMAGES: usize = 5000;

/// Fills the filters that start so from the first training images of an epoch, as `pipeline` prepares them; it should be that of tests,
/// which draws nothing at random.
///
/// # Errors
/// When an image cannot be read.
pub fn start(state: &mut State, dataset: &Arc<Dataset>, pipeline: &Pipeline) -> Result<(), DataError> {
    let wanted: Vec<(String, [usize; 4], f32)> = state
        .specs()
        .iter()
        .filter_map(|spec| match (spec.kind, spec.init, &spec.dims[..]) {
            (StateKind::Parameter, Init::Whitening(eps), &[o, i, h, w]) => Some((spec.name.clone(), [o, i, h, w], eps)),
            _ => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let images = IMAGES.min(dataset.train.len());
    let mut loader = Loader::start(dataset, pipeline, Order::Train { seed: 0 }, images, 0..1, 1);
    let batch = loader.next().expect("a loader delivers the batch that it was asked for")?;
    for (name, dims, eps) in wanted {
        let filters = filters(&batch.images, pipeline.dims(), dims, f64::from(eps));
        assert!(state.set(StateKind::Parameter, &name, &filters), "whitening: `{name}` is a parameter");
    }
    state.copy_again();
    Ok(())
}

/// Filters [O, I, Kh, Kw] for images [N, height, width, I]; of extents channels, height, width.
fn filters(images: &[f32], extents: [usize; 3], [outputs, inputs, high, wide]: [usize; 4], eps: f64) -> Vec<f32> {
    let [channels, height, width] = extents;
    assert!(channels == inputs && height >= high && width >= wide, "whitening: filters do not fit the images");
    let len = inputs * high * wide;
    assert!(outputs == 2 * len, "whitening: {outputs} filters of {len} elements");
    let (mut sum, mut products) = (vec![0.0; len], vec![0.0; len * len]);
    let (mut patch, mut count) = (vec![0.0; len], 0.0);
    for image in images.chunks_exact(height * width * channels) {
        for row in 0..=height - high {
            for column in 0..=width - wide {
                for (at, value) in patch.iter_mut().enumerate() {
                    let (channel, tap) = (at / (high * wide), at % (high * wide));
                    let (y, x) = (row + tap / wide, column + tap % wide);
                    *value = f64::from(image[(y * width + x) * channels + channel]);
                }
                for (i, &a) in patch.iter().enumerate() {
                    sum[i] += a;
                    // The matrix is symmetric: its upper half will do.
                    let line = products[i * len..].iter_mut().zip(&patch).take(len).skip(i);
                    line.for_each(|(product, b)| *product += a * b);
                }
                count += 1.0;
            }
        }
    }
    let mut covariance = vec![0.0; len * len];
    for i in 0..len {
        for j in i..len {
            let value = (products[i * len + j] - sum[i] * sum[j] / count) / (count - 1.0f64).max(1.0);
            (covariance[i * len + j], covariance[j * len + i]) = (value, value);
        }
    }
    let half: Vec<f32> = eigen(covariance, len)
        .into_iter()
        .flat_map(|(value, vector)| {
            let scale = (value.max(0.0) + eps).sqrt();
            vector.into_iter().map(move |x| (x / scale) as f32)
        })
        .collect();
    half.iter().copied().chain(half.iter().map(|x| -x)).collect()
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix, greatest first, by Jacobi's rotations (Golub & Van Loan, "Matrix
/// Computations", 8.5): sweep by sweep each element off the diagonal is turned to zero, until nothing is left.
fn eigen(mut matrix: Vec<f64>, len: usize) -> Vec<(f64, Vec<f64>)> {
    /// Sweeps after which a matrix of any use is diagonal.
    const SWEEPS: usize = 60;
    let mut vectors: Vec<f64> = (0..len * len).map(|at| if at / len == at % len { 1.0 } else { 0.0 }).collect();
    let diagonal = |matrix: &[f64]| (0..len).map(|at| matrix[at * len + at].abs()).fold(0.0, f64::max);
    for _ in 0..SWEEPS {
        let rest = (0..len * len).filter(|at| at / len != at % len).map(|at| matrix[at].abs()).fold(0.0, f64::max);
        if rest <= 1e-15 * diagonal(&matrix) {
            break;
        }
        for p in 0..len {
            for q in p + 1..len {
                let off = matrix[p * len + q];
                if off == 0.0 {
                    continue;
                }
                let tau = (matrix[q * len + q] - matrix[p * len + p]) / (2.0 * off);
                let tangent = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
                let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
                let sine = tangent * cosine;
                let turn = |a: &mut f64, b: &mut f64| (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                for k in 0..len {
                    let (mut a, mut b) = (matrix[k * len + p], matrix[k * len + q]);
                    turn(&mut a, &mut b);
                    (matrix[k * len + p], matrix[k * len + q]) = (a, b);
                }
                for k in 0..len {
                    let (mut a, mut b) = (matrix[p * len + k], matrix[q * len + k]);
                    turn(&mut a, &mut b);
                    (matrix[p * len + k], matrix[q * len + k]) = (a, b);
                    let (mut a, mut b) = (vectors[k * len + p], vectors[k * len + q]);
                    turn(&mut a, &mut b);
                    (vectors[k * len + p], vectors[k * len + q]) = (a, b);
                }
            }
        }
    }
    let column = |at: usize| (0..len).map(|row| vectors[row * len + at]).collect();
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..len).map(|at| (matrix[at * len + at], column(at))).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_make_up_the_matrix() {
        let len = 5;
        let entry = |i: usize, j: usize| 1.0 / (1 + i + j) as f64 + if i == j { i as f64 } else { 0.0 };
        let matrix: Vec<f64> = (0..len * len).map(|at| entry(at / len, at % len)).collect();
        let pairs = eigen(matrix.clone(), len);
        assert!(pairs.is_sorted_by(|a, b| a.0 >= b.0));
        for i in 0..len {
            for j in 0..len {
                let sum: f64 = pairs.iter().map(|(value, vector)| value * vector[i] * vector[j]).sum();
                assert!((sum - matrix[i * len + j]).abs() < 1e-12, "{i} {j}: {sum}");
                let product: f64 = pairs[i].1.iter().zip(&pairs[j].1).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }

    /// The answers of the filters to the patches that they come from have variance 1 and no correlation.
    #[test]
    fn patches_become_white() {
        let (height, width, channels) = (7, 6, 2);
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        let images: Vec<f32> = (0..40 * height * width * channels).map(|at| random() + 0.1 * (at % 5) as f32).collect();
        let len = channels * 2 * 2;
        let filters = filters(&images, [channels, height, width], [2 * len, channels, 2, 2], 0.0);
        let mut answers: Vec<Vec<f64>> = Vec::new();
        for image in images.chunks(height * width * channels) {
            for row in 0..height - 1 {
                for column in 0..width - 1 {
                    let answer = |filter: usize| {
                        (0..len)
                            .map(|at| {
                                let (channel, y, x) = (at / 4, row + at % 4 / 2, column + at % 2);
                                let pixel = image[(y * width + x) * channels + channel];
                                f64::from(filters[filter * len + at] * pixel)
                            })
                            .sum()
                    };
                    answers.push((0..2 * len).map(answer).collect());
                }
            }
        }
        let count = answers.len() as f64;
        let mean = |at: usize| answers.iter().map(|answer| answer[at]).sum::<f64>() / count;
        let means: Vec<f64> = (0..2 * len).map(mean).collect();
        for i in 0..2 * len {
            for j in 0..2 * len {
                let products = answers.iter().map(|answer| (answer[i] - means[i]) * (answer[j] - means[j]));
                let covariance = products.sum::<f64>() / (count - 1.0);
                let expected = if i == j {
                    1.0
                } else if i % len == j % len {
                    -1.0
                } else {
                    0.0
                };
                assert!((covariance - expected).abs() < 1e-4, "{i} {j}: {covariance}");
            }
        }
    }
}
