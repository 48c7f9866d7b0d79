//! The graph itself. The only file that names petgraph.

use super::attribute::Attributes;
use super::shape::TensorType;
use crate::ops::{Op, OpError};
use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use std::collections::{BTreeSet, HashMap};
use std::fmt;

/// Names a node of one graph. Stays valid while other nodes come and go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(NodeIndex);

impl NodeId {
    /// A number that is unique in the graph; later nodes have greater ones.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0.index())
    }
}

/// Where in the source a node comes from, and which layer it belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `file:line:column`, empty where there is no source (text IR without places).
    pub source: String,
    /// The layer's path, as weights are named: `layer1.0.conv1`. May be empty.
    pub path: String,
}

/// One node: an op applied to ordered operands, with one result.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub op: &'static dyn Op,
    /// The operands, in the op's order.
    pub operands: Vec<NodeId>,
    /// Compile-time values.
    pub attributes: Attributes,
    /// The result's type, as the op's `infer` gave it.
    pub ty: TensorType,
    /// Where it comes from.
    pub place: Place,
    /// The kernel that computes it, once fusion has grouped the graph; a leaf has none.
    pub kernel: Option<u32>,
}

/// What becomes of a graph's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum OutputKind {
    /// Handed out under its name: `loss`, `logits`, `correct`, `grad.<parameter>`.
    Result,
    /// Replaces the state leaf (parameter, statistic or memory) of that name when the step ends.
    Update,
}

/// One named result of a graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Result or update.
    pub kind: OutputKind,
    /// For an update the state leaf's key, see [`crate::ops::leaf::key`].
    pub name: String,
    /// The value.
    pub value: NodeId,
}

/// A computation: nodes, and the results that are asked of them.
///
/// Invariant: every node's operands are in the graph, and there is no cycle (`verify` checks both). An edge runs from
/// operand to user, one for each use; the order of operands is kept in the node alone.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: StableDiGraph<Node, ()>,
    /// Results in the order in which they are printed and handed out.
    pub outputs: Vec<Output>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `op(operands)`; its type is inferred.
    ///
    /// # Errors
    /// What the op says of operands or attributes that do not fit.
    pub fn try_add(
        &mut self,
        op: &'static dyn Op,
        operands: &[NodeId],
        attributes: Attributes,
        place: Place,
    ) -> Result<NodeId, OpError> {
        let types: Vec<&TensorType> = operands.iter().map(|&operand| &self[operand].ty).collect();
        let ty = op.infer(&types, &attributes)?;
        Ok(self.insert(Node { op, operands: operands.to_vec(), attributes, ty, place, kernel: None }))
    }

    /// `try_add` for passes, whose operands fit by construction.
    ///
    /// # Panics
    /// When they do not: a mistake of the pass.
    pub fn add(&mut self, op: &'static dyn Op, operands: &[NodeId], attributes: Attributes, place: Place) -> NodeId {
        let name = op.name();
        self.try_add(op, operands, attributes, place).unwrap_or_else(|error| {
            let types: Vec<String> = operands.iter().map(|&operand| self[operand].ty.to_string()).collect();
            panic!("ill-typed `{name}` of ({}): {}", types.join(", "), error.message)
        })
    }

    /// Adds a node whose type is known.
    pub fn insert(&mut self, node: Node) -> NodeId {
        let operands = node.operands.clone();
        let id = self.nodes.add_node(node);
        for operand in operands {
            self.nodes.add_edge(operand.0, id, ());
        }
        NodeId(id)
    }

    /// Adds a result.
    pub fn output(&mut self, kind: OutputKind, name: &str, value: NodeId) {
        self.outputs.push(Output { kind, name: name.to_string(), value });
    }

    /// The value of the result called `name`.
    pub fn result(&self, name: &str) -> Option<NodeId> {
        self.outputs
            .iter()
            .find(|output| output.kind == OutputKind::Result && output.name == name)
            .map(|output| output.value)
    }

    /// Whether `id` is in the graph.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_node(id.0)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every node, oldest first.
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.node_indices().map(NodeId).collect()
    }

    /// The nodes that have `id` as an operand, oldest first, each once.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        let users: BTreeSet<NodeIndex> = self.nodes.neighbors_directed(id.0, Direction::Outgoing).collect();
        users.into_iter().map(NodeId).collect()
    }

    /// Every node after its operands; among those that could come next the oldest first, so the order depends on the
    /// graph alone. `None` when there is a cycle.
    pub fn try_topological(&self) -> Option<Vec<NodeId>> {
        let mut waiting: HashMap<NodeIndex, usize> = HashMap::new();
        let mut ready = BTreeSet::new();
        for id in self.nodes.node_indices() {
            let operands = self.nodes[id].operands.iter().collect::<BTreeSet<_>>().len();
            waiting.insert(id, operands);
            if operands == 0 {
                ready.insert(id);
            }
        }
        let mut order = Vec::with_capacity(self.len());
        while let Some(id) = ready.pop_first() {
            order.push(NodeId(id));
            for user in self.users(NodeId(id)) {
                let left = waiting.get_mut(&user.0).expect("a user is in the graph");
                *left -= 1;
                if *left == 0 {
                    ready.insert(user.0);
                }
            }
        }
        (order.len() == self.len()).then_some(order)
    }

    /// `try_topological` for graphs that have been verified.
    pub fn topological(&self) -> Vec<NodeId> {
        self.try_topological().expect("a verified graph has no cycle")
    }

    /// Replaces the operands of `id`.
    pub fn set_operands(&mut self, id: NodeId, operands: Vec<NodeId>) {
        let edges: Vec<_> = {
            let mut walker = self.nodes.neighbors_directed(id.0, Direction::Incoming).detach();
            let mut edges = Vec::new();
            while let Some(edge) = walker.next_edge(&self.nodes) {
                edges.push(edge);
            }
            edges
        };
        for edge in edges {
            self.nodes.remove_edge(edge);
        }
        for operand in &operands {
            self.nodes.add_edge(operand.0, id.0, ());
        }
        self.nodes[id.0].operands = operands;
    }

    /// Makes every user of `old`, and every output, use `new` instead. `old` stays, unused.
    pub fn replace(&mut self, old: NodeId, new: NodeId) {
        for user in self.users(old) {
            let operands =
                self[user].operands.iter().map(|&operand| if operand == old { new } else { operand }).collect();
            self.set_operands(user, operands);
        }
        for output in &mut self.outputs {
            if output.value == old {
                output.value = new;
            }
        }
    }

    /// Removes a node that nothing uses.
    pub fn remove(&mut self, id: NodeId) {
        debug_assert!(self.users(id).is_empty(), "removing {id:?}, which is in use");
        self.nodes.remove_node(id.0);
    }
}

impl std::ops::Index<NodeId> for Graph {
    type Output = Node;
    fn index(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}

impl std::ops::IndexMut<NodeId> for Graph {
    /// For attributes, place, type and kernel; operands change through `set_operands`, which keeps the edges right.
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0]
    }
}
