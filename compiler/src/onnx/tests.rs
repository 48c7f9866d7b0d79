//! What is written is decoded again and held to the format's rules. `tests/against_onnxruntime.py` runs such files.

use super::proto::{self, AttributeKind};
use super::*;
use crate::diagnostic::Sources;
use crate::elaborate::{self, Elaborated, Mode, elaborate};
use crate::graph::{Attribute, OutputKind, TensorType};
use crate::ops::{self, leaf};
use crate::syntax;
use rnet_runtime::tensors::Tensor;
use std::collections::{BTreeMap, HashMap, HashSet};

fn elaborated(body: &str, mode: Mode) -> Elaborated {
    let text = format!("model m {{ input image: f32[N, 3, 9, 9]\n image -> {body} }}");
    let options =
        elaborate::Options { mode, batch: Some(2), model: None, train: None, set: Vec::new(), memory: 1 << 30 };
    let mut sources = Sources::new(Box::new(|path| Err(format!("{path}: there are no imports"))));
    let file = sources.add("net.rnet", &text);
    let outcome = syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, &options));
    outcome.unwrap_or_else(|found| panic!("{body}: {found:?}"))
}

/// Weights for every leaf, between 0.5 and 1.5, so that none cancels.
fn weights(graph: &Graph) -> Tensors {
    let leaves = graph.ids().into_iter().map(|id| &graph[id]).filter(|node| leaf::is_state(node));
    leaves
        .map(|node| {
            let name = leaf::key(node).expect("a leaf has a name");
            let values = (0..node.ty.len()).map(|at| 0.5 + (at * 7 + name.len()) as f32 % 11.0 / 11.0).collect();
            (name, Tensor::real(&node.ty.dims, values))
        })
        .collect()
}

fn options(fold: bool, dynamic: bool) -> Options {
    Options { name: "m".to_string(), fold, dynamic }
}

fn decoded(exported: &Exported) -> proto::Graph {
    let model = proto::Model::decode(&exported.bytes[..]).expect("what was encoded decodes");
    assert_eq!((model.ir_version, model.opset_import.len()), (Some(IR_VERSION), 1));
    assert_eq!(model.opset_import[0].version, Some(OPSET));
    let graph = model.graph.expect("a model has a graph");
    assert_eq!((graph.node.len(), graph.initializer.len()), (exported.nodes, exported.initialisers));
    check(&graph).unwrap_or_else(|error| panic!("{error}\n{graph:#?}"));
    graph
}

fn written(body: &str, fold: bool, dynamic: bool) -> proto::Graph {
    let graph = elaborated(body, Mode::Eval).graph;
    decoded(
        &export(&graph, &weights(&graph), &options(fold, dynamic)).unwrap_or_else(|error| panic!("{body}: {error}")),
    )
}

