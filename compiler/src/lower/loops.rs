//! Loop nests: the last printable stage before CLIF. One nest is one kernel, specialised to its shapes.
//!
//! All addresses count elements: f32 and i32 of four bytes, bf16 of two. A nest's buffers are numbered locally, so nests of equal shape are
//! equal values and are compiled once; the launch says which real buffers they get.

use super::expression::{Expression, Scalar};
use rnet_runtime::program::{GemmShape, TransformShape};

/// Names a loop variable of a nest. Variables `0..grid.len()` are the task's coordinates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Var(pub u32);

/// `constant + sum of coefficient * variable`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Affine {
    /// The constant.
    pub constant: i64,
    /// Each variable at most once, no zero coefficients.
    pub terms: Vec<(Var, i64)>,
}

impl Affine {
    /// A number.
    pub fn constant(constant: i64) -> Affine {
        Affine { constant, terms: Vec::new() }
    }

    /// The value of a loop variable.
    pub fn var(var: Var) -> Affine {
        Affine { constant: 0, terms: vec![(var, 1)] }
    }

    /// `self + other`. Terms stay sorted and without zeros, so that equal nests are equal values.
    pub fn plus(&self, other: &Affine) -> Affine {
        let mut sum = Affine::constant(self.constant + other.constant);
        let (mut left, mut right) = (self.terms.iter().peekable(), other.terms.iter().peekable());
        loop {
            let (var, coefficient) = match (left.peek(), right.peek()) {
                (None, None) => return sum,
                (Some(&&(var, coefficient)), None) => {
                    left.next();
                    (var, coefficient)
                }
                (Some(&&(var, coefficient)), Some(&&(other, _))) if var < other => {
                    left.next();
                    (var, coefficient)
                }
                (Some(&&(var, coefficient)), Some(&&(other, more))) if var == other => {
                    left.next();
                    right.next();
                    (var, coefficient + more)
                }
                (_, Some(&&(var, coefficient))) => {
                    right.next();
                    (var, coefficient)
                }
            };
            if coefficient != 0 {
                sum.terms.push((var, coefficient));
            }
        }
    }

    /// `self * k`
    pub fn times(&self, k: i64) -> Affine {
        let terms = self.terms.iter().filter(|_| k != 0).map(|&(var, coefficient)| (var, coefficient * k)).collect();
        Affine { constant: self.constant * k, terms }
    }

    /// `self + k`
    pub fn offset(&self, k: i64) -> Affine {
        Affine { constant: self.constant + k, terms: self.terms.clone() }
    }
}

/// Which memory an address is in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Base {
    /// The k-th buffer that the launch hands in.
    Buffer(usize),
    /// The worker's scratch memory.
    Scratch,
}

/// A place in memory, counted in elements from its base.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// Buffer or scratch.
    pub base: Base,
    /// Elements from the base.
    pub offset: Affine,
}

/// What an element of memory is. In a [`Map`] every value is f32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Element {
    /// As it is.
    F32,
    /// Converted to f32, except where it is a seed.
    I32,
    /// The upper half of an f32; what is stored is rounded to the nearest, ties away from 0.
    Bf16,
}

impl Element {
    /// Bytes of it.
    pub fn bytes(self) -> i64 {
        if self == Element::Bf16 { 2 } else { 4 }
    }
}

/// A tensor operand of a [`Map`], read once for each (pixel, channel).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Load {
    /// Address at pixel 0, channel 0.
    pub address: Address,
    /// Elements from one pixel to the next; 0: the same for every pixel.
    pub pixel_stride: i64,
    /// Elements from one channel to the next: 1 vectorises, 0 is splat, others are gathered lane by lane.
    pub channel_stride: i64,
    /// What is read.
    pub element: Element,
    /// Summed over this many partial results, `stride` elements apart, in order; (1, 0) for plain loads.
    pub partials: (usize, i64),
}

/// How a [`Map`] folds values over its elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fold {
    /// Adds up.
    Sum,
    /// Keeps the greatest.
    Max,
}

/// What a [`Map`] leaves behind.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Stores the value for each (pixel, channel). `channel_stride` as in [`Load`] (not 0).
    Store {
        /// The step that is stored.
        value: Scalar,
        /// Address at pixel 0, channel 0.
        address: Address,
        /// Elements from one pixel to the next.
        pixel_stride: i64,
        /// Elements from one channel to the next.
        channel_stride: i64,
        /// What is stored: f32 or bf16.
        element: Element,
    },
    /// For each channel: `memory[address + c] = fold(memory[address + c], fold over pixels of value)`.
    FoldPixels {
        /// The step that is folded.
        value: Scalar,
        /// Sum or maximum.
        fold: Fold,
        /// Where the fold of channel 0 lies; the other channels follow.
        address: Address,
    },
    /// `memory[address] = fold(memory[address], fold over pixels and channels of value)`. Lanes are folded in a fixed order.
    FoldAll {
        /// The step that is folded.
        value: Scalar,
        /// Sum or maximum.
        fold: Fold,
        /// Where the fold lies.
        address: Address,
    },
}

