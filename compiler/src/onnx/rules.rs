//! The table from ops to ONNX's operators (version 17 of the operator set).

use super::emitter::{Emitter, Value};
use super::proto::{Attribute, extents};
use crate::graph::{Node, NodeId};
use crate::ops::{pool, stencil};

/// How an op is written.
#[derive(Clone, Copy)]
pub enum Rule {
    /// As the operator of that name, of the same operands.
    Elementwise(&'static str),
    /// As a product with weights, which takes in a bias that follows.
    Product(fn(&mut Emitter, &Node, Option<NodeId>) -> Result<Value, String>),
    /// By this function.
    Other(fn(&mut Emitter, &Node) -> Result<Value, String>),
}

/// What inference can consist of. An op that is missing here is taken apart as the pass `decompose` does, or belongs to training.
pub const RULES: &[(&str, Rule)] = &[
    ("add", Rule::Elementwise("Add")),
    ("sub", Rule::Elementwise("Sub")),
    ("mul", Rule::Elementwise("Mul")),
    ("div", Rule::Elementwise("Div")),
    ("neg", Rule::Elementwise("Neg")),
    ("sqrt", Rule::Elementwise("Sqrt")),
    ("power", Rule::Other(power)),
    ("exp", Rule::Elementwise("Exp")),
    ("erf", Rule::Elementwise("Erf")),
    ("sigmoid", Rule::Elementwise("Sigmoid")),
    ("tanh", Rule::Elementwise("Tanh")),
    ("relu", Rule::Elementwise("Relu")),
    ("relu6", Rule::Other(relu6)),
    ("leaky_relu", Rule::Other(leaky_relu)),
    ("hardsigmoid", Rule::Other(hardsigmoid)),
    ("hardswish", Rule::Elementwise("HardSwish")),
    ("scale", Rule::Other(|emitter, node| with_number(emitter, node, "Mul"))),
    ("offset", Rule::Other(|emitter, node| with_number(emitter, node, "Add"))),
    ("square", Rule::Other(square)),
    ("rsqrt", Rule::Other(rsqrt)),
    ("broadcast", Rule::Other(broadcast)),
    ("reduce_sum", Rule::Other(reduce_sum)),
    ("batch_norm", Rule::Other(batch_norm)),
    ("standardize", Rule::Other(standardize)),
    ("channel_window_sum", Rule::Other(channel_window_sum)),
    ("softmax", Rule::Other(softmax)),
    ("conv2d", Rule::Product(conv2d)),
    ("dense", Rule::Product(dense)),
    ("max_pool", Rule::Other(max_pool)),
    ("avg_pool", Rule::Other(avg_pool)),
    ("resample", Rule::Other(resample)),
    ("upsample", Rule::Other(upsample)),
    ("global_avg_pool", Rule::Other(global_avg_pool)),
    ("flatten", Rule::Other(flatten)),
    ("unflatten", Rule::Other(unflatten)),
    ("subsample", Rule::Other(subsample)),
    ("pad_channels", Rule::Other(pad_channels)),
    ("slice_channels", Rule::Other(slice_channels)),
    ("concat", Rule::Other(concat)),
];

/// How the op of that name is written.
pub fn find(op: &str) -> Option<Rule> {
    RULES.iter().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}

fn with_number(emitter: &mut Emitter, node: &Node, operator: &str) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    let by = emitter.number(node.attributes.float("by"));
    Ok(emitter.elementwise(operator, &[x, by], Vec::new()))
}

fn relu6(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    let bounds = [0.0, 6.0].map(|bound| emitter.number(bound));
    let [least, greatest] = bounds;
    Ok(emitter.elementwise("Clip", &[x, least, greatest], Vec::new()))
}

fn leaky_relu(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    let slope = Attribute::float("alpha", node.attributes.float("slope"));
    Ok(emitter.elementwise("LeakyRelu", &[x], vec![slope]))
}

fn hardsigmoid(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    let slope = vec![Attribute::float("alpha", 1.0 / 6.0), Attribute::float("beta", 0.5)];
    Ok(emitter.elementwise("HardSigmoid", &[x], slope))
}

fn square(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    Ok(emitter.elementwise("Mul", &[x.clone(), x], Vec::new()))
}

fn rsqrt(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    let root = emitter.elementwise("Sqrt", &[x], Vec::new());
    Ok(emitter.elementwise("Reciprocal", &[root], Vec::new()))
}

