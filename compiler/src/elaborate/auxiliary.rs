//! Auxiliary heads: classifiers beside the main one that add to the loss while training (Szegedy et al., 2014).

use super::Mode;
use super::builder::Label;
use super::evaluate::{Elaborator, Outcome};
use super::value::Bound;
use crate::diagnostic::{Diagnostic, Span};
use crate::graph::{Attribute, Attributes, NodeId, TensorType};

/// A head that `auxiliary` has put beside the model's own.
pub(super) struct Auxiliary {
    pub logits: NodeId,
    /// What its loss counts in the sum.
    pub weight: f64,
    place: Span,
}

/// `auxiliary(head, weight = 0.3)`: x itself. The loss of head(x) is added to the training loss, times the weight.
///
/// The head is built for evaluation too, where nothing reads it: so layers are numbered alike in both graphs.
pub(super) fn auxiliary<'a>(
    this: &mut Elaborator<'a>,
    bound: &Bound<'a>,
    x: NodeId,
    label: Option<Label>,
) -> Outcome<NodeId> {
    let place = this.place;
    let weight = this.within(bound, "weight", 0.0, f64::INFINITY)?;
    let (head, head_span) = bound.get("head");
    this.at(head_span);
    let logits = this.apply(&head.clone(), x, label)?;
    this.place = place;
    this.auxiliaries.push(Auxiliary { logits, weight, place });
    Ok(x)
}

impl Elaborator<'_> {
    /// Checks that every head gives what the model gives.
    pub fn check_auxiliaries(&mut self, logits: &TensorType) -> Outcome<()> {
        let odd = self.auxiliaries.iter().find(|head| self.builder.graph[head.logits].ty != *logits);
        let Some(&Auxiliary { logits: given, place, .. }) = odd else { return Ok(()) };
        let given_type = &self.builder.graph[given].ty;
        let message = format!("an auxiliary head gives {given_type}, the model gives logits {logits}");
        let wrong = Diagnostic::error("E137", self.visible(place), message).note(self.lineage(given));
        self.stop(wrong.hint("both end with a dense layer for the same classes"))
    }

    /// The training loss: the model's own plus what `loss_of` gives of each head, times its weight.
    pub fn with_auxiliaries(
        &mut self,
        mut loss: NodeId,
        loss_of: impl Fn(&mut Self, NodeId) -> Outcome<NodeId>,
    ) -> Outcome<NodeId> {
        if self.builder.mode == Mode::Eval {
            return Ok(loss);
        }
        for at in 0..self.auxiliaries.len() {
            let Auxiliary { logits, weight, .. } = self.auxiliaries[at];
            let head = loss_of(self, logits)?;
            let weighted =
                self.add("scale", &[head], Attributes::new().with("by", Attribute::Float(weight)), "loss")?;
            loss = self.add("add", &[loss, weighted], Attributes::new(), "loss")?;
        }
        Ok(loss)
    }
}
