//! What is known of one open text: its tree, its mistakes, what its names stand for and what every step of its chains gives.

use super::names::{self, Occurrence};
use super::position;
use rnet_compiler::diagnostic::{Diagnostic, FileId, Sources, Span};
use rnet_compiler::elaborate::{self, Layer, Mode, Options, Step};
use rnet_compiler::syntax::ast::{Ast, Item};
use rnet_compiler::syntax::{self, Parsed};
use rnet_runtime::machine;
use std::collections::HashMap;

/// One text, as far as it could be understood.
pub struct Analysis {
    pub sources: Sources,
    pub file: FileId,
    /// The items that parse.
    pub ast: Ast,
    /// From the first to the last token of each.
    pub spans: Vec<Span>,
    /// Of this and of imported files.
    pub found: Vec<Diagnostic>,
    pub steps: Vec<Step>,
    /// Of a text without mistakes.
    pub totals: Option<Totals>,
    /// Items of the imported files, by alias.
    pub imports: HashMap<String, Ast>,
    /// Every name that stands for something.
    pub names: Vec<Occurrence>,
}

/// What a model costs.
pub struct Totals {
    pub model: String,
    pub layers: u64,
    pub parameters: u64,
    pub multiply_adds: u64,
}

impl Analysis {
    /// Parses and elaborates the text of `uri`; open texts stand for the files that they will be.
    pub fn new(uri: &str, open: &HashMap<String, String>) -> Analysis {
        let mut analysis = Analysis::of_names(&position::path(uri), open);
        if analysis.found.is_empty() {
            analysis.elaborate();
        }
        analysis
    }

    /// Parses the text of a path alone, for what its names stand for.
    pub fn of_names(path: &str, open: &HashMap<String, String>) -> Analysis {
        let texts: HashMap<String, String> =
            open.iter().map(|(uri, text)| (position::path(uri), text.clone())).collect();
        let read = move |path: &str| match texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
        };
        let text = read(path).unwrap_or_default();
        let mut sources = Sources::new(Box::new(read));
        let file = sources.add(path, &text);
        let Parsed { ast, spans, wrong } = syntax::parse_items(&sources, file);
        let imports = imports(&mut sources, &ast);
        let names = names::occurrences(&ast, &imports);
        Analysis { sources, file, ast, spans, found: wrong, steps: Vec::new(), totals: None, imports, names }
    }

    fn elaborate(&mut self) {
        let memory = machine::memory_bytes();
        let options = Options { mode: Mode::Train, batch: None, model: None, train: None, set: Vec::new(), memory };
        let examined = elaborate::examine(&mut self.sources, &self.ast, &options);
        self.steps = examined.steps;
        match examined.outcome {
            Ok(elaborated) => {
                let sum = |of: fn(&Layer) -> u64| -> u64 { elaborated.layers.iter().map(of).sum() };
                self.totals = Some(Totals {
                    model: elaborated.model,
                    layers: elaborated.layers.len() as u64,
                    parameters: sum(|layer| layer.parameters),
                    multiply_adds: sum(|layer| layer.multiply_adds),
                });
                self.found = elaborated.warnings;
            }
            Err(found) => self.found = found,
        }
        // A file of blocks, or of several models of which none is meant more than another, is no mistake in an editor.
        let trains = self.ast.items.iter().any(|item| matches!(item, Item::Section(_)));
        self.found.retain(|diagnostic| trains || diagnostic.code != "E135");
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        self.sources.text(self.file)
    }

    /// Whether the file of `uri` is imported, here or further on.
    pub fn reads(&self, uri: &str) -> bool {
        let path = position::path(uri);
        let own = self.ast.items.iter().any(|item| match item {
            Item::Import(import) => elaborate::join(self.sources.name(self.file), &import.path) == path,
            _ => false,
        });
        own || self.sources.names().any(|name| name == path)
    }

    /// The name at a byte, or that ends there.
    pub fn name_at(&self, byte: usize) -> Option<&Occurrence> {
        let at = self.names.iter().filter(|name| name.span.start <= byte && byte <= name.span.end);
        at.min_by_key(|name| (name.span.end == byte, name.span.end - name.span.start))
    }

    /// The tree of the file in which something stands: this text or one that it imports itself.
    pub fn tree(&self, span: Span) -> Option<&Ast> {
        std::iter::once(&self.ast).chain(self.imports.values()).find(|ast| ast.file == span.file)
    }
}

/// The items of the files that a text imports itself, by alias.
fn imports(sources: &mut Sources, ast: &Ast) -> HashMap<String, Ast> {
    let mut imports = HashMap::new();
    for item in &ast.items {
        let Item::Import(import) = item else { continue };
        let path = elaborate::join(sources.name(ast.file), &import.path);
        if let Ok(file) = sources.load(&path) {
            imports.insert(import.alias.text.clone(), syntax::parse_items(sources, file).ast);
        }
    }
    imports
}
