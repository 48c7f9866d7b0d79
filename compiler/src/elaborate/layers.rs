//! The layers: parameters, nodes, and what they cost.

use super::Mode;
use super::builder::Label;
use super::evaluate::{Elaborator, Outcome};
use super::parameters::{Cost, Init};
use super::value::{Bound, Value};
use crate::diagnostic::Diagnostic;
use crate::graph::{Attribute, Attributes, NodeId, TensorType};

/// A whole number of at least `least`.
pub(super) fn count<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, name: &str, least: i64) -> Outcome<usize> {
    let (value, span) = bound.get(name);
    let Value::Int(value) = value else { unreachable!("`{name}` is a whole number") };
    whole(this, name, *value, least, span)
}

fn whole(this: &mut Elaborator, name: &str, value: i64, least: i64, span: crate::diagnostic::Span) -> Outcome<usize> {
    if value < least || value > i64::from(i32::MAX) {
        let bound = if value < least { format!("at least {least}") } else { format!("at most {}", i32::MAX) };
        return this.error("E102", span, format!("`{name}` is {bound}, this is {value}"));
    }
    Ok(value as usize)
}

/// Height and width; `same` gives `None`.
pub(super) fn pair<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    name: &str,
    least: i64,
) -> Outcome<Option<[usize; 2]>> {
    let (value, span) = bound.get(name);
    match value {
        Value::Int(value) => {
            let both = whole(this, name, *value, least, span)?;
            Ok(Some([both, both]))
        }
        Value::List(items) if items.is_empty() => Ok(None),
        Value::List(items) => match &items[..] {
            [Value::Int(height), Value::Int(width)] => {
                Ok(Some([whole(this, name, *height, least, span)?, whole(this, name, *width, least, span)?]))
            }
            _ => this.error("E101", span, format!("`{name}` is a whole number or a list of two: height and width")),
        },
        _ => Ok(None),
    }
}

/// Height and width of a parameter that has to have them.
pub(super) fn both<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, name: &str, least: i64) -> Outcome<[usize; 2]> {
    match pair(this, bound, name, least)? {
        Some(both) => Ok(both),
        None => {
            let (_, span) = bound.get(name);
            this.error("E101", span, format!("`{name}` is a whole number or a list of two: height and width"))
        }
    }
}

/// Padding that `same` keeps: for odd kernels.
pub(super) fn padding<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    kernel: [usize; 2],
    dilation: [usize; 2],
) -> Outcome<[usize; 2]> {
    if let Some(pad) = pair(this, bound, "pad", 0)? {
        return Ok(pad);
    }
    let (_, span) = bound.get("pad");
    if kernel.iter().any(|extent| extent % 2 == 0) {
        let message = format!("`pad = same` needs an odd kernel, this one is {}x{}", kernel[0], kernel[1]);
        let wrong = Diagnostic::error("E102", this.visible(span), message);
        return this.stop(wrong.hint("give `pad` a number, or a list of two: height and width"));
    }
    Ok([0, 1].map(|axis| (kernel[axis] - 1) / 2 * dilation[axis]))
}

pub(super) fn channels_of(this: &Elaborator, x: NodeId) -> usize {
    this.builder.dims(x).get(1).copied().unwrap_or(1)
}

/// The argument `c`, or the input's channels.
fn channels<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, x: NodeId) -> Outcome<usize> {
    match bound.get("c") {
        (Value::Same, _) => Ok(channels_of(this, x)),
        _ => count(this, bound, "c", 1),
    }
}

pub(super) fn parameter(
    this: &mut Elaborator,
    path: &str,
    name: &str,
    dims: &[usize],
    init: Init,
    fans: [usize; 2],
) -> Outcome<NodeId> {
    this.builder.source = this.sources.place(this.place);
    let added = this.builder.parameter(path, name, dims, init, fans);
    this.checked(added, None)
}

/// Adds a value for each channel to `y`.
fn biased(this: &mut Elaborator, path: &str, y: NodeId, fan_in: usize) -> Outcome<NodeId> {
    let dims = this.builder.dims(y);
    let bias = parameter(this, path, "bias", &[dims[1]], Init::FanIn, [fan_in, dims[1]])?;
    let attributes = Attributes::new().with("axes", Attribute::Ints(vec![1])).with("dims", Attribute::extents(&dims));
    let wide = this.add("broadcast", &[bias], attributes, path)?;
    this.add("add", &[y, wide], Attributes::new(), path)
}

