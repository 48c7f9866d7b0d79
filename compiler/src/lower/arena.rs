//! The arena: where in memory values lie that do not outlive a step.

use super::layout::Layout;
use super::nest::Buffer;
use super::plan::{Draft, Plan, add};
use crate::graph::{Graph, NodeId};
use rnet_runtime::program::Storage;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What says how long a buffer is.
pub(super) struct Lens<'p> {
    pub graph: &'p Graph,
    pub rounded: &'p HashSet<NodeId>,
    pub partials: &'p HashMap<NodeId, usize>,
    pub temporaries: &'p [usize],
}

impl Lens<'_> {
    /// In elements of four bytes.
    pub fn of(&self, buffer: Buffer) -> usize {
        match buffer {
            Buffer::Value(id) if self.rounded.contains(&id) => self.graph[id].ty.len().div_ceil(2),
            Buffer::Value(id) => self.graph[id].ty.len() * self.partials.get(&id).copied().unwrap_or(1),
            Buffer::Temporary(number) => self.temporaries[number],
            Buffer::Output(at) => self.graph[self.graph.outputs[at].value].ty.len(),
        }
    }
}

/// Places in the arena what has no memory yet: the largest first, each at the lowest offset that is free in its waves.
pub(super) fn allocate(
    lens: &Lens,
    layouts: &HashMap<NodeId, Layout>,
    drafts: &[Draft],
    waves: &[usize],
    plan: &mut Plan,
    index: &mut BTreeMap<Buffer, usize>,
) {
    let mut lives: BTreeMap<Buffer, (usize, usize)> = BTreeMap::new();
    for (draft, &wave) in drafts.iter().zip(waves) {
        for &buffer in draft.reads.iter().chain(&draft.writes) {
            let life = lives.entry(buffer).or_insert((wave, wave));
            *life = (life.0.min(wave), life.1.max(wave));
        }
    }
    let mut waiting: Vec<(Buffer, (usize, usize))> =
        lives.into_iter().filter(|(buffer, _)| !index.contains_key(buffer)).collect();
    waiting.sort_by_key(|&(buffer, life)| (std::cmp::Reverse(lens.of(buffer)), life.0, buffer));
    let mut placed: Vec<(usize, usize, (usize, usize))> = Vec::new();
    for (buffer, life) in waiting {
        let len = lens.of(buffer).next_multiple_of(16);
        let mut offset = 0;
        for &(start, end, other) in &placed {
            let at_once = other.0 <= life.1 && life.0 <= other.1;
            if at_once && start < offset + len && offset < end {
                offset = end;
            }
        }
        // `placed` is sorted by start, so one sweep finds the lowest gap.
        let at = placed.partition_point(|&(start, ..)| start < offset);
        placed.insert(at, (offset, offset + len, life));
        plan.arena = plan.arena.max(offset + len);
        add(plan, index, buffer, Storage::Arena(offset), lens.graph, layouts, lens.of(buffer));
    }
}
