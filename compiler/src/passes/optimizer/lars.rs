//! LARS (You, Gitman & Ginsburg 2017, "Large Batch Training of Convolutional Networks", algorithm 1).

use super::Step;
use crate::graph::NodeId;

/// `l = trust |p| / (|g| + weight_decay |p|); v = momentum v + lr l (g + weight_decay p); p - v`, with l = 1 where a norm is zero
/// and for vectors, whose norms say little.
pub(super) fn step(step: &mut Step, momentum: f64, trust: f64) -> NodeId {
    let (parameter, gradient, decay) = (step.parameter, step.gradient, step.decay);
    let mut rate = step.rate(1.0);
    if step.graph[parameter].ty.rank() > 1 {
        let norms = [step.norm(parameter), step.norm(gradient)];
        let mut emit = step.emit();
        let (above, pull) = (emit.scale(norms[0], trust), emit.scale(norms[0], decay));
        let below = emit.add(norms[1], pull);
        let local = step.trust(norms, above, below);
        rate = step.emit().mul(rate, local);
    }
    let (velocity, pulled, rate) = (step.memory("velocity"), step.decayed_gradient(), step.wide(rate));
    let mut emit = step.emit();
    let (kept, way) = (emit.scale(velocity, momentum), emit.mul(rate, pulled));
    let moved = emit.add(kept, way);
    let stepped = emit.sub(parameter, moved);
    step.remember("velocity", velocity, moved);
    stepped
}
