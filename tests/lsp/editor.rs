//! An editor's side of the protocol, and the texts that the tests open.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// An editor with its server.
pub struct Editor {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: i64,
}

impl Editor {
    pub fn new() -> Self {
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

    pub fn tell(&mut self, method: &str, parameters: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": parameters}));
    }

    pub fn request(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        let answer = self.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    pub fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.request(method, parameters)["result"].clone()
    }

    /// What the server says of a text's mistakes, by its file.
    pub fn told(&mut self, uri: &str) -> Vec<Value> {
        let notice = self.receive();
        assert_eq!(notice["method"], "textDocument/publishDiagnostics");
        assert_eq!(notice["params"]["uri"], uri);
        notice["params"]["diagnostics"].as_array().expect("a list").clone()
    }

    pub fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        self.tell(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": uri, "languageId": "rnet", "version": 1, "text": text}}),
        );
        self.told(uri)
    }

    pub fn change(&mut self, uri: &str, text: &str) {
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": text}]}),
        );
    }

    pub fn at(&mut self, method: &str, uri: &str, line: usize, character: usize) -> Value {
        self.ask(method, json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}))
    }

    pub fn leave(mut self) {
        assert!(self.ask("shutdown", Value::Null).is_null());
        self.tell("exit", Value::Null);
        assert!(self.process.wait().expect("it ends").success());
    }
}

pub const URI: &str = "file:///nowhere/net.rnet";

pub const TEXT: &str = "/// A unit.
block unit(c, s = 1) = conv3x3(c, stride = s) -> bn -> relu

model net(classes = 10) {
  input image: f32[N, 3, 32, 32]
  let stem = image -> unit(16)
  stem -> unit(32, s = 2) -> global_avg_pool -> fc: dense(classes)
}
";

/// The same with sections, keywords and annotations.
pub fn sectioned() -> String {
    let net = TEXT.replace("fc: dense(classes)", "fc: dense(classes) @frozen @init(zeros)");
    let data = "data own {\n  source = digits\n  train = random_flip -> normalize\n}\n";
    let train = "train {\n  data = own\n  optimizer = adamw(lr = 1e-3, weight_decay = 0.1)\n  \
        groups = [group(\"*conv*\", optimizer = muon(lr = 0.1))]\n}\n";
    format!("{net}\n{data}\n{train}")
}

/// Line and character of a word, and of what lies `more` characters beyond its start.
pub fn place(text: &str, word: &str, more: usize) -> (usize, usize) {
    let at = text.find(word).unwrap_or_else(|| panic!("no {word} in {text}")) + more;
    let line = text[..at].matches('\n').count();
    (line, at - text[..at].rfind('\n').map_or(0, |start| start + 1))
}
