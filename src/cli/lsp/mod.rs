//! `rnet lsp`: a language server on standard input and output. Diagnostics as you type, hover, definitions, completion, formatting,
//! and the shape behind every step of a chain.

mod analysis;
mod answers;
mod position;

use super::{Failure, Outcome};
use analysis::Analysis;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, BufRead, Write};

/// Serve an editor: the language server protocol on standard input and output
#[derive(clap::Args)]
pub struct Arguments {}

/// Longest message that is read, in bytes.
const LONGEST: usize = 1 << 26;

/// Runs the verb.
pub fn run(_: &Arguments) -> Outcome {
    let mut server = Server { texts: HashMap::new(), analyses: HashMap::new(), shut_down: false };
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(message) = read(&mut input)? {
        for answer in server.receive(&message) {
            let text = answer.to_string();
            let sent = write!(output, "Content-Length: {}\r\n\r\n{text}", text.len()).and_then(|()| output.flush());
            sent.map_err(|error| Failure::new(format!("the editor does not listen: {error}")))?;
        }
        if message["method"] == "exit" {
            break;
        }
    }
    if server.shut_down { Ok(()) } else { Err(Failure::new("the editor left without `shutdown`")) }
}

/// The next message, or `None` at the end of the input.
fn read(input: &mut impl BufRead) -> Result<Option<Value>, Failure> {
    let broken = |what: &dyn std::fmt::Display| Failure::new(format!("not the language server protocol: {what}"));
    let mut length = None;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).map_err(|error| broken(&error))? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            header => {
                if let Some(value) = header.strip_prefix("Content-Length:") {
                    length = value.trim().parse::<usize>().ok().filter(|&length| length <= LONGEST);
                }
            }
        }
    }
    let length = length.ok_or_else(|| broken(&"a message without a `Content-Length` that fits"))?;
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).map_err(|error| broken(&error))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| broken(&error))
}

struct Server {
    /// Open texts by URI.
    texts: HashMap<String, String>,
    analyses: HashMap<String, Analysis>,
    shut_down: bool,
}

impl Server {
    /// Answers and notifications to a message.
    fn receive(&mut self, message: &Value) -> Vec<Value> {
        let method = message["method"].as_str().unwrap_or_default();
        let parameters = &message["params"];
        let uri = parameters["textDocument"]["uri"].as_str().unwrap_or_default().to_string();
        let Some(id) = message.get("id") else { return self.notice(method, &uri, parameters) };
        let result = match method {
            "initialize" => capabilities(),
            "shutdown" => {
                self.shut_down = true;
                Value::Null
            }
            "textDocument/hover" => self.ask(&uri, |analysis| answers::hover(analysis, &parameters["position"])),
            "textDocument/definition" => {
                self.ask(&uri, |analysis| answers::definition(analysis, &parameters["position"]))
            }
            "textDocument/completion" => {
                self.ask(&uri, |analysis| answers::completion(analysis, &parameters["position"]))
            }
            "textDocument/formatting" => self.ask(&uri, answers::formatting),
            "textDocument/inlayHint" => self.ask(&uri, |analysis| answers::inlay_hints(analysis, &parameters["range"])),
            _ => {
                let error = json!({"code": -32601, "message": format!("`{method}` is not served")});
                return vec![json!({"jsonrpc": "2.0", "id": id, "error": error})];
            }
        };
        vec![json!({"jsonrpc": "2.0", "id": id, "result": result})]
    }

    fn ask(&self, uri: &str, answer: impl FnOnce(&Analysis) -> Value) -> Value {
        self.analyses.get(uri).map_or(Value::Null, answer)
    }

    fn notice(&mut self, method: &str, uri: &str, parameters: &Value) -> Vec<Value> {
        let text = match method {
            "textDocument/didOpen" => parameters["textDocument"]["text"].as_str(),
            // Documents are sent whole, so the last change is the text.
            "textDocument/didChange" => parameters["contentChanges"]
                .as_array()
                .and_then(|all| all.last())
                .and_then(|change| change["text"].as_str()),
            "textDocument/didClose" => {
                self.texts.remove(uri);
                self.analyses.remove(uri);
                return vec![publish(uri, json!([]))];
            }
            _ => return Vec::new(),
        };
        let Some(text) = text else { return Vec::new() };
        self.texts.insert(uri.to_string(), text.to_string());
        // Other open texts may import this one.
        let mut open: Vec<String> = self.texts.keys().cloned().collect();
        open.sort_by_key(|other| other != uri);
        open.retain(|other| other == uri || self.analyses.get(other).is_some_and(|analysis| analysis.reads(uri)));
        open.into_iter()
            .map(|uri| {
                let analysis = Analysis::new(&uri, &self.texts);
                let notice = publish(&uri, answers::diagnostics(&analysis));
                self.analyses.insert(uri, analysis);
                notice
            })
            .collect()
    }
}

fn publish(uri: &str, diagnostics: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": diagnostics}})
}

fn capabilities() -> Value {
    json!({
        "serverInfo": {"name": "rnet", "version": env!("CARGO_PKG_VERSION")},
        "capabilities": {
            "textDocumentSync": 1,
            "hoverProvider": true,
            "definitionProvider": true,
            "completionProvider": {"triggerCharacters": ["."]},
            "documentFormattingProvider": true,
            "inlayHintProvider": true,
        },
    })
}
