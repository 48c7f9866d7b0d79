//! Native code against the f64 reference: every op on its samples, alone and inside small fused graphs, with 1 and 2 threads
//! (which must agree to the bit), and controls that must fail.

use rnet_compiler::compile;
use rnet_compiler::graph::{Attribute, Attributes, ElementType, Graph, NodeId, OutputKind, Place, TensorType, eval};
use rnet_compiler::lower::nest::{Algorithm, Arithmetic};
use rnet_compiler::ops::samples::{Random, operands};
use rnet_compiler::ops::tensor::Tensor;
use rnet_compiler::ops::{self, Lowering, OPS};
use rnet_runtime::executable::Executable;
use rnet_runtime::jit::host_isa;
use rnet_runtime::kernels::Isa;
use rnet_runtime::layout::to_physical;
use rnet_runtime::program::{Precision, Program, Storage};
use rnet_runtime::state::State;
use rnet_runtime::workers::Workers;
use std::collections::HashMap;

/// A leaf called `name`.
fn input(graph: &mut Graph, name: &str, ty: &TensorType) -> NodeId {
    let dims = ty.dims.iter().map(|&extent| extent as i64).collect();
    let attributes = Attributes::new()
        .with("name", Attribute::Text(name.to_string()))
        .with("dims", Attribute::Ints(dims))
        .with("element", Attribute::Text(ty.element.to_string()));
    graph.add(ops::find("input").expect("input is an op"), &[], attributes, Place::default())
}

/// Numbers in [-1, 1) that depend on the seed alone, as f32.
fn fill(ty: &TensorType, seed: u32) -> Tensor {
    let mut random = Random::new(u64::from(seed));
    Tensor::from_fn(&ty.dims, |_| f64::from((random.unit() * 2.0 - 1.0) as f32))
}

fn run(program: &Program, inputs: &HashMap<String, Tensor>, threads: usize) -> HashMap<String, Vec<f32>> {
    run_with(program, inputs, threads, Isa::best())
}

fn run_with(
    program: &Program,
    inputs: &HashMap<String, Tensor>,
    threads: usize,
    isa: Isa,
) -> HashMap<String, Vec<f32>> {
    let mut executable = Executable::with_isa(program.clone(), isa).expect("the program links");
    for buffer in &program.buffers {
        let Storage::Input(name) = &buffer.storage else { continue };
        let logical = &inputs[name].data;
        if name.starts_with('i') {
            let values: Vec<i32> = logical.iter().map(|&value| value as i32).collect();
            to_physical(&buffer.dims, &buffer.layout, &values, executable.input_i32(name));
        } else {
            let values: Vec<f32> = logical.iter().map(|&value| value as f32).collect();
            executable.set_logical(name, &values);
        }
    }
    executable.run(&Workers::new(threads), &mut State::new(&program.states, 0));
    let names: Vec<String> = executable.outputs().map(str::to_string).collect();
    names.into_iter().map(|name| (name.clone(), executable.output_logical(&name))).collect()
}

/// The relative difference of each result, under each instruction set of this machine.
fn compare(graph: &Graph, inputs: &HashMap<String, Tensor>) -> Vec<(String, f64)> {
    compare_by(graph, inputs, Arithmetic::default())
}

/// The same, of products computed as `arithmetic` says.
fn compare_by(graph: &Graph, inputs: &HashMap<String, Tensor>, arithmetic: Arithmetic) -> Vec<(String, f64)> {
    let expected = eval(graph, inputs).expect("the reference evaluates");
    let isa = host_isa().expect("Cranelift knows this machine");
    let program = compile::program_with(graph.clone(), arithmetic, &*isa, &mut |_, _| ());
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let mut differences = Vec::new();
    for isa in Isa::supported().into_iter().filter(|isa| isa.supports(arithmetic.precision)) {
        let [one, two] = [1, 2].map(|threads| run_with(&program, inputs, threads, isa));
        for output in graph.outputs.iter().filter(|output| output.kind == OutputKind::Result) {
            let (found, expected) = (&one[&output.name], &expected[&output.name]);
            assert_eq!(bits(found), bits(&two[&output.name]), "{}: 1 and 2 threads differ", output.name);
            differences.push((output.name.clone(), difference(found, expected)));
        }
    }
    differences
}

