//! Functions, assertions, shared weights, several train sections, warnings.

use super::*;

/// The value of `body`, seen through the width of a convolution.
fn width(definitions: &str, number: &str) -> usize {
    model(definitions, &format!("conv1x1({number})")).layers[0].shape[1]
}

#[test]
fn functions_of_numbers_and_lists() {
    let table = [
        ("min(3, 5)", 3),
        ("max([3, 5, 4])", 5),
        ("floor(max(2, 3.5))", 3),
        ("sum([1, 2, 3])", 6),
        ("abs(-7)", 7),
        ("floor(7.9)", 7),
        ("ceil(7.1)", 8),
        ("round(6.5)", 7),
        ("floor(15 / 2.0)", 7),
        ("floor(sqrt(50))", 7),
        ("len([1, 2] + [3])", 3),
        ("range(9)[4]", 4),
        ("range(5, 9)[1]", 6),
        ("len(range(3, 3)) + 1", 1),
        ("if [1, 2.0] == [1, 2] and [1] != [1, 2] { 4 } else { 5 }", 4),
    ];
    for (text, wanted) in table {
        assert_eq!(width("", text), wanted, "{text}");
    }
    assert_eq!(
        width(
            "block f(x) = conv1x1(shape(x)[1])\nblock g = (x => x -> conv1x1(2*shape(x)[1]))",
            "1) -> g -> conv1x1(6"
        ),
        1
    );
    // A file's own name comes before the language's.
    assert_eq!(width("let max = [11, 12]", "max[1]"), 12);
    for (text, words) in [
        ("min()", "`min` of no numbers"),
        ("min(relu)", "given a block"),
        ("sqrt(-1)", "no real number"),
        ("range(1_000_000_000)[0]", "more than 100000"),
        ("floor(1e300)", "overflows"),
        ("len(3)", "`len` is called as len(list)"),
        ("max(a = 3)", "by position"),
    ] {
        let shown = refused(&format!(
            "model m {{ input image: f32[N, 3, 8, 8]\n image -> conv1x1({text}) -> flatten -> dense(2) }}"
        ));
        assert!(shown.contains(words), "{text}: {shown}");
    }
}

