//! The text form of a graph; `parse` reads it back. docs/ir.md describes it.

use super::verify::kernel_order;
use super::{Graph, NodeId, OutputKind, Place};
use std::collections::HashMap;
use std::fmt;

impl fmt::Display for Graph {
    /// Prints any graph, even one that does not verify, so that a mistake can be looked at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = self.try_topological().unwrap_or_else(|| self.ids());
        let kernels = kernel_order(self).unwrap_or_else(|| {
            let mut kernels: Vec<u32> = order.iter().filter_map(|&id| self[id].kernel).collect();
            kernels.sort_unstable();
            kernels.dedup();
            kernels
        });
        let mut members: HashMap<Option<u32>, Vec<NodeId>> = HashMap::new();
        for &id in &order {
            members.entry(self[id].kernel).or_default().push(id);
        }
        let regions: Vec<Option<u32>> = std::iter::once(None).chain(kernels.into_iter().map(Some)).collect();
        let mut numbers = HashMap::new();
        for region in &regions {
            for &id in members.get(region).into_iter().flatten() {
                numbers.insert(id, numbers.len());
            }
        }
        let name = |id: NodeId| numbers.get(&id).map_or("%?".to_string(), |number| format!("%{number}"));

        writeln!(f, "graph {{")?;
        for region in &regions {
            let indent = if region.is_some() { "    " } else { "  " };
            if let Some(kernel) = region {
                writeln!(f, "  kernel {kernel} {{")?;
            }
            for &id in members.get(region).into_iter().flatten() {
                let node = &self[id];
                write!(f, "{indent}{} = {}", name(id), node.op.name())?;
                for (at, &operand) in node.operands.iter().enumerate() {
                    write!(f, "{} {}", if at == 0 { "" } else { "," }, name(operand))?;
                }
                if !node.attributes.0.is_empty() {
                    write!(f, " {}", node.attributes)?;
                }
                writeln!(f, " : {}{}", node.ty, at(&node.place))?;
            }
            if region.is_some() {
                writeln!(f, "  }}")?;
            }
        }
        for output in &self.outputs {
            let kind = match output.kind {
                OutputKind::Result => "result",
                OutputKind::Update => "update",
            };
            writeln!(f, "  {kind} {} = {}", word(&output.name), name(output.value))?;
        }
        writeln!(f, "}}")
    }
}

/// Source and path behind an `@`; a source that is missing is `-`.
fn at(place: &Place) -> String {
    match (place.source.as_str(), place.path.as_str()) {
        ("", "") => String::new(),
        (source, "") => format!("   @ {}", word(source)),
        ("", path) => format!("   @ - {}", word(path)),
        (source, path) => format!("   @ {} {}", word(source), word(path)),
    }
}

/// A word as it is, or quoted where the parser would not take it for one word.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    if !text.is_empty() && text != "-" && text.chars().all(plain) { text.to_string() } else { format!("{text:?}") }
}
