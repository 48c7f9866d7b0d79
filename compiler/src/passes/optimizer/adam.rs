//! Adam (Kingma & Ba 2015), and AdamW, whose weight decay is decoupled (Loshchilov & Hutter 2019).

use super::Step;
use crate::graph::NodeId;

/// `m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p - lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)`, where the gradient
/// holds the weight decay, or p is shrunk before.
pub(super) fn step(step: &mut Step, betas: [f64; 2], eps: f64, decoupled: bool) -> NodeId {
    let (gradient, from) =
        if decoupled { (step.gradient, step.shrunk()) } else { (step.decayed_gradient(), step.parameter) };
    let [first, second] = moments(step, gradient, betas);
    let root = corrected_root(step, second, betas[1], eps);
    let direction = step.emit().div(first, root);
    let (rate, correction) = (step.rate(1.0), step.correction(betas[0]));
    let rate = step.emit().div(rate, correction);
    step.walk(from, rate, direction)
}

/// The new means of gradients and of their squares, which are remembered.
pub(super) fn moments(step: &mut Step, gradient: NodeId, betas: [f64; 2]) -> [NodeId; 2] {
    let [first, second] = ["first_moment", "second_moment"].map(|slot| step.memory(slot));
    let square = step.emit().square(gradient);
    let moved = [step.blend(first, gradient, betas[0]), step.blend(second, square, betas[1])];
    step.remember("first_moment", first, moved[0]);
    step.remember("second_moment", second, moved[1]);
    moved
}

/// `sqrt(v / (1 - beta^t)) + eps`
pub(super) fn corrected_root(step: &mut Step, second: NodeId, beta: f64, eps: f64) -> NodeId {
    let correction = step.correction(beta);
    let correction = step.emit().sqrt(correction);
    let correction = step.wide(correction);
    let mut emit = step.emit();
    let root = emit.sqrt(second);
    let root = emit.div(root, correction);
    emit.offset(root, eps)
}
