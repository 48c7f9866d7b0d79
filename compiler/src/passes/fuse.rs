//! Groups the graph into kernels.
//!
//! A kernel is an anchor (or nothing) with an elementwise graph in front of each operand, an elementwise graph behind
//! the result, and reductions riding along. After the pass every node but the leaves belongs to one kernel; a value
//! that another kernel reads is stored, and cheap elementwise nodes that several kernels need are cloned into each. So
//! the result is plain IR, which prints, reads back and evaluates as before.
//!
//! Batch norm falls apart by this rule alone: its statistics ride behind the convolution that produces their operand, its
//! normalisation is cloned into each reader, and its gradient's two sums ride behind the data gradient that they depend on
//! (the fission of Jung et al., "Restructuring Batch Normalization to Accelerate CNN Training", MLSys 2019).

use crate::graph::{Graph, NodeId};
use crate::ops::Lowering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Above this many steps a shared elementwise value is stored rather than computed again.
const LONGEST_RECOMPUTATION: usize = 48;

/// What fusion needs to know of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Leaf,
    Elementwise,
    Broadcast,
    Reduction,
    Anchor,
}

fn class(graph: &Graph, id: NodeId) -> Class {
    match graph[id].op.lowering() {
        Lowering::Leaf => Class::Leaf,
        Lowering::Elementwise(_) => Class::Elementwise,
        Lowering::Broadcast => Class::Broadcast,
        Lowering::Reduction => Class::Reduction,
        Lowering::Anchor => Class::Anchor,
        Lowering::Decompose(_) => panic!("fuse: `{}` should have been decomposed", graph[id].op.name()),
    }
}

/// Whether kernels behind this op's result may be computed tile by tile with it.
fn takes_epilogue(op: &str) -> bool {
    matches!(
        op,
        "conv2d"
            | "conv2d_input_grad"
            | "dense"
            | "dense_input_grad"
            | "max_pool"
            | "max_pool_grad"
            | "avg_pool"
            | "avg_pool_grad"
            | "resample"
            | "resample_grad"
            | "softmax"
            | "softmax_grad"
            | "standardize"
            | "standardize_grad"
            | "channel_window_sum"
    )
}

/// Whether the op reads this operand straight from memory, so that it has to be stored.
pub(crate) fn reads_directly(op: &str, operand: usize) -> bool {
    matches!((op, operand), ("conv2d" | "dense", 1) | ("conv2d_input_grad" | "dense_input_grad", 0))
}

/// A value of at most one axis: per-channel algebra, which small kernels of their own compute once.
fn is_small(graph: &Graph, id: NodeId) -> bool {
    graph[id].ty.rank() <= 1
}

struct Kernel {
    /// Position in the topological order of the first node; everything it reads comes from kernels before.
    position: usize,
    /// The values that it stores.
    stored: BTreeSet<NodeId>,
    dims: Vec<usize>,
    has_anchor: bool,
    small: bool,
}

struct Fusion<'g> {
    graph: &'g Graph,
    position: HashMap<NodeId, usize>,
    outputs: BTreeSet<NodeId>,
    kernels: Vec<Kernel>,
    /// The kernel that stores each stored value.
    home: HashMap<NodeId, usize>,
    /// Values that live in an anchor's kernel alone: nothing outside it reads them.
    internal: BTreeSet<NodeId>,
}

/// Groups the nodes of a decomposed graph into kernels.
pub fn fuse(graph: &mut Graph) {
    let order = graph.topological();
    let mut fusion = Fusion {
        position: order.iter().enumerate().map(|(at, &id)| (id, at)).collect(),
        outputs: graph.outputs.iter().map(|output| output.value).collect(),
        kernels: Vec::new(),
        home: HashMap::new(),
        internal: BTreeSet::new(),
        graph,
    };
    for &id in &order {
        if fusion.home.contains_key(&id) || fusion.internal.contains(&id) {
            continue;
        }
        match class(fusion.graph, id) {
            Class::Leaf => {}
            Class::Anchor => fusion.anchor(id),
            Class::Reduction => fusion.standalone(id),
            Class::Elementwise if is_small(fusion.graph, id) => fusion.standalone(id),
            Class::Elementwise | Class::Broadcast => {
                if fusion.should_store(id) {
                    fusion.standalone(id);
                }
            }
        }
    }
    let Fusion { kernels, home, .. } = fusion;
    group(graph, &kernels, &home);
}

