//! The language server, spoken to as an editor does.

mod editor;
mod names;
mod writing;

use editor::{Editor, TEXT, URI, place, sectioned};
use serde_json::{Value, json};

#[test]
fn mistakes_come_and_go() {
    let mut editor = Editor::new();
    assert!(editor.open(URI, TEXT).is_empty());
    editor.change(URI, &TEXT.replace("relu", "rleu"));
    let told = editor.told(URI);
    assert_eq!((told.len(), &told[0]["code"], &told[0]["severity"]), (1, &json!("E100"), &json!(1)));
    assert_eq!(told[0]["range"], json!({"start": {"line": 1, "character": 55}, "end": {"line": 1, "character": 59}}));
    assert!(told[0]["message"].as_str().is_some_and(|text| text.contains("did you mean `relu`?")));
    editor.change(URI, &TEXT.replace("let stem", "let trunk = 3\n  let stem"));
    assert_eq!(editor.told(URI)[0]["code"], "W002");
    editor.change(URI, "model {");
    assert_eq!(editor.told(URI)[0]["code"], "E001");
    editor.change(URI, TEXT);
    assert!(editor.told(URI).is_empty());
    // A file of blocks is no mistake.
    assert!(editor.open("file:///nowhere/blocks.rnet", "block unit(c) = conv3x3(c)\n").is_empty());
    editor.leave();
}

