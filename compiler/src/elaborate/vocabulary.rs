//! The words that every file can use, for editors: where they stand, how they are called and what docs/language.md says of them.

use super::constructor::{ANNOTATIONS, Constructor, INITS, STOPS};
use super::data_section::{DATA_KEYS, SOURCES, TRANSFORMS};
use super::functions::FUNCTIONS;
use super::load::PRELUDE;
use super::primitive::PRIMITIVES;
use super::sections::{TRAIN_DEFAULTS, TRAIN_KEYS};
use super::training::{AVERAGES, CLIPS, LOSSES, OPTIMIZERS, PRECISIONS, SCHEDULES};
use super::value::{Default, Kind, Parameter};
use crate::diagnostic::Sources;
use crate::syntax::ast::SectionKind;
use crate::syntax::{self, ast, format};
use std::sync::LazyLock;

/// Where a word stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a body: a layer, a combinator, a function, a block of the prelude.
    Expression,
    /// Before the `=` of a section.
    Key(SectionKind),
    /// Behind the `=` of that key.
    Value(SectionKind, &'static str),
    /// Behind an `@`.
    Annotation,
    /// Inside of `@init(..)`.
    Initialiser,
    /// Behind the `:` of a parameter.
    Kind,
}

/// A word of the language or of the prelude.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Where it stands.
    pub place: Place,
    /// As it is written.
    pub name: String,
    /// How it is called.
    pub form: String,
    /// What it is, in Markdown.
    pub doc: String,
    /// What it is called with, in order.
    pub arguments: Vec<Argument>,
}

/// What a word is called with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// The keyword.
    pub name: String,
    /// The keyword and the default, if there is one.
    pub form: String,
    /// What it takes, in words; empty for anything.
    pub takes: String,
}

/// The keywords.
pub const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "block", "data", "else", "false", "if", "import", "input", "let", "model", "not", "or",
    "train", "true",
];

/// Keys whose values are words of their own.
static VALUES: &[(SectionKind, &str, &[Constructor])] = &[
    (SectionKind::Data, "source", SOURCES),
    (SectionKind::Data, "train", TRANSFORMS),
    (SectionKind::Data, "test", TRANSFORMS),
    (SectionKind::Train, "loss", LOSSES),
    (SectionKind::Train, "optimizer", OPTIMIZERS),
    (SectionKind::Train, "clip", CLIPS),
    (SectionKind::Train, "average", AVERAGES),
    (SectionKind::Train, "schedule", SCHEDULES),
    (SectionKind::Train, "stop", STOPS),
    (SectionKind::Train, "precision", PRECISIONS),
];

static WORDS: LazyLock<Vec<Word>> = LazyLock::new(words);

/// All words.
pub fn vocabulary() -> &'static [Word] {
    &WORDS
}

/// The word of that name at that place.
pub fn find(place: Place, name: &str) -> Option<&'static Word> {
    vocabulary().iter().find(|word| word.place == place && word.name == name)
}

/// The place of values of a key.
pub fn value_place(kind: SectionKind, key: &str) -> Option<Place> {
    let groups = (kind == SectionKind::Train && key == "groups").then_some(Place::Value(kind, "groups"));
    let known = VALUES.iter().find(|(of, known, _)| *of == kind && *known == key);
    known.map(|(kind, key, _)| Place::Value(*kind, key)).or(groups)
}

