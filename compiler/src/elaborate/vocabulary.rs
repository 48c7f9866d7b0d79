//! The words that every file can use, for editors.

use super::functions::FUNCTIONS;
use super::load::PRELUDE;
use super::primitive::PRIMITIVES;
use super::value::{Default, Parameter};
use crate::diagnostic::Sources;
use crate::syntax::{self, ast, format};

/// A word of the language or of the prelude.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// As it is written.
    pub name: String,
    /// How it is called.
    pub form: String,
    /// What it is, where the prelude says so.
    pub doc: String,
}

/// The keywords.
pub const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "block", "data", "else", "false", "if", "import", "input", "let", "model", "not", "or",
    "train", "true",
];

/// Layers, combinators, functions and the blocks of the prelude.
pub fn vocabulary() -> Vec<Word> {
    let layers = PRIMITIVES.iter().map(|primitive| Word {
        name: primitive.name.to_string(),
        form: form(primitive.name, primitive.parameters, primitive.variadic),
        doc: String::new(),
    });
    let functions = FUNCTIONS.iter().map(|function| Word {
        name: function.name.to_string(),
        form: function.form.to_string(),
        doc: String::new(),
    });
    let mut sources = Sources::without_imports();
    let prelude = sources.add("prelude.rnet", PRELUDE);
    let prelude = syntax::parse(&sources, prelude).expect("the prelude parses");
    let blocks = prelude.items.iter().filter_map(|item| match item {
        ast::Item::Block(block) => {
            Some(Word { name: block.name.text.clone(), form: format::head(block), doc: block.docs.join("\n") })
        }
        _ => None,
    });
    layers.chain(functions).chain(blocks).collect()
}

fn form(name: &str, parameters: &[Parameter], variadic: bool) -> String {
    let mut list: Vec<String> =
        if variadic { vec!["a".to_string(), "b".to_string(), "..".to_string()] } else { Vec::new() };
    list.extend(parameters.iter().map(|parameter| match parameter.default {
        Default::Needed | Default::Nothing => parameter.name.to_string(),
        Default::Same => format!("{} = same", parameter.name),
        Default::Identity => format!("{} = id", parameter.name),
        other => {
            let value = other.value().map_or(String::new(), |value| value.spelling());
            format!("{} = {value}", parameter.name)
        }
    }));
    if list.is_empty() { name.to_string() } else { format!("{name}({})", list.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_with_their_forms() {
        let words = vocabulary();
        let form = |name: &str| words.iter().find(|word| word.name == name).map(|word| word.form.as_str());
        assert_eq!(form("dropout"), Some("dropout(rate = 0.5)"));
        assert_eq!(form("concat"), Some("concat(a, b, ..)"));
        assert_eq!(form("residual"), Some("residual(body, shortcut = id)"));
        assert_eq!(form("range"), Some("range(n) or range(from, to)"));
        assert_eq!(form("bn"), Some("block bn(eps: float = 1e-5, momentum: float = 0.1, scale: bool = true)"));
    }
}
