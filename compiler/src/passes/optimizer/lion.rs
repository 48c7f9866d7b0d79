//! Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", program 1).

use super::Step;
use crate::graph::NodeId;

/// `d = sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g; p - lr (d + weight_decay p)`
pub(super) fn step(step: &mut Step, betas: [f64; 2]) -> NodeId {
    let (gradient, mean) = (step.gradient, step.memory("first_moment"));
    let direction = step.blend(mean, gradient, betas[0]);
    let direction = step.emit().sign(direction);
    let moved = step.blend(mean, gradient, betas[1]);
    step.remember("first_moment", mean, moved);
    let (from, rate) = (step.shrunk(), step.rate(1.0));
    step.walk(from, rate, direction)
}
