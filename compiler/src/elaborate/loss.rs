//! The loss of logits and labels, as nodes.

use super::evaluate::{Elaborator, Outcome};
use crate::graph::{Attribute, Attributes, ElementType, NodeId};
use rnet_runtime::config::Loss;

impl Elaborator<'_> {
    /// The mean loss of logits f32[N,K] against labels: classes i32[N], or each image's share of each class f32[N,K].
    pub(super) fn loss_of(&mut self, loss: Loss, logits: NodeId, label: NodeId) -> Outcome<NodeId> {
        match loss {
            Loss::CrossEntropy { smoothing } => {
                let attributes = Attributes::new().with("smoothing", Attribute::Float(smoothing));
                self.add("cross_entropy", &[logits, label], attributes, "loss")
            }
            Loss::MeanSquaredError => {
                let target = self.target(logits, label, 0.0)?;
                let difference = self.plain_loss("sub", &[logits, target])?;
                let squares = self.plain_loss("square", &[difference])?;
                self.mean(squares)
            }
            // -t log sigmoid(x) - (1 - t) log sigmoid(-x) = softplus(x) - t x
            Loss::BinaryCrossEntropy { smoothing } => {
                let target = self.target(logits, label, smoothing)?;
                let softplus = self.plain_loss("softplus", &[logits])?;
                let product = self.plain_loss("mul", &[target, logits])?;
                let each = self.plain_loss("sub", &[softplus, product])?;
                self.mean(each)
            }
        }
    }

    fn plain_loss(&mut self, op: &str, operands: &[NodeId]) -> Outcome<NodeId> {
        self.add(op, operands, Attributes::new(), "loss")
    }

    fn number_loss(&mut self, op: &str, x: NodeId, by: f64) -> Outcome<NodeId> {
        self.add(op, &[x], Attributes::new().with("by", Attribute::Float(by)), "loss")
    }

    /// The smoothed targets f32[N,K].
    fn target(&mut self, logits: NodeId, label: NodeId, smoothing: f64) -> Outcome<NodeId> {
        let classes = self.builder.dims(logits)[1];
        let mut target = label;
        if self.builder.graph[label].ty.element == ElementType::I32 {
            let attributes = Attributes::new().with("classes", Attribute::Int(classes as i64));
            target = self.add("one_hot", &[label], attributes, "loss")?;
        }
        if smoothing > 0.0 {
            let share = self.number_loss("scale", target, 1.0 - smoothing)?;
            target = self.number_loss("offset", share, smoothing / classes as f64)?;
        }
        Ok(target)
    }

    /// The mean over all elements of a matrix.
    fn mean(&mut self, x: NodeId) -> Outcome<NodeId> {
        let count = self.builder.graph[x].ty.len();
        let attributes = Attributes::new().with("axes", Attribute::extents(&[0, 1]));
        let sum = self.add("reduce_sum", &[x], attributes, "loss")?;
        self.number_loss("scale", sum, 1.0 / count as f64)
    }
}
