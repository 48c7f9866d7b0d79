//! Answers to an editor's questions about one text.

use super::analysis::Analysis;
use super::position;
use crate::cli::thousands;
use rnet_compiler::diagnostic::{Diagnostic, Severity, Span};
use rnet_compiler::elaborate::Step;
use rnet_compiler::elaborate::vocabulary::{KEYWORDS, vocabulary};
use rnet_compiler::syntax::ast::{Ast, Body, Expr, ExprKind, Item, Name, Statement};
use rnet_compiler::syntax::{format, tidy};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Mistakes and warnings. One in an imported file stands at the beginning of this one, with its own place in words.
pub fn diagnostics(analysis: &Analysis) -> Value {
    analysis.found.iter().map(|diagnostic| told(analysis, diagnostic)).collect()
}

fn told(analysis: &Analysis, diagnostic: &Diagnostic) -> Value {
    let here = diagnostic.span().filter(|span| span.file == analysis.file);
    let mut message = match diagnostic.span() {
        Some(span) if here.is_none() => format!("{}: {}", analysis.sources.place(span), diagnostic.message),
        _ => diagnostic.message.clone(),
    };
    let first = diagnostic.labels.first().map(|label| label.text.as_str()).filter(|text| !text.is_empty());
    let hint = diagnostic.hint.as_ref().map(|hint| format!("help: {hint}"));
    for line in first.map(str::to_string).into_iter().chain(diagnostic.notes.iter().cloned()).chain(hint) {
        message += &format!("\n{line}");
    }
    let related: Vec<Value> = diagnostic
        .labels
        .iter()
        .skip(1)
        .map(|label| json!({"location": location(analysis, label.span), "message": label.text}))
        .collect();
    let span = here.unwrap_or(Span { file: analysis.file, start: 0, end: 0 });
    json!({
        "range": position::range(analysis.text(), span.start, span.end),
        "severity": if diagnostic.severity == Severity::Error { 1 } else { 2 },
        "code": diagnostic.code,
        "source": "rnet",
        "message": message,
        "relatedInformation": related,
    })
}

fn location(analysis: &Analysis, span: Span) -> Value {
    let text = analysis.sources.text(span.file);
    let uri = position::uri(analysis.sources.name(span.file));
    json!({"uri": uri, "range": position::range(text, span.start, span.end)})
}

/// The word at a byte, and the one before its dot.
fn word(text: &str, byte: usize) -> (Option<&str>, &str) {
    let letter = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let start =
        |end: usize| text[..end].char_indices().rev().take_while(|(_, c)| letter(*c)).last().map_or(end, |(at, _)| at);
    let end = byte + text[byte..].find(|c| !letter(c)).unwrap_or(text.len() - byte);
    let first = start(byte);
    let before = text[..first].strip_suffix('.').map(|before| &before[start(before.len())..]);
    (before.filter(|before| !before.is_empty()), &text[first..end])
}

/// What stands at a place: its form and documentation, and the tensor behind the step.
pub fn hover(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let byte = position::byte(text, place);
    let mut parts = Vec::new();
    let (alias, word) = word(text, byte);
    if !word.is_empty() {
        parts.extend(described(analysis, alias, word));
    }
    let around = |step: &&Step| step.span.file == analysis.file && step.span.start <= byte && byte <= step.span.end;
    let innermost = analysis.steps.iter().filter(around).map(|step| step.span).min_by_key(|span| span.end - span.start);
    if let Some(span) = innermost {
        let uses: Vec<&Step> = analysis.steps.iter().filter(|step| step.span == span).collect();
        let lines: BTreeSet<String> = uses.iter().map(|step| measured(step)).collect();
        if uses.len() > 1 {
            parts.push(format!("used {} times:", uses.len()));
        }
        parts.push(lines.into_iter().take(8).collect::<Vec<_>>().join("\n\n"));
    }
    match parts.is_empty() {
        true => Value::Null,
        false => json!({"contents": {"kind": "markdown", "value": parts.join("\n\n")}}),
    }
}

fn measured(step: &Step) -> String {
    let dims: Vec<String> = step.shape.iter().map(usize::to_string).collect();
    let (parameters, multiply_adds) = (thousands(step.parameters), thousands(step.multiply_adds));
    format!("`f32[{}]`, {parameters} parameters, {multiply_adds} multiply-adds an image", dims.join(","))
}

/// Form and documentation of a definition or of a word of the language.
fn described(analysis: &Analysis, alias: Option<&str>, word: &str) -> Option<String> {
    let ast = match alias {
        Some(alias) => analysis.imports.get(alias)?,
        None => analysis.ast.as_ref()?,
    };
    let own = ast.items.iter().find_map(|item| match item {
        Item::Block(block) if block.name.text == word => Some((format::head(block), block.docs.join("\n"))),
        Item::Model(model) if model.name.text == word => Some((format!("model {word}"), model.docs.join("\n"))),
        Item::Let(binding) if binding.name.text == word => Some((format!("let {word}"), binding.docs.join("\n"))),
        _ => None,
    });
    let known = || {
        let found = vocabulary().into_iter().find(|known| alias.is_none() && known.name == word)?;
        Some((found.form, found.doc))
    };
    let (form, doc) = own.or_else(known)?;
    Some(format!("```rnet\n{form}\n```\n{doc}").trim_end().to_string())
}

