//! Building loop nests: the kernel at hand, its buffers and scratch, and elementwise maps read off the graph.

use super::expression::{Expression, ExpressionBuilder, Scalar};
use super::layout::{Domain, Layout, default_layout, strides};
use super::loops::{Address, Affine, Base, Effect, Element, Fold, Load, Map, Nest, Statement, Var};
use crate::graph::{ElementType, Graph, NodeId};
use crate::ops::Lowering;
use rnet_runtime::program::{GemmShape, Precision};
use std::collections::{HashMap, HashSet};

/// What a buffer of a nest is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Buffer {
    /// A leaf or a stored value.
    Value(NodeId),
    /// Memory that only the launches of one kernel share: packed weights.
    Temporary(usize),
    /// The graph's output of that number, where it needs a copy of its own.
    Output(usize),
}

/// How 3x3 convolutions of stride 1 are computed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Algorithm {
    /// As is expected to be faster, by shape.
    #[default]
    Fastest,
    /// Every product of an element and a weight is formed, in the order of the definition.
    Direct,
    /// Winograd's minimal filtering F(4x4, 3x3) wherever it can be.
    Winograd,
}

impl Algorithm {
    /// The names that [`Algorithm::named`] knows.
    pub const NAMES: [&'static str; 3] = ["fastest", "direct", "winograd"];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Algorithm> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        Some([Algorithm::Fastest, Algorithm::Direct, Algorithm::Winograd][at])
    }
}

/// How products are computed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Arithmetic {
    /// Of 3x3 convolutions of stride 1.
    pub algorithm: Algorithm,
    /// Of the operands of all convolutions and dense layers.
    pub precision: Precision,
}

impl From<Algorithm> for Arithmetic {
    fn from(algorithm: Algorithm) -> Self {
        Arithmetic { algorithm, precision: Precision::F32 }
    }
}

/// The kernel that is being lowered.
#[derive(Clone, Copy)]
pub struct Kernel<'g> {
    /// The fused graph.
    pub graph: &'g Graph,
    /// The layout of every value.
    pub layouts: &'g HashMap<NodeId, Layout>,
    /// Into how many partial results the values of earlier kernels are split.
    pub partials: &'g HashMap<NodeId, usize>,
    /// The values that lie in memory as bf16.
    pub rounded: &'g HashSet<NodeId>,
    /// How its products are computed.
    pub arithmetic: Arithmetic,
    /// The kernel's number.
    pub number: u32,
    /// Its nodes, operands first.
    pub nodes: &'g [NodeId],
    /// The values it stores, operands first.
    pub stored: &'g [NodeId],
}

impl<'g> Kernel<'g> {
    /// Whether the kernel computes this value itself.
    pub fn computes(&self, id: NodeId) -> bool {
        self.graph[id].kernel == Some(self.number)
    }

    /// Logical extents.
    pub fn dims(&self, id: NodeId) -> &'g [usize] {
        &self.graph[id].ty.dims
    }

    /// Elements from one index to the next along each logical axis.
    pub fn strides(&self, id: NodeId) -> Vec<i64> {
        strides(self.dims(id), &self.layouts[&id])
    }

    /// Whether the value lies in memory as bf16.
    pub fn is_rounded(&self, id: NodeId) -> bool {
        self.rounded.contains(&id)
    }

    /// Whether the anchor's product can be written where its value is to lie.
    pub fn stores_raw(&self, anchor: NodeId) -> bool {
        self.stored.contains(&anchor) && !self.is_rounded(anchor)
    }

    /// Whether a micro-kernel can read the value where it lies: another kernel's whole result, in f32.
    pub fn is_direct(&self, id: NodeId) -> bool {
        !self.computes(id) && !self.is_rounded(id) && self.partials.get(&id).is_none_or(|&parts| parts == 1)
    }
}

/// Where a walk stands in a value, axis by axis in logical order.
#[derive(Clone, PartialEq, Debug)]
pub struct Sweep {
    /// Coordinate of pixel 0, channel 0.
    pub start: Vec<Affine>,
    /// What a pixel adds.
    pub pixel: Vec<i64>,
    /// What a channel adds.
    pub channel: Vec<i64>,
}

impl Sweep {
    /// Pixels along `columns`, channels along the innermost axis, of a value that is walked as `domain`.
    pub fn new(domain: &Domain, position: [Affine; 4], step: i64) -> Self {
        let rank = domain.axes.iter().flatten().count();
        let mut sweep = Sweep { start: vec![Affine::default(); rank], pixel: vec![0; rank], channel: vec![0; rank] };
        for (slot, start) in position.into_iter().enumerate() {
            if let Some(axis) = domain.axes[slot] {
                sweep.start[axis] = start;
            }
        }
        // A walk without columns has its rows as pixels.
        if let Some(axis) = domain.axes[2].or(domain.axes[1]) {
            sweep.pixel[axis] = step;
        }
        if let Some(axis) = domain.axes[3] {
            sweep.channel[axis] = 1;
        }
        sweep
    }

