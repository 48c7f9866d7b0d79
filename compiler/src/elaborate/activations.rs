//! The activations: element by element, without weights.

use super::builder::Label;
use super::evaluate::{Elaborator, Outcome};
use super::layers::{number, plain};
use super::value::{Bound, Value};
use crate::graph::{Attribute, Attributes, NodeId};

/// The ops that a model should not end with: what they give is no logits.
pub(super) const ACTIVATIONS: &[&str] =
    &["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "hardsigmoid", "hardswish"];

pub(super) fn relu<'a>(this: &mut Elaborator<'a>, _: &Bound<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
    if this.builder.graph[x].op.name() == "relu" {
        this.warn("W013", "`relu` of `relu` changes nothing", "leave one of them out");
    }
    plain(this, "relu", x, Attributes::new(), label.as_ref())
}

/// `leaky_relu(slope = 0.01)`
pub(super) fn leaky_relu<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let slope = number(this, bound, "slope", 0.0, 1.0)?;
    plain(this, "leaky_relu", x, Attributes::new().with("slope", Attribute::Float(slope)), label.as_ref())
}

/// `gelu(approximate = "none")`
pub(super) fn gelu<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let (value, span) = bound.get("approximate");
    let Value::Text(approximate) = value else { unreachable!("`approximate` is a text") };
    if !matches!(&**approximate, "none" | "tanh") {
        return this.error("E102", span, format!("`approximate` is \"none\" or \"tanh\", this is {approximate:?}"));
    }
    let attributes = Attributes::new().with("approximate", Attribute::Text(approximate.to_string()));
    plain(this, "gelu", x, attributes, label.as_ref())
}
