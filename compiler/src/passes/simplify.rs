//! Algebraic simplification: a table of rules, each exact to the bit.
//!
//! Left out on purpose: `x + 0`, which makes 0 of -0; `scale` of a `scale`, whose factors round twice; `x * 0`, which is
//! NaN where `x` is infinite.

use crate::graph::{Graph, Node, NodeId};

/// One equation, read from left to right.
pub struct Rule {
    /// What is replaced by what.
    pub name: &'static str,
    /// The op at the root of the left side.
    pub op: &'static str,
    /// The value that stands for the node's, where the left side matches. It has the node's type.
    pub replacement: fn(&Graph, &Node) -> Option<NodeId>,
}

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule { name: "x * 1 = x", op: "mul", replacement: |graph, node| other_than(graph, node, 1.0) },
    Rule {
        name: "x / 1 = x",
        op: "div",
        replacement: |graph, node| (is_constant(graph, node.operands[1], 1.0)).then_some(node.operands[0]),
    },
    Rule {
        name: "x - 0 = x",
        op: "sub",
        replacement: |graph, node| (is_constant(graph, node.operands[1], 0.0)).then_some(node.operands[0]),
    },
    Rule { name: "-(-x) = x", op: "neg", replacement: |graph, node| under(graph, node, "neg") },
    Rule {
        name: "scale by 1 of x = x",
        op: "scale",
        replacement: |_, node| (node.attributes.float("by") == 1.0).then_some(node.operands[0]),
    },
    Rule {
        name: "relu of relu x = relu x",
        op: "relu",
        replacement: |graph, node| (graph[node.operands[0]].op.name() == "relu").then_some(node.operands[0]),
    },
    Rule { name: "broadcast to its own extents = x", op: "broadcast", replacement: same_type },
    Rule { name: "sum over no axes = x", op: "reduce_sum", replacement: same_type },
    Rule {
        name: "concat of one = x",
        op: "concat",
        replacement: |_, node| (node.operands.len() == 1).then(|| node.operands[0]),
    },
    Rule { name: "slice of all channels = x", op: "slice_channels", replacement: same_type },
    Rule { name: "pad by nothing = x", op: "pad_channels", replacement: same_type },
    Rule {
        name: "subsample by 1 = x",
        op: "subsample",
        replacement: |_, node| (node.attributes.ints("stride") == [1, 1]).then_some(node.operands[0]),
    },
    Rule {
        name: "flatten of unflatten x = x",
        op: "flatten",
        replacement: |graph, node| under(graph, node, "unflatten"),
    },
    Rule {
        name: "unflatten of flatten x = x",
        op: "unflatten",
        replacement: |graph, node| under(graph, node, "flatten"),
    },
];

/// Applies the rules from operands to users, until none applies.
pub fn simplify(graph: &mut Graph) {
    for id in graph.topological() {
        // A replacement comes before the node and has been simplified, so one round is enough.
        let node = &graph[id];
        let rules = RULES.iter().filter(|rule| rule.op == node.op.name());
        if let Some(new) = rules.filter_map(|rule| (rule.replacement)(graph, node)).next() {
            graph.replace(id, new);
            graph.remove(id);
        }
    }
}

/// The operand itself, where the op has not changed its type and so, for these ops, not its elements.
fn same_type(graph: &Graph, node: &Node) -> Option<NodeId> {
    (graph[node.operands[0]].ty == node.ty).then_some(node.operands[0])
}

/// The operand's operand, if the operand is an `op` and the types agree.
fn under(graph: &Graph, node: &Node, op: &str) -> Option<NodeId> {
    let inner = &graph[node.operands[0]];
    let value = *inner.operands.first()?;
    (inner.op.name() == op && graph[value].ty == node.ty).then_some(value)
}

/// The other operand, if one is `value` everywhere.
fn other_than(graph: &Graph, node: &Node, value: f64) -> Option<NodeId> {
    let [a, b] = [node.operands[0], node.operands[1]];
    match (is_constant(graph, a, value), is_constant(graph, b, value)) {
        (_, true) => Some(a),
        (true, _) => Some(b),
        _ => None,
    }
}

/// Whether a value is this constant, maybe broadcast; 0 and -0 are told apart.
fn is_constant(graph: &Graph, id: NodeId, value: f64) -> bool {
    let node = &graph[id];
    match node.op.name() {
        "constant" => node.attributes.float("value").to_bits() == value.to_bits(),
        "broadcast" => is_constant(graph, node.operands[0], value),
        _ => false,
    }
}
