//! A training step of small versions of the networks in lang-examples, and of what these do not use: native gradients against the f64
//! reference on the graph as it was before any pass.

use rnet_compiler::compile;
use rnet_compiler::diagnostic::Sources;
use rnet_compiler::elaborate::{Elaborated, Mode, Options, elaborate};
use rnet_compiler::graph::{OutputKind, eval};
use rnet_compiler::ops::tensor::Tensor;
use rnet_compiler::{passes, syntax};
use rnet_runtime::executable::Executable;
use rnet_runtime::jit::host_isa;
use rnet_runtime::layout::to_physical;
use rnet_runtime::program::Storage;
use rnet_runtime::state::State;
use rnet_runtime::workers::Workers;
use std::collections::HashMap;

/// Images of the step.
const BATCH: usize = 2;

/// Single precision against double, by the norm of the difference.
const TOLERANCE: f64 = 1e-4;

fn elaborated(name: &str, text: &str, settings: &[(&str, &str)]) -> Elaborated {
    let read = |path: &str| std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
    let mut sources = Sources::new(Box::new(read));
    let file = sources.add(name, text);
    let set = settings.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
    let options = Options { mode: Mode::Train, batch: Some(BATCH), model: None, train: None, set, memory: 1 << 34 };
    let outcome = syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, &options));
    outcome.unwrap_or_else(|found| {
        let shown: String = found.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
        panic!("{name}\n{shown}")
    })
}

fn example(name: &str, settings: &[(&str, &str)]) -> Elaborated {
    let path = format!("{}/lang-examples/{name}.rnet", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    elaborated(&path, &text, settings)
}

/// Numbers in [-1, 1) that depend on their index alone.
fn noise(len: usize) -> Vec<f32> {
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state >> 8) / f64::from(1 << 23) - 1.0) as f32
    };
    (0..len).map(|_| next()).collect()
}

/// The output that differs most between native code and the reference of `other`, and by how much: the norm of the difference over the norm of
/// the answer, or over a thousandth of all gradients' where the answer is nearly nothing.
fn greatest_difference(model: &Elaborated, other: &Elaborated) -> (String, f64) {
    let mut graph = model.graph.clone();
    passes::differentiate::differentiate(&mut graph).expect("every op has a gradient");
    let isa = host_isa().expect("Cranelift knows this machine");
    let program = compile::program(graph.clone(), &*isa, &mut |_, _| ());
    let mut state = State::new(&program.states, 1);
    let mut leaves: HashMap<String, Tensor> = HashMap::new();
    for spec in &program.states {
        let values = state.get(spec.kind, &spec.name).expect("a state of the program");
        let data = values.into_iter().map(f64::from).collect();
        leaves.insert(spec.name.clone(), Tensor { dims: spec.dims.clone(), data });
    }
    let inputs: Vec<_> = program
        .buffers
        .iter()
        .filter_map(|buffer| match &buffer.storage {
            Storage::Input(name) => Some((name.clone(), buffer.dims.clone(), buffer.layout.clone())),
            _ => None,
        })
        .collect();
    let mut executable = Executable::new(program).expect("the program links");
    for (name, dims, layout) in inputs {
        let len = dims.iter().product();
        let data = if name == "image" {
            let values = noise(len);
            to_physical(&dims, &layout, &values, executable.input_f32(&name));
            values.into_iter().map(f64::from).collect()
        } else {
            // Labels and the seed of dropout.
            let values: Vec<i32> = (0..len as i32).map(|at| at + 1).collect();
            executable.input_i32(&name).copy_from_slice(&values);
            values.into_iter().map(f64::from).collect()
        };
        leaves.insert(name, Tensor { dims, data });
    }
    let mut reference = other.graph.clone();
    passes::differentiate::differentiate(&mut reference).expect("every op has a gradient");
    let expected = eval(&reference, &leaves).expect("the reference evaluates");
    executable.run(&Workers::new(2), &mut state);
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let results =
        || graph.outputs.iter().filter(|output| output.kind == OutputKind::Result && output.name != "correct");
    let gradients = results().filter(|output| output.name.starts_with("grad."));
    let all = norm(&mut gradients.flat_map(|output| &expected[&output.name].data).copied());
    assert!(all.is_finite() && all > 0.0, "the gradient's norm is {all}");
    results()
        .map(|output| {
            let (found, expected) = (executable.output_logical(&output.name), &expected[&output.name].data);
            assert_eq!(found.len(), expected.len(), "{}", output.name);
            let difference = norm(&mut found.iter().zip(expected).map(|(&a, &b)| f64::from(a) - b));
            let answer = norm(&mut expected.iter().copied());
            (output.name.clone(), difference / answer.max(1e-3 * all))
        })
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .expect("there is a loss")
}

/// Networks of the zoo, made small by their own parameters.
const SMALL: &[(&str, &[(&str, &str)])] = &[
    ("mlp", &[]),
    ("lenet", &[]),
    ("digits", &[]),
    ("plain20", &[("model.n", "1")]),
    ("resnet20", &[("model.n", "1")]),
    ("preact_resnet110", &[("model.n", "1")]),
    ("wrn16_4", &[("model.n", "1"), ("model.k", "1")]),
    ("resnext50", &[("model.side", "32"), ("model.n", "[1, 1, 0, 0]")]),
    ("squeezenet", &[("model.side", "40"), ("model.classes", "10")]),
    ("se_resnet50", &[("model.side", "32"), ("model.n", "[1, 1, 0, 0]")]),
    (
        "densenet121",
        &[("model.side", "64"), ("model.classes", "10"), ("model.growth", "8"), ("model.n", "[2, 3, 1, 1]")],
    ),
];

