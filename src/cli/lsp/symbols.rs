//! What a text consists of: its outline, and what kind of thing each of its names is.

use super::analysis::Analysis;
use super::names::{Meaning, Occurrence, Role, parameters, section_word, title};
use super::position;
use rnet_compiler::diagnostic::Span;
use rnet_compiler::elaborate::vocabulary::Place;
use rnet_compiler::syntax::ast::{Body, Entry, ExprKind, Item, Name, Statement};
use rnet_compiler::syntax::format;
use serde_json::{Value, json};

// Kinds as the protocol numbers them.
const MODULE: i32 = 2;
const CLASS: i32 = 5;
const PROPERTY: i32 = 7;
const FUNCTION: i32 = 12;
const VARIABLE: i32 = 13;
const NAMESPACE: i32 = 3;

/// The outline: each definition with its inputs and `let`s, each section with its keys.
pub fn outline(analysis: &Analysis) -> Value {
    let items = analysis.ast.items.iter().zip(&analysis.spans);
    let symbol = |(item, &span): (&Item, &Span)| {
        let train = Name { text: "train".to_string(), span: Span { end: span.start + "train".len(), ..span } };
        let name = title(item).unwrap_or(&train);
        let (kind, detail, children) = match item {
            Item::Import(import) => (NAMESPACE, import.path.clone(), Vec::new()),
            Item::Let(binding) => (VARIABLE, format::value(&binding.value), Vec::new()),
            Item::Block(block) => {
                let children = match &block.body.ungrouped().kind {
                    ExprKind::Scope(body) => lets(analysis, body),
                    _ => Vec::new(),
                };
                (FUNCTION, list(item), children)
            }
            Item::Model(model) => {
                let inputs = model.inputs.iter().map(|input| {
                    let dims: Vec<String> = input.dims.iter().map(format::value).collect();
                    let detail = format!("{}[{}]", input.element.text, dims.join(", "));
                    leaf(analysis, VARIABLE, &input.name, input.span, &detail)
                });
                (CLASS, list(item), inputs.chain(lets(analysis, &model.body)).collect())
            }
            Item::Section(section) => {
                let entry = |entry: &Entry| {
                    let span = entry.key.span.to(entry.value.span);
                    leaf(analysis, PROPERTY, &entry.key, span, &format::value(&entry.value))
                };
                let detail = if section.name.is_some() { section_word(section.kind) } else { "" };
                (MODULE, detail.to_string(), section.entries.iter().map(entry).collect())
            }
        };
        let mut symbol = leaf(analysis, kind, name, span, &detail);
        symbol["children"] = children.into();
        symbol
    };
    items.map(symbol).collect()
}

fn list(item: &Item) -> String {
    let list: Vec<String> = parameters(item).iter().map(format::parameter).collect();
    if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) }
}

fn lets(analysis: &Analysis, body: &Body) -> Vec<Value> {
    let of = |statement: &Statement| match statement {
        Statement::Let(binding) => {
            let span = binding.name.span.to(binding.value.span);
            Some(leaf(analysis, VARIABLE, &binding.name, span, &format::value(&binding.value)))
        }
        Statement::Assert(_) => None,
    };
    body.statements.iter().filter_map(of).collect()
}

fn leaf(analysis: &Analysis, kind: i32, name: &Name, span: Span, detail: &str) -> Value {
    let text = analysis.text();
    json!({
        "name": name.text,
        "kind": kind,
        "detail": detail.lines().next().unwrap_or_default(),
        "range": position::range(text, span.start, span.end),
        "selectionRange": position::range(text, name.span.start, name.span.end),
    })
}

/// The kinds of names that [`tokens`] tells apart, as the protocol calls them; the second list has their modifiers.
pub const LEGEND: (&[&str], &[&str]) = (
    &["namespace", "function", "class", "parameter", "variable", "property", "enumMember", "decorator", "type"],
    &["declaration", "defaultLibrary"],
);

/// The kind of every name, in the protocol's five numbers: lines and units from the name before it, length, kind, modifiers.
pub fn tokens(analysis: &Analysis) -> Value {
    let text = analysis.text();
    let mut data: Vec<u64> = Vec::new();
    let (mut line, mut character) = (0, 0);
    for name in &analysis.names {
        let Some((kind, modifiers)) = class(name) else { continue };
        let place = position::of(text, name.span.start);
        let [at, unit] = ["line", "character"].map(|key| place[key].as_u64().unwrap_or(0));
        let length = text[name.span.start..name.span.end].encode_utf16().count() as u64;
        let kind = LEGEND.0.iter().position(|known| *known == kind).expect("the legend has all kinds") as u64;
        let after = if at == line { unit - character } else { unit };
        data.extend([at - line, after, length, kind, modifiers]);
        (line, character) = (at, unit);
    }
    json!({"data": data})
}

/// The kind of a name, with the bits of its modifiers.
fn class(name: &Occurrence) -> Option<(&'static str, u64)> {
    let (declaration, library) = (1, 2);
    Some(match name.meaning {
        Meaning::Defined(_, Role::File) => return None,
        Meaning::Defined(span, role) => {
            let kind = match role {
                Role::Import => "namespace",
                Role::Block => "function",
                Role::Model => "class",
                Role::Parameter => "parameter",
                _ => "variable",
            };
            (kind, if span == name.span { declaration } else { 0 })
        }
        Meaning::Argument(..) => ("parameter", 0),
        Meaning::Word(word) => match word.place {
            // A keyword's colour, which the grammar gives it.
            Place::Expression if word.name == "same" => return None,
            Place::Expression => ("function", library),
            Place::Key(_) => ("property", 0),
            Place::Value(..) | Place::Initialiser => ("enumMember", library),
            Place::Annotation => ("decorator", 0),
            Place::Kind => ("type", library),
        },
    })
}