impl Fusion<'_> {
    fn new_kernel(&mut self, id: NodeId, dims: Vec<usize>, has_anchor: bool) -> usize {
        self.kernels.push(Kernel {
            position: self.position[&id],
            stored: BTreeSet::new(),
            dims,
            has_anchor,
            small: is_small(self.graph, id) && class(self.graph, id) == Class::Elementwise,
        });
        self.kernels.len() - 1
    }

    fn store(&mut self, id: NodeId, kernel: usize) {
        self.kernels[kernel].stored.insert(id);
        self.home.insert(id, kernel);
    }

    /// The stored values that an elementwise value depends on, and the number of steps from them to it. `inside` is not
    /// looked behind: its values are at hand.
    fn sources(&self, id: NodeId, inside: &BTreeSet<NodeId>) -> (BTreeSet<NodeId>, usize) {
        let (mut sources, mut steps) = (BTreeSet::new(), 0);
        let (mut seen, mut stack) = (BTreeSet::new(), vec![id]);
        while let Some(at) = stack.pop() {
            if !seen.insert(at) {
                continue;
            }
            let is_source = at != id && (self.home.contains_key(&at) || inside.contains(&at));
            match class(self.graph, at) {
                Class::Elementwise | Class::Broadcast if !is_source => {
                    steps += 1;
                    stack.extend(&self.graph[at].operands);
                }
                _ => {
                    sources.insert(at);
                }
            }
        }
        (sources, steps)
    }

    /// How many of the sources of a value of `dims` are as large as it: each costs a sweep of memory.
    fn full(&self, sources: &BTreeSet<NodeId>, dims: &[usize]) -> usize {
        sources.iter().filter(|&&source| self.graph[source].ty.dims == dims).count()
    }

    /// Whether a kernel at `position` can have the value: stored before, or computable from what is.
    fn available(&self, id: NodeId, position: usize, memo: &mut HashMap<NodeId, bool>) -> bool {
        if let Some(&known) = memo.get(&id) {
            return known;
        }
        let answer = match (class(self.graph, id), self.home.get(&id)) {
            (Class::Leaf, _) => true,
            (_, Some(&kernel)) => {
                self.kernels[kernel].position < position || (!self.is_costly(id) && self.computable(id, position, memo))
            }
            (Class::Elementwise | Class::Broadcast, None) if !is_small(self.graph, id) => {
                self.computable(id, position, memo)
            }
            _ => false,
        };
        memo.insert(id, answer);
        answer
    }

    fn is_costly(&self, id: NodeId) -> bool {
        is_small(self.graph, id) || !matches!(class(self.graph, id), Class::Elementwise | Class::Broadcast)
    }

    fn computable(&self, id: NodeId, position: usize, memo: &mut HashMap<NodeId, bool>) -> bool {
        self.graph[id].op.name() != "dropout"
            && self.graph[id].operands.iter().all(|&operand| self.available(operand, position, memo))
    }

    /// Opens the anchor's kernel and lets it take in what can be computed behind its result.
    fn anchor(&mut self, anchor: NodeId) {
        let dims = self.graph[anchor].ty.dims.clone();
        let kernel = self.new_kernel(anchor, dims.clone(), true);
        let mut inside = BTreeSet::from([anchor]);
        if takes_epilogue(self.graph[anchor].op.name()) {
            let position = self.position[&anchor];
            let mut memo = HashMap::new();
            let mut queue: BTreeSet<(usize, NodeId)> = self.users(anchor);
            while let Some((_, user)) = queue.pop_first() {
                if self.home.contains_key(&user) || inside.contains(&user) {
                    continue;
                }
                let fits = match class(self.graph, user) {
                    Class::Elementwise => self.graph[user].ty.dims == dims,
                    Class::Reduction => self.rides(user),
                    _ => false,
                };
                let ready = |memo: &mut HashMap<NodeId, bool>| {
                    self.graph[user]
                        .operands
                        .iter()
                        .all(|operand| inside.contains(operand) || self.available(*operand, position, memo))
                };
                if fits && ready(&mut memo) {
                    inside.insert(user);
                    if class(self.graph, user) == Class::Elementwise {
                        queue.extend(self.users(user));
                    }
                }
            }
        }
        let used_outside =
            |id: NodeId| self.outputs.contains(&id) || self.graph.users(id).iter().any(|user| !inside.contains(user));
        let mut kept = BTreeSet::new();
        if used_outside(anchor) || inside.len() == 1 {
            kept.insert(anchor);
        }
        let by_position: BTreeSet<(usize, NodeId)> = inside.iter().map(|&id| (self.position[&id], id)).collect();
        for &(_, id) in &by_position {
            match class(self.graph, id) {
                Class::Reduction => {
                    kept.insert(id);
                }
                Class::Elementwise if used_outside(id) => {
                    let (sources, steps) = self.sources(id, &kept);
                    let again = sources.iter().all(|source| {
                        kept.contains(source)
                            || self.home.contains_key(source)
                            || class(self.graph, *source) == Class::Leaf
                    });
                    let cheap = again && self.full(&sources, &dims) <= 1 && steps <= LONGEST_RECOMPUTATION;
                    let direct = self.graph[id].op.name() == "dropout" || self.outputs.contains(&id);
                    if direct || !cheap {
                        kept.insert(id);
                    }
                }
                _ => {}
            }
        }
        let internal: Vec<NodeId> =
            inside.iter().copied().filter(|&id| !kept.contains(&id) && !used_outside(id)).collect();
        self.internal.extend(internal);
        for id in kept {
            self.store(id, kernel);
        }
    }

    /// Whether a reduction can ride behind an anchor: a map goes over many pixels, the columns of an image or the rows of a matrix,
    /// so those are added up too.
    fn rides(&self, reduction: NodeId) -> bool {
        let node = &self.graph[reduction];
        let removed = node.attributes.ints("axes");
        let pixels: &[i64] = if self.graph[node.operands[0]].ty.rank() == 4 { &[2, 3] } else { &[0] };
        pixels.iter().all(|axis| removed.contains(axis))
    }

    fn users(&self, id: NodeId) -> BTreeSet<(usize, NodeId)> {
        self.graph.users(id).into_iter().map(|user| (self.position[&user], user)).collect()
    }

    /// Whether an elementwise value is worth storing: outputs, what an anchor reads straight from memory, and what costs
    /// more sweeps of memory to compute again in each reader than to store once.
    fn should_store(&self, id: NodeId) -> bool {
        let users = self.graph.users(id);
        let direct = users.iter().any(|&user| {
            let node = &self.graph[user];
            node.operands.iter().enumerate().any(|(at, &operand)| operand == id && reads_directly(node.op.name(), at))
        });
        if self.outputs.contains(&id) || direct || self.graph[id].op.name() == "dropout" {
            return true;
        }
        if users.is_empty() {
            return false;
        }
        let (sources, steps) = self.sources(id, &BTreeSet::new());
        let (reads, readers) = (self.full(&sources, &self.graph[id].ty.dims), self.readers(id));
        readers > 1 && (steps > LONGEST_RECOMPUTATION || reads * readers > reads + 1 + readers)
    }

    /// How many kernels would compute the value if it were not stored.
    fn readers(&self, id: NodeId) -> usize {
        let (mut readers, mut seen, mut stack) = (BTreeSet::new(), BTreeSet::new(), vec![id]);
        while let Some(at) = stack.pop() {
            for user in self.graph.users(at) {
                if !seen.insert(user) {
                    continue;
                }
                match (class(self.graph, user), self.home.get(&user)) {
                    (_, Some(&kernel)) => {
                        readers.insert((0, kernel));
                    }
                    (Class::Anchor, None) => {
                        readers.insert((1, user.index()));
                    }
                    (Class::Reduction, None) => {
                        readers.insert((2, 0));
                    }
                    _ if self.outputs.contains(&user) => {
                        readers.insert((1, user.index()));
                    }
                    _ => stack.push(user),
                }
            }
        }
        readers.len()
    }

    /// Stores a value that rides behind no anchor: in an open kernel of the same walk that it can join, else in a new one.
    fn standalone(&mut self, id: NodeId) {
        let node = &self.graph[id];
        let dims = match class(self.graph, id) {
            Class::Reduction => self.graph[node.operands[0]].ty.dims.clone(),
            _ => node.ty.dims.clone(),
        };
        let small = is_small(self.graph, id) && class(self.graph, id) == Class::Elementwise;
        let (sources, _) = match class(self.graph, id) {
            Class::Reduction
                if matches!(class(self.graph, node.operands[0]), Class::Elementwise | Class::Broadcast)
                    && !self.home.contains_key(&node.operands[0]) =>
            {
                self.sources(node.operands[0], &BTreeSet::new())
            }
            Class::Reduction => (BTreeSet::from([node.operands[0]]), 0),
            _ => self.sources(id, &BTreeSet::new()),
        };
        let joins = |&at: &usize| {
            let kernel = &self.kernels[at];
            let shares = small
                || sources.iter().any(|source| kernel.stored.contains(source) || self.graph[*source].ty.dims == dims);
            // A reduction is complete only when its kernel has ended.
            let whole = |source: &NodeId| {
                class(self.graph, *source) == Class::Leaf
                    || self.home.get(source).is_some_and(|&home| {
                        self.kernels[home].position < kernel.position
                            || (home == at && class(self.graph, *source) != Class::Reduction)
                    })
            };
            !kernel.has_anchor && kernel.small == small && kernel.dims == dims && shares && sources.iter().all(whole)
        };
        let kernel = (0..self.kernels.len()).rev().take(16).find(joins);
        let kernel = kernel.unwrap_or_else(|| self.new_kernel(id, dims, false));
        self.store(id, kernel);
    }
}

