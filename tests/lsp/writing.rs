//! Help while a text is being written, and so seldom parses.

use super::editor::{Editor, TEXT, URI, place};
use serde_json::Value;

/// Opens a text without its `|`, which marks the place that the answer is for.
fn asked(editor: &mut Editor, method: &str, text: &str) -> Value {
    let (line, character) = place(text, "|", 0);
    editor.open(URI, &text.replacen('|', "", 1));
    editor.at(method, URI, line, character)
}

#[test]
fn completion_knows_what_can_stand_there() {
    let mut editor = Editor::new();
    for (text, offered, absent) in [
        ("train {\n  op|\n}\n", &["optimizer", "schedule", "stop"][..], &["source", "relu", "sgd"][..]),
        ("train {\n  batch = 4\n  |\n}\n", &["optimizer", "epochs"], &["batch", "relu"]),
        ("train {\n  optimizer = |\n}\n", &["sgd", "lion", "muon"], &["relu", "cosine", "optimizer"]),
        ("train {\n  optimizer = sgd(|\n}\n", &["lr", "nesterov", "sqrt"], &["beta1", "relu"]),
        ("train {\n  schedule = warmup(5) -> co|\n}\n", &["cosine", "constant"], &["sgd", "batch"]),
        ("train {\n  groups = [|]\n}\n", &["group"], &["sgd"]),
        ("train {\n  groups = [group(\"*\", |)]\n}\n", &["lr", "weight_decay", "optimizer"], &["beta1"]),
        ("train {\n  groups = [group(\"*\", optimizer = |)]\n}\n", &["muon"], &["relu"]),
        ("train {\n  data = |\n}\ndata own {\n  source = digits\n}\n", &["own"], &["digits", "relu"]),
        ("train {\n  model = net(b = |)\n}\nblock f = relu\n", &["f", "relu"], &["sgd"]),
        ("data own {\n  |\n}\n", &["source", "holdout", "average_flips"], &["optimizer"]),
        ("data own {\n  source = fo|\n}\n", &["folder", "digits"], &["normalize"]),
        ("data own {\n  train = pad(4) ->\n    |\n}\n", &["random_crop", "mixup"], &["digits", "holdout"]),
        ("block f(c, stride: |", &["pair", "channels", "block"], &["relu", "c"]),
        ("block f(c, |", &[], &["relu", "c"]),
        ("block f(c) = conv3x3(c, |", &["stride", "groups", "c", "max"], &["kernel"]),
        ("block f(c) = conv3x3(c, stride = |", &["c", "max"], &["groups"]),
        ("block f(c) = conv3x3(c) @|", &["init", "frozen"], &["relu"]),
        ("block f(c) = conv3x3(c) @init(|", &["he_normal", "dirac"], &["relu"]),
        ("block g(width) = relu\nblock f(c) = {\n  let y = 1\n  y -> |", &["c", "y", "g", "conv3x3"], &["width"]),
        ("block f(c) = g(|\nblock g(width, by = 2) = relu\n", &["width", "by", "c"], &[]),
        ("|", &["block", "model", "train"], &["relu"]),
        ("block f(c) = relu // |", &[], &["relu"]),
        ("train {\n  groups = [group(\"|", &[], &["lr", "relu"]),
    ] {
        let answer = asked(&mut editor, "textDocument/completion", text);
        let labels: Vec<&str> =
            answer.as_array().expect("a list").iter().filter_map(|item| item["label"].as_str()).collect();
        offered.iter().for_each(|word| assert!(labels.contains(word), "{text:?}: no {word} in {labels:?}"));
        absent.iter().for_each(|word| assert!(!labels.contains(word), "{text:?}: {word} in {labels:?}"));
    }
    let answer = asked(&mut editor, "textDocument/completion", "train {\n  optimizer = |\n}\n");
    let sgd = answer.as_array().and_then(|items| items.iter().find(|item| item["label"] == "sgd")).expect("sgd");
    assert_eq!(sgd["detail"], "sgd(lr, momentum = 0.0, weight_decay = 0.0, nesterov = false)");
    assert!(sgd["documentation"]["value"].as_str().is_some_and(|doc| doc.contains("v = momentum v + g+")), "{sgd}");
    editor.leave();
}

#[test]
fn a_call_shows_which_argument_is_next() {
    let mut editor = Editor::new();
    for (text, label, active) in [
        ("block f = conv3x3(|", "conv3x3(c: channels = same", Some("c: channels = same")),
        ("block f = conv3x3(16, |", "conv3x3(c: channels = same", Some("stride: pair = 1")),
        ("block f = conv3x3(16, groups = |", "conv3x3(c: channels = same", Some("groups: int = 1")),
        ("block f = residual(conv3x3(16) -> bn, |", "residual(body, shortcut = id)", Some("shortcut = id")),
        ("block f = relu\nblock g = h(1, [2, |\nblock h(a, b = 2) = relu", "h(a, b = 2)", Some("b = 2")),
        ("train {\n  optimizer = adam(1e-3, |", "adam(lr, beta1 = 0.9", Some("beta1 = 0.9")),
        ("train {\n  groups = [group(\"*\", optimizer = muon(|", "muon(lr, momentum = 0.95", Some("lr")),
        ("block f = conv3x3 @lr(|", "@lr(factor)", Some("factor")),
        ("block f = relu(|", "relu", None),
    ] {
        let answer = asked(&mut editor, "textDocument/signatureHelp", text);
        let signature = &answer["signatures"][0];
        assert!(signature["label"].as_str().is_some_and(|text| text.starts_with(label)), "{text:?}: {answer}");
        let rank = answer["activeParameter"].as_u64().expect("a number") as usize;
        assert_eq!(signature["parameters"][rank]["label"].as_str(), active, "{text:?}: {answer}");
        // An editor marks the argument by finding it in the form.
        for parameter in signature["parameters"].as_array().expect("a list") {
            let part = parameter["label"].as_str().expect("a text");
            assert!(signature["label"].as_str().is_some_and(|label| label.contains(part)), "{part} in {answer}");
        }
    }
    assert!(asked(&mut editor, "textDocument/signatureHelp", &TEXT.replace("-> bn", "-> |bn")).is_null());
    editor.leave();
}
