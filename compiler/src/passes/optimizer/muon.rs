//! Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"): momentum whose matrix is brought close to
//! the nearest orthogonal one.

use super::Step;
use crate::graph::{Attribute, Attributes, NodeId};
use crate::ops;

/// The polynomial of the iteration: Jordan's, whose slope at zero is greatest.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// The least norm that a matrix is divided by.
const LEAST_NORM: f64 = 1e-7;

/// `m = momentum m + (1 - momentum) g; d = orthogonal(m)`, with `nesterov` of `momentum m + (1 - momentum) g` for the new m;
/// `p - lr (sqrt(max(1, rows / columns)) d + weight_decay p)`. Filters are rows of as many columns as a filter has elements.
pub(super) fn step(step: &mut Step, momentum: f64, nesterov: bool, iterations: u64) -> NodeId {
    let (gradient, mean) = (step.gradient, step.memory("first_moment"));
    let moved = step.blend(mean, gradient, momentum);
    step.remember("first_moment", mean, moved);
    let aim = if nesterov { step.blend(moved, gradient, momentum) } else { moved };
    let dims = step.graph[step.parameter].ty.dims.clone();
    let (rows, columns) = (dims[0], dims[1..].iter().product::<usize>());
    let direction = orthogonal(step, aim, iterations);
    let (from, rate) = (step.shrunk(), step.rate((rows as f64 / columns as f64).max(1.0).sqrt()));
    step.walk(from, rate, direction)
}

/// The Newton-Schulz iteration `X = a X + X (b X^T X + c (X^T X)^2)` from `m / |m|`, whose fixed points have singular values near 1.
/// It runs on the transposed matrix, whose filters are columns, as weights lie in memory.
fn orthogonal(step: &mut Step, matrix: NodeId, iterations: u64) -> NodeId {
    let dims = step.graph[matrix].ty.dims.clone();
    let norm = step.norm(matrix);
    let norm = step.emit().clamp(norm, LEAST_NORM, f64::from(f32::MAX));
    let norm = step.wide(norm);
    let mut emit = step.emit();
    let mut x = emit.div(matrix, norm);
    let [flatten, unflatten] =
        ["flatten", "unflatten"].map(|name| ops::find(name).unwrap_or_else(|| panic!("`{name}` is an op")));
    if dims.len() == 4 {
        x = emit.emit(flatten, &[x], Attributes::new());
    }
    x = emit.transpose(x);
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..iterations {
        let gram = emit.matmul(x, x, true);
        let square = emit.matmul(gram, gram, false);
        let (linear, quadratic) = (emit.scale(gram, b), emit.scale(square, c));
        let sum = emit.add(linear, quadratic);
        let turned = emit.matmul(x, sum, false);
        let kept = emit.scale(x, a);
        x = emit.add(kept, turned);
    }
    x = emit.transpose(x);
    if dims.len() == 4 {
        x = emit.emit(unflatten, &[x], Attributes::new().with("dims", Attribute::extents(&dims)));
    }
    x
}
