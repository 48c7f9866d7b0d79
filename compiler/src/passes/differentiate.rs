//! Reverse-mode differentiation as a graph transformation.
//!
//! Walks the nodes between the parameters and the loss in reverse topological order; each op's own rule says what its
//! operands' gradients are. The result is plain IR.

use crate::graph::{Attribute, Attributes, Graph, NodeId, OutputKind, Place};
use crate::ops;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// An op on the way from a parameter to the loss has no gradient rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoGradient {
    /// The op.
    pub op: &'static str,
    /// Where it stands.
    pub place: Place,
    /// Why it has none.
    pub reason: String,
}

impl fmt::Display for NoGradient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}` ({}) has no gradient: {}", self.place.source, self.op, self.place.path, self.reason)
    }
}

impl std::error::Error for NoGradient {}

/// A constant of the given extents.
fn constant(graph: &mut Graph, value: f64, dims: &[usize], place: Place) -> NodeId {
    let dims = dims.iter().map(|&extent| extent as i64).collect();
    let attributes = Attributes::new().with("value", Attribute::Float(value)).with("dims", Attribute::Ints(dims));
    graph.add(ops::find("constant").expect("`constant` is an op"), &[], attributes, place)
}

/// Adds a result `grad.<name>` for every parameter that is not frozen: the gradient of the result `loss`. A parameter on
/// which the loss does not depend has gradient zero.
///
/// # Errors
/// Names the op, and its place, that cannot be differentiated.
///
/// # Panics
/// When the graph has no result `loss`.
pub fn differentiate(graph: &mut Graph) -> Result<(), NoGradient> {
    let loss = graph.result("loss").expect("differentiate: the graph has a result `loss`");
    let order = graph.topological();
    let is_trained =
        |graph: &Graph, id: NodeId| graph[id].op.name() == "parameter" && !graph[id].attributes.flag("frozen");
    let parameters: Vec<NodeId> = graph.ids().into_iter().filter(|&id| is_trained(graph, id)).collect();

    let mut varies: BTreeSet<NodeId> = parameters.iter().copied().collect();
    for &id in &order {
        if graph[id].operands.iter().any(|operand| varies.contains(operand)) {
            varies.insert(id);
        }
    }
    let mut gradients: HashMap<NodeId, NodeId> = HashMap::new();
    let (dims, place) = (graph[loss].ty.dims.clone(), graph[loss].place.clone());
    gradients.insert(loss, constant(graph, 1.0, &dims, place));
    let add = ops::find("add").expect("`add` is an op");
    for &id in order.iter().rev() {
        let Some(&dy) = gradients.get(&id) else { continue };
        if !varies.contains(&id) || graph[id].operands.is_empty() {
            continue;
        }
        let op = graph[id].op;
        let place = graph[id].place.clone();
        let parts =
            op.grad(graph, id, dy).map_err(|reason| NoGradient { op: op.name(), place: place.clone(), reason })?;
        let operands = graph[id].operands.clone();
        for (operand, part) in operands.into_iter().zip(parts) {
            let Some(part) = part.filter(|_| varies.contains(&operand)) else { continue };
            let sum = match gradients.get(&operand) {
                Some(&known) => graph.add(add, &[known, part], Attributes::new(), place.clone()),
                None => part,
            };
            gradients.insert(operand, sum);
        }
    }
    for id in parameters {
        let node = &graph[id];
        let (dims, place) = (node.ty.dims.clone(), node.place.clone());
        let name = format!("grad.{}", node.attributes.text("name"));
        let gradient = match gradients.get(&id) {
            Some(&gradient) => gradient,
            None => constant(graph, 0.0, &dims, place),
        };
        graph.output(OutputKind::Result, &name, gradient);
    }
    Ok(())
}
