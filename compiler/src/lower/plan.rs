//! The plan: which launches run in which order, and where every value lies.
//!
//! Launches are put into waves: a launch runs one wave after the last launch that it has to wait for (for what it reads, and for
//! readers of state that it overwrites). Within a wave all tasks of all launches are independent. Values share the arena where
//! the waves in which they are needed do not overlap.

use super::anchors;
use super::arena::{Lens, allocate};
use super::layout::{self, Layout, layouts};
use super::loops::{Address, Affine, Element, Load, Nest};
use super::nest::{Arithmetic, Buffer, Kernel, MapBuilder, NestBuilder};
use crate::graph::{ElementType, Graph, NodeId, OutputKind};
use crate::ops::{Lowering, leaf};
use rnet_runtime::program::{BufferSpec, Init, Precision, StateKind, StateSpec, Storage};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

/// One launch of the plan.
#[derive(Clone, Debug)]
pub struct PlannedLaunch {
    /// What it computes: `conv2d layer1.0.conv1`.
    pub label: String,
    /// `file:line:column` of the anchor.
    pub source: String,
    /// The loop nest.
    pub nest: Nest,
    /// Indices into the plan's buffers, in the nest's order.
    pub buffers: Vec<usize>,
    /// See `rnet_runtime::program::Launch::wave`.
    pub wave: usize,
    /// Floating-point operations of the anchor.
    pub flops: u64,
    /// Bytes of the values read and written.
    pub bytes: u64,
}

/// A graph in order, with its memory laid out.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of their waves.
    pub launches: Vec<PlannedLaunch>,
    /// All memory.
    pub buffers: Vec<BufferSpec>,
    /// What each buffer holds, for people.
    pub names: Vec<String>,
    /// State tensors in the order of the graph's leaves.
    pub states: Vec<StateSpec>,
    /// Elements of the arena.
    pub arena: usize,
}

/// A launch before it has a wave.
pub(super) struct Draft {
    label: String,
    source: String,
    nest: Nest,
    buffers: Vec<Buffer>,
    pub(super) reads: Vec<Buffer>,
    pub(super) writes: Vec<Buffer>,
    flops: u64,
}

/// Plans a fused graph.
pub fn plan(graph: &Graph, arithmetic: Arithmetic) -> Plan {
    let layouts = layouts(graph);
    let mut temporaries: Vec<usize> = Vec::new();
    let mut partials: HashMap<NodeId, usize> = HashMap::new();
    let rounded = rounded(graph, &layouts, arithmetic);
    let mut drafts = drafts(graph, arithmetic, &layouts, &rounded, &mut partials, &mut temporaries);
    let states_by_name = layout::states(graph);
    let (aliases, late) = in_place(graph, &states_by_name, &drafts);
    let copied = copies(graph, &layouts, &rounded, &partials, &aliases, &late, &mut drafts);
    let mut replaced: BTreeMap<Buffer, NodeId> =
        aliases.iter().map(|(&value, &leaf)| (Buffer::Value(value), leaf)).collect();
    replaced.extend(late.iter().map(|&at| (Buffer::Output(at), states_by_name[&graph.outputs[at].name])));
    let waves = waves(&drafts, &replaced);

    let mut plan = Plan::default();
    let mut index: BTreeMap<Buffer, usize> = BTreeMap::new();
    states(graph, &layouts, &mut plan, &mut index);
    for (at, output) in graph.outputs.iter().enumerate() {
        if output.kind == OutputKind::Result {
            let buffer = if copied.contains(&at) { Buffer::Output(at) } else { Buffer::Value(output.value) };
            let storage = Storage::Output(output.name.clone());
            add(&mut plan, &mut index, buffer, storage, graph, &layouts, graph[output.value].ty.len());
        }
    }
    for (&written, &leaf) in &replaced {
        index.insert(written, index[&Buffer::Value(leaf)]);
    }
    let lens = Lens { graph, rounded: &rounded, partials: &partials, temporaries: &temporaries };
    allocate(&lens, &layouts, &drafts, &waves, &mut plan, &mut index);

    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|&at| waves[at]);
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    for at in order {
        let draft = drafts[at].take().expect("each launch is taken once");
        let touched: BTreeSet<Buffer> = draft.reads.iter().chain(&draft.writes).copied().collect();
        let bytes = touched.iter().map(|buffer| plan.buffers[index[buffer]].len as u64 * 4).sum();
        let buffers = draft.buffers.iter().map(|buffer| index[buffer]).collect();
        let Draft { label, source, nest, flops, .. } = draft;
        plan.launches.push(PlannedLaunch { label, source, nest, buffers, wave: waves[at], flops, bytes });
    }
    plan
}

