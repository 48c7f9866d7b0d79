//! LAMB (You et al. 2020, "Large Batch Optimization for Deep Learning", algorithm 2).

use super::{Step, adam};
use crate::graph::NodeId;

/// `d = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay p; p - lr |p| / |d| d`, with Adam's m and v; the quotient is
/// 1 where a norm is zero.
pub(super) fn step(step: &mut Step, betas: [f64; 2], eps: f64) -> NodeId {
    let (parameter, gradient, decay) = (step.parameter, step.gradient, step.decay);
    let [first, second] = adam::moments(step, gradient, betas);
    let root = adam::corrected_root(step, second, betas[1], eps);
    let correction = step.correction(betas[0]);
    let correction = step.wide(correction);
    let mut emit = step.emit();
    let mean = emit.div(first, correction);
    let mut direction = emit.div(mean, root);
    if decay != 0.0 {
        let pull = emit.scale(parameter, decay);
        direction = emit.add(direction, pull);
    }
    let norms = [step.norm(parameter), step.norm(direction)];
    let local = step.trust(norms, norms[0], norms[1]);
    let rate = step.rate(1.0);
    let rate = step.emit().mul(rate, local);
    step.walk(parameter, rate, direction)
}