/// Norm of the difference over norm of the answer.
fn difference(found: &[f32], expected: &Tensor) -> f64 {
    assert_eq!(found.len(), expected.data.len());
    let pairs = found.iter().zip(&expected.data);
    let difference: f64 = pairs.map(|(&a, &b)| if f64::from(a) == b { 0.0 } else { (f64::from(a) - b).powi(2) }).sum();
    let norm: f64 = expected.data.iter().map(|value| value * value).sum();
    (difference / norm.max(1e-12)).sqrt()
}

/// A graph of one op on the given operand types, and values for its leaves.
fn one_op(
    op: &'static dyn ops::Op,
    types: &[TensorType],
    attributes: &Attributes,
    seed: u32,
) -> (Graph, HashMap<String, Tensor>) {
    let mut graph = Graph::new();
    let mut inputs = HashMap::new();
    let values = operands(op, types, u64::from(seed));
    let operands: Vec<NodeId> = types
        .iter()
        .enumerate()
        .map(|(at, ty)| {
            let name = format!("{}{at}", if ty.element == ElementType::I32 { 'i' } else { 'x' });
            // What a program reads is f32.
            let values = values[at].map(|value| f64::from(value as f32));
            inputs.insert(name.clone(), values);
            input(&mut graph, &name, ty)
        })
        .collect();
    let node = graph.add(op, &operands, attributes.clone(), Place::default());
    graph.output(OutputKind::Result, "y", node);
    (graph, inputs)
}

/// Whether the op subtracts numbers that may be nearly equal.
fn cancels(op: &str) -> bool {
    matches!(op, "batch_var" | "sgd" | "standardize_grad")
}

/// Whether its gradient does.
fn grad_cancels(op: &str) -> bool {
    matches!(op, "layer_norm" | "group_norm" | "standardize" | "tanh" | "sigmoid")
}