/// Whether another kernel than its own reads a value.
fn is_read_elsewhere(graph: &Graph, id: NodeId) -> bool {
    graph.users(id).iter().any(|&user| graph[user].kernel != graph[id].kernel)
}

/// The values that lie in memory as bf16: in that precision, the activations and their gradients that go from kernel to kernel.
/// Results and state stay f32, and so does what reductions, weight gradients and mere movements of elements leave, and whatever lies
/// as convolution weights do: the optimizer's.
fn rounded(graph: &Graph, layouts: &HashMap<NodeId, Layout>, arithmetic: Arithmetic) -> HashSet<NodeId> {
    if arithmetic.precision == Precision::F32 {
        return HashSet::new();
    }
    let outputs: BTreeSet<NodeId> = graph.outputs.iter().map(|output| output.value).collect();
    let is_activation = |id: &NodeId| {
        let node = &graph[*id];
        let computed = match node.op.lowering() {
            Lowering::Elementwise(_) => true,
            Lowering::Anchor => matches!(node.op.name(), "conv2d" | "conv2d_input_grad"),
            _ => false,
        };
        // Four channels are a vector.
        let fits = node.ty.element == ElementType::F32 && node.ty.rank() == 4 && node.ty.dims[1].is_multiple_of(4);
        let fits = fits && layouts[id] == layout::default_layout(4);
        computed && fits && node.kernel.is_some() && is_read_elsewhere(graph, *id)
    };
    graph.ids().into_iter().filter(|id| !outputs.contains(id)).filter(is_activation).collect()
}

/// Lowers every kernel, in order.
fn drafts(
    graph: &Graph,
    arithmetic: Arithmetic,
    layouts: &HashMap<NodeId, Layout>,
    rounded: &HashSet<NodeId>,
    partials: &mut HashMap<NodeId, usize>,
    temporaries: &mut Vec<usize>,
) -> Vec<Draft> {
    let outputs: BTreeSet<NodeId> = graph.outputs.iter().map(|output| output.value).collect();
    let mut kernels: BTreeMap<u32, Vec<NodeId>> = BTreeMap::new();
    for id in graph.topological() {
        if let Some(number) = graph[id].kernel {
            kernels.entry(number).or_default().push(id);
        }
    }
    let mut drafts = Vec::new();
    for (number, nodes) in &kernels {
        let is_stored = |id: &NodeId| outputs.contains(id) || is_read_elsewhere(graph, *id);
        let stored: Vec<NodeId> = nodes.iter().copied().filter(is_stored).collect();
        assert!(!stored.is_empty(), "plan: kernel {number} stores nothing");
        let kernel = Kernel { graph, layouts, partials, rounded, arithmetic, number: *number, nodes, stored: &stored };
        let named = anchors::anchor(&kernel).unwrap_or(stored[0]);
        let place = &graph[named].place;
        let label = format!("{} {}", graph[named].op.name(), place.path).trim().to_string();
        let parts = anchors::lower(kernel, &mut |len| {
            temporaries.push(len);
            temporaries.len() - 1
        });
        let last = parts.len() - 1;
        let mut split = Vec::new();
        for (at, (nest, body)) in parts.into_iter().enumerate() {
            if at == last {
                split = stored.iter().map(|&id| (id, anchors::partials(&kernel, id, &nest))).collect();
            }
            let (nest, buffers) = nest.finish(body);
            let is_written = |buffer: &Buffer| match buffer {
                Buffer::Value(id) => at == last && stored.contains(id),
                Buffer::Temporary(_) | Buffer::Output(_) => at != last,
            };
            let writes: Vec<Buffer> = buffers.iter().copied().filter(is_written).collect();
            let reads = buffers.iter().copied().filter(|buffer| !is_written(buffer)).collect();
            let label = if at == last { label.clone() } else { format!("pack {label}") };
            let flops = if at == last { flops(graph, nodes) } else { 0 };
            drafts.push(Draft { label, source: place.source.clone(), nest, buffers, reads, writes, flops });
        }
        partials.extend(split);
    }
    drafts
}