/// `conv2d(c = same, kernel = 3, stride = 1, pad = 0, dilation = 1, groups = 1, bias = false)`
pub(super) fn conv2d<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let c = channels(this, bound, x)?;
    let kernel = both(this, bound, "kernel", 1)?;
    let stride = both(this, bound, "stride", 1)?;
    let dilation = both(this, bound, "dilation", 1)?;
    let pad = padding(this, bound, kernel, dilation)?;
    let groups = count(this, bound, "groups", 1)?;
    let path = this.path("conv", label.as_ref())?;
    let dims = this.builder.dims(x);
    if dims.len() != 4 {
        let message = format!("a convolution takes images, f32[N,C,H,W]; here is {}", TensorType::f32(&dims));
        let wrong = Diagnostic::error("E200", this.place, message).note(this.lineage(x));
        return this.stop(wrong.hint("put it before `flatten`, `global_avg_pool` and `dense`"));
    }
    let inputs = dims[1];
    if !inputs.is_multiple_of(groups) || !c.is_multiple_of(groups) {
        let (_, span) = bound.get("groups");
        return this.error(
            "E102",
            span,
            format!("{groups} groups must divide both the {inputs} channels that come in and the {c} that go out"),
        );
    }
    if let Some(Init::Whitening(_)) = this.builder.annotations.init {
        if groups != 1 {
            return this.error("E102", this.place, "`whitening` is of all channels together: it takes one group");
        }
        whitens(this, x, c, inputs.saturating_mul(kernel[0]).saturating_mul(kernel[1]))?;
    }
    // Extents too large for any tensor are refused by `parameter`.
    let fan = kernel[0].saturating_mul(kernel[1]);
    let each = inputs / groups;
    let fans = [each.saturating_mul(fan), c.saturating_mul(fan)];
    let weight = parameter(this, &path, "weight", &[c, each, kernel[0], kernel[1]], Init::HeNormal, fans)?;
    let attributes = Attributes::new()
        .with("stride", Attribute::extents(&stride))
        .with("pad", Attribute::extents(&pad))
        .with("dilation", Attribute::extents(&dilation))
        .with("groups", Attribute::Int(groups as i64));
    let y = this.add("conv2d", &[x, weight], attributes, &path)?;
    let bias = matches!(bound.get("bias").0, Value::Bool(true));
    let result = if bias { biased(this, &path, y, each * fan)? } else { y };
    let dims = this.builder.dims(y);
    let weights = (c * each * fan) as u64;
    let cost = Cost {
        parameters: weights + if bias { c as u64 } else { 0 },
        multiply_adds: weights * (dims[2] * dims[3]) as u64,
    };
    this.layer(&path, "conv2d", result, cost);
    Ok(result)
}

/// Checks a convolution that whitens: its filters come from the patches of the images themselves, one for each element of a patch
/// and one for its negative.
fn whitens(this: &mut Elaborator, x: NodeId, c: usize, patch: usize) -> Outcome<()> {
    let (place, filters) = (this.place, patch.saturating_mul(2));
    if this.builder.graph[x].op.name() != "input" {
        return this.error("E102", place, "`whitening` is of the images that come in: it begins the network");
    }
    if c != filters {
        let message = format!("`whitening` of patches of {patch} numbers gives {filters} filters, here are {c}");
        return this.error("E102", place, message);
    }
    Ok(())
}

/// `scale(by)`: times a number.
pub(super) fn scale<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let by = number(this, bound, "by", -1e6, 1e6)?;
    plain(this, "scale", x, Attributes::new().with("by", Attribute::Float(by)), label.as_ref())
}

/// `dense(c, bias = true)`
pub(super) fn dense<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let c = channels(this, bound, x)?;
    let path = this.path("dense", label.as_ref())?;
    let inputs = channels_of(this, x);
    let weight = parameter(this, &path, "weight", &[c, inputs], Init::FanIn, [inputs, c])?;
    let y = this.add("dense", &[x, weight], Attributes::new(), &path)?;
    let bias = matches!(bound.get("bias").0, Value::Bool(true));
    let result = if bias { biased(this, &path, y, inputs)? } else { y };
    let weights = (c * inputs) as u64;
    let cost = Cost { parameters: weights + if bias { c as u64 } else { 0 }, multiply_adds: weights };
    this.layer(&path, "dense", result, cost);
    Ok(result)
}

