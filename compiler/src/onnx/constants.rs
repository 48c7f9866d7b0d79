//! Values that weights alone determine, computed by the reference evaluator's rules in double precision.

use crate::graph::{Graph, NodeId};
use crate::ops::leaf;
use crate::ops::tensor::Tensor;
use rnet_runtime::tensors::{Elements, Tensors};
use std::collections::HashSet;

/// The part of a graph that no input reaches.
pub struct Constants<'g> {
    graph: &'g Graph,
    weights: &'g Tensors,
    fixed: HashSet<NodeId>,
}

impl<'g> Constants<'g> {
    pub fn new(graph: &'g Graph, weights: &'g Tensors) -> Constants<'g> {
        let mut fixed = HashSet::new();
        for id in graph.topological() {
            let node = &graph[id];
            if node.op.name() != "input" && node.operands.iter().all(|operand| fixed.contains(operand)) {
                fixed.insert(id);
            }
        }
        Constants { graph, weights, fixed }
    }

    /// Whether weights alone determine a value.
    pub fn contains(&self, id: NodeId) -> bool {
        self.fixed.contains(&id)
    }

    /// The elements of a value that they determine. Those of a parameter are its own, to the bit.
    pub fn elements(&self, id: NodeId) -> Vec<f32> {
        match leaf::key(&self.graph[id]) {
            Some(name) => self.weight(id, &name).to_vec(),
            None => self.computed(id).data.into_iter().map(|value| value as f32).collect(),
        }
    }

    fn weight(&self, id: NodeId, name: &str) -> &'g [f32] {
        let found = self.weights.get(name).unwrap_or_else(|| panic!("onnx: there are no weights `{name}`"));
        assert_eq!(found.dims, self.graph[id].ty.dims, "onnx: the extents of `{name}`");
        match &found.elements {
            Elements::Real(values) => values,
            Elements::Whole(_) => panic!("onnx: `{name}` holds whole numbers"),
        }
    }

    fn computed(&self, id: NodeId) -> Tensor {
        let node = &self.graph[id];
        if let Some(name) = leaf::key(node) {
            let data = self.weight(id, &name).iter().map(|&value| f64::from(value)).collect();
            return Tensor { dims: node.ty.dims.clone(), data };
        }
        let operands: Vec<Tensor> = node.operands.iter().map(|&operand| self.computed(operand)).collect();
        node.op.eval(&operands.iter().collect::<Vec<_>>(), &node.attributes, &node.ty)
    }
}