/// What an operator must have here: its operands (any number of them: `usize::MAX`), and its attributes with their kinds.
type Operator = (&'static str, usize, &'static [(&'static str, AttributeKind)]);

/// There are no operators but these.
const OPERATORS: &[Operator] = &[
    ("Add", 2, &[]),
    ("Sub", 2, &[]),
    ("Mul", 2, &[]),
    ("Div", 2, &[]),
    ("Neg", 1, &[]),
    ("Sqrt", 1, &[]),
    ("Reciprocal", 1, &[]),
    ("Relu", 1, &[]),
    ("Clip", 3, &[]),
    ("LeakyRelu", 1, &[("alpha", AttributeKind::Float)]),
    ("Exp", 1, &[]),
    ("Erf", 1, &[]),
    ("Sigmoid", 1, &[]),
    ("Tanh", 1, &[]),
    ("HardSigmoid", 1, &[("alpha", AttributeKind::Float), ("beta", AttributeKind::Float)]),
    ("HardSwish", 1, &[]),
    ("Expand", 2, &[]),
    ("Unsqueeze", 2, &[]),
    ("Reshape", 2, &[]),
    ("Identity", 1, &[]),
    ("Pad", 2, &[]),
    ("Slice", 5, &[]),
    ("ReduceSum", 2, &[("keepdims", AttributeKind::Int)]),
    ("BatchNormalization", 5, &[("epsilon", AttributeKind::Float)]),
    ("Conv", 2, CONVOLUTION),
    ("Conv", 3, CONVOLUTION),
    ("Gemm", 2, &[("transB", AttributeKind::Int)]),
    ("Gemm", 3, &[("transB", AttributeKind::Int)]),
    (
        "MaxPool",
        1,
        &[
            ("dilations", AttributeKind::Ints),
            ("kernel_shape", AttributeKind::Ints),
            ("pads", AttributeKind::Ints),
            ("strides", AttributeKind::Ints),
        ],
    ),
    (
        "AveragePool",
        1,
        &[
            ("count_include_pad", AttributeKind::Int),
            ("kernel_shape", AttributeKind::Ints),
            ("pads", AttributeKind::Ints),
            ("strides", AttributeKind::Ints),
        ],
    ),
    ("MatMul", 2, &[]),
    ("Pow", 2, &[]),
    ("Softmax", 1, &[("axis", AttributeKind::Int)]),
    ("Transpose", 1, &[("perm", AttributeKind::Ints)]),
    ("InstanceNormalization", 3, &[("epsilon", AttributeKind::Float)]),
    ("Conv", 2, &[("kernel_shape", AttributeKind::Ints)]),
    ("Resize", 3, &[("coordinate_transformation_mode", AttributeKind::String), ("mode", AttributeKind::String)]),
    (
        "Resize",
        3,
        &[
            ("coordinate_transformation_mode", AttributeKind::String),
            ("mode", AttributeKind::String),
            ("nearest_mode", AttributeKind::String),
        ],
    ),
    ("GlobalAveragePool", 1, &[]),
    ("Flatten", 1, &[("axis", AttributeKind::Int)]),
    ("Concat", usize::MAX, &[("axis", AttributeKind::Int)]),
];
const CONVOLUTION: &[(&str, AttributeKind)] = &[
    ("dilations", AttributeKind::Ints),
    ("group", AttributeKind::Int),
    ("kernel_shape", AttributeKind::Ints),
    ("pads", AttributeKind::Ints),
    ("strides", AttributeKind::Ints),
];

/// The rules of the format: every name is defined once, before it is used; constants are as long as their extents say; operators
/// have their operands and attributes.
fn check(graph: &proto::Graph) -> Result<(), String> {
    let mut known = HashSet::new();
    let mut define = |name: &str| match !name.is_empty() && known.insert(name.to_string()) {
        true => Ok(()),
        false => Err(format!("`{name}` is defined twice or has no name")),
    };
    graph.input.iter().try_for_each(|input| define(&input.name))?;
    for tensor in &graph.initializer {
        define(&tensor.name)?;
        let width = match tensor.data_type {
            Some(proto::FLOAT) => 4,
            Some(proto::INT64) => 8,
            other => return Err(format!("`{}` has elements {other:?}", tensor.name)),
        };
        let len = tensor.dims.iter().product::<i64>() as usize * width;
        if tensor.raw_data.as_ref().map(Vec::len) != Some(len) {
            return Err(format!("`{}` of {:?} has not {len} bytes", tensor.name, tensor.dims));
        }
    }
    for node in &graph.node {
        let undefined = node.input.iter().find(|name| !name.is_empty() && !known.contains(*name));
        if let Some(name) = undefined {
            return Err(format!("`{}` uses `{name}`, which nothing before it defines", node.name));
        }
        let [output] = &node.output[..] else {
            return Err(format!("`{}` has {} results", node.name, node.output.len()));
        };
        if !known.insert(output.clone()) {
            return Err(format!("`{output}` is defined twice"));
        }
        let attributes: Vec<(&str, i32)> =
            node.attribute.iter().map(|attribute| (attribute.name.as_str(), attribute.kind.unwrap_or(0))).collect();
        for attribute in &node.attribute {
            let held = [
                (AttributeKind::Float, attribute.f.is_some()),
                (AttributeKind::Int, attribute.i.is_some()),
                (AttributeKind::String, attribute.s.is_some()),
                (AttributeKind::Ints, !attribute.ints.is_empty()),
            ];
            if held.iter().any(|&(kind, is_held)| is_held != (kind == attribute.kind())) {
                return Err(format!("`{}` of `{}` is not of its kind", attribute.name, node.name));
            }
        }
        let fits = |(name, inputs, wanted): &Operator| {
            let wanted: Vec<(&str, i32)> = wanted.iter().map(|&(name, kind)| (name, kind as i32)).collect();
            *name == node.op_type && (*inputs == node.input.len() || *inputs == usize::MAX) && wanted == attributes
        };
        if !OPERATORS.iter().any(fits) {
            return Err(format!("no operator is {} of {:?} with {attributes:?}", node.op_type, node.input));
        }
    }
    let outputs: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    match outputs == ["logits"] && known.contains("logits") {
        true => Ok(()),
        false => Err(format!("the results are {outputs:?}")),
    }
}

/// Extents as text: `Nx3x9x9`.
fn extents(info: &proto::ValueInfo) -> String {
    let shape = info.ty.as_ref().and_then(|ty| ty.tensor.as_ref()).and_then(|tensor| tensor.shape.as_ref());
    let shape = shape.expect("a tensor with extents");
    let text = |extent: &proto::Extent| match (&extent.name, extent.value) {
        (Some(name), None) => name.clone(),
        (None, Some(value)) => value.to_string(),
        other => panic!("{}: {other:?}", info.name),
    };
    shape.dim.iter().map(text).collect::<Vec<_>>().join("x")
}

fn operators(graph: &proto::Graph) -> String {
    graph.node.iter().map(|node| node.op_type.as_str()).collect::<Vec<_>>().join(" ")
}

fn initialisers(graph: &proto::Graph) -> BTreeMap<&str, Vec<f32>> {
    let real = graph.initializer.iter().filter(|tensor| tensor.data_type == Some(proto::FLOAT));
    real.map(|tensor| {
        let bytes = tensor.raw_data.as_ref().expect("the check has seen it");
        (tensor.name.as_str(), bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    })
    .collect()
}

#[test]
fn networks_become_the_operators_that_they_should() {
    let table = [
        ("flatten -> dense(5)", "Flatten Gemm"),
        ("conv3x3(4) -> bn -> relu -> global_avg_pool -> dense(5)", "Conv Relu GlobalAveragePool Flatten Gemm"),
        ("conv(4, kernel = 3, bias = true) -> bn -> flatten", "Conv Flatten"),
        ("conv(4, kernel = 3, bias = true) -> flatten", "Conv Flatten"),
        ("bn -> relu -> flatten", "BatchNormalization Relu Flatten"),
        // What two layers read cannot be scaled for one of them.
        ("conv3x3(4) -> concat(bn, id) -> flatten", "Conv BatchNormalization Concat Flatten"),
        ("residual(conv3x3 -> bn) -> relu -> flatten", "Conv Add Relu Flatten"),
        ("max_pool(2) -> avg_pool(3, stride = 1, pad = 1) -> flatten", "MaxPool AveragePool Flatten"),
        (
            "max_pool(3, stride = 2, ceil = true) -> avg_pool(2, stride = 2, ceil = true) -> flatten",
            "MaxPool AveragePool Flatten",
        ),
        ("upsample(2) -> adaptive_avg_pool([5, 7]) -> flatten", "Resize MatMul MatMul Flatten"),
        (
            "adaptive_max_pool([5, 2]) -> adaptive_max_pool(1) -> flatten",
            "MatMul MaxPool MatMul MaxPool MaxPool Flatten",
        ),
        (
            "scale_channels(global_avg_pool -> dense(3) -> sigmoid) -> flatten",
            "GlobalAveragePool Flatten Gemm Sigmoid Unsqueeze Mul Flatten",
        ),
        ("group_norm(3) -> flatten", "Reshape InstanceNormalization Reshape Mul Add Flatten"),
        ("layer_norm -> flatten", "Transpose Reshape InstanceNormalization Reshape Transpose Mul Add Flatten"),
        ("local_response_norm(3) -> softmax -> flatten", "Mul Conv Mul Add Pow Mul Softmax Flatten"),
        ("subsample(2) -> pad_channels(8) -> flatten", "Slice Pad Flatten"),
        ("flatten -> dropout -> dense(5)", "Flatten Gemm"),
        (
            "relu6 -> leaky_relu -> hardsigmoid -> hardswish -> silu -> flatten",
            "Clip LeakyRelu HardSigmoid HardSwish Sigmoid Mul Flatten",
        ),
        // By its decomposition.
        ("gelu -> flatten", "Mul Erf Add Mul Mul Flatten"),
        ("mul(id, conv3x3) -> flatten", "Conv Mul Flatten"),
        ("(x => { let t = shared(conv3x3 -> bn)\n x -> t -> t }) -> flatten", "Conv Conv Flatten"),
    ];
    for (body, expected) in table {
        assert_eq!(operators(&written(body, true, true)), expected, "{body}");
    }
}

#[test]
fn batch_norm_goes_into_the_convolution_or_stays_as_is_asked() {
    let body = "conv3x3(2, bias = true) -> bn -> global_avg_pool -> fc: dense(2)";
    let (folded, kept) = (written(body, true, true), written(body, false, true));
    assert_eq!(operators(&folded), "Conv GlobalAveragePool Flatten Gemm");
    assert_eq!(operators(&kept), "Conv BatchNormalization GlobalAveragePool Flatten Gemm");
    let (folded, kept) = (initialisers(&folded), initialisers(&kept));
    assert_eq!(folded.keys().copied().collect::<Vec<_>>(), ["conv1.bias", "conv1.weight", "fc.bias", "fc.weight"]);
    let names = ["weight", "bias", "running_mean", "running_var"].map(|name| format!("bn1.{name}"));
    let [gamma, beta, mean, var] = names.map(|name| kept[name.as_str()].clone());
    for filter in 0..2 {
        let scale = f64::from(gamma[filter]) / (f64::from(var[filter]) + 1e-5).sqrt();
        let weight = |at: usize| scale * f64::from(kept["conv1.weight"][at]);
        for (at, &found) in folded["conv1.weight"].iter().enumerate().skip(filter * 27).take(27) {
            assert!((f64::from(found) - weight(at)).abs() < 1e-6, "weight {at}");
        }
        let bias = scale * f64::from(kept["conv1.bias"][filter] - mean[filter]) + f64::from(beta[filter]);
        assert!((f64::from(folded["conv1.bias"][filter]) - bias).abs() < 1e-6, "bias {filter}");
    }
    // What is not computed keeps its bits.
    let graph = elaborated(body, Mode::Eval).graph;
    for (name, values) in kept {
        assert_eq!(weights(&graph)[name], Tensor::real(&weights(&graph)[name].dims, values), "{name}");
    }
}

#[test]
fn the_number_of_images_is_open_or_fixed() {
    let body = "conv3x3(4) -> bn -> relu -> global_avg_pool -> fc: dense(5)";
    for (dynamic, images) in [(true, "N"), (false, "2")] {
        let graph = written(body, true, dynamic);
        assert_eq!(graph.input.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["image"]);
        assert_eq!(extents(&graph.input[0]), format!("{images}x3x9x9"));
        assert_eq!(extents(&graph.output[0]), format!("{images}x5"));
        let values: HashMap<&str, String> =
            graph.value_info.iter().map(|info| (info.name.as_str(), extents(info))).collect();
        assert_eq!(values["relu1"], format!("{images}x4x9x9"));
    }
}

/// Each op of the table on its own samples: the first operand an input, the others weights.
#[test]
fn every_op_of_the_table_can_be_written() {
    for (name, _) in rules::RULES {
        let op = ops::find(name).unwrap_or_else(|| panic!("`{name}` is an op"));
        for (types, attributes) in op.samples(3) {
            let mut graph = Graph::new();
            let leaf = |graph: &mut Graph, at: usize, ty: &TensorType| {
                let attributes = leaf::attributes(["image", "b", "c", "d", "e"][at], ty);
                let weight = ["statistic", "parameter"][usize::from(at > 2)];
                let (op, attributes) = match at {
                    0 => ("input", attributes),
                    _ => (weight, attributes.with("init_value", Attribute::Float(0.0))),
                };
                let attributes = match op {
                    "parameter" => attributes.with("init", Attribute::Text("constant".to_string())),
                    _ => attributes,
                };
                graph.add(ops::find(op).expect("a leaf"), &[], attributes, Place::default())
            };
            let operands: Vec<_> = types.iter().enumerate().map(|(at, ty)| leaf(&mut graph, at, ty)).collect();
            let result = graph.add(op, &operands, attributes.clone(), Place::default());
            graph.output(OutputKind::Result, "logits", result);
            match export(&graph, &weights(&graph), &options(false, true)) {
                Ok(exported) => {
                    let written = decoded(&exported);
                    let mut dims: Vec<String> = graph[result].ty.dims.iter().map(usize::to_string).collect();
                    dims.iter_mut().take(1).for_each(|images| *images = "N".to_string());
                    assert_eq!(extents(&written.output[0]), dims.join("x"), "{name}");
                }
                // Sums over images and repetitions of one make no sense in inference.
                Err(error) => {
                    let axes = attributes.extents("axes");
                    assert!(axes.contains(&0) == (*name == "reduce_sum"), "{name} {attributes}: {error}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_written_is_named_with_its_place() {
    let model = elaborated("conv3x3(4) -> bn -> flatten -> dense(2)", Mode::Train);
    let error = |graph: &Graph| export(graph, &weights(graph), &options(true, true)).unwrap_err().to_string();
    let text = error(&model.graph);
    assert_eq!(text, "net.rnet:2:25: `reduce_sum` (bn1) cannot be written as ONNX: it adds up several images");
    let model = elaborated("flatten -> dropout -> dense(2)", Mode::Train);
    let text = error(&model.graph);
    assert!(text.contains("`dropout` (dropout1) cannot be written"), "{text}");
}

#[test]
fn a_file_that_would_be_too_long_is_refused() {
    let model = proto::Model { producer_name: "x".repeat(100), ..proto::Model::default() };
    let bytes = encode(&model, 102).expect("it has just this length");
    assert_eq!(bytes.len(), 102);
    let error = encode(&model, 101).unwrap_err();
    assert_eq!(error.to_string(), "the ONNX file would have 102 bytes, the format allows at most 101");
}

/// The check of these tests notices what is wrong.
#[test]
fn a_damaged_graph_is_noticed() {
    let whole = written("conv3x3(4) -> bn -> relu -> flatten -> dense(5)", true, true);
    let damages: [fn(&mut proto::Graph); 7] = [
        |graph| graph.node.swap(0, 1),
        |graph| graph.node[0].op_type = "Convolution".to_string(),
        |graph| drop(graph.node[0].attribute.pop()),
        |graph| graph.node[0].attribute[0].kind = Some(AttributeKind::Int as i32),
        |graph| drop(graph.initializer.pop()),
        |graph| graph.initializer[0].dims[0] += 1,
        |graph| graph.output[0].name = "logit".to_string(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let mut graph = whole.clone();
        damage(&mut graph);
        assert!(check(&graph).is_err(), "damage {number}");
    }
}