fn power(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.value(node.operands[0])?;
    let exponent = emitter.number(node.attributes.float("exponent"));
    Ok(emitter.elementwise("Pow", &[x, exponent], Vec::new()))
}

fn softmax(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    Ok(emitter.whole("Softmax", &[x], vec![Attribute::int("axis", 1)], node.ty.rank()))
}

/// The instance norm of each part as a channel of its own: `f32[N,groups,elements]`, or `f32[N H W,groups,channels]` for parts of one pixel.
fn standardize(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let mut x = emitter.activation(node.operands[0])?;
    let (dims, groups) = (extents(&node.ty.dims), node.attributes.int("groups"));
    let by_pixel = node.attributes.ints("axes") == [1] && dims.len() == 4;
    if by_pixel {
        x = emitter.operator("Transpose", &[x], vec![Attribute::ints("perm", &[0, 2, 3, 1])]);
    }
    let elements: i64 = if by_pixel { dims[1] } else { dims[1..].iter().product() };
    let parts = emitter.whole_numbers(&[-1, groups, elements / groups]);
    let parts = emitter.operator("Reshape", &[x, parts], Vec::new());
    let factors =
        [1.0, 0.0].map(|value| emitter.real_numbers(&[groups as usize], &vec![value; groups as usize], "parts"));
    let [scale, bias] = factors;
    let eps = Attribute::float("epsilon", node.attributes.float("eps"));
    let parts = emitter.operator("InstanceNormalization", &[parts, scale, bias], vec![eps]);
    let mut back = if by_pixel { vec![dims[0], dims[2], dims[3], dims[1]] } else { dims };
    back[0] = -1;
    let back = emitter.whole_numbers(&back);
    let whole = emitter.whole("Reshape", &[parts, back], Vec::new(), node.ty.rank());
    if !by_pixel {
        return Ok(whole);
    }
    Ok(emitter.whole("Transpose", &[whole.name], vec![Attribute::ints("perm", &[0, 3, 1, 2])], node.ty.rank()))
}

/// A product with the matrix that has 1 where a channel is in another one's window: of the rows `f32[N,C]`, or at each pixel.
fn channel_window_sum(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    let channels = node.ty.dims[1];
    let [before, after] = ["before", "after"].map(|name| node.attributes.int(name) as usize);
    let is_in = |from: usize, to: usize| from + before >= to && from <= to + after;
    let places = (0..channels * channels).map(|at| (at % channels, at / channels));
    // A row for each result, as the weights of dense layers and convolutions have them.
    let window: Vec<f32> = places.map(|(from, to)| f32::from(u8::from(is_in(from, to)))).collect();
    if node.ty.rank() == 2 {
        let window = emitter.real_numbers(&[channels, channels], &window, "window");
        return Ok(emitter.whole("Gemm", &[x, window], vec![Attribute::int("transB", 1)], 2));
    }
    let window = emitter.real_numbers(&[channels, channels, 1, 1], &window, "window");
    Ok(emitter.whole("Conv", &[x, window], vec![Attribute::ints("kernel_shape", &[1, 1])], node.ty.rank()))
}

fn broadcast(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    emitter.unsqueezed(node.operands[0], &node.attributes.extents("axes"), node.ty.rank())
}

fn reduce_sum(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let axes = node.attributes.ints("axes");
    if axes.contains(&0) {
        return Err("it adds up several images".to_string());
    }
    let x = emitter.activation(node.operands[0])?;
    let axes = emitter.whole_numbers(axes);
    Ok(emitter.whole("ReduceSum", &[x, axes], vec![Attribute::int("keepdims", 0)], node.ty.rank()))
}

fn batch_norm(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let [mean, var, gamma, beta] = [1, 2, 3, 4].map(|at| node.operands[at]);
    if !emitter.is_weight(mean) || !emitter.is_weight(var) {
        return Err("it normalises by statistics of the batch".to_string());
    }
    let x = emitter.activation(node.operands[0])?;
    let inputs = [
        x,
        emitter.weight(gamma, "weight"),
        emitter.weight(beta, "bias"),
        emitter.weight(mean, "running_mean"),
        emitter.weight(var, "running_var"),
    ];
    let eps = Attribute::float("epsilon", node.attributes.float("eps"));
    Ok(emitter.whole("BatchNormalization", &inputs, vec![eps], node.ty.rank()))
}