#[test]
fn assertions_see_the_whole_model() {
    let text = |statements: &str| {
        format!(
            "model m {{ input image: f32[N, 3, 8, 8]\n let a = image -> conv3x3(4, stride = 2)\n {statements}\n a -> global_avg_pool -> dense(10) }}"
        )
    };
    with(
        &text("assert params == 3*4*9 + 50 and layers == 3\nassert shape(a) == [N, 4, 4, 4]\nassert macs < 1e6"),
        &options(),
    );
    let shown = refused(&text("assert params <= 100\nassert shape(a) == [N, 4, 8, 8], \"the stem keeps the extents\""));
    for words in [
        "an assertion does not hold",
        "not true: 158 <= 100",
        "the stem keeps the extents",
        "not true: [2, 4, 4, 4] == [2, 4, 8, 8]",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let block = "block f(c, g) = { assert c % g == 0, \"groups divide channels\"\n conv1x1(c, groups = g) }\n";
    let shown = refused(&format!(
        "{block}model m {{ input image: f32[N, 4, 8, 8]\n image -> f(8, 4) -> f(9, 4) -> flatten -> dense(2) }}"
    ));
    assert!(
        shown.contains("groups divide channels")
            && shown.contains("not true: 1 == 0")
            && shown.contains("in the block `f`"),
        "{shown}"
    );
    // What a model comes to is no name elsewhere.
    assert!(
        refused("model m { input image: f32[N, 4, 8, 8]\n image -> conv1x1(params) -> flatten -> dense(2) }")
            .contains("`params` is not defined")
    );
}

#[test]
fn shared_blocks_have_one_set_of_weights() {
    let names = |elaborated: &Elaborated| -> Vec<String> {
        weights(&elaborated.graph).into_iter().map(|(name, _)| name).filter(|name| !name.starts_with("fc")).collect()
    };
    let tied = model("", "(x => { let t = shared(conv3x3 -> bn)\n x -> t -> relu -> t })");
    assert_eq!(names(&tied), ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]);
    assert_eq!(tied.layers.iter().map(|layer| layer.parameters).collect::<Vec<_>>(), [81, 6, 0, 0, 0, 0, 40]);
    verify(&tied.graph).expect("the running statistics have one update each");
    parameters(&tied);
    let untied = model("", "(x => { let t = conv3x3 -> bn\n x -> t -> relu -> t })");
    assert_eq!(names(&untied).len(), 10);
    // A label at the first use names the weights; a `let` of the file is shared by all its uses.
    let labelled = model("let t = shared(conv1x1)", "head: t -> t -> other: t");
    assert_eq!(names(&labelled), ["head.weight"]);
    let nested =
        model("let inner = shared(conv1x1)\nlet outer = shared(inner -> conv3x3 -> inner)", "outer -> inner -> outer");
    assert_eq!(names(&nested), ["conv1.weight", "conv2.weight"]);
    let repeated = model("", "repeat(3, shared(conv1x1))");
    assert_eq!(names(&repeated), ["repeat1.0.weight"]);
    for (body, words) in [
        ("t -> conv1x1(5) -> t", "`conv1.weight` is shared: it is f32[4,3,1,1], here it would be f32[4,5,1,1]"),
        ("u -> subsample(2) -> u", "this shared block had no `conv2.weight` at its first use"),
    ] {
        let shown = refused(&format!(
            "let t = shared(conv1x1(4))\nlet u = shared((x => if shape(x)[2] > 4 {{ x -> conv1x1 }} else {{ x -> conv1x1 -> conv1x1 }}))\nmodel m {{ input image: f32[N, 3, 8, 8]\n image -> {body} -> flatten -> dense(2) }}"
        ));
        assert!(shown.contains(words), "{words}\n{shown}");
    }
}

#[test]
fn train_sections_are_chosen_by_name() {
    let text = trained("train { batch = 8 }\ntrain fast { batch = 16 epochs = 1 }\ntrain slow { batch = 32 }");
    let chosen = |train: Option<&str>, settings: &[(&str, &str)]| {
        let set = settings.iter().map(|(path, value)| (path.to_string(), value.to_string())).collect();
        with(&text, &Options { train: train.map(str::to_string), set, ..options() }).train
    };
    assert_eq!(chosen(None, &[]).batch, 8);
    assert_eq!((chosen(Some("fast"), &[]).batch, chosen(Some("fast"), &[]).length), (16, Length::Epochs(1)));
    assert_eq!(chosen(Some("slow"), &[("train.seed", "3"), ("slow.batch", "64")]).batch, 64);
    let only = with(&trained("train alone { batch = 4 }"), &options());
    assert_eq!(only.train.batch, 4);
    assert!(refused(&trained("train a { batch = 4 }\ntrain b { batch = 4 }")).contains("nothing says which"));
    assert!(refused(&trained("train { batch = 4 }\ntrain b { bathc = 4 }")).contains("did you mean `batch`"));
}