/// A number within bounds, both included.
pub(super) fn number<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    name: &str,
    low: f64,
    high: f64,
) -> Outcome<f64> {
    let (value, span) = bound.get(name);
    let number = match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        _ => unreachable!("`{name}` is a number"),
    };
    if (low..=high).contains(&number) {
        return Ok(number);
    }
    this.error("E102", span, format!("`{name}` lies between {low} and {high}, this is {}", value.spelling()))
}

/// A layer without weights: one op.
pub(super) fn plain(
    this: &mut Elaborator,
    op: &str,
    x: NodeId,
    attributes: Attributes,
    label: Option<&Label>,
) -> Outcome<NodeId> {
    let path = this.path(op, label)?;
    let result = this.add(op, &[x], attributes, &path)?;
    this.layer(&path, op, result, Cost::default());
    Ok(result)
}

/// `dropout(rate = 0.5)`: nothing in evaluation.
pub(super) fn dropout<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let rate = number(this, bound, "rate", 0.0, 0.999)?;
    let path = this.path("dropout", label.as_ref())?;
    let result = match this.builder.mode {
        Mode::Eval => x,
        Mode::Train => {
            let (seed, stream) = this.builder.random_stream();
            let attributes =
                Attributes::new().with("rate", Attribute::Float(rate)).with("stream", Attribute::Int(stream));
            this.add("dropout", &[x, seed], attributes, &path)?
        }
    };
    this.layer(&path, "dropout", result, Cost::default());
    Ok(result)
}

/// `stochastic_depth(rate)`: nothing in evaluation; in training a dropout whose choices are for whole images.
pub(super) fn stochastic_depth<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let rate = number(this, bound, "rate", 0.0, 0.999)?;
    let path = this.path("stochastic_depth", label.as_ref())?;
    let result = match this.builder.mode {
        Mode::Eval => x,
        Mode::Train => {
            let dims = this.builder.dims(x);
            let images = Attribute::extents(&dims[..1]);
            let one = Attributes::new().with("value", Attribute::Float(1.0)).with("dims", images);
            let one = this.add("constant", &[], one, &path)?;
            let (seed, stream) = this.builder.random_stream();
            let choice = Attributes::new().with("rate", Attribute::Float(rate)).with("stream", Attribute::Int(stream));
            let factors = this.add("dropout", &[one, seed], choice, &path)?;
            let wide = Attributes::new().with("axes", Attribute::extents(&[0])).with("dims", Attribute::extents(&dims));
            let wide = this.add("broadcast", &[factors], wide, &path)?;
            this.add("mul", &[x, wide], Attributes::new(), &path)?
        }
    };
    this.layer(&path, "stochastic_depth", result, Cost::default());
    Ok(result)
}

/// `subsample(stride)`: every stride-th row and column.
pub(super) fn subsample<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let stride = both(this, bound, "stride", 1)?;
    if stride == [1, 1] {
        return Ok(x);
    }
    let attributes = Attributes::new().with("stride", Attribute::extents(&stride));
    plain(this, "subsample", x, attributes, label.as_ref())
}

/// `pad_channels(c)`: zeros on both sides, so that there are c channels; of an odd number the greater half behind.
pub(super) fn pad_channels<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let c = count(this, bound, "c", 1)?;
    let inputs = channels_of(this, x);
    if inputs > c {
        let (_, span) = bound.get("c");
        return this.error(
            "E102",
            span,
            format!("`pad_channels({c})` of {inputs} channels: it adds channels, it removes none"),
        );
    }
    if inputs == c {
        return Ok(x);
    }
    let before = (c - inputs) / 2;
    let after = c - inputs - before;
    let attributes =
        Attributes::new().with("before", Attribute::Int(before as i64)).with("after", Attribute::Int(after as i64));
    plain(this, "pad_channels", x, attributes, label.as_ref())
}
