//! What `resample` and its gradient share: for each position along an axis the neighbours that it mixes, and test samples.

use super::check::Checked;
use super::samples::{self, Random, Samples};
use super::tensor::Tensor;
use super::{Attributes, Op, OpError, TensorType, check};
use crate::graph::Attribute;
use std::mem::swap;
use std::ops::Range;

/// The attributes of both.
pub(super) const ATTRIBUTES: [&str; 4] = ["axis", "extent", "method", "windows"];

/// Which neighbours a position mixes (see `resample`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// The two next to its place.
    Linear,
    /// Those of its window, in equal shares.
    Mean,
    /// One: the windows of a mean, so many of them, stand one behind the other and equally long.
    Windows(usize),
}

impl Method {
    /// The method that checked attributes name.
    pub fn of(attributes: &Attributes) -> Self {
        match attributes.text("method") {
            "linear" => Method::Linear,
            "mean" => Method::Mean,
            _ => Method::Windows(attributes.extent("windows")),
        }
    }

    /// The attributes that name the method.
    pub(super) fn attributes(self) -> Attributes {
        let named = |name: &str| Attributes::new().with("method", Attribute::Text(name.to_string()));
        match self {
            Method::Linear => named("linear"),
            Method::Mean => named("mean"),
            Method::Windows(windows) => named("windows").with("windows", Attribute::extent(windows)),
        }
    }
}

/// What one position of the result is: the sum of `weights[k] x[start + k]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Stencil {
    /// The first position that is read.
    pub start: usize,
    /// The factor of each position from there on.
    pub weights: Vec<f64>,
}

/// The positions that the window of number `at` covers, of `windows` that divide `inputs` positions among them.
pub(super) fn window(inputs: usize, windows: usize, at: usize) -> Range<usize> {
    at * inputs / windows..((at + 1) * inputs).div_ceil(windows)
}

/// The length of the longest window: an end that is no whole number lengthens the windows on either side of it.
pub(super) fn longest(inputs: usize, windows: usize) -> usize {
    inputs / windows
        + match inputs % windows {
            0 => 0,
            rest if windows.is_multiple_of(rest) => 1,
            _ => 2,
        }
}

/// The stencils of a result of `outputs` positions over `inputs`.
pub fn stencils(method: Method, inputs: usize, outputs: usize) -> Vec<Stencil> {
    let stencil = |output: usize| match method {
        Method::Mean => {
            let window = window(inputs, outputs, output);
            Stencil { start: window.start, weights: vec![1.0 / window.len() as f64; window.len()] }
        }
        Method::Windows(windows) => {
            let len = outputs / windows;
            let window = window(inputs, windows, output / len);
            Stencil { start: (window.start + output % len).min(window.end - 1), weights: vec![1.0] }
        }
        Method::Linear => {
            // Twice `outputs` times the coordinate (output + 1/2) inputs / outputs - 1/2: whole numbers, so that equal places
            // between neighbours give equal weights to the bit.
            let place = ((2 * output + 1) * inputs).saturating_sub(outputs);
            let (start, rest) = (place / (2 * outputs), place % (2 * outputs));
            let behind = rest as f64 / (2 * outputs) as f64;
            let weights = if rest == 0 || start + 1 == inputs { vec![1.0] } else { vec![1.0 - behind, behind] };
            Stencil { start, weights }
        }
    };
    (0..outputs).map(stencil).collect()
}

/// The stencils of the transposed map, whose result has `inputs` positions.
pub fn transposed(stencils: &[Stencil], inputs: usize) -> Vec<Stencil> {
    let mut result: Vec<Stencil> = vec![Stencil { start: 0, weights: Vec::new() }; inputs];
    for (output, stencil) in stencils.iter().enumerate() {
        for (k, &weight) in stencil.weights.iter().enumerate() {
            let to = &mut result[stencil.start + k];
            if to.weights.is_empty() {
                to.start = output;
            }
            // Stencils move forwards, so a position is in those of one run of outputs.
            to.weights.resize(output - to.start, 0.0);
            to.weights.push(weight);
        }
    }
    result
}

/// Which of the two ops: the operand has the positions that are read, or those that read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// `resample`
    Forward,
    /// `resample_grad`
    Back,
}

/// The operand's extents with that of the axis replaced.
pub(super) fn infer(
    op: &dyn Op,
    direction: Direction,
    operands: &[&TensorType],
    attributes: &Attributes,
) -> Result<TensorType, OpError> {
    let attributes: Checked<'_> = check::attributes(op, attributes, &ATTRIBUTES)?;
    let (axis, extent, method) =
        (attributes.count("axis", 2)?, attributes.count("extent", 1)?, attributes.text("method")?);
    let [x] = check::operands(op, operands)?;
    check::rank(op, "input", x, 4)?;
    if axis > 3 || !matches!(method, "linear" | "mean" | "windows") {
        return Err(OpError::new(format!("`{}` along axis {axis} by {method:?}", op.name()))
            .hint("the axis is 2 or 3, the method \"linear\", \"mean\" or \"windows\""));
    }
    if method == "windows" {
        let windows = attributes.count("windows", 1)?;
        let [inputs, outputs] = match direction {
            Direction::Forward => [x.dims[axis], extent],
            Direction::Back => [extent, x.dims[axis]],
        };
        if outputs != windows * longest(inputs, windows) {
            return Err(OpError::new(format!(
                "`{}` by {windows} windows over {inputs} positions does not give {outputs}",
                op.name()
            ))
            .hint("all windows are as long as the longest"));
        }
    } else if attributes.has("windows") {
        return Err(OpError::new(format!("`{}` by {method:?} has no `windows`", op.name()))
            .hint("they belong to the method \"windows\""));
    }
    let mut dims = x.dims.clone();
    dims[axis] = extent;
    check::result(op, x.element, dims)
}

