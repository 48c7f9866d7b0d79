//! How values lie in memory, and the order in which kernels walk over them.
//!
//! Activations are channels-last, so that a micro-kernel's row of B or C is contiguous; convolution weights lie as
//! [Kh, Kw, I, O] and dense weights as [I, O], so that their rows over the output channels are contiguous.

use crate::graph::{Graph, NodeId};
use crate::ops::leaf;
use std::collections::HashMap;

/// `permutation[i]` is the logical axis that is the i-th outermost physical one.
pub type Layout = Vec<usize>;

/// Memory layout of OIHW convolution weights: [Kh, Kw, I, O].
pub const CONVOLUTION_WEIGHT: [usize; 4] = [2, 3, 1, 0];
/// Memory layout of [out, in] dense weights: [in, out].
pub const DENSE_WEIGHT: [usize; 2] = [1, 0];

/// The layout of a value that nothing forces: channels last for four axes, row-major otherwise.
pub fn default_layout(rank: usize) -> Layout {
    match rank {
        4 => vec![0, 2, 3, 1],
        _ => (0..rank).collect(),
    }
}

/// Elements from one index to the next along each logical axis.
pub fn strides(dims: &[usize], layout: &[usize]) -> Vec<i64> {
    let mut strides = vec![0; dims.len()];
    let mut stride = 1;
    for &axis in layout.iter().rev() {
        strides[axis] = stride;
        stride *= dims[axis] as i64;
    }
    strides
}

/// The layout that an op forces on its `operand` (or, for `None`, on its result).
fn forced(op: &str, operand: Option<usize>) -> Option<Layout> {
    match (op, operand) {
        ("conv2d", Some(1)) | ("conv2d_input_grad", Some(0)) | ("conv2d_weight_grad", None) => {
            Some(CONVOLUTION_WEIGHT.to_vec())
        }
        ("dense", Some(1)) | ("dense_input_grad", Some(0)) | ("dense_weight_grad", None) => Some(DENSE_WEIGHT.to_vec()),
        ("matmul", Some(1) | None) => Some(vec![0, 1]),
        _ => None,
    }
}

/// The layout of every value of a graph. Values of one shape that meet in an elementwise op lie alike, and so do all
/// state leaves of one name (a parameter and its memories); an update lies as the leaf that it replaces.
///
/// # Panics
/// When two ops force different layouts on one value: no language construct makes such a graph.
pub fn layouts(graph: &Graph) -> HashMap<NodeId, Layout> {
    let ids = graph.ids();
    let mut group: HashMap<NodeId, NodeId> = ids.iter().map(|&id| (id, id)).collect();
    fn find(group: &mut HashMap<NodeId, NodeId>, id: NodeId) -> NodeId {
        let parent = group[&id];
        if parent == id {
            return id;
        }
        let root = find(group, parent);
        group.insert(id, root);
        root
    }
    for &id in &ids {
        let node = &graph[id];
        if !matches!(node.op.lowering(), crate::ops::Lowering::Elementwise(_)) {
            continue;
        }
        for &operand in &node.operands {
            if graph[operand].ty.dims == node.ty.dims {
                let (a, b) = (find(&mut group, id), find(&mut group, operand));
                group.insert(a, b);
            }
        }
    }
    let states = states(graph);
    for output in graph.outputs.iter().filter(|output| output.kind == crate::graph::OutputKind::Update) {
        let Some(&leaf) = states.get(&output.name) else { continue };
        let (a, b) = (find(&mut group, leaf), find(&mut group, output.value));
        if graph[leaf].ty == graph[output.value].ty {
            group.insert(a, b);
        }
    }
    let mut chosen: HashMap<NodeId, Layout> = HashMap::new();
    let mut force = |root: NodeId, layout: Option<Layout>, id: NodeId| {
        if let Some(layout) = layout {
            let known = chosen.entry(root).or_insert_with(|| layout.clone());
            assert!(*known == layout, "{id:?} would have to lie both as {known:?} and as {layout:?}");
        }
    };
    for &id in &ids {
        let node = &graph[id];
        force(find(&mut group, id), forced(node.op.name(), None), id);
        for (at, &operand) in node.operands.iter().enumerate() {
            force(find(&mut group, operand), forced(node.op.name(), Some(at)), operand);
        }
    }
    ids.iter()
        .map(|&id| {
            let root = find(&mut group, id);
            (id, chosen.get(&root).cloned().unwrap_or_else(|| default_layout(graph[id].ty.rank())))
        })
        .collect()
}

/// The state leaves by the names of the updates that replace them.
pub fn states(graph: &Graph) -> HashMap<String, NodeId> {
    let name = |leaf: &NodeId| leaf::key(&graph[*leaf]).filter(|_| leaf::is_state(&graph[*leaf]));
    graph.ids().into_iter().filter_map(|leaf| Some((name(&leaf)?, leaf))).collect()
}

/// The walk over a value: `outer` x `rows` x `columns` pixels of `channels` contiguous elements. Any extent may be 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Domain {
    /// Images of an activation.
    pub outer: usize,
    /// Rows of an image; rows of a matrix.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// The innermost extent.
    pub channels: usize,
    /// The logical axis behind each of the four, if there is one.
    pub axes: [Option<usize>; 4],
}

impl Domain {
    /// The walk over a value of `dims` that lies as `layout`.
    pub fn new(dims: &[usize], layout: &[usize]) -> Self {
        let axes = match *layout {
            [] => [None; 4],
            [a] => [None, None, None, Some(a)],
            [a, b] => [None, Some(a), None, Some(b)],
            [a, b, c] => [None, Some(a), Some(b), Some(c)],
            [a, b, c, d] => [Some(a), Some(b), Some(c), Some(d)],
            _ => panic!("a value of rank {} has no walk", layout.len()),
        };
        let extent = |slot: usize| axes[slot].map_or(1, |axis: usize| dims[axis]);
        Domain { outer: extent(0), rows: extent(1), columns: extent(2), channels: extent(3), axes }
    }
}
