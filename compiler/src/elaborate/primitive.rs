//! The layers and combinators that the language itself knows; everything else is the prelude's, written in the language.

use super::activations;
use super::auxiliary::auxiliary;
use super::builder::Label;
use super::evaluate::{Elaborator, Outcome};
use super::layers;
use super::norms;
use super::parameters::Cost;
use super::pools;
use super::value::{Block, Bound, Default, Kind, Parameter, Value};
use crate::diagnostic::Diagnostic;
use crate::graph::{Attribute, Attributes, NodeId, TensorType};

type Apply = for<'a> fn(&mut Elaborator<'a>, &Bound<'a>, NodeId, Option<Label>) -> Outcome<NodeId>;

/// One layer or combinator.
pub(super) struct Primitive {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    /// Whether it takes any number of branches by position.
    pub variadic: bool,
    pub apply: Apply,
}

const fn layer(name: &'static str, parameters: &'static [Parameter], apply: Apply) -> Primitive {
    Primitive { name, parameters, variadic: false, apply }
}

macro_rules! without_arguments {
    ($name:literal) => {
        layer($name, &[], |this, _, x, label| layers::plain(this, $name, x, Attributes::new(), label.as_ref()))
    };
}

const fn joint(name: &'static str, apply: Apply) -> Primitive {
    Primitive { name, parameters: &[], variadic: true, apply }
}

const WINDOW: &[Parameter] = &[
    Parameter::new("kernel", Kind::Pair, Default::Needed),
    Parameter::new("stride", Kind::Pair, Default::Nothing),
    Parameter::new("pad", Kind::Padding, Default::Int(0)),
    Parameter::new("dilation", Kind::Pair, Default::Int(1)),
    Parameter::new("ceil", Kind::Bool, Default::Bool(false)),
];

const ADAPTIVE: &[Parameter] = &[Parameter::new("out", Kind::Pair, Default::Needed)];

