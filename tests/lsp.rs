//! The language server, spoken to as an editor does.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Editor {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: i64,
}

impl Editor {
    fn new() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rnet"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("rnet runs");
        let (input, output) = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        let mut editor = Editor { process, input, output: BufReader::new(output), next: 0 };
        let answer = editor.ask("initialize", json!({"capabilities": {}}));
        assert_eq!(answer["serverInfo"]["name"], "rnet");
        editor.tell("initialized", json!({}));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server listens");
        self.input.flush().expect("the server listens");
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("the server speaks") > 0, "the server has gone");
            match line.trim_end().strip_prefix("Content-Length: ") {
                Some(value) => length = value.parse().expect("a number"),
                None => break,
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).expect("the whole message");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn tell(&mut self, method: &str, parameters: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": parameters}));
    }

    fn request(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        let answer = self.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.request(method, parameters)["result"].clone()
    }

    /// What the server says of a text's mistakes, by its file.
    fn told(&mut self, uri: &str) -> Vec<Value> {
        let notice = self.receive();
        assert_eq!(notice["method"], "textDocument/publishDiagnostics");
        assert_eq!(notice["params"]["uri"], uri);
        notice["params"]["diagnostics"].as_array().expect("a list").clone()
    }

    fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        self.tell(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": uri, "languageId": "rnet", "version": 1, "text": text}}),
        );
        self.told(uri)
    }

    fn change(&mut self, uri: &str, text: &str) {
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": text}]}),
        );
    }

    fn at(&mut self, method: &str, uri: &str, line: usize, character: usize) -> Value {
        self.ask(method, json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}))
    }

    fn leave(mut self) {
        assert!(self.ask("shutdown", Value::Null).is_null());
        self.tell("exit", Value::Null);
        assert!(self.process.wait().expect("it ends").success());
    }
}

const URI: &str = "file:///nowhere/net.rnet";

const TEXT: &str = "/// A unit.
block unit(c, s = 1) = conv3x3(c, stride = s) -> bn -> relu

model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  let stem = image -> unit(16)
  stem -> unit(32, s = 2) -> global_avg_pool -> fc: dense(classes)
}
";

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
    assert_eq!(hover(3, 25), "");
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
    assert_eq!(editor.request("textDocument/rename", json!({}))["error"]["code"], -32601);
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