/// Where the name at a place is defined.
pub fn definition(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let byte = position::byte(text, place);
    let (alias, word) = word(text, byte);
    let Some(ast) = &analysis.ast else { return Value::Null };
    let found = match alias {
        Some(alias) => analysis.imports.get(alias).and_then(|ast| defined(ast, word)),
        None => bound(ast, byte)
            .into_iter()
            .rfind(|name| name.text == word && name.span.start <= byte)
            .map(|name| name.span)
            .or_else(|| defined(ast, word)),
    };
    found.map_or(Value::Null, |span| location(analysis, span))
}

fn title(item: &Item) -> Option<&Name> {
    match item {
        Item::Import(import) => Some(&import.alias),
        Item::Let(binding) => Some(&binding.name),
        Item::Block(block) => Some(&block.name),
        Item::Model(model) => Some(&model.name),
        Item::Section(section) => section.name.as_ref(),
    }
}

fn defined(ast: &Ast, word: &str) -> Option<Span> {
    ast.items.iter().filter_map(title).find(|name| name.text == word).map(|name| name.span)
}

/// Parameters, inputs and inner `let`s of the definition around a byte, in the order of the text.
fn bound(ast: &Ast, byte: usize) -> Vec<&Name> {
    let begins = |item: &Item| title(item).map_or(usize::MAX, |name| name.span.start);
    let around = ast.items.iter().rfind(|item| begins(item) <= byte);
    let mut names = Vec::new();
    match around {
        Some(Item::Block(block)) => {
            names.extend(block.parameters.iter().map(|parameter| &parameter.name));
            binders(&block.body, &mut names);
        }
        Some(Item::Model(model)) => {
            names.extend(model.parameters.iter().map(|parameter| &parameter.name));
            names.extend(model.inputs.iter().map(|input| &input.name));
            body_binders(&model.body, &mut names);
        }
        _ => {}
    }
    names
}

fn binders<'a>(expr: &'a Expr, names: &mut Vec<&'a Name>) {
    match &expr.kind {
        ExprKind::Lambda(name, body) => {
            names.push(name);
            binders(body, names);
        }
        ExprKind::Scope(body) => body_binders(body, names),
        _ => expr.for_each_part(&mut |part| binders(part, names)),
    }
}

fn body_binders<'a>(body: &'a Body, names: &mut Vec<&'a Name>) {
    for statement in &body.statements {
        if let Statement::Let(binding) = statement {
            names.push(&binding.name);
        }
        binders(statement.expr(), names);
    }
    binders(&body.result, names);
}

/// The names that can stand at a place.
pub fn completion(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let byte = position::byte(text, place);
    let (alias, _) = word(text, byte);
    // Kinds as the protocol numbers them.
    let (function, variable, keyword, module) = (3, 6, 14, 9);
    let mut items: BTreeMap<String, (i32, String)> = BTreeMap::new();
    let mut of = |ast: &Ast, alias: bool| {
        for item in &ast.items {
            let (kind, detail) = match item {
                Item::Block(block) => (function, format::head(block)),
                Item::Model(_) => (function, "model".to_string()),
                Item::Import(_) if !alias => (module, "import".to_string()),
                Item::Let(_) => (variable, "let".to_string()),
                _ => continue,
            };
            if let Some(name) = title(item) {
                items.insert(name.text.clone(), (kind, detail));
            }
        }
    };
    match alias {
        Some(alias) => {
            if let Some(ast) = analysis.imports.get(alias) {
                of(ast, true);
            }
        }
        None => {
            if let Some(ast) = &analysis.ast {
                of(ast, false);
                for name in bound(ast, byte) {
                    items.insert(name.text.clone(), (variable, String::new()));
                }
            }
            for known in vocabulary() {
                items.entry(known.name).or_insert((function, known.form));
            }
            for word in KEYWORDS {
                items.entry((*word).to_string()).or_insert((keyword, String::new()));
            }
        }
    }
    items.into_iter().map(|(label, (kind, detail))| json!({"label": label, "kind": kind, "detail": detail})).collect()
}

/// One edit, or none where the text is laid out or does not parse.
pub fn formatting(analysis: &Analysis) -> Value {
    let text = analysis.text();
    match tidy::tidy(&analysis.sources, analysis.file) {
        Ok(tidied) if tidied != text => json!([{"range": position::range(text, 0, text.len()), "newText": tidied}]),
        _ => json!([]),
    }
}

/// The shape behind every step of a chain, where all uses of the step have the same.
pub fn inlay_hints(analysis: &Analysis, range: &Value) -> Value {
    let text = analysis.text();
    let (from, to) = (position::byte(text, &range["start"]), position::byte(text, &range["end"]));
    let mut shapes: BTreeMap<usize, BTreeSet<&[usize]>> = BTreeMap::new();
    for step in analysis.steps.iter().filter(|step| step.span.file == analysis.file) {
        if (from..=to).contains(&step.span.end) {
            shapes.entry(step.span.end).or_default().insert(&step.shape[1..]);
        }
    }
    let alike = shapes.into_iter().filter(|(_, shapes)| shapes.len() == 1);
    let hints = alike.filter_map(|(end, shapes)| {
        let dims: Vec<String> = shapes.first()?.iter().map(usize::to_string).collect();
        Some(json!({"position": position::of(text, end), "label": dims.join("x"), "paddingLeft": true}))
    });
    hints.collect()
}
