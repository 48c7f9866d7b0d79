//! What is known of one open text: its tree, its mistakes, and what every step of its chains gives.

use super::position;
use rnet_compiler::diagnostic::{Diagnostic, FileId, Sources};
use rnet_compiler::elaborate::{self, Mode, Options, Step};
use rnet_compiler::syntax;
use rnet_compiler::syntax::ast::{Ast, Item};
use rnet_runtime::machine;
use std::collections::HashMap;
use std::path::Path;

/// One text, as far as it could be understood.
pub struct Analysis {
    pub sources: Sources,
    pub file: FileId,
    /// The tree of a text that parses.
    pub ast: Option<Ast>,
    /// Of this and of imported files.
    pub found: Vec<Diagnostic>,
    pub steps: Vec<Step>,
    /// The paths of the text's own imports.
    paths: Vec<String>,
    /// Trees of the imported files that parse, by alias.
    pub imports: HashMap<String, Ast>,
}

impl Analysis {
    /// Parses and elaborates the text of `uri`; open texts stand for the files that they will be.
    pub fn new(uri: &str, open: &HashMap<String, String>) -> Analysis {
        let texts: HashMap<String, String> =
            open.iter().map(|(uri, text)| (position::path(uri), text.clone())).collect();
        let name = position::path(uri);
        let text = texts.get(&name).cloned().unwrap_or_default();
        let read = move |path: &str| match texts.get(path) {
            Some(text) => Ok(text.clone()),
            None => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}")),
        };
        let mut sources = Sources::new(Box::new(read));
        let file = sources.add(&name, &text);
        let mut analysis = Analysis {
            sources,
            file,
            ast: None,
            found: Vec::new(),
            steps: Vec::new(),
            paths: Vec::new(),
            imports: HashMap::new(),
        };
        match syntax::parse(&analysis.sources, file) {
            Ok(ast) => {
                analysis.elaborate(&ast);
                analysis.import(&ast);
                analysis.ast = Some(ast);
            }
            Err(found) => analysis.found = found,
        }
        analysis
    }

    fn elaborate(&mut self, ast: &Ast) {
        let memory = machine::memory_bytes();
        let options = Options { mode: Mode::Train, batch: None, model: None, train: None, set: Vec::new(), memory };
        let examined = elaborate::examine(&mut self.sources, ast, &options);
        self.steps = examined.steps;
        self.found = examined.outcome.map_or_else(|found| found, |elaborated| elaborated.warnings);
        // A file of blocks, or of several models of which none is meant more than another, is no mistake in an editor.
        let trains = ast.items.iter().any(|item| matches!(item, Item::Section(_)));
        self.found.retain(|diagnostic| trains || diagnostic.code != "E135");
    }

    fn import(&mut self, ast: &Ast) {
        let directory = Path::new(self.sources.name(ast.file)).parent().map(Path::to_path_buf).unwrap_or_default();
        for item in &ast.items {
            let Item::Import(import) = item else { continue };
            let path = directory.join(&import.path).display().to_string();
            self.paths.push(path.clone());
            if let Ok(file) = self.sources.load(&path)
                && let Ok(imported) = syntax::parse(&self.sources, file)
            {
                self.imports.insert(import.alias.text.clone(), imported);
            }
        }
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        self.sources.text(self.file)
    }

    /// Whether the file of `uri` is imported, here or further on.
    pub fn reads(&self, uri: &str) -> bool {
        let path = position::path(uri);
        self.paths.contains(&path) || self.sources.names().any(|name| name == path)
    }
}