/// Adds a copying launch for each result that cannot lie in its output's memory from the start: a leaf, replaced state, a
/// value in partial results, or one that is handed out under two names; and for each `late` update, into its state. Returns the numbers
/// of these outputs.
#[allow(clippy::too_many_arguments)]
fn copies(
    graph: &Graph,
    layouts: &HashMap<NodeId, Layout>,
    rounded: &HashSet<NodeId>,
    partials: &HashMap<NodeId, usize>,
    aliases: &BTreeMap<NodeId, NodeId>,
    late: &BTreeSet<usize>,
    drafts: &mut Vec<Draft>,
) -> BTreeSet<usize> {
    let (mut copied, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for (at, output) in graph.outputs.iter().enumerate() {
        let id = output.value;
        let is_split = partials.get(&id).is_some_and(|&parts| parts > 1);
        let is_leaf = matches!(graph[id].op.lowering(), Lowering::Leaf);
        let is_copied = match output.kind {
            OutputKind::Update => late.contains(&at),
            OutputKind::Result => is_split || is_leaf || aliases.contains_key(&id) || !taken.insert(id),
        };
        if !is_copied {
            continue;
        }
        copied.insert(at);
        let arithmetic = Arithmetic::default();
        let kernel =
            Kernel { graph, layouts, partials, rounded, arithmetic, number: u32::MAX, nodes: &[], stored: &[] };
        let mut nest = NestBuilder::new(kernel, &[1]);
        let base = nest.buffer(Buffer::Output(at));
        let mut map = MapBuilder::new(&mut nest, 1, graph[id].ty.len());
        let address = map.nest.value(id, Affine::default());
        let parts = partials.get(&id).copied().unwrap_or(1);
        let split = if parts == 1 { (1, 0) } else { (parts, graph[id].ty.len() as i64) };
        let value =
            map.load(Load { address, pixel_stride: 0, channel_stride: 1, element: Element::F32, partials: split });
        map.store(value, Address { base, offset: Affine::default() }, 0, 1);
        let body = map.finish();
        let (nest, buffers) = nest.finish(body);
        drafts.push(Draft {
            label: format!("{} {}", if output.kind == OutputKind::Result { "result" } else { "update" }, output.name),
            source: graph[id].place.source.clone(),
            nest,
            reads: vec![Buffer::Value(id)],
            writes: vec![Buffer::Output(at)],
            buffers,
            flops: 0,
        });
    }
    copied
}

/// Floating-point operations of the anchor, a multiply-add counting two; elementwise work is left out.
fn flops(graph: &Graph, nodes: &[NodeId]) -> u64 {
    let len = |id: NodeId| graph[id].ty.len() as u64;
    nodes
        .iter()
        .map(|&id| {
            let node = &graph[id];
            // Each element of the weights meets each pixel of the output plane once.
            let (weights, plane) = match node.op.name() {
                "conv2d" | "dense" => (node.operands[1], id),
                "conv2d_input_grad" | "dense_input_grad" => (node.operands[0], node.operands[1]),
                "conv2d_weight_grad" | "dense_weight_grad" => (id, node.operands[1]),
                // Each element of the second matrix meets each row of the result once.
                "matmul" => return 2 * len(node.operands[1]) * graph[id].ty.dims[0] as u64,
                _ => return 0,
            };
            2 * len(weights) * len(plane) / graph[plane].ty.dims[1] as u64
        })
        .sum()
}

/// The launches that read each buffer.
fn readers(drafts: &[Draft]) -> HashMap<Buffer, Vec<usize>> {
    let mut readers: HashMap<Buffer, Vec<usize>> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        draft.reads.iter().for_each(|&read| readers.entry(read).or_default().push(at));
    }
    readers
}

/// The launch that writes each buffer.
fn writers(drafts: &[Draft]) -> HashMap<Buffer, usize> {
    drafts.iter().enumerate().flat_map(|(at, draft)| draft.writes.iter().map(move |&write| (write, at))).collect()
}

