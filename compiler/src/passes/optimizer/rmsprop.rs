//! RMSprop (Tieleman & Hinton 2012), in PyTorch's form.

use super::Step;
use crate::graph::NodeId;

/// `s = alpha s + (1 - alpha) g^2; d = g / (sqrt(s) + eps)`, with `centered` `d = g / (sqrt(s - m^2) + eps)` for the mean m of
/// gradients; `p - lr d`, with momentum `b = momentum b + d; p - lr b`. The gradient holds the weight decay.
pub(super) fn step(step: &mut Step, alpha: f64, eps: f64, momentum: f64, centered: bool) -> NodeId {
    let (parameter, gradient) = (step.parameter, step.decayed_gradient());
    let squares = step.memory("second_moment");
    let square = step.emit().square(gradient);
    let moved = step.blend(squares, square, alpha);
    step.remember("second_moment", squares, moved);
    let mut spread = moved;
    if centered {
        let mean = step.memory("first_moment");
        let moved_mean = step.blend(mean, gradient, alpha);
        step.remember("first_moment", mean, moved_mean);
        let mut emit = step.emit();
        let square = emit.square(moved_mean);
        spread = emit.sub(moved, square);
    }
    let mut emit = step.emit();
    let root = emit.sqrt(spread);
    let root = emit.offset(root, eps);
    let mut direction = emit.div(gradient, root);
    if momentum > 0.0 {
        let velocity = step.memory("velocity");
        let mut emit = step.emit();
        let kept = emit.scale(velocity, momentum);
        direction = emit.add(kept, direction);
        step.remember("velocity", velocity, direction);
    }
    let rate = step.rate(1.0);
    step.walk(parameter, rate, direction)
}