/// Writes the kernels into the graph: clones what several of them compute, and drops what none needs.
fn group(graph: &mut Graph, kernels: &[Kernel], home: &HashMap<NodeId, usize>) {
    let mut order: Vec<usize> = (0..kernels.len()).collect();
    order.sort_by_key(|&at| kernels[at].position);
    let originals = graph.ids();
    // Anchors that are not stored are still computed in their kernel, once.
    let position_of: HashMap<usize, usize> =
        kernels.iter().enumerate().map(|(at, kernel)| (at, kernel.position)).collect();
    let topological = graph.topological();
    let anchor_home: HashMap<NodeId, usize> = kernels
        .iter()
        .enumerate()
        .filter(|(_, kernel)| kernel.has_anchor)
        .map(|(at, kernel)| (topological[kernel.position], at))
        .collect();
    let mut kept: BTreeSet<NodeId> = BTreeSet::new();
    for (number, &at) in order.iter().enumerate() {
        let mut placed: BTreeMap<NodeId, NodeId> = BTreeMap::new();
        for &id in &kernels[at].stored {
            place(graph, id, at, number as u32, &mut placed, home, &anchor_home, &position_of);
        }
        kept.extend(placed.values().copied());
    }
    for id in topological.into_iter().rev().chain(originals.into_iter().rev()) {
        if graph.contains(id) && !kept.contains(&id) && class(graph, id) != Class::Leaf && graph.users(id).is_empty() {
            graph.remove(id);
        }
    }
}