/// All of them, in the order of docs/language.md.
pub(super) static PRIMITIVES: &[Primitive] = &[
    layer(
        "conv2d",
        &[
            Parameter::new("c", Kind::Channels, Default::Same),
            Parameter::new("kernel", Kind::Pair, Default::Int(3)),
            Parameter::new("stride", Kind::Pair, Default::Int(1)),
            Parameter::new("pad", Kind::Padding, Default::Int(0)),
            Parameter::new("dilation", Kind::Pair, Default::Int(1)),
            Parameter::new("groups", Kind::Int, Default::Int(1)),
            Parameter::new("bias", Kind::Bool, Default::Bool(false)),
        ],
        layers::conv2d,
    ),
    layer(
        "batch_norm",
        &[
            Parameter::new("eps", Kind::Float, Default::Float(1e-5)),
            Parameter::new("momentum", Kind::Float, Default::Float(0.1)),
            Parameter::new("scale", Kind::Bool, Default::Bool(true)),
        ],
        norms::batch_norm,
    ),
    layer("layer_norm", &[Parameter::new("eps", Kind::Float, Default::Float(1e-5))], norms::layer_norm),
    layer(
        "group_norm",
        &[
            Parameter::new("groups", Kind::Int, Default::Needed),
            Parameter::new("eps", Kind::Float, Default::Float(1e-5)),
        ],
        norms::group_norm,
    ),
    layer(
        "local_response_norm",
        &[
            Parameter::new("size", Kind::Int, Default::Needed),
            Parameter::new("alpha", Kind::Float, Default::Float(1e-4)),
            Parameter::new("beta", Kind::Float, Default::Float(0.75)),
            Parameter::new("k", Kind::Float, Default::Float(1.0)),
        ],
        norms::local_response_norm,
    ),
    layer("relu", &[], activations::relu),
    without_arguments!("relu6"),
    layer("leaky_relu", &[Parameter::new("slope", Kind::Float, Default::Float(0.01))], activations::leaky_relu),
    without_arguments!("sigmoid"),
    without_arguments!("tanh"),
    layer("gelu", &[Parameter::new("approximate", Kind::Text, Default::Text("none"))], activations::gelu),
    without_arguments!("silu"),
    without_arguments!("hardsigmoid"),
    without_arguments!("hardswish"),
    without_arguments!("softmax"),
    layer(
        "dense",
        &[
            Parameter::new("c", Kind::Channels, Default::Needed),
            Parameter::new("bias", Kind::Bool, Default::Bool(true)),
        ],
        layers::dense,
    ),
    without_arguments!("flatten"),
    layer("max_pool", WINDOW, |this, bound, x, label| pools::pool(this, "max_pool", bound, x, label)),
    layer("avg_pool", WINDOW, |this, bound, x, label| pools::pool(this, "avg_pool", bound, x, label)),
    without_arguments!("global_avg_pool"),
    layer("adaptive_avg_pool", ADAPTIVE, |this, bound, x, label| {
        pools::adaptive(this, "adaptive_avg_pool", bound, x, label)
    }),
    layer("adaptive_max_pool", ADAPTIVE, |this, bound, x, label| {
        pools::adaptive(this, "adaptive_max_pool", bound, x, label)
    }),
    layer(
        "upsample",
        &[
            Parameter::new("factor", Kind::Pair, Default::Int(2)),
            Parameter::new("mode", Kind::Text, Default::Text("nearest")),
        ],
        pools::upsample,
    ),
    layer("scale", &[Parameter::new("by", Kind::Float, Default::Needed)], layers::scale),
    layer("dropout", &[Parameter::new("rate", Kind::Float, Default::Float(0.5))], layers::dropout),
    layer("stochastic_depth", &[Parameter::new("rate", Kind::Float, Default::Needed)], layers::stochastic_depth),
    layer("subsample", &[Parameter::new("stride", Kind::Pair, Default::Needed)], layers::subsample),
    layer("pad_channels", &[Parameter::new("c", Kind::Int, Default::Needed)], layers::pad_channels),
    joint("add", |this, bound, x, label| join(this, "add", bound, x, label)),
    joint("mul", |this, bound, x, label| join(this, "mul", bound, x, label)),
    joint("concat", |this, bound, x, label| join(this, "concat", bound, x, label)),
    layer(
        "residual",
        &[
            Parameter::new("body", Kind::Block, Default::Needed),
            Parameter::new("shortcut", Kind::Branch, Default::Identity),
        ],
        residual,
    ),
    layer("scale_channels", &[Parameter::new("branch", Kind::Branch, Default::Needed)], scale_channels),
    layer("auto", &[Parameter::new("otherwise", Kind::Block, Default::Needed)], auto),
    layer(
        "repeat",
        &[
            Parameter::new("n", Kind::Int, Default::Needed),
            Parameter::new("body", Kind::Block, Default::Needed),
            Parameter::new("name", Kind::Text, Default::Text("")),
            Parameter::new("from", Kind::Int, Default::Int(0)),
        ],
        repeat,
    ),
    layer("sequential", &[Parameter::new("body", Kind::Block, Default::Needed)], sequential),
    layer("shared", &[Parameter::new("body", Kind::Block, Default::Needed)], |_, _, _, _| {
        panic!("elaborate: `shared` is a value of its own once it has been called")
    }),
    layer(
        "auxiliary",
        &[
            Parameter::new("head", Kind::Block, Default::Needed),
            Parameter::new("weight", Kind::Float, Default::Float(0.3)),
        ],
        auxiliary,
    ),
    layer("id", &[], |_, _, x, _| Ok(x)),
];

/// The primitive of that name.
pub(super) fn find(name: &str) -> Option<&'static Primitive> {
    PRIMITIVES.iter().find(|primitive| primitive.name == name)
}

/// The primitive `id`.
pub(super) fn identity() -> &'static Primitive {
    find("id").expect("`id` is a primitive")
}

/// `repeat(n, b, name = "", from = 0)`: b, n times, one after the other; `repeat(n, i => b)` tells each its number from 0. Each is
/// called by `name` and a number that counts from `from`.
fn repeat<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
    let ((Value::Int(count), span), (body, _)) = (bound.get("n"), bound.get("body")) else {
        unreachable!("n is a whole number")
    };
    if *count < 0 {
        return this.error("E102", span, format!("`repeat` takes a count of at least 0, this is {count}"));
    }
    let ((Value::Text(name), name_span), (Value::Int(from), _)) = (bound.get("name"), bound.get("from")) else {
        unreachable!("a text and a whole number")
    };
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return this.error("E102", name_span, format!("a name is made of letters, digits and `_`, this is {name:?}"));
    }
    let place = this.place;
    // Where layers are numbered through, repetition is no level of names.
    let numbered_through = this.builder.sequential() && label.is_none();
    if !numbered_through {
        let path = this.path("repeat", label.as_ref())?;
        this.builder.open(path);
    }
    let mut x = x;
    for at in 0..*count {
        this.place = place;
        let each = match body {
            Value::Block(block) => match &**block {
                Block::Lambda(name, body, env) => this.eval(body, &env.with(&name.text, Value::Int(at)))?,
                _ => body.clone(),
            },
            other => other.clone(),
        };
        let label = Label { name: format!("{name}{}", from.saturating_add(at)), span: place };
        x = this.apply(&each, x, (!numbered_through).then_some(label))?;
    }
    if !numbered_through {
        this.builder.close();
    }
    Ok(x)
}