/// An elementwise computation over `pixels x channels`. Loads of one element happen before its stores, so a store
/// may go to the very address of a load (in-place update); other overlap is a mistake of the plan.
#[derive(Clone, PartialEq, Debug)]
pub struct Map {
    /// Outer extent.
    pub pixels: usize,
    /// Inner extent; contiguous where the strides are 1. Need not be a multiple of four.
    pub channels: usize,
    /// The operands that `Expression::Load` names.
    pub loads: Vec<Load>,
    /// Steps in order.
    pub steps: Vec<Expression>,
    /// First value of the counter of `Expression::Uniform`, at pixel 0, channel 0; grows by 1 a channel.
    pub counter: Affine,
    /// What a pixel adds to the counter.
    pub counter_pixel: i64,
    /// What is stored and folded.
    pub effects: Vec<Effect>,
}

/// One statement of a nest.
#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    /// `for var in 0..extent { body }`; stops early at the first iteration in which `limit.0 >= limit.1`.
    For {
        /// Counts the iterations.
        var: Var,
        /// Number of iterations, if no limit stops them.
        extent: usize,
        /// A value, and the bound that it must stay below.
        limit: Option<(Affine, i64)>,
        /// One iteration.
        body: Vec<Statement>,
    },
    /// `if low <= value < high { then } else { otherwise }`
    If {
        /// What is tested.
        value: Affine,
        /// The least value that passes.
        low: i64,
        /// One above the greatest value that passes.
        high: i64,
        /// Runs when the value passes.
        then: Vec<Statement>,
        /// Runs when it does not.
        otherwise: Vec<Statement>,
    },
    /// Sets `len` contiguous elements to `value`.
    Fill {
        /// The first element.
        address: Address,
        /// Number of elements.
        len: usize,
        /// What they become.
        value: f32,
    },
    /// `C = (accumulate ? C : 0) + sum over i of A_i B_i` by the micro-kernel; index into the nest's `gemms`.
    Gemm {
        /// Index into the nest's `gemms`.
        shape: usize,
        /// The first element of A_0.
        a: Address,
        /// The first element of B_0.
        b: Address,
        /// The first element of C.
        c: Address,
    },
    /// Winograd's F(4x4, 3x3): a plane of pixels becomes values at points, or the other way round, by the runtime's transform.
    Transform {
        /// Which way, and of what extents.
        shape: TransformShape,
        /// The first element of what is read.
        from: Address,
        /// The first element of what lies between the two halves.
        between: Address,
        /// The first element of what is written.
        to: Address,
    },
    /// Rounds floats that follow each other to bf16, so that neighbours are pairs.
    Round {
        /// Number of floats, which is even.
        len: usize,
        /// The first float.
        from: Address,
        /// The first pair.
        to: Address,
    },
    /// Rounds `rows` rows of `len` floats to bf16, so that each element is a pair with the one below it; see
    /// `rnet_runtime::kernels::PackCode`.
    Pack {
        /// Rows of floats; an odd one out gets zeros below it.
        rows: usize,
        /// Elements of a row.
        len: usize,
        /// The first float, and elements from one row to the next.
        from: (Address, usize),
        /// The first pair, and pairs from one row to the next.
        to: (Address, usize),
    },
    /// An elementwise computation.
    Map(Map),
}

/// One kernel: a body that runs once for each point of the task grid. Tasks are independent of each other: they write
/// disjoint memory, so the number of threads changes no bit.
#[derive(Clone, PartialEq, Debug)]
pub struct Nest {
    /// Extents of the task grid; its product is the number of tasks. Task t has coordinates in row-major order.
    pub grid: Vec<usize>,
    /// Number of buffers that the launch hands in.
    pub buffers: usize,
    /// Scratch elements that one worker needs (64-byte aligned; contents at start undefined).
    pub scratch: usize,
    /// Whether a product that goes into one sum may do so unrounded. In f32 it may not, so that results can be held to those of
    /// others step by step; where operands are rounded to bf16 it makes no odds.
    pub contracted: bool,
    /// The shapes of the matrix products that `Statement::Gemm` names.
    pub gemms: Vec<GemmShape>,
    /// The statements of one task.
    pub body: Vec<Statement>,
}