    fn restrict(&self, axes: &[i64]) -> Sweep {
        let pick = |values: &[i64]| axes.iter().map(|&axis| values[axis as usize]).collect();
        Sweep {
            start: axes.iter().map(|&axis| self.start[axis as usize].clone()).collect(),
            pixel: pick(&self.pixel),
            channel: pick(&self.channel),
        }
    }

    fn dot(coordinates: &[i64], strides: &[i64]) -> i64 {
        coordinates.iter().zip(strides).map(|(coordinate, stride)| coordinate * stride).sum()
    }

    /// The element offset of pixel 0, channel 0, and what a pixel and a channel add.
    pub fn offset(&self, strides: &[i64]) -> (Affine, i64, i64) {
        let start = self
            .start
            .iter()
            .zip(strides)
            .fold(Affine::default(), |sum, (start, &stride)| sum.plus(&start.times(stride)));
        (start, Self::dot(&self.pixel, strides), Self::dot(&self.channel, strides))
    }
}

/// A nest under construction.
pub struct NestBuilder<'g> {
    /// The kernel it is for.
    pub kernel: Kernel<'g>,
    grid: Vec<usize>,
    variables: u32,
    scratch: usize,
    gemms: Vec<GemmShape>,
    /// What the launch has to hand in.
    pub buffers: Vec<Buffer>,
}

impl<'g> NestBuilder<'g> {
    /// A nest with that task grid.
    pub fn new(kernel: Kernel<'g>, grid: &[usize]) -> Self {
        NestBuilder {
            kernel,
            grid: grid.to_vec(),
            variables: grid.len() as u32,
            scratch: 0,
            gemms: Vec::new(),
            buffers: Vec::new(),
        }
    }

    /// The task's coordinate along an axis of the grid.
    pub fn task(&self, axis: usize) -> Affine {
        match self.grid[axis] {
            1 => Affine::default(),
            _ => Affine::var(Var(axis as u32)),
        }
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.grid.iter().product()
    }

    /// The number of the task, counted along the whole grid.
    pub fn task_number(&self) -> Affine {
        (0..self.grid.len())
            .fold(Affine::default(), |number, axis| number.times(self.grid[axis] as i64).plus(&self.task(axis)))
    }

    /// `for i in 0..extent { body(i) }`, unrolled away where there is one iteration.
    pub fn each(&mut self, extent: usize, body: impl FnOnce(&mut Self, Affine) -> Vec<Statement>) -> Vec<Statement> {
        self.each_below(extent, |_| None, body)
    }

    /// `each` that stops where `limit(i)` gives (value, bound) with value >= bound.
    pub fn each_below(
        &mut self,
        extent: usize,
        limit: impl FnOnce(&Affine) -> Option<(Affine, i64)>,
        body: impl FnOnce(&mut Self, Affine) -> Vec<Statement>,
    ) -> Vec<Statement> {
        if extent == 1 {
            return body(self, Affine::default());
        }
        let var = Var(self.variables);
        self.variables += 1;
        let limit = limit(&Affine::var(var));
        let body = body(self, Affine::var(var));
        vec![Statement::For { var, extent, limit, body }]
    }

    /// Reserves scratch memory; each piece starts on a cache line.
    pub fn scratch(&mut self, len: usize) -> Address {
        let offset = self.scratch as i64;
        self.scratch += len.next_multiple_of(16);
        Address { base: Base::Scratch, offset: Affine::constant(offset) }
    }

    /// The launch's buffer for it.
    pub fn buffer(&mut self, buffer: Buffer) -> Base {
        let at = self.buffers.iter().position(|&known| known == buffer).unwrap_or_else(|| {
            self.buffers.push(buffer);
            self.buffers.len() - 1
        });
        Base::Buffer(at)
    }

    /// A place in a value.
    pub fn value(&mut self, id: NodeId, offset: Affine) -> Address {
        Address { base: self.buffer(Buffer::Value(id)), offset }
    }

    /// The matrix product of that shape.
    pub fn gemm(&mut self, shape: GemmShape, a: Address, b: Address, c: Address) -> Statement {
        let at = self.gemms.iter().position(|known| *known == shape).unwrap_or_else(|| {
            self.gemms.push(shape);
            self.gemms.len() - 1
        });
        Statement::Gemm { shape: at, a, b, c }
    }