/// `sequential(b)`: b, whose layers without a label are numbered through from 0, whatever their kind.
fn sequential<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
    let path = this.path("sequential", label.as_ref())?;
    this.builder.open_sequential(path);
    let y = this.apply(&bound.get("body").0.clone(), x, None)?;
    this.builder.close();
    Ok(y)
}

/// One way of a combinator: a block applied to its input, or a tensor as it is.
fn branch<'a>(this: &mut Elaborator<'a>, value: &Value<'a>, x: NodeId) -> Outcome<NodeId> {
    match value {
        Value::Tensor(y) => Ok(*y),
        block => this.apply(block, x, None),
    }
}

/// `residual(body, shortcut = id)`: body(x) + shortcut(x) (He et al. 2015).
fn residual<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
    let place = this.place;
    this.scoped(label.as_ref(), |this| {
        let ((body, body_span), (shortcut, shortcut_span)) = (bound.get("body"), bound.get("shortcut"));
        this.at(body_span);
        let y = branch(this, body, x)?;
        this.targets.push(Some(this.builder.dims(y)));
        this.at(shortcut_span);
        let short = branch(this, shortcut, x)?;
        this.targets.pop();
        this.place = place;
        let (wide, narrow) = (this.builder.graph[y].ty.clone(), this.builder.graph[short].ty.clone());
        if wide != narrow {
            let (body_span, shortcut_span) = (this.visible(body_span), this.visible(shortcut_span));
            let wrong = Diagnostic::error("E201", body_span, "the two ways of a residual have different shapes")
                .here(format!("the body gives {wide}"));
            // The place of an omitted shortcut is that of the whole residual.
            let wrong = if shortcut_span == place {
                wrong.and(place, format!("without a shortcut of its own the input stays {narrow}"))
            } else {
                wrong.and(shortcut_span, format!("the shortcut gives {narrow}"))
            };
            let wrong = wrong.note(this.lineage(y)).hint(projection(&wide.dims, &narrow.dims));
            return this.stop(wrong);
        }
        combine(this, "add", &[y, short], None)
    })
}

/// `scale_channels(branch)`: x times branch(x), a factor for each channel of each image (Hu et al. 2017, squeeze and excitation).
fn scale_channels<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let place = this.place;
    this.scoped(label.as_ref(), |this| {
        let (value, span) = bound.get("branch");
        this.at(span);
        // The branch has no shape to meet: its result is smaller than what it scales.
        this.targets.push(None);
        let factors = branch(this, value, x)?;
        this.targets.pop();
        this.place = place;
        let (image, given) = (this.builder.graph[x].ty.clone(), this.builder.graph[factors].ty.clone());
        let wanted = image.dims.iter().take(2).copied().collect::<Vec<_>>();
        let plane = given.dims.iter().skip(2).all(|&extent| extent == 1);
        if image.rank() != 4 || given.rank() < 2 || given.dims[..2] != wanted[..] || !plane {
            let wrong =
                Diagnostic::error("E201", this.visible(span), "`scale_channels` needs a factor for each channel")
                    .here(format!("the branch gives {given}"))
                    .and(place, format!("the input is {image}"))
                    .note(this.lineage(factors));
            let [n, c] = wanted[..] else { return this.stop(wrong.hint("the input is a batch of images")) };
            return this.stop(wrong.hint(match image.rank() {
                4 => format!("the branch gives f32[{n},{c}] or f32[{n},{c},1,1]: begin it with `global_avg_pool`"),
                _ => "the input is a batch of images, f32[N,C,H,W]".to_string(),
            }));
        }
        let path = this.path("scale_channels", None)?;
        let factors =
            if given.rank() == 4 { this.add("flatten", &[factors], Attributes::new(), &path)? } else { factors };
        let attributes =
            Attributes::new().with("axes", Attribute::extents(&[0, 1])).with("dims", Attribute::extents(&image.dims));
        let wide = this.add("broadcast", &[factors], attributes, &path)?;
        let result = this.add("mul", &[x, wide], Attributes::new(), &path)?;
        this.layer(&path, "scale_channels", result, Cost::default());
        Ok(result)
    })
}

