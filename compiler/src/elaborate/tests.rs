//! Whole texts elaborated: what they come to, and what their weights are called.

use super::*;
use crate::graph::{Attribute, verify};
use rnet_runtime::config::{Length, Part, Schedule, Source, Transform};
use rnet_runtime::optimizer::{Average, Clip, Group, Optimizer, Rule};
use std::iter;

mod data;
mod difference;
mod language;
mod zoo;

/// The way to the example networks, and to a second file that tests import as `blocks.rnet`.
fn sources() -> Sources {
    Sources::new(Box::new(|path: &str| {
        match path {
        "blocks.rnet" => Ok("let width = 4\nblock wide(c = width) = conv3x3(c) -> relu\nmodel m(n = 2) { input image: f32[N, 3, 8, 8] image -> repeat(n, wide) -> global_avg_pool -> dense(10) }".to_string()),
        other => std::fs::read_to_string(other).map_err(|error| error.to_string()),
    }
    }))
}

fn try_with(name: &str, text: &str, options: &Options) -> Result<Elaborated, String> {
    let mut sources = sources();
    let file = sources.add(name, text);
    let outcome = crate::syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, options));
    outcome.map_err(|found| found.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect())
}

fn options() -> Options {
    Options { mode: Mode::Train, batch: Some(2), model: None, train: None, set: Vec::new(), memory: 1 << 34 }
}

fn with(text: &str, options: &Options) -> Elaborated {
    let elaborated = try_with("test.rnet", text, options).unwrap_or_else(|shown| panic!("{text}\n{shown}"));
    verify(&elaborated.graph).unwrap_or_else(|wrong| panic!("{text}\n{wrong:?}"));
    elaborated
}

fn set(text: &str, settings: &[(&str, &str)]) -> Elaborated {
    let set = settings.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
    with(text, &Options { set, ..options() })
}

/// The error's text.
fn refused(text: &str) -> String {
    match try_with("test.rnet", text, &options()) {
        Ok(_) => panic!("{text}\nwas accepted"),
        Err(shown) => shown,
    }
}

/// A model of 3x8x8 pictures whose body is `image -> body`, flattened to ten classes.
fn model(definitions: &str, body: &str) -> Elaborated {
    with(
        &format!(
            "{definitions}\nmodel m {{ input image: f32[N, 3, 8, 8]\n image -> {body} -> global_avg_pool -> fc: dense(10) }}"
        ),
        &options(),
    )
}

