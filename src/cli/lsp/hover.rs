//! What stands at a place: form and documentation, and the tensor behind the step.

use super::analysis::Analysis;
use super::names::{self, Meaning, Role};
use super::position;
use crate::cli::thousands;
use rnet_compiler::diagnostic::Span;
use rnet_compiler::elaborate::Step;
use rnet_compiler::elaborate::vocabulary::argument;
use rnet_compiler::syntax::ast::{Ast, Item, Parameter};
use rnet_compiler::syntax::format;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What stands at a place.
pub fn hover(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let byte = position::byte(text, place);
    let named = analysis.name_at(byte);
    let mut parts = Vec::new();
    parts.extend(named.and_then(|named| described(analysis, named.meaning)));
    let around = |step: &&Step| step.span.file == analysis.file && step.span.start <= byte && byte <= step.span.end;
    let innermost = analysis.steps.iter().filter(around).map(|step| step.span).min_by_key(|span| span.end - span.start);
    if let Some(span) = innermost {
        parts.push(passed(analysis, span));
    }
    let mut answer = json!({"contents": {"kind": "markdown", "value": parts.join("\n\n")}});
    if let Some(span) = named.map(|named| named.span).or(innermost) {
        answer["range"] = position::range(text, span.start, span.end);
    }
    if parts.is_empty() { Value::Null } else { answer }
}

/// What the step gives, each time that it is used.
fn passed(analysis: &Analysis, span: Span) -> String {
    let uses: Vec<&Step> = analysis.steps.iter().filter(|step| step.span == span).collect();
    let lines: BTreeSet<String> = uses.iter().map(|step| measured(step)).collect();
    let count = if uses.len() > 1 { format!("used {} times:\n\n", uses.len()) } else { String::new() };
    count + &lines.into_iter().take(8).collect::<Vec<_>>().join("\n\n")
}

fn measured(step: &Step) -> String {
    let dims: Vec<String> = step.shape.iter().map(usize::to_string).collect();
    let (parameters, multiply_adds) = (thousands(step.parameters), thousands(step.multiply_adds));
    format!("`f32[{}]`, {parameters} parameters, {multiply_adds} multiply-adds an image", dims.join(","))
}

/// Form and documentation of a definition.
pub fn item(item: &Item) -> (String, String) {
    let none: &[String] = &[];
    let (form, docs) = match item {
        Item::Import(import) => (format!("import {:?} as {}", import.path, import.alias.text), none),
        Item::Let(binding) => (format::binding(binding), &binding.docs[..]),
        Item::Block(block) => (format::head(block), &block.docs[..]),
        Item::Model(model) => (format::model_head(model), &model.docs[..]),
        Item::Section(section) => {
            let kind = names::section_word(section.kind);
            (format!("{kind} {}", section.name.as_ref().map_or("", |name| &name.text)), &section.docs[..])
        }
    };
    (form, docs.join("\n"))
}

/// Form and documentation of what a name stands for.
fn described(analysis: &Analysis, meaning: Meaning) -> Option<String> {
    let code = |form: &str, doc: &str| format!("```rnet\n{form}\n```\n{doc}").trim_end().to_string();
    Some(match meaning {
        Meaning::Word(word) => code(&word.form, &word.doc),
        Meaning::Argument(word, rank) => {
            let argument = word.arguments.get(rank)?;
            code(&argument.form, &format!("of `{}`: {}", word.name, argument.takes))
        }
        Meaning::Defined(span, Role::File) => {
            let ast = analysis.tree(span)?;
            format!("{}\n\n{}", analysis.sources.name(span.file), ast.docs.join("\n")).trim_end().to_string()
        }
        Meaning::Defined(span, Role::Parameter) => {
            let (owner, parameter) = parameter(analysis.tree(span)?, span)?;
            let argument = argument(parameter);
            let takes = if argument.takes.is_empty() { String::new() } else { format!(": {}", argument.takes) };
            code(&argument.form, &format!("of `{}`{takes}", item(owner).0))
        }
        // What an input or a `let` inside of a body gives, its step tells.
        Meaning::Defined(span, _) => {
            let is_it = |item: &&Item| names::title(item).is_some_and(|title| title.span == span);
            let found = analysis.tree(span)?.items.iter().find(is_it)?;
            let (form, doc) = item(found);
            let doc = match found {
                Item::Model(model) => format!("{doc}\n\n{}", whole(analysis, &model.name.text)).trim().to_string(),
                _ => doc,
            };
            code(&form, &doc)
        }
    })
}

/// The parameter that stands there, with its block or model.
fn parameter(ast: &Ast, span: Span) -> Option<(&Item, &Parameter)> {
    ast.items.iter().find_map(|item| {
        let found = names::parameters(item).iter().find(|parameter| parameter.name.span == span)?;
        Some((item, found))
    })
}

/// What a model costs, if it is the one that was elaborated.
fn whole(analysis: &Analysis, model: &str) -> String {
    let Some(totals) = analysis.totals.as_ref().filter(|totals| totals.model == model) else { return String::new() };
    let [layers, parameters, multiply_adds] = [totals.layers, totals.parameters, totals.multiply_adds].map(thousands);
    format!("{layers} layers, {parameters} parameters, {multiply_adds} multiply-adds an image")
}