    /// The finished nest.
    pub fn finish(self, body: Vec<Statement>) -> (Nest, Vec<Buffer>) {
        let NestBuilder { kernel, grid, scratch, gemms, buffers, .. } = self;
        let contracted = kernel.arithmetic.precision == Precision::Bf16;
        (Nest { grid, buffers: buffers.len(), scratch, contracted, gemms, body }, buffers)
    }
}

/// A place `offset` elements further on.
pub fn further(address: &Address, offset: &Affine) -> Address {
    Address { base: address.base, offset: address.offset.plus(offset) }
}

/// An elementwise map under construction.
pub struct MapBuilder<'b, 'g> {
    /// The nest it belongs to.
    pub nest: &'b mut NestBuilder<'g>,
    pixels: usize,
    channels: usize,
    /// The expression so far.
    pub expression: ExpressionBuilder,
    loads: Vec<Load>,
    effects: Vec<Effect>,
    counter: Affine,
    counter_pixel: i64,
    given: HashMap<NodeId, Scalar>,
    memo: Vec<(NodeId, Sweep, Scalar)>,
}

impl<'b, 'g> MapBuilder<'b, 'g> {
    /// An empty map of those extents.
    pub fn new(nest: &'b mut NestBuilder<'g>, pixels: usize, channels: usize) -> Self {
        MapBuilder {
            nest,
            pixels,
            channels,
            expression: ExpressionBuilder::default(),
            loads: Vec::new(),
            effects: Vec::new(),
            counter: Affine::default(),
            counter_pixel: 0,
            given: HashMap::new(),
            memo: Vec::new(),
        }
    }

    /// Reads memory directly.
    pub fn load(&mut self, load: Load) -> Scalar {
        let at = self.loads.iter().position(|known| *known == load).unwrap_or_else(|| {
            self.loads.push(load);
            self.loads.len() - 1
        });
        self.expression.push(Expression::Load(at))
    }

    /// Reads whole f32 elements at an address.
    pub fn plain(&mut self, address: Address, pixel_stride: i64, channel_stride: i64) -> Scalar {
        self.load(Load { address, pixel_stride, channel_stride, element: Element::F32, partials: (1, 0) })
    }

    /// Declares that a value of this kernel is `scalar` here (the anchor's result).
    pub fn give(&mut self, id: NodeId, scalar: Scalar) {
        self.given.insert(id, scalar);
    }

    /// The value at the sweep: loaded where another kernel stored it, computed where this one does.
    pub fn value(&mut self, id: NodeId, sweep: &Sweep) -> Scalar {
        if let Some(&known) = self.given.get(&id) {
            return known;
        }
        if let Some(known) = self.memo.iter().find(|known| known.0 == id && known.1 == *sweep) {
            return known.2;
        }
        let kernel = self.nest.kernel;
        let node = &kernel.graph[id];
        let scalar = match node.op.lowering() {
            Lowering::Elementwise(lower) if kernel.computes(id) => {
                let operands: Vec<Scalar> = node
                    .operands
                    .iter()
                    .map(|&operand| match kernel.graph[operand].ty.rank() {
                        0 => self.value(operand, &sweep.restrict(&[])),
                        _ => self.value(operand, sweep),
                    })
                    .collect();
                let steps = self.expression.steps.len();
                let scalar = lower(&mut self.expression, &operands, &node.attributes);
                if self.expression.steps[steps..].iter().any(|step| matches!(step, Expression::Uniform { .. })) {
                    let strides = strides(&node.ty.dims, &default_layout(node.ty.rank()));
                    (self.counter, self.counter_pixel, _) = sweep.offset(&strides);
                }
                scalar
            }
            Lowering::Broadcast if kernel.computes(id) => {
                self.value(node.operands[0], &sweep.restrict(node.attributes.ints("axes")))
            }
            _ => {
                assert!(!kernel.computes(id), "lower: {id:?} (`{}`) is not elementwise", node.op.name());
                let (offset, pixel_stride, channel_stride) = sweep.offset(&kernel.strides(id));
                let address = self.nest.value(id, offset);
                let parts = kernel.partials.get(&id).copied().unwrap_or(1);
                let partials = if parts == 1 { (1, 0) } else { (parts, node.ty.len() as i64) };
                self.load(Load {
                    address,
                    pixel_stride,
                    channel_stride,
                    element: match node.ty.element {
                        ElementType::I32 => Element::I32,
                        _ if kernel.is_rounded(id) => Element::Bf16,
                        _ => Element::F32,
                    },
                    partials,
                })
            }
        };
        self.memo.push((id, sweep.clone(), scalar));
        scalar
    }

