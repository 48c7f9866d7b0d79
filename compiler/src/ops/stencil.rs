//! What `resample` and its gradient share: for each position along an axis the neighbours that it mixes, and test samples.

use super::check::Checked;
use super::samples::Random;
use super::tensor::Tensor;
use super::{Attributes, Op, OpError, TensorType, check};
use crate::graph::Attribute;

/// The attributes of both.
pub(super) const ATTRIBUTES: [&str; 3] = ["axis", "extent", "method"];

/// What one position of the result is: the sum of `weights[k] x[start + k]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Stencil {
    /// The first position that is read.
    pub start: usize,
    /// The factor of each position from there on.
    pub weights: Vec<f64>,
}

/// The stencils of a result of `outputs` positions over `inputs`, by the method of that name (see `resample`).
pub fn stencils(method: &str, inputs: usize, outputs: usize) -> Vec<Stencil> {
    let stencil = |output: usize| match method {
        "mean" => {
            let start = output * inputs / outputs;
            let len = ((output + 1) * inputs).div_ceil(outputs) - start;
            Stencil { start, weights: vec![1.0 / len as f64; len] }
        }
        _ => {
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

/// The operand's extents with that of the axis replaced.
pub(super) fn infer(op: &dyn Op, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
    let attributes: Checked<'_> = check::attributes(op, attributes, &ATTRIBUTES)?;
    let (axis, extent, method) =
        (attributes.count("axis", 2)?, attributes.count("extent", 1)?, attributes.text("method")?);
    let [x] = check::operands(op, operands)?;
    check::rank(op, "input", x, 4)?;
    if axis > 3 || !matches!(method, "linear" | "mean") {
        return Err(OpError::new(format!("`{}` along axis {axis} by {method:?}", op.name()))
            .hint("the axis is 2 or 3, the method \"linear\" or \"mean\""));
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

/// Extents of `x`, and attributes, to test both on.
pub(super) fn samples(seed: u64) -> Vec<(Vec<usize>, Attributes)> {
    let mut random = Random::new(seed);
    let mut sample = |method: &str, axis: usize, by: usize| {
        let dims: Vec<usize> = [2, 3, 6, 6].into_iter().map(|most| random.range(1, most)).collect();
        let extent = if by == 0 { random.range(1, 7) } else { by * dims[axis] };
        let attributes = Attributes::new()
            .with("axis", Attribute::Int(axis as i64))
            .with("extent", Attribute::Int(extent as i64))
            .with("method", Attribute::Text(method.to_string()));
        (dims, attributes)
    };
    vec![
        sample("linear", 2, 2),
        sample("linear", 3, 3),
        sample("linear", 3, 0),
        sample("mean", 2, 0),
        sample("mean", 3, 0),
        sample("mean", 3, 2),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stencils_are_those_of_their_definitions() {
        let of = |start: usize, weights: &[f64]| Stencil { start, weights: weights.to_vec() };
        let third = 1.0 / 3.0;
        assert_eq!(stencils("mean", 7, 3), [of(0, &[third; 3]), of(2, &[third; 3]), of(4, &[third; 3])]);
        assert_eq!(stencils("mean", 2, 3), [of(0, &[1.0]), of(0, &[0.5, 0.5]), of(1, &[1.0])]);
        assert_eq!(
            stencils("linear", 2, 4),
            [of(0, &[1.0]), of(0, &[0.75, 0.25]), of(0, &[0.25, 0.75]), of(1, &[1.0])]
        );
        assert_eq!(transposed(&stencils("mean", 2, 3), 2), [of(0, &[1.0, 0.5]), of(1, &[0.5, 1.0])]);
    }

    #[test]
    fn weights_sum_to_one_and_transposition_keeps_them() {
        for (method, inputs, outputs) in
            [("mean", 5, 3), ("mean", 3, 5), ("linear", 5, 3), ("linear", 3, 12), ("linear", 1, 4)]
        {
            let forward = stencils(method, inputs, outputs);
            let sums = forward.iter().map(|stencil| stencil.weights.iter().sum::<f64>());
            assert!(sums.clone().all(|sum| (sum - 1.0).abs() < 1e-12), "{method} {inputs} {outputs}");
            let back = transposed(&forward, inputs);
            for (output, stencil) in forward.iter().enumerate() {
                for (input, other) in back.iter().enumerate() {
                    let weight = |stencil: &Stencil, at: usize| {
                        at.checked_sub(stencil.start).and_then(|at| stencil.weights.get(at)).copied().unwrap_or(0.0)
                    };
                    assert_eq!(weight(stencil, input), weight(other, output), "{method} {inputs} {outputs}");
                }
            }
        }
    }
}