/// The operands of a product: images, weights and maybe a bias.
fn factors(emitter: &mut Emitter, node: &Node, bias: Option<NodeId>) -> Result<Vec<String>, String> {
    let [x, weight] = [node.operands[0], node.operands[1]];
    if !emitter.is_weight(weight) {
        return Err("its weights depend on the image".to_string());
    }
    let mut inputs = vec![emitter.activation(x)?, emitter.weight(weight, "weight")];
    inputs.extend(bias.map(|bias| emitter.weight(bias, "bias")));
    Ok(inputs)
}

fn conv2d(emitter: &mut Emitter, node: &Node, bias: Option<NodeId>) -> Result<Value, String> {
    let kernel = extents(&emitter.dims(node.operands[1])[2..]);
    let inputs = factors(emitter, node, bias)?;
    let attributes = &node.attributes;
    let pad = attributes.ints("pad");
    let geometry = vec![
        Attribute::ints("dilations", attributes.ints("dilation")),
        Attribute::int("group", attributes.int("groups")),
        Attribute::ints("kernel_shape", &kernel),
        Attribute::ints("pads", &[pad, pad].concat()),
        Attribute::ints("strides", attributes.ints("stride")),
    ];
    Ok(emitter.whole("Conv", &inputs, geometry, node.ty.rank()))
}

fn dense(emitter: &mut Emitter, node: &Node, bias: Option<NodeId>) -> Result<Value, String> {
    let inputs = factors(emitter, node, bias)?;
    // The weights are [out, in].
    Ok(emitter.whole("Gemm", &inputs, vec![Attribute::int("transB", 1)], node.ty.rank()))
}

/// The padding of a pool, all beginnings before all ends: behind the input as much as the last window needs, which says what is to be done
/// with windows that stand out without ONNX's own rules for them.
fn pool_pads(emitter: &Emitter, node: &Node) -> Attribute {
    let window = pool::window(&node.attributes);
    let input = emitter.dims(node.operands[0]);
    let behind = [0, 1].map(|axis| {
        let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
        let end = (node.ty.dims[2 + axis] - 1) * window.stride[axis] + reach;
        end.saturating_sub(input[2 + axis] + window.pad[axis])
    });
    Attribute::ints("pads", &extents(&[window.pad, behind].concat()))
}

fn max_pool(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let window = pool::window(&node.attributes);
    let attributes = vec![
        Attribute::ints("dilations", &extents(&window.dilation)),
        Attribute::ints("kernel_shape", &extents(&window.kernel)),
        pool_pads(emitter, node),
        Attribute::ints("strides", &extents(&window.stride)),
    ];
    let x = emitter.activation(node.operands[0])?;
    Ok(emitter.whole("MaxPool", &[x], attributes, node.ty.rank()))
}

/// Dilated windows, which `AveragePool` does not have, are a convolution of each channel by one number everywhere.
fn avg_pool(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let window = pool::window(&node.attributes);
    let x = emitter.activation(node.operands[0])?;
    let kernel = Attribute::ints("kernel_shape", &extents(&window.kernel));
    let (pads, strides) = (pool_pads(emitter, node), Attribute::ints("strides", &extents(&window.stride)));
    let area: usize = window.kernel.iter().product();
    let mean = if window.dilation == [1, 1] {
        let attributes = vec![Attribute::int("count_include_pad", 1), kernel, pads, strides];
        emitter.whole("AveragePool", &[x], attributes, node.ty.rank())
    } else {
        let channels = node.ty.dims[1];
        let share = vec![1.0 / area as f32; channels * area];
        let share = emitter.real_numbers(&[channels, 1, window.kernel[0], window.kernel[1]], &share, "share");
        let dilations = Attribute::ints("dilations", &extents(&window.dilation));
        let attributes = vec![dilations, Attribute::int("group", channels as i64), kernel, pads, strides];
        emitter.whole("Conv", &[x, share], attributes, node.ty.rank())
    };
    // Both divide by the whole window; what stands out beyond the padding is not to be counted.
    let areas = pool::areas(&node.attributes, emitter.dims(node.operands[0]), &node.ty.dims);
    if areas.iter().all(|&counted| counted == area as f64) {
        return Ok(mean);
    }
    let factors: Vec<f32> = areas.iter().map(|counted| (area as f64 / counted) as f32).collect();
    let factors = emitter.real_numbers(&[1, 1, node.ty.dims[2], node.ty.dims[3]], &factors, "area");
    Ok(emitter.whole("Mul", &[mean.name, factors], Vec::new(), node.ty.rank()))
}

