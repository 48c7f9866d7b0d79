//! Differences by meaning.

use super::*;
use crate::elaborate::difference::difference;

fn told(a: &str, b: &str) -> Vec<String> {
    difference(&with(a, &options()), &with(b, &options())).iter().map(ToString::to_string).collect()
}

fn chain(body: &str) -> String {
    format!("model m {{ input image: f32[N, 3, 8, 8]\n image -> {body} -> global_avg_pool -> fc: dense(10) }}")
}

#[test]
fn the_same_by_other_words_is_the_same() {
    let short = chain("residual(conv3x3 -> bn -> relu -> conv3x3 -> bn)");
    let long = "let w = 3\nblock tail(c) = conv2d(c, kernel = [3, 3], pad = 1) -> batch_norm(eps = 1e-5)\nmodel other(n = 10) { input x: f32[N, w, 8, 8]\n let a = x -> tail(w) -> relu -> tail(w)\n add(a, x) -> global_avg_pool -> fc: dense(n) }\ntrain { batch = 128 }";
    assert!(told(&short, long).is_empty(), "{:?}", told(&short, long));
}

#[test]
fn differences_are_told_by_layer_and_key() {
    let table: &[(&str, &str, &[&str])] = &[
        ("conv3x3(4)", "conv3x3(4) -> relu", &["+ relu1  relu 4x8x8"]),
        ("conv3x3(4) -> relu", "conv3x3(4)", &["- relu1  relu 4x8x8"]),
        ("conv3x3(4) -> relu", "stem: conv3x3(4) -> relu", &["= conv1  is called stem"]),
        (
            "conv3x3(4) -> conv1x1(4)",
            "conv3x3(4, groups = 1, dilation = 2) -> conv1x1(4)",
            &["~ conv1  dilation [1,1] -> [2,2], pad [1,1] -> [2,2]"],
        ),
        ("conv3x3(4)", "conv3x3(4) @lr(2)", &["~ conv1  weight.lr none -> 2.0"]),
        ("bn", "bn(eps = 0.001)", &["~ bn1  eps 1e-5 -> 0.001"]),
        (
            "conv1x1 -> relu -> conv3x3 -> bn",
            "conv1x1 -> conv5x5 -> relu -> conv3x3 -> bn",
            &["+ conv2  conv2d 3x8x8", "= conv2  is called conv3"],
        ),
        (
            "(x => { let a = x -> relu\n let b = a -> conv1x1\n add(b, a) })",
            "(x => { let a = x -> relu\n let b = a -> conv1x1\n add(b, x) })",
            &["~ add1  reads conv1 and relu1 -> conv1 and the input"],
        ),
    ];
    for (a, b, wanted) in table {
        assert_eq!(told(&chain(a), &chain(b)), *wanted, "{a} | {b}");
    }
    let settings = told(
        &trained("data d { source = digits }"),
        &trained(
            "data d { source = digits train = normalize } train { batch = 64 optimizer = sgd(lr = 0.2, momentum = 0.9, weight_decay = 1e-4) steps = 5 }",
        ),
    );
    assert_eq!(
        settings,
        [
            "~ train.optimizer.lr  0.1 -> 0.2",
            "~ train.batch  128 -> 64",
            "~ train.length  Epochs(10) -> Steps(5)",
            "~ data.train  [] -> [Normalize { mean: [], std: [] }]",
        ]
    );
}
