//! `rnet lsp`: a language server on standard input and output. Diagnostics as you type with edits that mend them, hover, completion and
//! signatures, definitions, references and renaming, the outline, formatting, and the shape behind every step of a chain.

mod analysis;
mod completion;
mod context;
mod diagnostics;
mod hover;
mod layout;
mod names;
mod position;
mod references;
mod symbols;
mod workspace;

use super::{Failure, Outcome};
use analysis::Analysis;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use workspace::Workspace;

/// Serve an editor: the language server protocol on standard input and output
#[derive(clap::Args)]
pub struct Arguments {}

/// Longest message that is read, in bytes.
const LONGEST: usize = 1 << 26;

/// Runs the verb.
pub fn run(_: &Arguments) -> Outcome {
    let mut server = Server { workspace: Workspace::default(), analyses: HashMap::new(), shut_down: false };
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
    workspace: Workspace,
    /// Of the open texts, by URI.
    analyses: HashMap<String, Analysis>,
    shut_down: bool,
}

/// Codes of the protocol.
const NOT_SERVED: i32 = -32601;
const REFUSED: i32 = -32803;

impl Server {
    /// Answers and notifications to a message.
    fn receive(&mut self, message: &Value) -> Vec<Value> {
        let method = message["method"].as_str().unwrap_or_default();
        let parameters = &message["params"];
        let uri = parameters["textDocument"]["uri"].as_str().unwrap_or_default().to_string();
        let Some(id) = message.get("id") else { return self.notice(method, &uri, parameters) };
        if message.get("method").is_none() {
            // An answer; nothing was asked.
            return Vec::new();
        }
        let answer = match method {
            "initialize" => {
                self.workspace.folders = folders(parameters);
                Ok(capabilities())
            }
            "shutdown" => {
                self.shut_down = true;
                Ok(Value::Null)
            }
            _ if !method.starts_with("textDocument/") => Err(not_served(method)),
            _ => match self.analyses.get(&uri) {
                Some(analysis) => self.ask(analysis, method, parameters),
                None => Ok(Value::Null),
            },
        };
        vec![match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err((code, message)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}),
        }]
    }

    /// The answer to a question about an open text.
    fn ask(&self, analysis: &Analysis, method: &str, parameters: &Value) -> Result<Value, (i32, String)> {
        let (place, range) = (&parameters["position"], &parameters["range"]);
        let refused = |reason| (REFUSED, reason);
        Ok(match method {
            "textDocument/hover" => hover::hover(analysis, place),
            "textDocument/definition" => references::definition(analysis, place),
            "textDocument/documentHighlight" => references::highlights(analysis, place),
            "textDocument/references" => {
                let declaration = parameters["context"]["includeDeclaration"].as_bool().unwrap_or(true);
                references::references(analysis, &self.workspace, place, declaration)
            }
            "textDocument/prepareRename" => {
                let span = references::renamed(analysis, place).map_err(refused)?;
                position::range(analysis.text(), span.start, span.end)
            }
            "textDocument/rename" => {
                let new = parameters["newName"].as_str().unwrap_or_default();
                references::rename(analysis, &self.workspace, place, new).map_err(refused)?
            }
            "textDocument/completion" => completion::completion(analysis, place),
            "textDocument/signatureHelp" => completion::signature(analysis, place),
            "textDocument/codeAction" => diagnostics::actions(analysis, &self.workspace, range),
            "textDocument/documentSymbol" => symbols::outline(analysis),
            "textDocument/semanticTokens/full" => symbols::tokens(analysis),
            "textDocument/formatting" => layout::formatting(analysis),
            "textDocument/inlayHint" => layout::inlay_hints(analysis, range),
            _ => return Err(not_served(method)),
        })
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
                self.workspace.texts.remove(uri);
                self.analyses.remove(uri);
                return vec![publish(uri, json!([]))];
            }
            _ => return Vec::new(),
        };
        let Some(text) = text else { return Vec::new() };
        self.workspace.texts.insert(uri.to_string(), text.to_string());
        // Other open texts may import this one.
        let mut open: Vec<String> = self.workspace.texts.keys().cloned().collect();
        open.sort_by_key(|other| (other != uri, other.clone()));
        open.retain(|other| other == uri || self.analyses.get(other).is_some_and(|analysis| analysis.reads(uri)));
        open.into_iter()
            .map(|uri| {
                let analysis = Analysis::new(&uri, &self.workspace.texts);
                let notice = publish(&uri, diagnostics::diagnostics(&analysis));
                self.analyses.insert(uri, analysis);
                notice
            })
            .collect()
    }
}

fn not_served(method: &str) -> (i32, String) {
    (NOT_SERVED, format!("`{method}` is not served"))
}

/// The folders that an editor works in.
fn folders(parameters: &Value) -> Vec<PathBuf> {
    let named = parameters["workspaceFolders"].as_array().into_iter().flatten();
    let mut uris: Vec<&str> = named.filter_map(|folder| folder["uri"].as_str()).collect();
    if uris.is_empty() {
        uris.extend(parameters["rootUri"].as_str());
    }
    uris.into_iter().map(|uri| PathBuf::from(position::path(uri))).collect()
}

fn publish(uri: &str, diagnostics: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": diagnostics}})
}

fn capabilities() -> Value {
    let (kinds, modifiers) = symbols::LEGEND;
    json!({
        "serverInfo": {"name": "rnet", "version": env!("CARGO_PKG_VERSION")},
        "capabilities": {
            "textDocumentSync": 1,
            "hoverProvider": true,
            "definitionProvider": true,
            "referencesProvider": true,
            "documentHighlightProvider": true,
            "renameProvider": {"prepareProvider": true},
            "completionProvider": {"triggerCharacters": [".", "@"]},
            "signatureHelpProvider": {"triggerCharacters": ["(", ","]},
            "codeActionProvider": {"codeActionKinds": ["quickfix"]},
            "documentSymbolProvider": true,
            "semanticTokensProvider": {"legend": {"tokenTypes": kinds, "tokenModifiers": modifiers}, "full": true},
            "documentFormattingProvider": true,
            "inlayHintProvider": true,
        },
    })
}