    /// Stores a value as f32.
    pub fn store(&mut self, value: Scalar, address: Address, pixel_stride: i64, channel_stride: i64) {
        let element = Element::F32;
        self.effects.push(Effect::Store { value, address, pixel_stride, channel_stride, element });
    }

    /// Folds a value over the pixels, for each channel.
    pub fn fold_pixels(&mut self, value: Scalar, fold: Fold, address: Address) {
        self.effects.push(Effect::FoldPixels { value, fold, address });
    }

    /// Folds a value over the whole map.
    pub fn fold_all(&mut self, value: Scalar, fold: Fold, address: Address) {
        self.effects.push(Effect::FoldAll { value, fold, address });
    }

    /// Stores and folds everything that the kernel leaves behind, but for `done`, at the sweep over its walk.
    pub fn sinks(&mut self, sweep: &Sweep, done: Option<NodeId>) {
        let kernel = self.nest.kernel;
        for &id in kernel.stored {
            if Some(id) == done {
                continue;
            }
            if !matches!(kernel.graph[id].op.lowering(), Lowering::Reduction) {
                let value = self.value(id, sweep);
                let (offset, pixel_stride, channel_stride) = sweep.offset(&kernel.strides(id));
                let address = self.nest.value(id, offset);
                let element = if kernel.is_rounded(id) { Element::Bf16 } else { Element::F32 };
                self.effects.push(Effect::Store { value, address, pixel_stride, channel_stride, element });
                continue;
            }
            let operand = kernel.graph[id].operands[0];
            let value = self.value(operand, sweep);
            let removed = kernel.graph[id].attributes.ints("axes");
            let kept: Vec<i64> =
                (0..kernel.dims(operand).len() as i64).filter(|axis| !removed.contains(axis)).collect();
            let (offset, pixel_stride, channel_stride) = sweep.restrict(&kept).offset(&kernel.strides(id));
            assert!(pixel_stride == 0 || self.pixels == 1, "lower: {id:?} keeps the pixels apart");
            let offset = offset.plus(&accumulator(self.nest, id));
            let address = self.nest.value(id, offset);
            self.effects.push(match channel_stride {
                0 => Effect::FoldAll { value, fold: Fold::Sum, address },
                _ => Effect::FoldPixels { value, fold: Fold::Sum, address },
            });
        }
    }

    /// The finished map; none where it would leave nothing behind.
    pub fn finish(self) -> Vec<Statement> {
        if self.effects.is_empty() {
            return Vec::new();
        }
        vec![Statement::Map(Map {
            pixels: self.pixels,
            channels: self.channels,
            loads: self.loads,
            steps: self.expression.steps,
            counter: self.counter,
            counter_pixel: self.counter_pixel,
            effects: self.effects,
        })]
    }
}

/// Where the task's own partial result of a reduction starts.
fn accumulator(nest: &NestBuilder, id: NodeId) -> Affine {
    nest.task_number().times(nest.kernel.graph[id].ty.len() as i64)
}

/// Clears the task's partial results; comes first in a task.
pub fn clear_reductions(nest: &mut NestBuilder) -> Vec<Statement> {
    let kernel = nest.kernel;
    let reductions = kernel.stored.iter().filter(|&&id| matches!(kernel.graph[id].op.lowering(), Lowering::Reduction));
    reductions
        .map(|&id| {
            let offset = accumulator(nest, id);
            Statement::Fill { address: nest.value(id, offset), len: kernel.graph[id].ty.len(), value: 0.0 }
        })
        .collect()
}

/// The greatest divisor of `extent` that is at most `most`, unless it is far below: then the extent itself.
pub fn chunk(extent: usize, most: usize) -> usize {
    let divisor = (1..=extent.min(most.max(1))).rev().find(|divisor| extent.is_multiple_of(*divisor)).unwrap_or(1);
    if divisor * 4 < most.min(extent) && extent <= 4 * most { extent } else { divisor }
}

/// How the outermost extent and the rows of a walk are cut into tasks: (outer indices a task, rows a task). Cut by shape alone, so
/// that the number of threads changes no bit.
pub fn tasks(outer: usize, rows: usize, row_elements: usize) -> (usize, usize) {
    const TASKS: usize = 32;
    const LEAST_ELEMENTS: usize = 4096;
    if outer * 2 > TASKS {
        return (outer.div_ceil(TASKS), rows);
    }
    let pieces = (TASKS / outer).min((rows * row_elements / LEAST_ELEMENTS).max(1));
    (1, chunk(rows, rows.div_ceil(pieces)))
}
