//! Stochastic gradient descent with momentum (Sutskever et al. 2013), in PyTorch's form.

use super::Step;
use crate::graph::{Attribute, Attributes, NodeId};
use crate::ops;

/// `v = momentum v + g + weight_decay p; p - lr v`, or with `nesterov` `p - lr (g + weight_decay p + momentum v)`.
pub(super) fn step(step: &mut Step, momentum: f64, nesterov: bool) -> NodeId {
    let velocity = step.memory("velocity");
    let attributes = Attributes::new()
        .with("momentum", Attribute::Float(momentum))
        .with("weight_decay", Attribute::Float(step.decay));
    let (parameter, gradient, lr) = (step.parameter, step.gradient, step.lr);
    let op = ops::find("momentum").expect("`momentum` is an op");
    let moved = step.emit().emit(op, &[velocity, parameter, gradient], attributes.clone());
    let attributes =
        attributes.with("lr_factor", Attribute::Float(step.lr_factor)).with("nesterov", Attribute::Bool(nesterov));
    let op = ops::find("sgd").expect("`sgd` is an op");
    let stepped = step.emit().emit(op, &[parameter, moved, gradient, lr], attributes);
    step.remember("velocity", velocity, moved);
    stepped
}