#[test]
fn warnings_tell_what_is_likely_wrong() {
    let table: &[(&str, &str, &[&str])] = &[
        ("", "conv3x3(4) -> bn -> relu", &[]),
        ("block f(c, s = 1) = conv3x3(c)", "f(4)", &["W001 the parameter `s` is never used"]),
        ("block f(c, _s = 1) = conv3x3(c)", "f(4)", &[]),
        ("", "repeat(3, i => relu)", &["W001 the parameter `i`", "W013 `relu` of `relu`"]),
        ("let a = 4\nlet b = a", "relu", &["W002 the `let` `b` is never used"]),
        (
            "",
            "(x => { let y = x -> conv1x1\n x -> relu })",
            &["W002 the `let` `y`", "W012 the result of `conv1` is not used"],
        ),
        ("import \"blocks.rnet\" as blocks", "relu", &["W003 the import `blocks`"]),
        ("import \"blocks.rnet\" as blocks", "blocks.wide", &[]),
        ("", "conv3x3(4, bias = true) -> bn", &["W010 `conv1.bias` is a bias before batch norm"]),
        ("", "repeat(2, conv3x3(4, bias = true) -> bn)", &["W010 `repeat1.0.conv1.bias`"]),
        ("", "relu -> relu", &["W013"]),
        ("", "relu @lr(2) -> conv1x1(4) @frozen", &["W014 this annotation holds for no weight"]),
        ("", "repeat(2, i => (if i == 0 { conv1x1 } else { id }) @decay(0))", &[]),
        ("let b = shared(conv1x1)", "b @lr(2) -> b -> (b -> relu) @lr(2)", &[]),
        ("", "concat(relu, id) -> relu -> conv1x1", &[]),
    ];
    for (definitions, body, wanted) in table {
        let found: Vec<String> = model(definitions, body)
            .warnings
            .iter()
            .map(|warning| format!("{} {}", warning.code, warning.message))
            .collect();
        assert_eq!(found.len(), wanted.len(), "{definitions} {body}: {found:?}");
        for words in *wanted {
            assert!(found.iter().any(|found| found.starts_with(words)), "{words}: {found:?}");
        }
    }
    let last = with("model m { input image: f32[N, 3, 8, 8]\n image -> flatten -> dense(2) -> relu }", &options());
    assert_eq!(last.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["W011"]);
    let last = with("model m { input image: f32[N, 3, 8, 8]\n image -> flatten -> dense(2) -> gelu }", &options());
    assert_eq!(last.warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["W011"]);
    let used = with(
        &trained("import \"blocks.rnet\" as b\nlet rate = 0.1\ntrain { model = b.m optimizer = sgd(lr = rate) }"),
        &options(),
    );
    assert!(used.warnings.is_empty(), "{:?}", used.warnings);
}

const CHAIN: &str = r#"
//! ResNet for CIFAR-10 (He et al., 2015)

block pad_a(c, s) = subsample(s) -> pad_channels(c)

/// Two 3x3 convolutions and a shortcut.
block basic(c, s = 1, shortcut: block = pad_a) =
  residual(conv3x3(c, stride = s) -> bn -> relu -> conv3x3(c) -> bn,
           shortcut = auto(shortcut(c, s))) -> relu

block stage(b: block, c, n, s = 1) =
  repeat(n, i => b(c, s = if i == 0 { s } else { 1 }))

model resnet(n = 3, classes = 10) {
  input image: f32[N, 3, 32, 32]
  image -> conv3x3(16) -> bn -> relu
        -> layer1: stage(basic, 16, n)
        -> layer2: stage(basic, 32, n, s = 2)
        -> layer3: stage(basic, 64, n, s = 2)
        -> global_avg_pool -> fc: dense(classes)
}

data cifar10 {
  source = cifar10("data/cifar-10-batches-bin")
  train  = pad(4) -> random_crop(32) -> random_flip -> normalize
  test   = normalize
}

train {
  model     = resnet(n = 3)
  data      = cifar10
  loss      = cross_entropy
  optimizer = sgd(lr = 0.1, momentum = 0.9, weight_decay = 1e-4)
  schedule  = step(at = [32_000, 48_000], by = 0.1)
  batch     = 128
  steps     = 64_000
  seed      = 0
}
"#;

const GRAPH: &str = r#"
// Bottleneck with a projection; an Inception block; a dense layer: a DAG is as easy as a chain.
block proj(c, s) = downsample: (conv1x1(c, stride = s) -> bn)
block bottleneck(c, s = 1) =
  residual(conv1x1(c) -> bn -> relu -> conv3x3(c, stride = s) -> bn -> relu -> conv1x1(4*c) -> bn,
           shortcut = auto(proj(4*c, s))) -> relu