#[test]
fn gradients_of_small_networks_agree_with_the_reference() {
    let mut wrong = Vec::new();
    for (name, settings) in SMALL {
        let (output, difference) = {
            let model = example(name, settings);
            greatest_difference(&model, &model)
        };
        println!("{name}: {output} differs by {difference:.1e}");
        if difference.is_nan() || difference >= TOLERANCE {
            wrong.push(format!("{name}: {output} differs by {difference:e}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn gradients_of_rarer_constructs_agree_with_the_reference() {
    let table = [
        // Dropout between dense layers, whose gradient stays inside one kernel.
        "flatten -> dense(8) -> relu -> dropout -> dense(8) -> relu -> dropout",
        "flatten -> dropout -> dense(8) -> relu -> dropout",
        // Shared weights, with and without batch norm.
        "(x => { let t = shared(conv3x3 -> bn -> relu)\n x -> t -> t -> t }) -> flatten",
        "(x => { let t = shared(conv3x3(3, bias = true))\n x -> t -> relu -> t }) -> flatten",
        // Branches of all kinds.
        "concat(id, conv1x1(4) -> relu, avg_pool(3, stride = 1, pad = 1)) -> mul(id, conv3x3 -> bn) -> add(id, relu, conv5x5) -> global_avg_pool",
        // Windows that are no squares.
        "conv2d(4, kernel = [1, 5], stride = [1, 2], pad = [0, 2], dilation = 1) -> max_pool([2, 3], stride = [2, 1]) -> flatten",
        // Windows that divide what does not divide evenly, and one that is everything.
        "conv3x3(4) -> bn -> relu -> adaptive_max_pool([5, 11]) -> conv3x3 -> adaptive_max_pool([1, 4]) -> flatten",
        "concat(adaptive_max_pool(1), adaptive_avg_pool(1)) -> flatten",
        // Heads beside the main one, of which one shares the main one's way in.
        "conv3x3(4) -> auxiliary(global_avg_pool -> dense(5)) -> relu -> auxiliary(conv1x1(2) -> bn -> flatten -> dense(5), weight = 2.0) -> flatten",
        "depthwise(3) -> bn -> relu -> conv2d(6, kernel = 3, stride = 2, pad = 1, groups = 3) -> flatten",
        "conv(6, dilation = 2, groups = 3) -> depthwise(6, stride = 2) -> subsample(2) -> pad_channels(9) -> flatten",
    ];
    for body in table {
        let text = format!("model m {{ input image: f32[N, 3, 9, 9]\n image -> {body} -> dense(5) }}");
        let (output, difference) = {
            let model = elaborated("test.rnet", &text, &[]);
            greatest_difference(&model, &model)
        };
        assert!(difference < TOLERANCE, "{body}: {output} differs by {difference:e}");
    }
}

/// Networks that are deep whatever their parameters say amplify rounding until a ReLU turns over: of these, the blocks.
#[test]
fn gradients_of_blocks_of_deep_networks_agree_with_the_reference() {
    let table = [
        (
            "mobilenet_v2",
            "cbr(8, 3, 2) -> m.inverted(8, t = 1) -> m.inverted(12, s = 2) -> m.inverted(12) -> m.cbr(16)",
        ),
        (
            "googlenet",
            "cbr(8, 3) -> m.halved -> m.inception(4, 3, 5, 2, 3, 3) -> auxiliary(aux: m.head(5, 0.7)) -> m.halved(2)",
        ),
        ("se_resnet50", "bottleneck(16) -> m.bottleneck(16, s = 2)"),
    ];
    let directory = format!("{}/lang-examples", env!("CARGO_MANIFEST_DIR"));
    for (file, body) in table {
        let text = format!(
            "import \"{file}.rnet\" as m\nmodel net {{ input image: f32[N, 3, 18, 18]\n image -> net: (m.{body} -> flatten -> dense(5)) }}"
        );
        let model = elaborated(&format!("{directory}/test.rnet"), &text, &[]);
        let (output, difference) = greatest_difference(&model, &model);
        assert!(difference < TOLERANCE, "{file}: {output} differs by {difference:e}");
    }
}

#[test]
fn a_wrong_gradient_is_noticed() {
    let body = "image -> flatten -> dense(8) -> relu -> dense(5)";
    let text = |smoothing: f64| {
        format!(
            "model m {{ input image: f32[N, 3, 9, 9]\n {body} }}\ntrain {{ loss = cross_entropy(smoothing = {smoothing:?}) }}"
        )
    };
    let (plain, smooth) = (elaborated("test.rnet", &text(0.0), &[]), elaborated("test.rnet", &text(0.2), &[]));
    assert!(greatest_difference(&plain, &plain).1 < TOLERANCE);
    assert!(greatest_difference(&plain, &smooth).1 > 100.0 * TOLERANCE);
}
