//! The norms: what is measured where, and the weights behind it.

use super::Mode;
use super::builder::Label;
use super::evaluate::{Elaborator, Outcome};
use super::layers::{channels_of, count, number, parameter, plain};
use super::parameters::{Annotations, Cost, Init};
use super::value::{Bound, Value};
use crate::diagnostic::Diagnostic;
use crate::graph::{Attribute, Attributes, NodeId, TensorType};

/// `batch_norm(eps = 1e-5, momentum = 0.1, scale = true)`: Ioffe & Szegedy 2015. A training step normalises by the batch's own statistics and moves
/// the running ones towards them (the variance without bias, as PyTorch does); evaluation uses the running ones.
pub(super) fn batch_norm<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let (eps, momentum) = (number(this, bound, "eps", 0.0, 1.0)?, number(this, bound, "momentum", 0.0, 1.0)?);
    let path = this.path("bn", label.as_ref())?;
    let dims = this.builder.dims(x);
    if let Some(bias) = this.bias(x) {
        this.warn(
            "W010",
            format!("`{bias}` is a bias before batch norm, which takes it away"),
            "leave `bias` out: batch norm has one of its own",
        );
    }
    let c = channels_of(this, x);
    // Without a trained scale the weight stays at 1.
    let scale = matches!(bound.get("scale").0, Value::Bool(true));
    let outer = this.builder.annotations;
    if !scale {
        this.builder.annotations = Annotations { init: None, frozen: true, ..outer };
    }
    let gamma = parameter(this, &path, "weight", &[c], Init::Constant(1.0), [c, c])?;
    this.builder.annotations = outer;
    let beta = parameter(this, &path, "bias", &[c], Init::Constant(0.0), [c, c])?;
    let mean = this.builder.statistic(&path, "running_mean", c, 0.0);
    let mean = this.checked(mean, Some(x))?;
    let var = this.builder.statistic(&path, "running_var", c, 1.0);
    let var = this.checked(var, Some(x))?;
    let attributes = Attributes::new().with("eps", Attribute::Float(eps));
    let result = match this.builder.mode {
        Mode::Eval => this.add("batch_norm", &[x, mean, var, gamma, beta], attributes, &path)?,
        Mode::Train => {
            let values: usize = dims.iter().product::<usize>() / c;
            if values < 2 {
                let ty = TensorType::f32(&dims);
                let message =
                    format!("batch norm in training needs more than one value for each channel, {ty} has one");
                let wrong = Diagnostic::error("E202", this.place, message);
                return this.stop(wrong.hint("a greater batch, or batch norm before the pooling"));
            }
            let batch_mean = this.add("batch_mean", &[x, mean], Attributes::new(), &path)?;
            let batch_var = this.add("batch_var", &[x, mean], Attributes::new(), &path)?;
            let y = this.add("batch_norm", &[x, batch_mean, batch_var, gamma, beta], attributes, &path)?;
            this.builder.running(&path, "running_mean", mean, batch_mean, momentum, 1.0);
            this.builder.running(&path, "running_var", var, batch_var, momentum, values as f64 / (values - 1) as f64);
            y
        }
    };
    this.layer(&path, "batch_norm", result, Cost { parameters: 2 * c as u64, multiply_adds: 0 });
    Ok(result)
}

/// A norm of each sample, with a weight and a bias for each channel.
fn of_samples(
    this: &mut Elaborator,
    op: &str,
    kind: &str,
    x: NodeId,
    attributes: Attributes,
    label: Option<&Label>,
) -> Outcome<NodeId> {
    let path = this.path(kind, label)?;
    let c = channels_of(this, x);
    let gamma = parameter(this, &path, "weight", &[c], Init::Constant(1.0), [c, c])?;
    let beta = parameter(this, &path, "bias", &[c], Init::Constant(0.0), [c, c])?;
    let result = this.add(op, &[x, gamma, beta], attributes, &path)?;
    this.layer(&path, op, result, Cost { parameters: 2 * c as u64, multiply_adds: 0 });
    Ok(result)
}

/// `layer_norm(eps = 1e-5)`
pub(super) fn layer_norm<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let eps = number(this, bound, "eps", 0.0, 1.0)?;
    of_samples(this, "layer_norm", "ln", x, Attributes::new().with("eps", Attribute::Float(eps)), label.as_ref())
}

/// `group_norm(groups, eps = 1e-5)`
pub(super) fn group_norm<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let groups = count(this, bound, "groups", 1)?;
    let eps = number(this, bound, "eps", 0.0, 1.0)?;
    let c = channels_of(this, x);
    if !c.is_multiple_of(groups) {
        let (_, span) = bound.get("groups");
        return this.error("E102", span, format!("{groups} groups must divide the {c} channels that come in"));
    }
    let attributes = Attributes::new().with("eps", Attribute::Float(eps)).with("groups", Attribute::Int(groups as i64));
    of_samples(this, "group_norm", "gn", x, attributes, label.as_ref())
}

/// `local_response_norm(size, alpha = 1e-4, beta = 0.75, k = 1)`
pub(super) fn local_response_norm<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let size = count(this, bound, "size", 1)?;
    let mut attributes = Attributes::new().with("size", Attribute::Int(size as i64));
    for name in ["alpha", "beta", "k"] {
        attributes = attributes.with(name, Attribute::Float(number(this, bound, name, 0.0, 1e6)?));
    }
    plain(this, "local_response_norm", x, attributes, label.as_ref())
}