/// A product with the matrix of the positions' weights, which stand in its columns for columns, in its rows for rows.
fn resample(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let axis = node.attributes.int("axis") as usize;
    let (inputs, outputs) = (emitter.dims(node.operands[0])[axis], node.ty.dims[axis]);
    let mut matrix = vec![0.0; inputs * outputs];
    for (output, stencil) in
        stencil::stencils(stencil::Method::of(&node.attributes), inputs, outputs).iter().enumerate()
    {
        for (k, &weight) in stencil.weights.iter().enumerate() {
            let input = stencil.start + k;
            matrix[if axis == 3 { input * outputs + output } else { output * inputs + input }] = weight as f32;
        }
    }
    let x = emitter.activation(node.operands[0])?;
    let dims = if axis == 3 { [inputs, outputs] } else { [outputs, inputs] };
    let matrix = emitter.real_numbers(&dims, &matrix, "positions");
    let operands = if axis == 3 { [x, matrix] } else { [matrix, x] };
    Ok(emitter.whole("MatMul", &operands, Vec::new(), node.ty.rank()))
}

fn upsample(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    let attributes = match node.attributes.text("mode") {
        "nearest" => vec![
            Attribute::text("coordinate_transformation_mode", "asymmetric"),
            Attribute::text("mode", "nearest"),
            Attribute::text("nearest_mode", "floor"),
        ],
        _ => vec![Attribute::text("coordinate_transformation_mode", "half_pixel"), Attribute::text("mode", "linear")],
    };
    let factor = node.attributes.extents("factor");
    let scales = [1.0, 1.0, factor[0] as f32, factor[1] as f32];
    let scales = emitter.real_numbers(&[4], &scales, "scales");
    // The operand in the middle, a region, is for another way of counting.
    Ok(emitter.whole("Resize", &[x, String::new(), scales], attributes, node.ty.rank()))
}

fn global_avg_pool(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    let pooled = emitter.operator("GlobalAveragePool", &[x], Vec::new());
    Ok(emitter.whole("Flatten", &[pooled], vec![Attribute::int("axis", 1)], node.ty.rank()))
}

fn flatten(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    Ok(emitter.whole("Flatten", &[x], vec![Attribute::int("axis", 1)], node.ty.rank()))
}

fn unflatten(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    let mut dims = extents(&node.ty.dims);
    dims[0] = -1;
    let shape = emitter.whole_numbers(&dims);
    Ok(emitter.whole("Reshape", &[x, shape], Vec::new(), node.ty.rank()))
}

fn subsample(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let ends = extents(&emitter.dims(node.operands[0])[2..]);
    let x = emitter.activation(node.operands[0])?;
    slice(emitter, x, [&[0, 0], &ends, &[2, 3], node.attributes.ints("stride")], node.ty.rank())
}

fn slice_channels(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    let [start, len] = ["start", "len"].map(|name| node.attributes.int(name));
    slice(emitter, x, [&[start], &[start + len], &[1], &[1]], node.ty.rank())
}

/// `of` holds starts, ends, axes and steps.
fn slice(emitter: &mut Emitter, x: String, of: [&[i64]; 4], rank: usize) -> Result<Value, String> {
    let inputs: Vec<String> = std::iter::once(x).chain(of.map(|list| emitter.whole_numbers(list))).collect();
    Ok(emitter.whole("Slice", &inputs, Vec::new(), rank))
}

fn pad_channels(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let x = emitter.activation(node.operands[0])?;
    let rank = node.ty.rank();
    let mut pads = vec![0; 2 * rank];
    pads[1] = node.attributes.int("before");
    pads[rank + 1] = node.attributes.int("after");
    let pads = emitter.whole_numbers(&pads);
    Ok(emitter.whole("Pad", &[x, pads], Vec::new(), rank))
}

fn concat(emitter: &mut Emitter, node: &Node) -> Result<Value, String> {
    let inputs: Vec<String> =
        node.operands.iter().map(|&operand| emitter.activation(operand)).collect::<Result<_, _>>()?;
    Ok(emitter.whole("Concat", &inputs, vec![Attribute::int("axis", 1)], node.ty.rank()))
}
