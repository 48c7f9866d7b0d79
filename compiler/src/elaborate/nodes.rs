//! Nodes of the graph with their places; what an op says of operands that do not fit, as a diagnostic.

use super::Step;
use super::evaluate::{Elaborator, Outcome};
use super::parameters::Cost;
use crate::diagnostic::{Diagnostic, Span};
use crate::graph::{Attribute, Attributes, NodeId};
use crate::ops::OpError;

/// Layers in the story of a shape.
const LONGEST_LINEAGE: usize = 6;

impl Elaborator<'_> {
    /// Notes what a step of a chain gave, with the layers from number `layers` on.
    pub fn passed(&mut self, span: Span, result: NodeId, layers: usize) {
        if span.file != self.modules.prelude() {
            let made = &self.builder.layers[layers..];
            self.steps.push(Step {
                span,
                shape: self.builder.dims(result),
                parameters: made.iter().map(|layer| layer.parameters).sum(),
                multiply_adds: made.iter().map(|layer| layer.multiply_adds).sum(),
            });
        }
    }

    /// Adds a node of the layer `path`, at the present place.
    pub fn add(&mut self, op: &str, operands: &[NodeId], attributes: Attributes, path: &str) -> Outcome<NodeId> {
        self.builder.source = self.sources.place(self.place);
        let added = self.builder.add(op, operands, attributes, path);
        self.checked(added, operands.first().copied())
    }

    /// Enters a layer into the table.
    pub fn layer(&mut self, path: &str, op: &str, result: NodeId, cost: Cost) {
        self.results.push((result, path.to_string(), self.place));
        self.builder.layer(path, op, result, cost);
    }

    /// The name of the bias that was just added to the result of a convolution or dense layer.
    pub fn bias(&self, x: NodeId) -> Option<String> {
        let graph = &self.builder.graph;
        let [_, wide] = graph[x].operands[..] else { return None };
        let [bias] = graph[wide].operands[..] else { return None };
        match graph[bias].attributes.get("name") {
            Some(Attribute::Text(name)) if graph[bias].op.name() == "parameter" => Some(name.clone()),
            _ => None,
        }
    }

    /// A node, or a diagnostic of what was wrong with it.
    pub fn checked(&mut self, added: Result<NodeId, OpError>, input: Option<NodeId>) -> Outcome<NodeId> {
        let wrong = match added {
            Ok(node) => {
                let ty = &self.builder.graph[node].ty;
                // Every element has four bytes, and `infer` allows 2^40 elements at most.
                let bytes = ty.len() as u64 * 4;
                if bytes <= self.memory {
                    return Ok(node);
                }
                let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
                Diagnostic::error(
                    "E203",
                    self.place,
                    format!("{ty} takes {:.1} GiB, this machine has {:.1}", gib(bytes), gib(self.memory)),
                )
                .hint("a smaller batch (`--set train.batch=..`) or fewer channels")
            }
            Err(OpError { message, hint }) => Diagnostic::error("E200", self.place, message).maybe_hint(hint),
        };
        let wrong = match input {
            Some(x) => wrong.here(format!("the input here is {}", self.builder.graph[x].ty)).note(self.lineage(x)),
            None => wrong,
        };
        self.stop(wrong)
    }

    /// How the shape of a value came about: the layers behind it that changed the shape, from the input on.
    pub fn lineage(&self, x: NodeId) -> String {
        let graph = &self.builder.graph;
        let (mut at, mut way) = (x, Vec::new());
        loop {
            let node = &graph[at];
            let before = node.operands.first().copied();
            if before.is_none_or(|before| graph[before].ty != node.ty) {
                way.push(format!("{} by `{}` at {}", node.ty, node.place.path, node.place.source));
            }
            match before {
                Some(before) => at = before,
                None => break,
            }
        }
        way.truncate(LONGEST_LINEAGE);
        way.reverse();
        format!("the shape came about so:\n{}", way.join("\n"))
    }
}