/// The mixture of `x` by `stencils` along `axis`.
pub(super) fn apply(x: &Tensor, stencils: &[Stencil], axis: usize, result: &TensorType) -> Tensor {
    Tensor::from_fn(&result.dims, |index| {
        let stencil = &stencils[index[axis]];
        let mut from = index.to_vec();
        let part = |(k, weight): (usize, &f64)| {
            from[axis] = stencil.start + k;
            weight * x.at(&from)
        };
        stencil.weights.iter().enumerate().map(part).sum()
    })
}

/// What to test both on.
pub(super) fn samples(direction: Direction, seed: u64) -> Samples {
    let mut random = Random::new(seed);
    let mut sample = |method: Method, axis: usize, by: usize| {
        let mut dims: Vec<usize> = [2, 3, 6, 6].into_iter().map(|most| random.range(1, most)).collect();
        let mut extent = if by == 0 { random.range(1, 7) } else { by * dims[axis] };
        if let Method::Windows(windows) = method {
            extent = windows * longest(dims[axis], windows);
            if direction == Direction::Back {
                swap(&mut dims[axis], &mut extent);
            }
        }
        let attributes =
            method.attributes().with("axis", Attribute::extent(axis)).with("extent", Attribute::extent(extent));
        samples::case(&[&dims], attributes)
    };
    vec![
        sample(Method::Linear, 2, 2),
        sample(Method::Linear, 3, 3),
        sample(Method::Linear, 3, 0),
        sample(Method::Mean, 2, 0),
        sample(Method::Mean, 3, 0),
        sample(Method::Mean, 3, 2),
        sample(Method::Windows(3), 2, 0),
        sample(Method::Windows(4), 3, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stencils_are_those_of_their_definitions() {
        let of = |start: usize, weights: &[f64]| Stencil { start, weights: weights.to_vec() };
        let third = 1.0 / 3.0;
        assert_eq!(stencils(Method::Mean, 7, 3), [of(0, &[third; 3]), of(2, &[third; 3]), of(4, &[third; 3])]);
        assert_eq!(stencils(Method::Mean, 2, 3), [of(0, &[1.0]), of(0, &[0.5, 0.5]), of(1, &[1.0])]);
        assert_eq!(
            stencils(Method::Linear, 2, 4),
            [of(0, &[1.0]), of(0, &[0.75, 0.25]), of(0, &[0.25, 0.75]), of(1, &[1.0])]
        );
        // Windows [0, 1], [1, 2, 3] and [3, 4].
        assert_eq!(
            stencils(Method::Windows(3), 5, 9),
            [0, 1, 1, 1, 2, 3, 3, 4, 4].map(|position| of(position, &[1.0]))
        );
        assert_eq!(transposed(&stencils(Method::Mean, 2, 3), 2), [of(0, &[1.0, 0.5]), of(1, &[0.5, 1.0])]);
        assert_eq!(
            transposed(&stencils(Method::Windows(3), 5, 9), 5),
            [of(0, &[1.0]), of(1, &[1.0; 3]), of(4, &[1.0]), of(5, &[1.0; 2]), of(7, &[1.0; 2])]
        );
    }

    #[test]
    fn the_longest_window_is_as_long_as_said() {
        for (inputs, windows) in (1..13).flat_map(|inputs| (1..13).map(move |windows| (inputs, windows))) {
            let lengths = (0..windows).map(|at| window(inputs, windows, at).len());
            assert_eq!(lengths.max(), Some(longest(inputs, windows)), "{windows} windows over {inputs}");
        }
    }

    #[test]
    fn weights_sum_to_one_and_transposition_keeps_them() {
        for (method, inputs, outputs) in [
            (Method::Mean, 5, 3),
            (Method::Mean, 3, 5),
            (Method::Linear, 5, 3),
            (Method::Linear, 3, 12),
            (Method::Linear, 1, 4),
            (Method::Windows(5), 7, 15),
            (Method::Windows(4), 3, 8),
        ] {
            let forward = stencils(method, inputs, outputs);
            let sums = forward.iter().map(|stencil| stencil.weights.iter().sum::<f64>());
            assert!(sums.clone().all(|sum| (sum - 1.0).abs() < 1e-12), "{method:?} {inputs} {outputs}");
            let back = transposed(&forward, inputs);
            for (output, stencil) in forward.iter().enumerate() {
                for (input, other) in back.iter().enumerate() {
                    let weight = |stencil: &Stencil, at: usize| {
                        at.checked_sub(stencil.start).and_then(|at| stencil.weights.get(at)).copied().unwrap_or(0.0)
                    };
                    assert_eq!(weight(stencil, input), weight(other, output), "{method:?} {inputs} {outputs}");
                }
            }
        }
    }
}
