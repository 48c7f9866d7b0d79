//! The files of one compilation: the prelude, the user's file, and what it imports.

use super::functions::FUNCTIONS;
use super::primitive::PRIMITIVES;
use super::value::Module;
use crate::diagnostic::{Diagnostic, FileId, Sources, Span};
use crate::syntax;
use crate::syntax::ast::{Ast, Import, Item};
use std::collections::HashMap;

/// The composite layers, written in the language.
pub(super) const PRELUDE: &str = include_str!("../prelude.rnet");

/// Every file, parsed.
pub(super) struct Modules {
    files: Vec<File>,
}

struct File {
    ast: Ast,
    aliases: HashMap<String, Module>,
}

impl Modules {
    pub const PRELUDE: Module = Module(0);
    pub const MAIN: Module = Module(1);

    /// The prelude's place among the sources.
    pub fn prelude(&self) -> FileId {
        self.files[0].ast.file
    }

    pub fn ast(&self, module: Module) -> &Ast {
        &self.files[module.0].ast
    }

    /// All but the prelude.
    pub fn users(&self) -> impl Iterator<Item = Module> {
        (1..self.files.len()).map(Module)
    }

    /// The `block` or `let` of that name.
    pub fn item(&self, module: Module, name: &str) -> Option<&Item> {
        self.ast(module).items.iter().find(|item| match item {
            Item::Block(block) => block.name.text == name,
            Item::Let(binding) => binding.name.text == name,
            _ => false,
        })
    }

    /// The file that an import's alias stands for.
    pub fn alias(&self, module: Module, alias: &str) -> Option<Module> {
        self.files[module.0].aliases.get(alias).copied()
    }

    /// An alias by which some file imports this one.
    pub fn any_alias(&self, module: Module) -> &str {
        let mut aliases: Vec<&str> = self
            .files
            .iter()
            .flat_map(|file| &file.aliases)
            .filter(|(_, imported)| **imported == module)
            .map(|(alias, _)| alias.as_str())
            .collect();
        aliases.sort_unstable();
        aliases.first().copied().unwrap_or("other")
    }

    /// What a file defines for expressions.
    pub fn own_names(&self, module: Module) -> Vec<String> {
        let name = |item: &Item| match item {
            Item::Block(block) => Some(block.name.text.clone()),
            Item::Let(binding) => Some(binding.name.text.clone()),
            _ => None,
        };
        self.ast(module).items.iter().filter_map(name).collect()
    }

    /// Whatever an expression of the file can name, but for locals.
    pub fn names(&self, module: Module) -> Vec<String> {
        let mut names = self.own_names(module);
        names.extend(self.own_names(Modules::PRELUDE));
        names.extend(PRIMITIVES.iter().map(|primitive| primitive.name.to_string()));
        names.extend(FUNCTIONS.iter().map(|function| function.name.to_string()));
        names
    }
}

/// Parses the prelude and every imported file.
///
/// # Errors
/// What is wrong with an import or in an imported file; a cycle of imports.
pub(super) fn load(sources: &mut Sources, ast: &Ast) -> Result<Modules, Vec<Diagnostic>> {
    let prelude = sources.add("prelude.rnet", PRELUDE);
    let prelude = syntax::parse(sources, prelude)
        .unwrap_or_else(|wrong| panic!("elaborate: the prelude does not parse: {:?}", wrong[0].message));
    let file = |ast: Ast| File { ast, aliases: HashMap::new() };
    let mut loader =
        Loading { sources, files: vec![file(prelude), file(ast.clone())], open: vec![ast.file], wrong: Vec::new() };
    loader.imports(Modules::MAIN);
    if loader.wrong.is_empty() { Ok(Modules { files: loader.files }) } else { Err(loader.wrong) }
}

struct Loading<'s> {
    sources: &'s mut Sources,
    files: Vec<File>,
    /// The files whose imports are being read, outermost first.
    open: Vec<FileId>,
    wrong: Vec<Diagnostic>,
}

impl Loading<'_> {
    fn imports(&mut self, module: Module) {
        let ast = &self.files[module.0].ast;
        let from = self.sources.name(ast.file).to_string();
        let imports: Vec<Import> = ast
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Import(import) => Some(import.clone()),
                _ => None,
            })
            .collect();
        for (at, import) in imports.iter().enumerate() {
            let alias = &import.alias;
            if let Some(first) = imports[..at].iter().find(|first| first.alias.text == alias.text) {
                let wrong = Diagnostic::error("E120", alias.span, format!("two imports are called `{}`", alias.text));
                self.wrong.push(wrong.and(first.alias.span, "the first is here").hint("call one of them otherwise"));
            } else if let Some(imported) = self.import(&from, import) {
                self.files[module.0].aliases.insert(alias.text.clone(), imported);
            }
        }
    }

    fn import(&mut self, from: &str, import: &Import) -> Option<Module> {
        let path = join(from, &import.path);
        let file = match self.sources.load(&path) {
            Ok(file) => file,
            Err(reason) => {
                self.wrong.push(
                    Diagnostic::error("E121", import.path_span, "the import cannot be read")
                        .here(reason)
                        .hint("the path is relative to the file that imports"),
                );
                return None;
            }
        };
        if let Some(at) = self.open.iter().position(|&open| open == file) {
            let way: Vec<&str> = self.open[at..].iter().chain([&file]).map(|&file| self.sources.name(file)).collect();
            let wrong = Diagnostic::error("E122", import.path_span, "a cycle of imports").note(way.join(" imports "));
            self.wrong.push(wrong.hint("move what both files need into a third"));
            return None;
        }
        if let Some(known) = self.files.iter().position(|known| known.ast.file == file) {
            return Some(Module(known));
        }
        match syntax::parse(self.sources, file) {
            Ok(ast) => {
                let module = Module(self.files.len());
                self.files.push(File { ast, aliases: HashMap::new() });
                self.open.push(file);
                self.imports(module);
                self.open.pop();
                Some(module)
            }
            Err(wrong) => {
                self.wrong.extend(wrong);
                None
            }
        }
    }
}

/// A path relative to the directory of a file; `./` and `x/../` go, so that one file has one name.
pub fn join(from: &str, path: &str) -> String {
    let directory = from.rfind('/').map_or("", |at| &from[..=at]);
    let joined = if path.starts_with('/') { path.to_string() } else { format!("{directory}{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| !last.is_empty() && *last != "..") => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// A place in a file without one of its own: its beginning.
pub(super) fn beginning(file: FileId) -> Span {
    Span { file, start: 0, end: 0 }
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn imports_are_relative_to_the_importing_file() {
        assert_eq!(join("m.rnet", "blocks.rnet"), "blocks.rnet");
        assert_eq!(join("a/b/m.rnet", "../blocks.rnet"), "a/blocks.rnet");
        assert_eq!(join("a/m.rnet", "./x/./y.rnet"), "a/x/y.rnet");
        assert_eq!(join("m.rnet", "../x.rnet"), "../x.rnet");
        assert_eq!(join("a/m.rnet", "/x.rnet"), "/x.rnet");
    }
}