#[test]
fn hover_shows_forms_shapes_and_costs() {
    let mut editor = Editor::new();
    editor.open(URI, TEXT);
    let mut hover = |line, character| {
        editor.at("textDocument/hover", URI, line, character)["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    };
    let unit = hover(6, 11);
    assert!(unit.contains("block unit(c, s = 1)") && unit.contains("A unit."), "{unit}");
    assert!(unit.contains("`f32[128,32,16,16]`, 4,672 parameters, 1,179,648 multiply-adds an image"), "{unit}");
    let conv = hover(1, 25);
    assert!(conv.contains("block conv3x3(c: channels = same") && conv.contains("used 2 times"), "{conv}");
    assert!(conv.contains("f32[128,16,32,32]") && conv.contains("f32[128,32,16,16]"), "{conv}");
    assert_eq!(hover(3, 24), "");
    editor.change(URI, &sectioned());
    editor.told(URI);
    let mut hover = |word: &str, more: usize| {
        let (line, character) = place(&sectioned(), word, more);
        editor.at("textDocument/hover", URI, line, character)["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    };
    for (word, more, parts) in [
        ("relu", 0, &["```rnet\nrelu\n```\nmax(x, 0)", "used 2 times"][..]),
        ("stride", 0, &["stride: pair = 1", "of `conv3x3`"]),
        ("s = 2", 0, &["s = 1", "of `block unit(c, s = 1)`"]),
        ("net(", 0, &["model net(classes = 10)", "layers, 5,", "multiply-adds an image"]),
        ("optimizer", 0, &["optimizer = sgd(lr = 0.1", "how a gradient moves its weight"]),
        ("adamw", 0, &["adamw(lr, beta1 = 0.9", "the same of g, from p- on"]),
        ("weight_decay", 0, &["weight_decay = 0.01", "of `adamw`: a number"]),
        ("random_flip", 0, &["random_flip(alternating = false)", "mirrors left to right"]),
        ("digits", 0, &["digits", "1,797 handwritten digits"]),
        ("frozen", 0, &["@frozen", "not trained"]),
        ("zeros", 0, &["zeros"]),
        ("group(", 0, &["group(pattern, lr, weight_decay, optimizer)"]),
        ("muon", 0, &["muon(lr, momentum = 0.95"]),
    ] {
        let text = hover(word, more);
        parts.iter().for_each(|part| assert!(text.contains(part), "{word}: {part:?} in {text:?}"));
    }
    editor.leave();
}

#[test]
fn definitions_and_completion_follow_scopes_and_imports() {
    let mut editor = Editor::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("blocks.rnet");
    std::fs::write(&path, "block other(c) = conv1x1(c)\n").expect("it can be written");
    let uri = format!("file://{}/net.rnet", directory.path().display());
    let text = format!("import \"blocks.rnet\" as blocks\n\n{}", TEXT.replace("unit(16)", "blocks.other(16)"));
    assert!(editor.open(&uri, &text).is_empty());
    let mut definition = |line, character| {
        let found = editor.at("textDocument/definition", &uri, line, character);
        let start = &found["range"]["start"];
        (found["uri"].as_str().unwrap_or_default().to_string(), start["line"].as_u64(), start["character"].as_u64())
    };
    assert_eq!(definition(8, 11), (uri.clone(), Some(3), Some(6)), "a block");
    assert_eq!(definition(8, 3), (uri.clone(), Some(7), Some(6)), "a let");
    assert_eq!(definition(3, 32), (uri.clone(), Some(3), Some(11)), "a parameter");
    assert_eq!(definition(7, 31), (format!("file://{}", path.display()), Some(0), Some(6)), "of an import");
    assert_eq!(definition(3, 24), (String::new(), None, None), "of the prelude");
    let labels = |found: Value| -> Vec<String> {
        let items = found.as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["label"].as_str().unwrap_or_default().to_string()).collect()
    };
    let known = labels(editor.at("textDocument/completion", &uri, 8, 2));
    for word in ["unit", "stem", "classes", "image", "blocks", "conv3x3", "residual", "floor", "if"] {
        assert!(known.iter().any(|known| known == word), "{word}: {known:?}");
    }
    assert!(!known.iter().any(|known| known == "s"), "a parameter of another block");
    assert_eq!(labels(editor.at("textDocument/completion", &uri, 7, 29)), ["other"]);
    editor.leave();
}

#[test]
fn open_texts_stand_for_their_files() {
    let mut editor = Editor::new();
    let (blocks, net) = ("file:///nowhere/blocks.rnet", "file:///nowhere/user.rnet");
    editor.open(blocks, "block unit(c) = conv3x3(c)\n");
    let text = "import \"blocks.rnet\" as blocks\nmodel m {\n  input image: f32[N, 3, 8, 8]\n  image -> blocks.unit(4) -> flatten -> dense(2)\n}\n";
    editor.tell(
        "textDocument/didOpen",
        json!({"textDocument": {"uri": net, "languageId": "rnet", "version": 1, "text": text}}),
    );
    assert!(editor.told(net).is_empty());
    editor.change(blocks, "block unity(c) = conv3x3(c)\n");
    assert!(editor.told(blocks).is_empty());
    assert_eq!(editor.told(net)[0]["code"], "E100");
    editor.leave();
}

#[test]
fn formatting_and_shapes_behind_arrows() {
    let mut editor = Editor::new();
    editor.open(URI, &TEXT.replace("  stem ->", "stem->"));
    let edits = editor.ask("textDocument/formatting", json!({"textDocument": {"uri": URI}, "options": {}}));
    assert_eq!(edits[0]["newText"], TEXT);
    editor.change(URI, TEXT);
    editor.told(URI);
    assert_eq!(editor.ask("textDocument/formatting", json!({"textDocument": {"uri": URI}, "options": {}})), json!([]));
    let range = json!({"start": {"line": 6, "character": 0}, "end": {"line": 7, "character": 0}});
    let hints = editor.ask("textDocument/inlayHint", json!({"textDocument": {"uri": URI}, "range": range}));
    let hints: Vec<_> =
        hints.as_array().expect("a list").iter().map(|hint| (&hint["label"], &hint["position"]["character"])).collect();
    assert_eq!(hints, [(&json!("32x16x16"), &json!(25)), (&json!("32"), &json!(44)), (&json!("10"), &json!(66))]);
    editor.leave();
}

#[test]
fn what_is_not_served_is_said_so() {
    let mut editor = Editor::new();
    editor.open(URI, TEXT);
    let unknown = json!({"textDocument": {"uri": URI}});
    assert_eq!(editor.request("textDocument/implementation", unknown)["error"]["code"], -32601);
    assert_eq!(editor.request("workspace/symbol", json!({}))["error"]["code"], -32601);
    assert!(editor.at("textDocument/hover", "file:///never/opened.rnet", 0, 0).is_null());
    editor.tell("$/setTrace", json!({"value": "off"}));
    editor.leave();
}

/// A hundred edits of the largest example; the slowest answer is printed, and none is lost.
#[test]
fn a_hundred_edits_of_a_deep_network_are_answered() {
    let mut editor = Editor::new();
    let path = format!("{}/lang-examples/resnet152.rnet", env!("CARGO_MANIFEST_DIR"));
    let uri = format!("file://{path}");
    let text = std::fs::read_to_string(&path).expect("the example is there");
    assert!(editor.open(&uri, &text).is_empty());
    let mut slowest = std::time::Duration::ZERO;
    for edit in 0..100 {
        let begun = std::time::Instant::now();
        editor.change(
            &uri,
            &text.replace(
                "[3, 8, 36, 3]",
                &format!("[3, 8, {}, {}]", 20 + edit % 17, if edit % 10 == 9 { "x" } else { "3" }),
            ),
        );
        assert_eq!(editor.told(&uri).len(), usize::from(edit % 10 == 9));
        slowest = slowest.max(begun.elapsed());
    }
    println!("slowest of 100 answers: {slowest:?}");
    editor.leave();
}
