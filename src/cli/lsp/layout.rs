//! How a text is laid out, and the shapes that are shown in it.

use super::analysis::Analysis;
use super::position;
use rnet_compiler::syntax::tidy;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
