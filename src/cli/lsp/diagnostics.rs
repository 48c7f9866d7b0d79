//! Mistakes and warnings as an editor shows them, and the edits that mend some of them.

use super::analysis::Analysis;
use super::names::{self, Meaning};
use super::position;
use super::references::{edits, location};
use super::workspace::Workspace;
use rnet_compiler::diagnostic::{Diagnostic, Severity, Span};
use rnet_compiler::elaborate;
use rnet_compiler::syntax::ast::Item;
use serde_json::{Value, json};

/// Mistakes and warnings. One in an imported file stands at the import, with its own place in words.
pub fn diagnostics(analysis: &Analysis) -> Value {
    analysis.found.iter().map(|diagnostic| told(analysis, diagnostic)).collect()
}

/// Where a diagnostic is shown in this text.
fn shown(analysis: &Analysis, diagnostic: &Diagnostic) -> Span {
    let beginning = Span { file: analysis.file, start: 0, end: 0 };
    let Some(span) = diagnostic.span() else { return beginning };
    if span.file == analysis.file {
        return span;
    }
    let import = analysis.ast.items.iter().find_map(|item| match item {
        Item::Import(import) => {
            let path = elaborate::join(analysis.sources.name(analysis.file), &import.path);
            (path == analysis.sources.name(span.file)).then_some(import.path_span)
        }
        _ => None,
    });
    import.unwrap_or(beginning)
}

fn told(analysis: &Analysis, diagnostic: &Diagnostic) -> Value {
    let mut message = match diagnostic.span() {
        Some(span) if span.file != analysis.file => {
            format!("{}: {}", analysis.sources.place(span), diagnostic.message)
        }
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
    let span = shown(analysis, diagnostic);
    let unnecessary = 1;
    let tags = if ["W001", "W002", "W003"].contains(&diagnostic.code) { vec![unnecessary] } else { Vec::new() };
    json!({
        "range": position::range(analysis.text(), span.start, span.end),
        "severity": if diagnostic.severity == Severity::Error { 1 } else { 2 },
        "code": diagnostic.code,
        "source": "rnet",
        "message": message,
        "relatedInformation": related,
        "tags": tags,
    })
}

/// What mends the mistakes of a range, where the way to do so is plain: another spelling, a name that says that it is not used, less.
pub fn actions(analysis: &Analysis, workspace: &Workspace, range: &Value) -> Value {
    let text = analysis.text();
    let (from, to) = (position::byte(text, &range["start"]), position::byte(text, &range["end"]));
    let mut actions = Vec::new();
    for diagnostic in &analysis.found {
        let Some(span) = diagnostic.span().filter(|span| span.file == analysis.file) else { continue };
        if to < span.start || span.end < from {
            continue;
        }
        if let Some((title, edit)) = mended(analysis, workspace, diagnostic, span) {
            actions.push(json!({
                "title": title,
                "kind": "quickfix",
                "isPreferred": true,
                "diagnostics": [told(analysis, diagnostic)],
                "edit": edit,
            }));
        }
    }
    Value::Array(actions)
}

fn mended(analysis: &Analysis, workspace: &Workspace, diagnostic: &Diagnostic, span: Span) -> Option<(String, Value)> {
    let text = analysis.text();
    let uri = position::uri(analysis.sources.name(analysis.file));
    let instead = |start: usize, end: usize, new: &str| {
        let edit = json!({"range": position::range(text, start, end), "newText": new});
        json!({"changes": {uri.clone(): [edit]}})
    };
    let wrong = &text[span.start..span.end];
    let is_name = |text: &str| text.chars().all(names::is_letter);
    if let Some(meant) = diagnostic.meant() {
        let title = format!("write `{meant}`");
        return match wrong.strip_prefix('"').and_then(|wrong| wrong.strip_suffix('"')) {
            Some(inner) if is_name(inner) => Some((title, instead(span.start + 1, span.end - 1, meant))),
            None if is_name(wrong) => Some((title, instead(span.start, span.end, meant))),
            _ => None,
        };
    }
    match diagnostic.code {
        "W001" | "W002" => {
            let meaning = analysis.names.iter().find(|name| name.span == span)?.meaning;
            let Meaning::Defined(defined, _) = meaning else { return None };
            Some((format!("call it `_{wrong}`"), edits(analysis, workspace, defined, &format!("_{wrong}"))))
        }
        "W003" => {
            let item =
                analysis.ast.items.iter().position(|item| names::title(item).map(|title| title.span) == Some(span))?;
            let import = analysis.spans.get(item)?;
            let end = text[import.end..].find('\n').map_or(text.len(), |at| import.end + at + 1);
            Some((format!("leave the import `{wrong}` out"), instead(import.start, end, "")))
        }
        // A step that is used once can be left out together with the arrow before it.
        "W011" | "W013" if analysis.steps.iter().filter(|step| step.span == span).count() == 1 => {
            let before = text[..span.start].trim_end().strip_suffix("->")?.trim_end();
            Some((format!("leave `{wrong}` out"), instead(before.len(), span.end, "")))
        }
        _ => None,
    }
}