#[test]
fn every_op_agrees_with_its_reference() {
    let mut tried = 0;
    for op in OPS.iter().filter(|op| !matches!(op.lowering(), Lowering::Leaf)) {
        for seed in 0..4 {
            for (types, attributes) in op.samples(seed) {
                let (graph, inputs) = one_op(*op, &types, &attributes, seed as u32 * 31 + 7);
                for (name, difference) in compare(&graph, &inputs) {
                    let tolerance = if cancels(op.name()) { 1e-3 } else { 2e-5 };
                    assert!(
                        difference < tolerance,
                        "{} {attributes} of {types:?}: {name} differs by {difference:e}",
                        op.name()
                    );
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "only {tried} samples");
}

/// Each op with an elementwise node in front of each operand and one behind the result, and the rule of its gradient: what
/// fusion makes of them.
#[test]
fn every_op_and_its_gradient_agree_when_fused() {
    let find = |name: &str| ops::find(name).unwrap_or_else(|| panic!("{name} is an op"));
    let scaled = |graph: &mut Graph, x: NodeId| {
        let by = Attributes::new().with("by", Attribute::Float(1.25));
        graph.add(find("scale"), &[x], by, Place::default())
    };
    let (mut tried, mut failures) = (0, Vec::new());
    for &op in OPS.iter().filter(|op| !matches!(op.lowering(), Lowering::Leaf)) {
        for seed in 0..1 {
            for (types, attributes) in op.samples(seed) {
                let (mut graph, mut inputs) = one_op(op, &types, &attributes, seed as u32 * 17 + 5);
                let y = graph.result("y").expect("the graph has a result");
                let operands = graph[y].operands.clone();
                let is_real = |graph: &Graph, x: NodeId| graph[x].ty.element == ElementType::F32;
                let operands: Vec<NodeId> =
                    operands.into_iter().map(|x| if is_real(&graph, x) { scaled(&mut graph, x) } else { x }).collect();
                let y = graph.add(op, &operands, attributes.clone(), Place::default());
                let behind = scaled(&mut graph, y);
                let ty = graph[y].ty.clone();
                let dy = input(&mut graph, "x9", &ty);
                inputs.insert("x9".to_string(), fill(&ty, seed as u32 + 71));
                let dy = scaled(&mut graph, dy);
                graph.outputs.clear();
                graph.output(OutputKind::Result, "behind", behind);
                for (at, part) in op.grad(&mut graph, y, dy).unwrap_or_default().into_iter().enumerate() {
                    let Some(part) = part else { continue };
                    let part = scaled(&mut graph, part);
                    graph.output(OutputKind::Result, &format!("d{at}"), part);
                }
                for (name, difference) in compare(&graph, &inputs) {
                    let tolerance = if cancels(op.name()) || grad_cancels(op.name()) { 1e-3 } else { 5e-5 };
                    // `max` would drop a NaN.
                    if difference.is_nan() || difference >= tolerance {
                        failures
                            .push(format!("{} {attributes} of {types:?}: {name} differs by {difference:e}", op.name()));
                    }
                }
                tried += 1;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(tried > 100, "only {tried} samples");
}

/// Activations and their gradients where f32 ends: NaN stays NaN, and what is far from zero gives what it should.
#[test]
fn activations_hold_at_the_ends() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let ordinary = [0.0, -0.0, 5.0, -5.0, 88.0, -88.0, 110.0, -110.0, 1e4, -1e4, 1e15, -1e15];
    let numbers: Vec<f64> = ordinary.into_iter().chain([1e38, -1e38, inf, -inf, nan]).collect();
    for name in ["relu", "relu6", "leaky_relu", "sigmoid", "tanh", "erf", "gelu", "silu", "hardsigmoid", "hardswish"] {
        let op = ops::find(name).unwrap_or_else(|| panic!("{name} is an op"));
        for (_, attributes) in (0..3).flat_map(|seed| op.samples(seed)) {
            let ty = TensorType::f32(&[numbers.len()]);
            let (mut graph, mut inputs) = one_op(op, std::slice::from_ref(&ty), &attributes, 0);
            inputs.insert("x0".to_string(), Tensor { dims: ty.dims.clone(), data: numbers.clone() });
            let y = graph.result("y").expect("the graph has a result");
            let dy = input(&mut graph, "x9", &ty);
            inputs.insert("x9".to_string(), Tensor::full(&ty.dims, 1.0));
            let dx = op.grad(&mut graph, y, dy).expect("an activation has a gradient")[0].expect("it has one operand");
            graph.output(OutputKind::Result, "dx", dx);
            let expected = eval(&graph, &inputs).expect("the reference evaluates");
            let isa = host_isa().expect("Cranelift knows this machine");
            let found = run(&compile::program(graph, &*isa, &mut |_, _| ()), &inputs, 1);
            for (at, &x) in numbers.iter().enumerate() {
                let (a, b) = (f64::from(found["y"][at]), expected["y"].data[at]);
                let near = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-6 + 1e-5 * b.abs() && a.is_finite();
                assert!(near(a, b) || a.is_nan() && b.is_nan(), "{name} {attributes} of {x} is {a}, not {b}");
                let (a, b) = (f64::from(found["dx"][at]), expected["dx"].data[at]);
                assert!(at >= ordinary.len() || near(a, b), "the slope of {name} {attributes} at {x} is {a}, not {b}");
            }
        }
    }
}

/// Dropout behind kernels that go over their result in steps, by classes of columns: it drops the elements that it drops alone.
#[test]
fn dropout_is_the_same_behind_every_kernel() {
    let find = |name: &str| ops::find(name).unwrap_or_else(|| panic!("{name} is an op"));
    let seed = TensorType { element: ElementType::I32, dims: Vec::new() };
    let mut tried = 0;
    for name in ["max_pool", "avg_pool", "max_pool_grad", "avg_pool_grad", "conv2d", "conv2d_input_grad", "resample"] {
        for (types, attributes) in (0..3).flat_map(|seed| find(name).samples(seed)) {
            let (mut graph, mut inputs) = one_op(find(name), &types, &attributes, 3);
            let y = graph.result("y").expect("the graph has a result");
            let seed = input(&mut graph, "i9", &seed);
            inputs.insert("i9".to_string(), Tensor::full(&[], 12_345.0));
            let dropped = Attributes::new().with("rate", Attribute::Float(0.5)).with("stream", Attribute::Int(2));
            let y = graph.add(find("dropout"), &[y, seed], dropped, Place::default());
            graph.outputs.clear();
            graph.output(OutputKind::Result, "y", y);
            for (_, difference) in compare(&graph, &inputs) {
                assert!(difference < 2e-5, "dropout of {name} {attributes} of {types:?} differs by {difference:e}");
            }
            tried += 1;
        }
    }
    assert!(tried > 30, "only {tried} samples");
}

#[test]
fn a_wrong_reference_is_noticed() {
    let relu = ops::find("relu").expect("relu is an op");
    let (mut graph, inputs) = one_op(relu, &[TensorType::f32(&[2, 3, 4, 5])], &Attributes::new(), 1);
    let y = graph.result("y").expect("the graph has a result");
    let isa = host_isa().expect("Cranelift knows this machine");
    let program = compile::program(graph.clone(), &*isa, &mut |_, _| ());
    let found = run(&program, &inputs, 1);
    // The same leaves under another op: the answers must part.
    let neg = graph.add(ops::find("neg").expect("neg is an op"), &[y], Attributes::new(), Place::default());
    graph.outputs[0].value = neg;
    let expected = eval(&graph, &inputs).expect("the reference evaluates");
    assert!(found["y"].iter().zip(&expected["y"].data).any(|(&a, &b)| (f64::from(a) - b).abs() > 1e-3));
}

/// The nearest bf16; no number here is so large or so small that its exponent would matter.
fn to_bf16(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    f64::from(f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000))
}

/// Products of numbers that are bf16 already are exact, so that those of bf16 have to agree with the reference as those of f32
/// do. For other numbers the difference is that of rounding.
#[test]
fn operands_are_rounded_to_bf16_and_sums_are_not() {
    let direct = Arithmetic { algorithm: Algorithm::Direct, precision: Precision::Bf16 };
    let mut tried = 0;
    for op in OPS.iter().filter(|op| op.name().starts_with("conv2d") || op.name().starts_with("dense")) {
        for seed in 0..4 {
            for (types, attributes) in op.samples(seed) {
                // Groups of few channels may be no products, and then they are not rounded.
                if op.name().starts_with("conv2d") && attributes.int("groups") > 1 {
                    continue;
                }
                let (graph, inputs) = one_op(*op, &types, &attributes, seed as u32 * 31 + 7);
                let rounded = inputs.iter().map(|(name, values)| (name.clone(), values.map(to_bf16))).collect();
                for (name, difference) in compare_by(&graph, &rounded, direct) {
                    let place = format!("{} {attributes} of {types:?}", op.name());
                    assert!(difference < 2e-5, "{place}: {name} differs by {difference:e}");
                }
                for (name, difference) in compare_by(&graph, &inputs, direct) {
                    let place = format!("{} {attributes} of {types:?}", op.name());
                    assert!((1e-5..2e-2).contains(&difference), "{place}: {name} differs by {difference:e}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "only {tried} samples");
}

/// Convolutions of every padding, with whole tiles and without, few channels and many, one image and several.
#[test]
fn minimal_filtering_agrees_with_the_reference() {
    let find = |name: &str| ops::find(name).unwrap_or_else(|| panic!("{name} is an op"));
    let isa = host_isa().expect("Cranelift knows this machine");
    for (images, depth, output, height, width, pad) in [
        (1, 1, 1, 4, 4, 1),
        (2, 3, 5, 8, 4, 1),
        (3, 16, 16, 16, 16, 1),
        (5, 17, 33, 7, 9, 0),
        (2, 8, 24, 6, 5, 2),
        (34, 6, 10, 4, 8, 1),
        (16, 32, 48, 8, 8, 1),
        (3, 96, 192, 8, 7, 1),
    ] {
        let (rows, columns) = (height + 2 * pad - 2, width + 2 * pad - 2);
        let types = [
            ("x", [images, depth, height, width]),
            ("w", [output, depth, 3, 3]),
            ("dy", [images, output, rows, columns]),
        ];
        let mut graph = Graph::new();
        let mut inputs = HashMap::new();
        let leaves: Vec<NodeId> = types
            .iter()
            .enumerate()
            .map(|(seed, (name, dims))| {
                let ty = TensorType::f32(dims);
                inputs.insert(name.to_string(), fill(&ty, seed as u32 + 3));
                input(&mut graph, name, &ty)
            })
            .collect();
        let [x, w, dy] = leaves[..] else { unreachable!("there are three leaves") };
        let geometry = |dims: &[usize]| {
            let attributes = Attributes::new()
                .with("stride", Attribute::Ints(vec![1, 1]))
                .with("pad", Attribute::Ints(vec![pad as i64, pad as i64]))
                .with("dilation", Attribute::Ints(vec![1, 1]))
                .with("groups", Attribute::Int(1));
            if dims.is_empty() { attributes } else { attributes.with("dims", Attribute::extents(dims)) }
        };
        // An operand that is computed on the way in, and a result that is read on the way out.
        let relu = graph.add(find("relu"), &[x], Attributes::new(), Place::default());
        let y = graph.add(find("conv2d"), &[relu, w], geometry(&[]), Place::default());
        let negative = graph.add(find("neg"), &[y], Attributes::new(), Place::default());
        let dx = geometry(&[images, depth, height, width]);
        let dx = graph.add(find("conv2d_input_grad"), &[w, dy], dx, Place::default());
        let dw = geometry(&[output, depth, 3, 3]);
        let dw = graph.add(find("conv2d_weight_grad"), &[relu, dy], dw, Place::default());
        for (name, value) in [("y", y), ("negative", negative), ("dx", dx), ("dw", dw)] {
            graph.output(OutputKind::Result, name, value);
        }
        let expected = eval(&graph, &inputs).expect("the reference evaluates");
        let results = [Algorithm::Direct, Algorithm::Winograd].map(|algorithm| {
            let program = compile::program_with(graph.clone(), algorithm.into(), &*isa, &mut |_, _| ());
            let (one, two) = (run(&program, &inputs, 1), run(&program, &inputs, 2));
            assert_eq!(one, two, "1 and 2 threads differ");
            one
        });
        for (name, expected) in &expected {
            let [direct, minimal] = results.each_ref().map(|found| {
                let difference: f64 =
                    found[name].iter().zip(&expected.data).map(|(&a, &b)| (f64::from(a) - b).powi(2)).sum();
                (difference / expected.data.iter().map(|value| value * value).sum::<f64>()).sqrt()
            });
            assert!(minimal < 5e-6, "{name} of {types:?} differs by {minimal:e}, directly by {direct:e}");
        }
        // In bf16 the values at points are rounded, whose errors the way back makes several times larger.
        let rounded = Arithmetic { algorithm: Algorithm::Winograd, precision: Precision::Bf16 };
        for (name, difference) in compare_by(&graph, &inputs, rounded) {
            assert!((1e-4..3e-2).contains(&difference), "{name} of {types:?} in bf16 differs by {difference:e}");
        }
        assert_ne!(results[0]["y"], results[1]["y"], "both ways are the same one");
    }
}

/// Depthwise convolutions in all three directions: every stride, padding and dilation, one filter a channel and two, channels that fill no
/// vector, operands that are computed on the way in and results that are read and reduced on the way out.
#[test]
fn depthwise_convolutions_agree_with_the_reference() {
    let find = |name: &str| ops::find(name).unwrap_or_else(|| panic!("{name} is an op"));
    for (images, channels, multiplier, extent, kernel, stride, pad, dilation) in [
        (2, 16, 1, [9, 8], [3, 3], [1, 1], [1, 1], [1, 1]),
        (3, 7, 1, [8, 9], [3, 3], [2, 2], [1, 1], [1, 1]),
        (2, 24, 2, [7, 6], [3, 3], [1, 1], [1, 1], [1, 1]),
        (2, 5, 2, [9, 11], [3, 3], [2, 2], [1, 1], [1, 1]),
        (1, 12, 1, [12, 12], [3, 3], [1, 1], [2, 2], [2, 2]),
        (1, 6, 3, [10, 12], [3, 2], [3, 1], [0, 2], [2, 3]),
        (34, 33, 1, [6, 6], [5, 5], [1, 1], [2, 2], [1, 1]),
        (2, 8, 1, [14, 14], [7, 7], [2, 1], [3, 3], [1, 1]),
        (2, 10, 1, [5, 1], [1, 1], [3, 1], [0, 0], [1, 1]),
        (1, 4, 1, [12, 13], [11, 9], [1, 2], [5, 4], [1, 1]),
    ] {
        let geometry = Attributes::new()
            .with("stride", Attribute::extents(&stride))
            .with("pad", Attribute::extents(&pad))
            .with("dilation", Attribute::extents(&dilation))
            .with("groups", Attribute::Int(channels as i64));
        let (x_dims, w_dims) =
            ([images, channels, extent[0], extent[1]], [channels * multiplier, 1, kernel[0], kernel[1]]);
        let (x_type, w_type) = (TensorType::f32(&x_dims), TensorType::f32(&w_dims));
        let y_type = find("conv2d").infer(&[&x_type, &w_type], &geometry).expect("the window fits");
        let mut graph = Graph::new();
        let inputs: HashMap<String, Tensor> = [("x", &x_type), ("w", &w_type), ("dy", &y_type)]
            .map(|(name, ty)| (name.to_string(), fill(ty, ty.len() as u32)))
            .into_iter()
            .collect();
        let [x, w, dy] =
            [("x", &x_type), ("w", &w_type), ("dy", &y_type)].map(|(name, ty)| input(&mut graph, name, ty));
        let mut emit = |op: &str, operands: &[NodeId], attributes: Attributes| {
            graph.add(find(op), operands, attributes, Place::default())
        };
        let channels_kept = Attributes::new().with("axes", Attribute::extents(&[0, 2, 3]));
        let relu = emit("relu", &[x], Attributes::new());
        let y = emit("conv2d", &[relu, w], geometry.clone());
        let negative = emit("neg", &[y], Attributes::new());
        let sum = emit("reduce_sum", &[y], channels_kept.clone());
        let of_dims = |dims: &[usize]| geometry.clone().with("dims", Attribute::extents(dims));
        let dx = emit("conv2d_input_grad", &[w, dy], of_dims(&x_dims));
        let squares = emit("mul", &[dx, dx], Attributes::new());
        let dx_sum = emit("reduce_sum", &[squares], channels_kept);
        let dw = emit("conv2d_weight_grad", &[relu, dy], of_dims(&w_dims));
        let computed = emit("neg", &[dy], Attributes::new());
        let dw_computed = emit("conv2d_weight_grad", &[x, computed], of_dims(&w_dims));
        for (name, value) in [
            ("y", y),
            ("negative", negative),
            ("sum", sum),
            ("dx", dx),
            ("dx_sum", dx_sum),
            ("dw", dw),
            ("dw_computed", dw_computed),
        ] {
            graph.output(OutputKind::Result, name, value);
        }
        for (name, difference) in compare(&graph, &inputs) {
            assert!(difference < 3e-6, "{name} of {x_type:?}, {w_type:?} {geometry}: differs by {difference:e}");
        }
    }
}

/// Weight gradients of 1x1 windows, with stride and without, whose images are taken together: the operands as they lie, and computed.
#[test]
fn small_images_are_taken_together() {
    let find = |name: &str| ops::find(name).unwrap_or_else(|| panic!("{name} is an op"));
    for (stride, relu) in [(1, false), (1, true), (2, false), (2, true)] {
        let (x, dy) = (TensorType::f32(&[64, 24, 7 * stride, 7 * stride]), TensorType::f32(&[64, 40, 7, 7]));
        let attributes = Attributes::new()
            .with("stride", Attribute::extents(&[stride; 2]))
            .with("pad", Attribute::extents(&[0, 0]))
            .with("dilation", Attribute::extents(&[1, 1]))
            .with("groups", Attribute::Int(1))
            .with("dims", Attribute::extents(&[40, 24, 1, 1]));
        let mut graph = Graph::new();
        let inputs = [("x", &x), ("dy", &dy)].map(|(name, ty)| (name.to_string(), fill(ty, ty.len() as u32)));
        let mut leaves = [("x", &x), ("dy", &dy)].map(|(name, ty)| input(&mut graph, name, ty));
        if relu {
            leaves = leaves.map(|leaf| graph.add(find("relu"), &[leaf], Attributes::new(), Place::default()));
        }
        let dw = graph.add(find("conv2d_weight_grad"), &leaves, attributes, Place::default());
        graph.output(OutputKind::Result, "dw", dw);
        for (name, difference) in compare(&graph, &inputs.into_iter().collect()) {
            assert!(difference < 2e-6, "{name} with stride {stride}, relu {relu} differs by {difference:e}");
        }
    }
}

#[test]
fn a_changed_attribute_is_noticed() {
    for (op, attribute, change) in [
        ("scale", "by", Attribute::Float(3.25)),
        ("offset", "by", Attribute::Float(-2.5)),
        ("leaky_relu", "slope", Attribute::Float(3.0)),
        ("power", "exponent", Attribute::Float(4.0)),
        ("local_response_norm", "beta", Attribute::Float(0.0)),
        ("cross_entropy", "smoothing", Attribute::Float(0.9)),
    ] {
        let op = ops::find(op).unwrap_or_else(|| panic!("`{op}` is an op"));
        let (types, attributes) = op.samples(3).pop().expect("there are samples");
        let (graph, inputs) = one_op(op, &types, &attributes, 3);
        let (other, _) = one_op(op, &types, &attributes.clone().with(attribute, change), 3);
        let isa = host_isa().expect("Cranelift knows this machine");
        let found = run(&compile::program(graph, &*isa, &mut |_, _| ()), &inputs, 1);
        let expected = eval(&other, &inputs).expect("the reference evaluates");
        let difference = difference(&found["y"], &expected["y"]);
        assert!(difference > 1e-3, "{} with another `{attribute}` differs by {difference:e}", op.name());
    }
}