/// The words for a shortcut that would fit.
fn projection(wanted: &[usize], found: &[usize]) -> String {
    let [_, c, h, w] = wanted else { return "`shortcut = ..` takes a block that gives the body's shape".to_string() };
    let stride = match found {
        [_, _, high, wide] if high.div_ceil(*h) == wide.div_ceil(*w) => high.div_ceil(*h),
        _ => 1,
    };
    let call = if stride == 1 { format!("conv1x1({c})") } else { format!("conv1x1({c}, stride = {stride})") };
    format!(
        "a projection fits: `shortcut = {call} -> bn`; or `subsample({stride}) -> pad_channels({c})`, which trains nothing"
    )
}

/// `auto(b)`: the identity where the shapes agree, else b.
fn auto<'a>(this: &mut Elaborator<'a>, bound: &Bound<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
    let (otherwise, _) = bound.get("otherwise");
    match this.targets.last() {
        Some(Some(target)) if *target == this.builder.dims(x) => Ok(x),
        Some(Some(_)) => {
            // Inside of what takes the identity's place, `auto` has no shape to meet.
            this.targets.push(None);
            let result = this.apply(&otherwise.clone(), x, label)?;
            this.targets.pop();
            Ok(result)
        }
        _ => {
            let place = this.place;
            let wrong = Diagnostic::error("E106", place, "`auto` has no shape to meet here")
                .hint("`auto(b)` is the shortcut of a residual, or a branch of `add` or `mul` after the first");
            this.stop(wrong)
        }
    }
}

/// `add`, `mul` and `concat` of branches.
fn join<'a>(
    this: &mut Elaborator<'a>,
    op: &'static str,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let place = this.place;
    if bound.branches.len() < 2 {
        return this.error("E103", place, too_few(op, "branches", bound.branches.len()));
    }
    this.scoped(label.as_ref(), |this| {
        let mut joined = Vec::with_capacity(bound.branches.len());
        for (value, span) in &bound.branches {
            this.at(*span);
            let target = joined.first().filter(|_| op != "concat").map(|&first| this.builder.dims(first));
            this.targets.push(target);
            joined.push(branch(this, value, x)?);
            this.targets.pop();
        }
        this.place = place;
        let types: Vec<TensorType> = joined.iter().map(|&way| this.builder.graph[way].ty.clone()).collect();
        let fits = |ty: &TensorType| match op {
            "concat" => {
                ty.rank() >= 2
                    && ty.rank() == types[0].rank()
                    && ty.dims[0] == types[0].dims[0]
                    && ty.dims[2..] == types[0].dims[2..]
            }
            _ => *ty == types[0],
        };
        let Some(odd) = types.iter().position(|ty| !fits(ty)) else { return combine(this, op, &joined, None) };
        let span = |at: usize| this.visible(bound.branches[at].1);
        let hint = if op == "concat" {
            "all but the channels must be equal: batch, height and width"
        } else {
            "the shapes must be equal: nothing is broadcast, padded or cut silently"
        };
        let wrong = Diagnostic::error("E201", span(odd), format!("two branches of `{op}` have shapes that do not fit"))
            .here(format!("this gives {}", types[odd]))
            .and(span(0), format!("this gives {}", types[0]))
            .note(this.lineage(joined[odd]))
            .hint(hint);
        this.stop(wrong)
    })
}

fn too_few(op: &str, what: &str, count: usize) -> String {
    let here = if count == 1 { "here is 1".to_string() } else { format!("here are {count}") };
    format!("`{op}` takes at least 2 {what}, {here}")
}

/// `add`, `mul` or `concat` of tensors.
pub(super) fn combine(this: &mut Elaborator, op: &str, tensors: &[NodeId], label: Option<Label>) -> Outcome<NodeId> {
    let path = this.path(op, label.as_ref())?;
    if tensors.len() < 2 {
        let place = this.place;
        return this.error("E103", place, too_few(op, "tensors", tensors.len()));
    }
    let result = if op == "concat" {
        this.add(op, tensors, Attributes::new(), &path)?
    } else {
        let mut sum = tensors[0];
        for &next in &tensors[1..] {
            sum = this.add(op, &[sum, next], Attributes::new(), &path)?;
        }
        sum
    };
    this.layer(&path, op, result, Cost::default());
    Ok(result)
}
