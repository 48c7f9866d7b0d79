//! The layers that change the number of rows and columns and have no weights.

use super::builder::Label;
use super::evaluate::{Elaborator, Outcome};
use super::layers::{both, padding, pair, plain};
use super::value::{Bound, Value};
use crate::graph::{Attribute, Attributes, NodeId};

/// `max_pool` and `avg_pool`: `(kernel, stride = kernel, pad = 0, dilation = 1, ceil = false)`
pub(super) fn pool<'a>(
    this: &mut Elaborator<'a>,
    op: &str,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let kernel = both(this, bound, "kernel", 1)?;
    let stride = pair(this, bound, "stride", 1)?.unwrap_or(kernel);
    let dilation = both(this, bound, "dilation", 1)?;
    let pad = padding(this, bound, kernel, dilation)?;
    let mut attributes = Attributes::new()
        .with("kernel", Attribute::extents(&kernel))
        .with("stride", Attribute::extents(&stride))
        .with("pad", Attribute::extents(&pad));
    if dilation != [1, 1] {
        attributes = attributes.with("dilation", Attribute::extents(&dilation));
    }
    if matches!(bound.get("ceil").0, Value::Bool(true)) {
        attributes = attributes.with("ceil", Attribute::Bool(true));
    }
    plain(this, op, x, attributes, label.as_ref())
}

/// `adaptive_avg_pool` and `adaptive_max_pool`: `(out)`
pub(super) fn adaptive<'a>(
    this: &mut Elaborator<'a>,
    op: &str,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let out = both(this, bound, "out", 1)?;
    plain(this, op, x, Attributes::new().with("out", Attribute::extents(&out)), label.as_ref())
}

/// `upsample(factor = 2, mode = "nearest")`
pub(super) fn upsample<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let factor = both(this, bound, "factor", 1)?;
    let (value, span) = bound.get("mode");
    let Value::Text(mode) = value else { unreachable!("`mode` is a text") };
    if !matches!(&**mode, "nearest" | "bilinear") {
        return this.error("E102", span, format!("`mode` is \"nearest\" or \"bilinear\", this is {mode:?}"));
    }
    let attributes =
        Attributes::new().with("factor", Attribute::extents(&factor)).with("mode", Attribute::Text(mode.to_string()));
    plain(this, "upsample", x, attributes, label.as_ref())
}
