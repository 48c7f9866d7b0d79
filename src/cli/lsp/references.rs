//! Where a name is defined and used, and what it takes to call it otherwise.

use super::analysis::Analysis;
use super::names::{self, Meaning, Role};
use super::position;
use super::workspace::Workspace;
use rnet_compiler::diagnostic::Span;
use rnet_compiler::elaborate::vocabulary::{KEYWORDS, Place};
use serde_json::{Map, Value, json};

/// A definition, whatever file it is seen from.
#[derive(PartialEq, Eq)]
struct Definition {
    path: String,
    start: usize,
}

/// A place in a file.
pub fn location(analysis: &Analysis, span: Span) -> Value {
    let text = analysis.sources.text(span.file);
    let uri = position::uri(analysis.sources.name(span.file));
    json!({"uri": uri, "range": position::range(text, span.start, span.end)})
}

/// Where the name at a place is defined.
pub fn definition(analysis: &Analysis, place: &Value) -> Value {
    let byte = position::byte(analysis.text(), place);
    match analysis.name_at(byte).map(|name| name.meaning) {
        Some(Meaning::Defined(span, _)) => location(analysis, span),
        _ => Value::Null,
    }
}

/// Where the name at a place stands in the same text.
pub fn highlights(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let Some(name) = analysis.name_at(position::byte(text, place)) else { return json!([]) };
    let same = analysis.names.iter().filter(|other| other.meaning == name.meaning);
    same.map(|other| json!({"range": position::range(text, other.span.start, other.span.end)})).collect()
}

/// Where what a name stands for is named, in this text, in open ones and in the files of the workspace.
pub fn references(analysis: &Analysis, workspace: &Workspace, place: &Value, declaration: bool) -> Value {
    let byte = position::byte(analysis.text(), place);
    let Some(Meaning::Defined(span, _)) = analysis.name_at(byte).map(|name| name.meaning) else { return json!([]) };
    let mut found = Vec::new();
    let sought = Definition { path: analysis.sources.name(span.file).to_string(), start: span.start };
    each(analysis, workspace, span, &mut |other, used| {
        if declaration || used.start != sought.start || other.sources.name(used.file) != sought.path {
            found.push(location(other, used));
        }
    });
    Value::Array(found)
}

/// Calls `visit` with each place where what is defined at `span` is named.
fn each(analysis: &Analysis, workspace: &Workspace, span: Span, visit: &mut dyn FnMut(&Analysis, Span)) {
    let sought = Definition { path: analysis.sources.name(span.file).to_string(), start: span.start };
    let word = &analysis.sources.text(span.file)[span.start..span.end];
    // A file that is imported is named by its path.
    let word = if word.is_empty() { sought.path.rsplit('/').next().unwrap_or_default() } else { word };
    for path in workspace.paths_with(word, &sought.path) {
        let other = Analysis::of_names(&path, &workspace.texts);
        for name in &other.names {
            if let Meaning::Defined(span, _) = name.meaning
                && (Definition { path: other.sources.name(span.file).to_string(), start: span.start }) == sought
            {
                visit(&other, name.span);
            }
        }
    }
}

/// The name at a place, if it can be called otherwise.
///
/// # Errors
/// Why it cannot.
pub fn renamed(analysis: &Analysis, place: &Value) -> Result<Span, String> {
    let text = analysis.text();
    let name = analysis.name_at(position::byte(text, place)).ok_or("no name stands here")?;
    match name.meaning {
        Meaning::Defined(_, Role::File) => Err("a file is not renamed from here".to_string()),
        Meaning::Defined(..) => Ok(name.span),
        Meaning::Word(word) => Err(format!("`{}` is a word of the language", word.name)),
        Meaning::Argument(word, _) => Err(format!("this is an argument of `{}`, a word of the language", word.name)),
    }
}

/// The edits that call the name at a place `new`, wherever it stands.
///
/// # Errors
/// Why it cannot be called so.
pub fn rename(analysis: &Analysis, workspace: &Workspace, place: &Value, new: &str) -> Result<Value, String> {
    let span = renamed(analysis, place)?;
    let named = analysis.name_at(span.start).map(|name| name.meaning);
    let Some(Meaning::Defined(defined, _)) = named else { return Err("no name stands here".to_string()) };
    if !new.chars().all(names::is_letter) || new.is_empty() || new.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!("`{new}` is no name: it is made of letters, digits and `_`, and begins with no digit"));
    }
    if KEYWORDS.contains(&new) {
        return Err(format!("`{new}` is a keyword"));
    }
    let home = Analysis::of_names(analysis.sources.name(defined.file), &workspace.texts);
    if is_taken(&home, defined, new) {
        return Err(format!("`{new}` stands for something else here already"));
    }
    Ok(edits(analysis, workspace, defined, new))
}

/// Whether `new` stands for something where what is defined at `defined` in the text of `home` can be named.
fn is_taken(home: &Analysis, defined: Span, new: &str) -> bool {
    let text = home.text();
    let is_item = is_global(home, Span { file: home.file, ..defined });
    let around = home.spans.iter().find(|span| span.start <= defined.start && defined.end <= span.end);
    let (start, end) = match around {
        Some(span) if !is_item => (span.start, span.end),
        _ => (0, text.len()),
    };
    let within = |span: Span| span.file == home.file && start <= span.start && span.end <= end;
    home.names.iter().filter(|name| within(name.span) && text[name.span.start..name.span.end] == *new).any(|name| {
        match name.meaning {
            Meaning::Word(word) => word.place == Place::Expression,
            Meaning::Argument(..) => false,
            // What another file defines stands behind a dot; a keyword of another block is no name of this one.
            Meaning::Defined(span, _) => within(span) || span.file == home.file && is_global(home, span),
        }
    })
}

fn is_global(home: &Analysis, span: Span) -> bool {
    home.ast.items.iter().filter_map(names::title).any(|title| title.span == span)
}

/// The edits that write `new` wherever what is defined at `span` is named.
pub fn edits(analysis: &Analysis, workspace: &Workspace, span: Span, new: &str) -> Value {
    let mut changes: Map<String, Value> = Map::new();
    each(analysis, workspace, span, &mut |other, used| {
        let edit = json!({"range": location(other, used)["range"], "newText": new});
        let uri = position::uri(other.sources.name(used.file));
        let list = changes.entry(uri).or_insert_with(|| json!([]));
        list.as_array_mut().expect("a list").push(edit);
    });
    json!({"changes": changes})
}