/// Puts `id` and what it needs into kernel `at`, and returns the node that stands for it there.
#[allow(clippy::too_many_arguments)]
fn place(
    graph: &mut Graph,
    id: NodeId,
    at: usize,
    number: u32,
    placed: &mut BTreeMap<NodeId, NodeId>,
    home: &HashMap<NodeId, usize>,
    anchor_home: &HashMap<NodeId, usize>,
    position_of: &HashMap<usize, usize>,
) -> NodeId {
    if let Some(&known) = placed.get(&id) {
        return known;
    }
    let own = home.get(&id) == Some(&at) || anchor_home.get(&id) == Some(&at);
    let elsewhere = home.get(&id).is_some_and(|&other| other != at && position_of[&other] < position_of[&at]);
    if class(graph, id) == Class::Leaf || elsewhere {
        return id;
    }
    let operands: Vec<NodeId> = graph[id].operands.clone();
    let operands: Vec<NodeId> = operands
        .into_iter()
        .map(|operand| place(graph, operand, at, number, placed, home, anchor_home, position_of))
        .collect();
    let here = if own {
        if graph[id].operands != operands {
            graph.set_operands(id, operands);
        }
        graph[id].kernel = Some(number);
        id
    } else {
        assert!(
            matches!(class(graph, id), Class::Elementwise | Class::Broadcast),
            "fuse: {id:?} (`{}`) is needed by kernel {number}, which comes before it",
            graph[id].op.name()
        );
        let mut clone = graph[id].clone();
        clone.operands = operands;
        clone.kernel = Some(number);
        graph.insert(clone)
    };
    placed.insert(id, here);
    here
}