fn words() -> Vec<Word> {
    let rows = rows();
    let doc = |table: &str, name: &str| {
        let row = rows.iter().find(|row| row.table == table && row.names.contains(&name));
        row.map(|row| row.text.clone())
    };
    let mut words = Vec::new();
    for primitive in PRIMITIVES {
        let form = form(primitive.name, primitive.parameters, primitive.variadic);
        let doc = doc("layer", primitive.name).or_else(|| doc("combinator", primitive.name));
        words.push(word(Place::Expression, primitive.name, form, doc, arguments(primitive.parameters)));
    }
    for function in FUNCTIONS {
        let doc = doc("function", function.name);
        words.push(word(Place::Expression, function.name, function.form.to_string(), doc, Vec::new()));
    }
    let mut sources = Sources::without_imports();
    let prelude = sources.add("prelude.rnet", PRELUDE);
    for item in syntax::parse(&sources, prelude).expect("the prelude parses").items {
        let ast::Item::Block(block) = item else { continue };
        let arguments = block.parameters.iter().map(argument).collect();
        let (form, doc) = (format::head(&block), Some(block.docs.join("\n")));
        words.push(word(Place::Expression, &block.name.text, form, doc, arguments));
    }
    let same = "As many channels as the input has; as the padding of a convolution, as much as keeps the extents.";
    words.push(word(Place::Expression, "same", "same".to_string(), Some(same.to_string()), Vec::new()));

    for (kind, table, keys) in
        [(SectionKind::Data, "key of `data`", DATA_KEYS), (SectionKind::Train, "key of `train`", TRAIN_KEYS)]
    {
        for key in keys {
            let default = TRAIN_DEFAULTS.iter().find(|(known, _)| kind == SectionKind::Train && known == key);
            let form = default.map_or((*key).to_string(), |(_, default)| format!("{key} = {default}"));
            words.push(word(Place::Key(kind), key, form, doc(table, key), Vec::new()));
        }
    }
    for (kind, key, constructors) in VALUES {
        let (keys, own) = match (kind, *key) {
            (SectionKind::Data, "source") => ("key of `data`", "source"),
            (SectionKind::Data, _) => ("key of `data`", "transform"),
            (SectionKind::Train, own) => ("key of `train`", own),
        };
        for constructor in *constructors {
            let doc = doc(own, constructor.name).or_else(|| doc(keys, key));
            words.push(constructed(Place::Value(*kind, key), constructor, doc));
        }
    }
    let group = [
        ("pattern", "a text in which `*` stands for any characters"),
        ("lr", Kind::Float.wanted()),
        ("weight_decay", Kind::Float.wanted()),
        ("optimizer", "an optimizer"),
    ];
    let arguments = group.map(|(name, takes)| Argument { name: name.into(), form: name.into(), takes: takes.into() });
    let form = "group(pattern, lr, weight_decay, optimizer)".to_string();
    let groups = Place::Value(SectionKind::Train, "groups");
    words.push(word(groups, "group", form, doc("key of `train`", "groups"), arguments.to_vec()));

    for annotation in ANNOTATIONS {
        let mut annotation = constructed(Place::Annotation, annotation, doc("annotation", annotation.name));
        if annotation.name == "init" {
            annotation.form = "init(i)".to_string();
        }
        words.push(Word { form: format!("@{}", annotation.form), ..annotation });
    }
    for init in INITS {
        words.push(constructed(Place::Initialiser, init, doc("annotation", "init")));
    }
    for (name, kind) in Kind::NAMED {
        words.push(word(Place::Kind, name, name.to_string(), Some(format!("Takes {}.", kind.wanted())), Vec::new()));
    }
    words
}

fn word(place: Place, name: &str, form: String, doc: Option<String>, arguments: Vec<Argument>) -> Word {
    Word { place, name: name.to_string(), form, doc: doc.unwrap_or_default(), arguments }
}

fn constructed(place: Place, constructor: &Constructor, doc: Option<String>) -> Word {
    let form = form(constructor.name, constructor.parameters, false);
    word(place, constructor.name, form, doc, arguments(constructor.parameters))
}

fn form(name: &str, parameters: &[Parameter], variadic: bool) -> String {
    let mut list: Vec<String> =
        if variadic { vec!["a".to_string(), "b".to_string(), "..".to_string()] } else { Vec::new() };
    list.extend(parameters.iter().map(spelled));
    if list.is_empty() { name.to_string() } else { format!("{name}({})", list.join(", ")) }
}

fn spelled(parameter: &Parameter) -> String {
    match parameter.default {
        Default::Needed | Default::Nothing => parameter.name.to_string(),
        Default::Same => format!("{} = same", parameter.name),
        Default::Identity => format!("{} = id", parameter.name),
        other => {
            let value = other.value().map_or(String::new(), |value| value.spelling());
            format!("{} = {value}", parameter.name)
        }
    }
}

fn arguments(parameters: &[Parameter]) -> Vec<Argument> {
    let argument = |parameter: &Parameter| Argument {
        name: parameter.name.to_string(),
        form: spelled(parameter),
        takes: parameter.kind.wanted().to_string(),
    };
    parameters.iter().map(argument).collect()
}