block cbr(c, k = 1) = conv(c, kernel = k, pad = same) -> bn -> relu
block inception(a, b0, b, c0, c, p) =
  concat(cbr(a), cbr(b0) -> cbr(b, k = 3), cbr(c0) -> cbr(c, k = 5), max_pool(3, stride = 1, pad = 1) -> cbr(p))

block dense_layer(k) = concat(id, bn -> relu -> conv1x1(4*k) -> bn -> relu -> conv3x3(k))

model all {
  input image: f32[N, 3, 32, 32]
  image -> a: bottleneck(8, s = 2) -> b: bottleneck(8) -> c: inception(8, 4, 8, 4, 8, 8) -> d: dense_layer(4)
        -> global_avg_pool -> fc: dense(10)
}
"#;

#[test]
fn a_chain_and_a_graph_are_as_easy_to_write() {
    let chain = with(CHAIN, &options());
    assert_eq!((parameters(&chain), chain.train.length), (269_722, Length::Steps(64_000)));
    assert!(chain.warnings.is_empty());
    let graph = with(GRAPH, &options());
    let shape =
        |path: &str| graph.layers.iter().find(|layer| layer.path == path).map(|layer| layer.shape[1..].to_vec());
    assert_eq!(shape("a.downsample.0"), Some(vec![32, 16, 16]));
    assert_eq!(shape("b.downsample.0"), None);
    assert_eq!(shape("c.concat1"), Some(vec![32, 16, 16]));
    assert_eq!(shape("d.concat1"), Some(vec![36, 16, 16]));
}

#[test]
fn auxiliary_heads_count_in_training_alone() {
    let text = |head: &str| {
        format!(
            "model m {{ input image: f32[N, 3, 8, 8]\n image -> conv3x3(4) -> {head} -> conv3x3(4) -> flatten -> dense(5) }}"
        )
    };
    let headed = text("auxiliary(conv3x3(2) -> bn -> flatten -> dense(5), weight = 0.25)");
    let with_mode = |mode| with(&headed, &Options { mode, ..options() });
    let (training, evaluating) = (with_mode(Mode::Train), with_mode(Mode::Eval));
    let count = |elaborated: &Elaborated, op: &str| {
        let graph = &elaborated.graph;
        graph.ids().into_iter().filter(|&id| graph[id].op.name() == op).count()
    };
    assert_eq!((count(&training, "cross_entropy"), count(&evaluating, "cross_entropy")), (2, 1));
    // The head's layers have their numbers whether anybody reads the head or not.
    assert_eq!(weights(&training.graph), weights(&evaluating.graph));
    let paths: Vec<&str> = evaluating.layers.iter().map(|layer| layer.path.as_str()).collect();
    assert_eq!(paths, ["conv1", "conv2", "bn1", "flatten1", "dense1", "conv3", "flatten2", "dense2"]);
    assert!(training.warnings.is_empty(), "{:?}", training.warnings);
    let mut graph = evaluating.graph.clone();
    crate::passes::dead_code::dead_code(&mut graph);
    let convolutions = |graph: &Graph| graph.ids().into_iter().filter(|&id| graph[id].op.name() == "conv2d").count();
    assert_eq!((convolutions(&evaluating.graph), convolutions(&graph)), (3, 2));
    // A file of weights from training has to fit.
    assert_eq!(weights(&graph), weights(&training.graph));
    for (head, words) in [
        ("auxiliary(flatten -> dense(6))", "an auxiliary head gives f32[2,6]"),
        ("auxiliary(relu)", "an auxiliary head gives f32[2,4,8,8]"),
        ("auxiliary(flatten -> dense(5), weight = -1)", "at least 0"),
        ("auxiliary", "`head`"),
    ] {
        let shown = refused(&text(head));
        assert!(shown.contains(words), "{head}: {shown}");
    }
}