/// The values that may be written straight over the state that they replace: value -> leaf; and the numbers of the updates that may
/// not, because the old state is read after them, or the value replaces another state as well. Those are copied at last.
fn in_place(
    graph: &Graph,
    states: &HashMap<String, NodeId>,
    drafts: &[Draft],
) -> (BTreeMap<NodeId, NodeId>, BTreeSet<usize>) {
    let (mut aliases, mut late) = (BTreeMap::new(), BTreeSet::new());
    let writers = writers(drafts);
    let readers = readers(drafts);
    let updates = graph.outputs.iter().enumerate().filter(|(_, output)| output.kind == OutputKind::Update);
    for (number, output) in updates {
        let leaf = states.get(&output.name).copied();
        let leaf = leaf.unwrap_or_else(|| panic!("plan: there is no state called {}", output.name));
        if matches!(graph[output.value].op.lowering(), Lowering::Leaf) {
            assert!(output.value == leaf, "plan: {} would become another leaf", output.name);
            continue;
        }
        let writer = writers.get(&Buffer::Value(output.value)).copied();
        let writer = writer.unwrap_or_else(|| panic!("plan: nothing computes the new {}", output.name));
        // A reader that has to wait for the writer would see the new state.
        let leaf_readers = readers.get(&Buffer::Value(leaf)).map_or(&[][..], Vec::as_slice);
        let is_late = leaf_readers.iter().any(|&at| at != writer && depends(drafts, at, writer));
        if is_late || aliases.contains_key(&output.value) {
            late.insert(number);
        } else {
            aliases.insert(output.value, leaf);
        }
    }
    (aliases, late)
}

/// Whether launch `at` needs, directly or through others, something that `on` writes.
fn depends(drafts: &[Draft], at: usize, on: usize) -> bool {
    let mut tainted: BTreeSet<Buffer> = drafts[on].writes.iter().copied().collect();
    for draft in drafts.iter().take(at + 1).skip(on + 1) {
        if draft.reads.iter().any(|read| tainted.contains(read)) {
            tainted.extend(&draft.writes);
        }
    }
    drafts[at].reads.iter().any(|read| tainted.contains(read))
}