/// What a parameter of a block of a file takes.
pub fn argument(parameter: &ast::Parameter) -> Argument {
    let kind = parameter.kind.as_ref();
    let kind = kind.and_then(|kind| Kind::NAMED.iter().find(|(name, _)| *name == kind.text));
    Argument {
        name: parameter.name.text.clone(),
        form: format::parameter(parameter),
        takes: kind.map_or(String::new(), |(_, kind)| kind.wanted().to_string()),
    }
}

/// A row of a table of docs/language.md.
struct Row<'a> {
    /// The head of the table's first column.
    table: &'a str,
    names: Vec<&'a str>,
    text: String,
}

/// The tables of words, whose first column has the words' forms in backticks.
fn rows() -> Vec<Row<'static>> {
    const LANGUAGE: &str = include_str!("../../../docs/language.md");
    let mut table = "";
    let mut rows = Vec::new();
    for line in LANGUAGE.lines() {
        let Some(line) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else { continue };
        let (first, text) = line.split_once(" | ").unwrap_or((line, ""));
        // Every second piece stands between backticks.
        let forms = first.split('`').skip(1).step_by(2);
        let name = |form: &'static str| form.trim_start_matches('@').split('(').next().unwrap_or_default();
        if !first.starts_with('`') {
            table = first;
            continue;
        }
        let text = match text.split_once(" | ") {
            Some((text, "")) => text.to_string(),
            Some((text, default)) => format!("{text}. Default: {default}"),
            None => text.trim_end_matches(" |").to_string(),
        };
        rows.push(Row { table, names: forms.map(name).collect(), text: unlinked(&text) });
    }
    rows
}

/// The text with the words of its links alone: an editor shows it far from the page that they lead through.
fn unlinked(text: &str) -> String {
    let mut text = text.to_string();
    while let Some(end) = text.find("](#")
        && let Some(start) = text[..end].rfind('[')
        && let Some(length) = text[end..].find(')')
    {
        text = format!("{}{}{}", &text[..start], &text[start + 1..end], &text[end + length + 1..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_with_their_forms() {
        let form = |place, name: &str| find(place, name).map(|word| word.form.as_str());
        let layer = |name: &str| form(Place::Expression, name);
        assert_eq!(layer("dropout"), Some("dropout(rate = 0.5)"));
        assert_eq!(layer("concat"), Some("concat(a, b, ..)"));
        assert_eq!(layer("residual"), Some("residual(body, shortcut = id)"));
        assert_eq!(layer("range"), Some("range(n) or range(from, to)"));
        assert_eq!(layer("bn"), Some("block bn(eps: float = 1e-5, momentum: float = 0.1, scale: bool = true)"));
        assert_eq!(form(Place::Key(SectionKind::Train), "batch"), Some("batch = 128"));
        assert_eq!(form(Place::Annotation, "lr"), Some("@lr(factor)"));
        let source = value_place(SectionKind::Data, "source").expect("sources are words");
        assert_eq!(form(source, "folder"), Some("folder(path, skip_corrupt = false)"));
        assert_eq!(value_place(SectionKind::Train, "batch"), None);
    }

    #[test]
    fn the_language_s_description_knows_every_word() {
        let silent: Vec<_> = vocabulary().iter().filter(|word| word.doc.is_empty()).map(|word| &word.name).collect();
        assert!(silent.is_empty(), "docs/language.md has no row for {silent:?}");
        let doc = |place, name: &str| find(place, name).map(|word| word.doc.as_str()).unwrap_or_default();
        assert_eq!(doc(Place::Expression, "relu"), "max(x, 0)");
        assert!(doc(Place::Expression, "conv2d").starts_with("y[n,o,p,q] = sum"));
        assert_eq!(doc(Place::Key(SectionKind::Train), "batch"), "images a step. Default: 128");
        assert_eq!(doc(Place::Key(SectionKind::Data), "source"), "where the samples come from, see below");
        assert!(doc(Place::Key(SectionKind::Train), "loss").contains("see losses. Default: `cross_entropy`"));
        assert_eq!(unlinked("f32[N, C], a [b](#c) and [d]"), "f32[N, C], a b and [d]");
        assert!(doc(Place::Value(SectionKind::Train, "optimizer"), "lion").contains("sign"));
        assert!(doc(Place::Value(SectionKind::Train, "clip"), "norm").contains("bound"));
    }
}