/// `layer:extents` of every layer but the last two.
fn shapes(elaborated: &Elaborated) -> String {
    let end = elaborated.layers.len() - 2;
    let shown = elaborated.layers[..end].iter().map(|layer| {
        let dims: Vec<String> = layer.shape[1..].iter().map(usize::to_string).collect();
        format!("{}:{}", layer.path, dims.join("x"))
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Names of the trained tensors and running statistics, in the order of the graph.
fn weights(graph: &Graph) -> Vec<(String, Vec<usize>)> {
    let leaf = |id: NodeId| {
        let node = &graph[id];
        let Some(Attribute::Text(name)) = node.attributes.get("name") else { return None };
        matches!(node.op.name(), "parameter" | "statistic").then(|| (name.clone(), node.ty.dims.clone()))
    };
    graph.ids().into_iter().filter_map(leaf).collect()
}

fn parameters(elaborated: &Elaborated) -> u64 {
    let counted: u64 = elaborated.layers.iter().map(|layer| layer.parameters).sum();
    let trained = |id: &NodeId| elaborated.graph[*id].op.name() == "parameter";
    let held: usize = elaborated.graph.ids().into_iter().filter(trained).map(|id| elaborated.graph[id].ty.len()).sum();
    assert_eq!(counted, held as u64, "the table and the graph disagree");
    counted
}

fn example(name: &str) -> Elaborated {
    example_set(name, &[])
}

fn example_set(name: &str, settings: &[(&str, &str)]) -> Elaborated {
    let path = format!("{}/../lang-examples/{name}.rnet", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let set = settings.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
    try_with(&path, &text, &Options { set, ..options() }).unwrap_or_else(|shown| panic!("{shown}"))
}

const CONVOLUTIONS: &str = "conv1:3x8x8 bn1:3x8x8 relu1:3x8x8 conv2:3x8x8 bn2:3x8x8 add1:3x8x8";

#[test]
fn blocks_come_to_the_layers_that_their_text_says() {
    let table: &[(&str, &str, &str)] = &[
        // The residual of two convolutions, in place and as a block of its own.
        ("", "residual(conv3x3 -> bn -> relu -> conv3x3 -> bn)", CONVOLUTIONS),
        ("block r = residual(conv3x3 -> bn -> relu -> conv3x3 -> bn)", "r", CONVOLUTIONS),
        ("block r = residual(conv3x3 -> bn -> relu -> conv3x3 -> bn)", "r()", CONVOLUTIONS),
        // Arguments by position, by keyword, by default, and a default that uses a parameter before it.
        ("", "conv3x3(4, stride = 2)", "conv1:4x4x4"),
        ("", "conv3x3(stride = 2, c = 4)", "conv1:4x4x4"),
        ("block f(c, d = 2*c) = conv1x1(c) -> conv1x1(d)", "f(4)", "conv1:4x8x8 conv2:8x8x8"),
        (
            "block f(c: int = 5, k: float = 1, t: bool = true, s: text = \"x\", l: list = [], b: block = relu) = conv1x1(c) -> b",
            "f",
            "conv1:5x8x8 relu1:5x8x8",
        ),
        // Blocks as values: primitives, defined blocks with and without arguments, chains, lambdas.
        ("block twice(b: block) = b -> b", "twice(relu)", "relu1:3x8x8 relu2:3x8x8"),
        (
            "block twice(b: block) = b -> b",
            "twice(conv3x3(4) -> relu)",
            "conv1:4x8x8 relu1:4x8x8 conv2:4x8x8 relu2:4x8x8",
        ),
        ("block make(b: block, c) = b(c)", "make(conv1x1, 6)", "conv1:6x8x8"),
        (
            "block shrink(c, s) = subsample(s) -> pad_channels(c)\nblock use(b: block = shrink) = b(6, 2)",
            "use",
            "subsample1:3x4x4 pad_channels1:6x4x4",
        ),
        ("", "(x => add(x, x -> relu))", "relu1:3x8x8 add1:3x8x8"),
        // `let`, at the top of a file and in a scope, and a DAG that is no chain.
        ("let width = 6\nlet unit = conv1x1(width) -> relu", "unit", "conv1:6x8x8 relu1:6x8x8"),
        (
            "",
            "(x => { let a = x -> conv1x1(4); let b = x -> conv1x1(5); concat(a, b, x) })",
            "conv1:4x8x8 conv2:5x8x8 concat1:12x8x8",
        ),
        // Conditions look at no more than they need.
        (
            "block f(n) = if n == 0 { id } else if n < 3 and 12 / n == 6 { relu } else { conv1x1(n) }",
            "f(0) -> f(2) -> f(7)",
            "relu1:3x8x8 conv1:7x8x8",
        ),
        // Repetition, with and without an index, labelled, nested, and none at all.
        ("", "repeat(2, relu)", "repeat1.0:3x8x8 repeat1.1:3x8x8"),
        ("", "layer: repeat(2, i => conv1x1(4 + i))", "layer.0:4x8x8 layer.1:5x8x8"),
        (
            "",
            "a: repeat(2, repeat(1, relu -> relu))",
            "a.0.0.relu1:3x8x8 a.0.0.relu2:3x8x8 a.1.0.relu1:3x8x8 a.1.0.relu2:3x8x8",
        ),
        ("", "repeat(0, relu) -> relu", "relu1:3x8x8"),
        // Labels name one layer, stand before several, and number a chain in parentheses.
        ("block unit = conv1x1(4) -> relu", "stem: unit", "stem.conv1:4x8x8 stem.relu1:4x8x8"),
        ("", "stem: conv1x1(4)", "stem:4x8x8"),
        ("", "stem: (conv1x1(4) -> relu)", "stem.0:4x8x8 stem.1:4x8x8"),
        ("", "a: b: relu", "a.b:3x8x8"),
        // Branches.
        ("", "add(id, relu, relu)", "relu1:3x8x8 relu2:3x8x8 add1:3x8x8"),
        ("", "mul(id, relu)", "relu1:3x8x8 mul1:3x8x8"),
        (
            "",
            "concat(id, one: conv1x1(4), two: (conv1x1(5) -> relu))",
            "one:4x8x8 two.0:5x8x8 two.1:5x8x8 concat1:12x8x8",
        ),
        // Shortcuts: the identity, `auto` where it fits and where it does not, a tensor from outside.
        ("", "residual(relu, shortcut = auto(conv1x1))", "relu1:3x8x8 add1:3x8x8"),
        ("", "residual(conv1x1(4), shortcut = auto(conv1x1(4)))", "conv1:4x8x8 conv2:4x8x8 add1:4x8x8"),
        ("", "add(conv1x1(4), auto(conv1x1(4)))", "conv1:4x8x8 conv2:4x8x8 add1:4x8x8"),
        ("", "(x => x -> residual(relu, shortcut = x))", "relu1:3x8x8 add1:3x8x8"),
        // Steps that do nothing leave no trace.
        ("", "subsample(1) -> pad_channels(3) -> relu", "relu1:3x8x8"),
        // Windows: rectangles, dilation, groups, padding that keeps the extents.
        ("", "conv2d(4, kernel = [1, 3], pad = [0, 1])", "conv1:4x8x8"),
        ("", "conv(4, kernel = [1, 5]) -> conv(kernel = 3, dilation = 2)", "conv1:4x8x8 conv2:4x8x8"),
        ("", "conv3x3(6, groups = 3) -> depthwise(6, stride = 2)", "conv1:6x8x8 conv2:6x4x4"),
        ("", "max_pool(2) -> avg_pool(3, stride = 1, pad = 1)", "max_pool1:3x4x4 avg_pool1:3x4x4"),
        ("", "max_pool(3, stride = 2) -> max_pool(2, ceil = true)", "max_pool1:3x3x3 max_pool2:3x2x2"),
        ("", "max_pool([1, 3], stride = 1, pad = [0, 2], dilation = [1, 2])", "max_pool1:3x8x8"),
        ("", "max_pool(3, stride = 1, pad = same, dilation = 3)", "max_pool1:3x8x8"),
        (
            "",
            "avg_pool(5, stride = 4, ceil = true) -> upsample -> upsample([1, 3], mode = \"bilinear\")",
            "avg_pool1:3x2x2 upsample1:3x4x4 upsample2:3x4x12",
        ),
        ("", "adaptive_avg_pool([3, 5]) -> adaptive_avg_pool(1)", "adaptive_avg_pool1:3x3x5 adaptive_avg_pool2:3x1x1"),
        ("", "adaptive_max_pool([3, 9]) -> adaptive_max_pool(1)", "adaptive_max_pool1:3x3x9 adaptive_max_pool2:3x1x1"),
        // Norms and what is random, which leaves the extents as they are.
        (
            "",
            "layer_norm -> group_norm(3) -> local_response_norm(5) -> softmax -> residual(relu -> stochastic_depth(0.2))",
            "ln1:3x8x8 gn1:3x8x8 local_response_norm1:3x8x8 softmax1:3x8x8 relu1:3x8x8 stochastic_depth1:3x8x8 add1:3x8x8",
        ),
        // Factors for the channels, as a matrix and as pictures of one element.
        (
            "block se(c) = scale_channels(global_avg_pool -> dense(c) -> relu -> dense(3) -> sigmoid)",
            "se: se(2)",
            "se.global_avg_pool1:3 se.dense1:2 se.relu1:2 se.dense2:3 se.sigmoid1:3 se.scale_channels1:3x8x8",
        ),
        (
            "",
            "scale_channels(adaptive_avg_pool(1) -> fc1: conv1x1(bias = true) -> hardsigmoid)",
            "adaptive_avg_pool1:3x1x1 fc1:3x1x1 hardsigmoid1:3x1x1 scale_channels1:3x8x8",
        ),
        ("", "conv_bn_relu(4, kernel = 5)", "conv1:4x8x8 bn1:4x8x8 relu1:4x8x8"),
        // Activations, with arguments and without.
        (
            "",
            "relu6 -> leaky_relu(0.2) -> gelu -> gelu(approximate = \"tanh\") -> sigmoid",
            "relu61:3x8x8 leaky_relu1:3x8x8 gelu1:3x8x8 gelu2:3x8x8 sigmoid1:3x8x8",
        ),
        ("", "tanh -> silu -> hardswish -> hardsigmoid", "tanh1:3x8x8 silu1:3x8x8 hardswish1:3x8x8 hardsigmoid1:3x8x8"),
        // Layers numbered through, and repetitions with names of their own.
        (
            "",
            "f: sequential(conv1x1(4) -> relu -> repeat(2, conv1x1 -> relu) -> last: relu)",
            "f.0:4x8x8 f.1:4x8x8 f.2:4x8x8 f.3:4x8x8 f.4:4x8x8 f.5:4x8x8 f.last:4x8x8",
        ),
        (
            "",
            "s: repeat(2, relu -> relu, name = \"unit\", from = 1)",
            "s.unit1.relu1:3x8x8 s.unit1.relu2:3x8x8 s.unit2.relu1:3x8x8 s.unit2.relu2:3x8x8",
        ),
        // Names of a file hide the prelude's; parameters hide the file's.
        ("block bn = relu", "bn", "relu1:3x8x8"),
        ("let c = 4\nblock f(c) = conv1x1(c)", "f(5) -> conv1x1(c)", "conv1:5x8x8 conv2:4x8x8"),
        // Imported blocks see their own file, and only by its alias.
        (
            "import \"blocks.rnet\" as b\nlet width = 9",
            "b.wide -> b.wide(b.width + width)",
            "conv1:4x8x8 relu1:4x8x8 conv2:13x8x8 relu2:13x8x8",
        ),
        // Arithmetic.
        ("", "conv1x1([3, 4][1] * 2 - 10 % 4) -> conv1x1(8 / 2 + -1)", "conv1:6x8x8 conv2:3x8x8"),
    ];
    for (definitions, body, wanted) in table {
        assert_eq!(shapes(&model(definitions, body)), *wanted, "{definitions} {body}");
    }
}

#[test]
fn annotations_reach_the_weights_below_them() {
    let elaborated =
        model("", "(conv1x1(4, bias = true) @init(normal(0.25)) -> bn @decay(0)) @lr(2) -> conv1x1(4) @frozen");
    let told: Vec<String> = elaborated
        .graph
        .ids()
        .into_iter()
        .filter(|id| elaborated.graph[*id].op.name() == "parameter")
        .map(|id| {
            let attribute =
                |name: &str| elaborated.graph[id].attributes.get(name).map_or("-".to_string(), ToString::to_string);
            ["name", "init_value", "lr", "decay", "frozen"].map(attribute).join(" ")
        })
        .collect();
    assert_eq!(
        told[..5],
        [
            "\"conv1.weight\" 0.25 2.0 - -",
            "\"conv1.bias\" 0.5773502691896258 2.0 - -",
            "\"bn1.weight\" 1.0 2.0 0.0 -",
            "\"bn1.bias\" 0.0 2.0 0.0 -",
            "\"conv2.weight\" 0.7071067811865476 - - true",
        ]
    );
}

#[test]
fn the_table_of_layers_counts_parameters_and_multiply_adds() {
    let elaborated = model("", "conv3x3(4, stride = 2, bias = true) -> bn -> conv2d(8, kernel = [1, 3], groups = 2)");
    let costs: Vec<(u64, u64)> =
        elaborated.layers.iter().map(|layer| (layer.parameters, layer.multiply_adds)).collect();
    assert_eq!(costs, [(4 * 27 + 4, 4 * 27 * 16), (8, 0), (8 * 2 * 3, 8 * 2 * 3 * 4 * 2), (0, 0), (90, 80)]);
    assert_eq!(parameters(&elaborated), 112 + 8 + 48 + 90);
}

/// A text with a bare minimum around its train section.
fn trained(sections: &str) -> String {
    format!(
        "model m(n = 1, c = 4) {{ input image: f32[N, 1, 8, 8]\n image -> repeat(n, conv3x3(c)) -> flatten -> dense(10) }}\n{sections}"
    )
}

#[test]
fn sections_become_plain_values() {
    let text = trained(
        "let steps_a_epoch = 100
        data d { source = mnist(\"there\") train = pad(4) -> random_crop(28) -> random_flip -> normalize(mean = [0.5], std = [0.25]) test = (center_crop(28) -> normalize) }
        train { loss = cross_entropy(smoothing = 0.1) optimizer = sgd(0.2, momentum = 0.9, nesterov = true)
          schedule = step(at = [2 * steps_a_epoch, 300], by = 0.5, warmup = 10) batch = 64; steps = 4*steps_a_epoch seed = 7 }",
    );
    let elaborated = with(&text, &options());
    let (train, data) = (&elaborated.train, elaborated.data.as_ref().expect("the file has a data section"));
    assert_eq!((train.batch, train.length, train.seed), (64, Length::Steps(400), 7));
    assert_eq!(train.loss, Loss::CrossEntropy { smoothing: 0.1 });
    assert_eq!(train.optimizer, sgd(0.2, 0.9, true, 0.0));
    assert_eq!(train.schedule, Schedule::Step { at: vec![200, 300], by: 0.5, warmup: 10 });
    assert_eq!(data.source, Source::Mnist("there".to_string()));
    assert_eq!(
        data.train[..3],
        [Transform::Pad(4), Transform::RandomCrop(28), Transform::RandomFlip { alternating: false }]
    );
    assert_eq!(data.train[3], Transform::Normalize { mean: vec![0.5], std: vec![0.25] });
    assert_eq!(data.test.len(), 2);

    let silent = with(&trained(""), &options());
    assert_eq!((silent.train.batch, silent.train.length, silent.train.seed), (128, Length::Epochs(10), 0));
    assert_eq!(silent.train.optimizer, sgd(0.1, 0.9, false, 1e-4));
    assert!(silent.train.groups.is_empty() && silent.train.accumulate == 1);
    assert_eq!((silent.train.clip, silent.train.average), (Clip::None, Average::None));
    assert!(silent.data.is_none());
}

fn sgd(lr: f64, momentum: f64, nesterov: bool, weight_decay: f64) -> Optimizer {
    Optimizer { rule: Rule::Sgd { momentum, nesterov }, lr, weight_decay }
}

#[test]
fn training_has_many_words() {
    let group = |pattern: &str, optimizer, lr, weight_decay| Group {
        pattern: pattern.to_string(),
        optimizer,
        lr,
        weight_decay,
    };
    let text = trained(
        "train { loss = binary_cross_entropy(smoothing = 0.2) optimizer = adamw(1e-3, beta2 = 0.99)
          groups = [group(\"*.bias\", weight_decay = 0), group(\"repeat1*\", lr = 1/2.0, optimizer = muon(0.02, iterations = 3))]
          clip = norm(1) accumulate = 4 average = lookahead(every = 6, ramp = 3)
          schedule = warmup(10) -> (constant(steps = 5) -> step(at = [2])) }",
    );
    let wrong = try_with("text.rnet", &text, &options()).unwrap_err();
    assert!(wrong.contains("a schedule is expected here"), "{wrong}");
    let train = with(
        &text.replace("(constant(steps = 5) -> step(at = [2]))", "constant(steps = 5) -> step(at = [2])"),
        &options(),
    )
    .train;
    assert_eq!(train.loss, Loss::BinaryCrossEntropy { smoothing: 0.2 });
    let rule = Rule::Adam { betas: [0.9, 0.99], eps: 1e-8, decoupled: true };
    assert_eq!(train.optimizer, Optimizer { rule, lr: 1e-3, weight_decay: 1e-2 });
    let muon = Rule::Muon { momentum: 0.95, nesterov: true, iterations: 3 };
    let muon = Optimizer { rule: muon, lr: 0.02, weight_decay: 0.0 };
    let groups = vec![group("*.bias", None, None, Some(0.0)), group("repeat1*", Some(muon), Some(0.5), None)];
    assert_eq!(train.groups, groups);
    assert_eq!((train.clip, train.accumulate), (Clip::Norm(1.0), 4));
    assert_eq!(train.average, Average::Lookahead { every: 6, alpha: 0.5, ramp: 3.0 });
    let part = |schedule, steps| Part { schedule, steps };
    let parts = vec![
        part(Schedule::Warmup, Some(10)),
        part(Schedule::Constant, Some(5)),
        part(Schedule::Step { at: vec![2], by: 0.1, warmup: 0 }, None),
    ];
    assert_eq!(train.schedule, Schedule::Sequence(parts));
}

#[test]
fn what_no_weight_can_have_is_a_mistake() {
    for (train, words) in [
        ("optimizer = muon(0.02)", "`muon` moves matrices and filters, `dense1.bias` is a vector"),
        ("groups = [group(\"dens1*\", lr = 1)]", "no trained weight has a name like \"dens1*\""),
        ("optimizer = sgd(0) groups = [group(\"*\", lr = 1)]", "where the optimizer's is 0"),
        ("groups = [group(\"*\")]", "changes nothing"),
        ("groups = [group(lr = 1)]", "needs the argument `pattern`"),
        ("groups = [group(\"*\", lr = 1, lr = 2)]", "set twice"),
        ("groups = [group(\"*\", rate = 1)]", "no parameter `rate`"),
        ("groups = [group(1, lr = 1)]", "a pattern is a text"),
        ("groups = [group(\"*\", \"*\", lr = 1)]", "too many arguments"),
        ("groups = [sgd(0.1)]", "a group of weights is expected"),
        ("groups = 1", "a list of groups"),
        ("groups = [group(\"*\", lr = -1)]", "`lr` is between 0"),
        ("clip = norm(0)", "leaves nothing"),
        ("accumulate = 0", "between 1 and"),
        ("average = ema(1)", "below 1"),
        ("average = lookahead(every = 0)", "`every` lies between 1"),
        ("schedule = cosine -> constant", "needs its number of `steps`"),
        ("schedule = warmup(0)", "`steps` lies between 1"),
        ("optimizer = adam(0.1, beta1 = 1)", "`beta1` is at least 0 and below 1"),
    ] {
        let wrong = try_with("text.rnet", &trained(&format!("train {{ {train} }}")), &options()).unwrap_err();
        assert!(wrong.contains(words), "{train}: {wrong}");
    }
}

#[test]
fn settings_change_the_file_before_it_is_evaluated() {
    let text = trained("let rate = 0.5\ndata d { source = digits } train { model = m(1) optimizer = sgd(lr = rate) }");
    let elaborated = set(
        &text,
        &[
            ("train.batch", "32"),
            ("train.optim.momentum", "0.8"),
            ("rate", "1/4.0"),
            ("model.n", "3"),
            ("m.c", "6"),
            ("data.test", "center_crop(8)"),
            ("d.source", "mnist(\"x\")"),
            ("train.schedule", "cosine"),
            ("train.schedule.warmup", "9"),
            ("train.epochs", "3"),
            ("train.steps", "20"),
            ("train.loss.smoothing", "0.2"),
        ],
    );
    let train = &elaborated.train;
    assert_eq!((train.batch, train.length), (32, Length::Steps(20)));
    assert_eq!((&train.optimizer, train.loss), (&sgd(0.25, 0.8, false, 0.0), Loss::CrossEntropy { smoothing: 0.2 }));
    assert_eq!(train.schedule, Schedule::Cosine { last: 0.0, warmup: 9 });
    let data = elaborated.data.expect("the file has a data section");
    assert_eq!((data.source, data.test), (Source::Mnist("x".to_string()), vec![Transform::CenterCrop(8)]));
    assert_eq!(weights(&elaborated.graph).len(), 3 + 2);
    assert!(weights(&elaborated.graph)[0].1 == [6, 1, 3, 3]);
}

#[test]
fn the_mode_decides_what_batch_norm_and_dropout_are() {
    let text = "model m { input image: f32[N, 3, 4, 4]\n image -> bn -> dropout(0.3) -> flatten -> dense(2) }\ntrain { loss = cross_entropy(smoothing = 0.1) }";
    let ops = |mode: Mode| -> Vec<&'static str> {
        let graph = with(text, &Options { mode, ..options() }).graph;
        graph.ids().into_iter().map(|id| graph[id].op.name()).collect()
    };
    let (train, eval) = (ops(Mode::Train), ops(Mode::Eval));
    assert!(train.contains(&"batch_mean") && train.contains(&"dropout") && train.contains(&"scale"));
    assert!(!eval.contains(&"batch_mean") && !eval.contains(&"dropout") && !eval.contains(&"scale"));
}

#[test]
fn a_resolved_text_compiles_to_the_same_graph() {
    let import = "import \"blocks.rnet\" as b\n";
    let several = "model a { input image: f32[N, 1, 4, 4]\n image -> flatten -> dense(2) }\nmodel b(c = 3) { input image: f32[N, 1, 4, 4]\n image -> conv3x3(c) -> flatten -> dense(2) }";
    // Text, model, settings.
    type Case<'a> = (&'a str, Option<&'a str>, &'a [(&'a str, &'a str)]);
    let table: &[Case] = &[
        (&trained(""), None, &[]),
        (&trained("data d { source = digits }"), None, &[("model.c", "9"), ("train.optim.lr", "0.5")]),
        (&format!("{import}train {{ model = b.m }}"), None, &[("train.batch", "3"), ("model.n", "1")]),
        (&format!("{import}train {{ model = b.m(3) }}"), None, &[("model.n", "4")]),
        // Names that are taken: by a definition, by a local, by the language.
        (
            &format!(
                "{import}let width = 3\nblock wide(m) = b.wide(m)\nmodel n {{ input image: f32[N, 3, 8, 8]\n image -> wide(5) -> b.wide -> flatten -> dense(width) }}"
            ),
            None,
            &[],
        ),
        (
            &format!(
                "{import}block conv3x3(c) = conv1x1(c)\nmodel n {{ input image: f32[N, 3, 8, 8]\n image -> conv3x3(2) -> b.wide -> flatten -> dense(2) }}"
            ),
            None,
            &[],
        ),
        (several, Some("b"), &[("model.c", "5")]),
        (several, Some("a"), &[]),
    ];
    for (text, model, settings) in table {
        let set: Vec<_> = settings.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
        let first = with(text, &Options { set, model: model.map(str::to_string), batch: None, ..options() });
        let second = with(&first.resolved, &Options { batch: None, ..options() });
        assert!(!first.resolved.contains("import "), "{}", first.resolved);
        assert_eq!((&first.model, &first.train, &first.data), (&second.model, &second.train, &second.data));
        assert_eq!(first.resolved, second.resolved);
        // Places of course differ: they are what stands behind the `@`.
        let places_apart = |graph: &Graph| -> String {
            graph.to_string().lines().map(|line| format!("{}\n", line.split("   @ ").next().unwrap_or(line))).collect()
        };
        assert_eq!(places_apart(&first.graph), places_apart(&second.graph), "{text}");
    }
}

#[test]
fn every_mistake_of_a_file_is_told() {
    let text = "block a = cnov3x3 -> bn\nblock b(c) = conv3x3(c, strid = 2) -> nothing\nmodel m { input image: f32[N, 3, 8, 8]\n image -> a -> b(4) -> c.d }\ntrain { bach = 3 }";
    let shown = refused(text);
    for words in
        ["`cnov3x3` is not defined", "no parameter `strid`", "`nothing` is not defined", "no import is called `c`"]
    {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
}

#[test]
fn endless_texts_end_in_errors() {
    let deep: String = (0..400).map(|at| format!("block b{at} = b{}\n", at + 1)).collect();
    let wide: String = (0..30).map(|at| format!("block b{at} = b{} -> b{}\n", at + 1, at + 1)).collect();
    let doubled = (0..40).map(|at| format!("let l{} = l{at} + l{at}\n", at + 1));
    let long: String = iter::once("let l0 = [1]\n".to_string()).chain(doubled).collect();
    let with_model = |text: String, last: usize| {
        format!(
            "{text}block b{last} = relu\nmodel m {{ input image: f32[N, 3, 8, 8]\n image -> b0 -> flatten -> dense(1) }}"
        )
    };
    for (text, code) in [
        (with_model("block b0 = b0\n".to_string(), 1), "E109"),
        (with_model("block b0 = b1\nblock b1 = relu -> b0\n".to_string(), 2), "E109"),
        (with_model(deep, 400), "E111"),
        (with_model(wide, 30), "E110"),
        (with_model("block b0 = repeat(1000000000, relu)\n".to_string(), 1), "E110"),
        (with_model(format!("{long}block b0 = conv3x3(len(l40))\n"), 1), "E102"),
        (with_model("block b0 = (f => f(f))(f => f(f))\n".to_string(), 1), "E111"),
    ] {
        let shown = refused(&text);
        assert!(shown.contains(code), "{code}: {shown}");
    }
}