/// The wave of each launch; `replaced` says which state each buffer's memory is.
fn waves(drafts: &[Draft], replaced: &BTreeMap<Buffer, NodeId>) -> Vec<usize> {
    let mut waves = vec![0; drafts.len()];
    let writer = writers(drafts);
    let readers = readers(drafts);
    // A launch that replaces state waits for the readers of the old; edges may lead to later launches, so relax until stable.
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        edges.extend(draft.reads.iter().filter_map(|read| writer.get(read)).map(|&from| (from, at)));
        for write in &draft.writes {
            if let Some(leaf) = replaced.get(write) {
                let leaf_readers = readers.get(&Buffer::Value(*leaf)).map_or(&[][..], Vec::as_slice);
                edges.extend(leaf_readers.iter().filter(|&&reader| reader != at).map(|&reader| (reader, at)));
            }
        }
    }
    for round in 0.. {
        assert!(round <= drafts.len() + 1, "plan: launches wait for each other in a circle");
        let mut changed = false;
        for &(from, to) in &edges {
            if waves[to] <= waves[from] {
                waves[to] = waves[from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    postpone(drafts, &edges, &mut waves);
    waves
}

/// Launches that wait for nothing, which pack weights, come as late as their readers allow: what they write lives no longer than it
/// has to. Of the waves before a reader the last is taken that has tasks to share out anyway, because one that has not costs no
/// meeting of the workers.
fn postpone(drafts: &[Draft], edges: &[(usize, usize)], waves: &mut [usize]) {
    let waiting: BTreeSet<usize> = edges.iter().map(|&(_, to)| to).collect();
    let mut first_reader: HashMap<usize, usize> = HashMap::new();
    for &(from, to) in edges {
        let first = first_reader.entry(from).or_insert(waves[to]);
        *first = (*first).min(waves[to]);
    }
    let mut tasks = vec![0; waves.iter().max().map_or(0, |last| last + 1)];
    for &at in &waiting {
        tasks[waves[at]] += drafts[at].nest.grid.iter().product::<usize>();
    }
    for at in (0..drafts.len()).filter(|at| !waiting.contains(at)) {
        let Some(&reader) = first_reader.get(&at) else { continue };
        waves[at] = (0..reader).rev().find(|&wave| tasks[wave] > 1).unwrap_or(waves[at]);
    }
}

pub(super) fn add(
    plan: &mut Plan,
    index: &mut BTreeMap<Buffer, usize>,
    buffer: Buffer,
    storage: Storage,
    graph: &Graph,
    layouts: &HashMap<NodeId, Layout>,
    len: usize,
) {
    index.insert(buffer, plan.buffers.len());
    let (dims, layout, name) = match buffer {
        Buffer::Value(id) => (
            graph[id].ty.dims.clone(),
            layouts[&id].clone(),
            format!("{id:?} {} {}", graph[id].op.name(), graph[id].place.path),
        ),
        Buffer::Temporary(number) => (vec![len], vec![0], format!("packed weights {number}")),
        Buffer::Output(at) => {
            let output = &graph.outputs[at];
            (graph[output.value].ty.dims.clone(), layouts[&output.value].clone(), format!("result {}", output.name))
        }
    };
    plan.names.push(name.trim().to_string());
    plan.buffers.push(BufferSpec { storage, len, dims, layout });
}

/// Gives each leaf its buffer.
fn states(graph: &Graph, layouts: &HashMap<NodeId, Layout>, plan: &mut Plan, index: &mut BTreeMap<Buffer, usize>) {
    for id in graph.ids() {
        let node = &graph[id];
        let kind = match node.op.name() {
            "parameter" => StateKind::Parameter,
            "statistic" => StateKind::Statistic,
            "memory" => StateKind::Memory,
            "input" => {
                let storage = Storage::Input(node.attributes.text("name").to_string());
                add(plan, index, Buffer::Value(id), storage, graph, layouts, node.ty.len());
                continue;
            }
            _ => continue,
        };
        let value = || node.attributes.float("init_value") as f32;
        let init = match (kind, node.attributes.get("init").map(|_| node.attributes.text("init"))) {
            (StateKind::Memory, _) if node.attributes.flag("copies") => Init::Copied,
            (StateKind::Memory, _) => Init::Constant(0.0),
            (StateKind::Parameter, Some("normal")) => Init::Normal(value()),
            (StateKind::Parameter, Some("uniform")) => Init::Uniform(value()),
            (StateKind::Parameter, Some("dirac")) => Init::Dirac(value()),
            (StateKind::Parameter, Some("whitening")) => Init::Whitening(value()),
            _ => Init::Constant(value()),
        };
        let name = leaf::key(node).unwrap_or_else(|| panic!("plan: {id:?} is no leaf"));
        plan.states.push(StateSpec { kind, name, dims: node.ty.dims.clone(), layout: layouts[&id].clone(), init });
        let storage = Storage::State(plan.states.len() - 1);
        add(plan, index, Buffer::Value(id), storage, graph, layouts, node.ty.len());
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "plan: {} launches in {} waves, arena {} bytes",
            self.launches.len(),
            self.launches.last().map_or(0, |last| last.wave + 1),
            self.arena * 4
        )?;
        for (at, buffer) in self.buffers.iter().enumerate() {
            let place = match &buffer.storage {
                Storage::Arena(offset) => format!("arena+{}", offset * 4),
                Storage::State(state) => format!("state {:?} {}", self.states[*state].kind, self.states[*state].name),
                Storage::Input(name) => format!("input {name}"),
                Storage::Output(name) => format!("output {name}"),
            };
            writeln!(
                f,
                "  b{at}: {} bytes, layout {:?}, {place}   # {}",
                buffer.len * 4,
                buffer.layout,
                self.names[at]
            )?;
        }
        for launch in &self.launches {
            let buffers: Vec<String> = launch.buffers.iter().map(|at| format!("b{at}")).collect();
            let tasks: usize = launch.nest.grid.iter().product();
            writeln!(
                f,
                "  wave {}: {} ({}), {tasks} tasks, {} flops, {} bytes   @ {}",
                launch.wave,
                launch.label,
                buffers.join(", "),
                launch.flops,
                launch.bytes,
                launch.source
            )?;
        }
        Ok(())
    }
}
