//! `Program`: the format that the compiler emits and the runtime runs.

use cranelift_codegen::ir::Function;
use serde::{Deserialize, Serialize};

/// In what the operands of matrix products are rounded before they are multiplied. Sums are always in f32, and so is
/// everything that is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// In bf16: an f32 with 8 instead of 24 significant bits.
    Bf16,
}

impl Precision {
    /// The names that [`Precision::named`] knows.
    pub const NAMES: [&'static str; 2] = ["f32", "bf16"];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Precision> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        Some([Precision::F32, Precision::Bf16][at])
    }

    /// Its name, as in a `.rnet` file.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// The shape of one batch-reduce matrix product, `C[m, n] (+)= sum over i of A_i[m, k] B_i[k, n]`.
///
/// Strides and offsets count f32 elements. A is read element by element, B and C in contiguous rows of `n`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GemmShape {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of each A_i and rows of each B_i.
    pub k: usize,
    /// From one row of A to the next.
    pub a_m: i64,
    /// From one column of A to the next.
    pub a_k: i64,
    /// From one row of B to the next.
    pub b_k: i64,
    /// From one row of C to the next.
    pub c_m: i64,
    /// The offsets of (A_i, B_i) from the addresses of the call, summed over in this order.
    pub batch: Vec<(i64, i64)>,
    /// Whether the product is added to C rather than stored.
    pub accumulate: bool,
    /// In what A and B are rounded.
    pub precision: Precision,
    /// Whether A and B are in memory as pairs of bf16 along k: then `k`, `a_k`, `b_k` and all other strides count pairs, which are as
    /// large as an f32. Else they are f32 in memory, and the product itself rounds them.
    pub paired: bool,
}

/// Which transform of Winograd's F(4x4, 3x3): see `kernels::transform`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transform {
    /// Windows of 6x6 pixels, 4 apart, to 6x6 points.
    Operand = 0,
    /// Tiles of 4x4 pixels to 6x6 points.
    Gradient = 1,
    /// 6x6 points to tiles of 4x4 pixels.
    Product = 2,
}

/// How values at points are stored by [`Transform::Operand`] and [`Transform::Gradient`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Pairing {
    /// As f32.
    #[default]
    None = 0,
    /// Rounded to bf16, so that neighbouring channels are pairs.
    Channels = 1,
    /// Rounded to bf16, neighbouring tiles together: [6, 6, tiles / 2, channels, 2].
    Tiles = 2,
}

/// A transform between a plane of pixels, channels innermost, and values at 6x6 points for tiles, [6, 6, tiles, channels].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TransformShape {
    /// Which.
    pub transform: Transform,
    /// Tiles down and across.
    pub rows: usize,
    /// See `rows`.
    pub columns: usize,
    /// Elements of a pixel.
    pub channels: usize,
    /// Pixels from one row of the plane to the next.
    pub width: usize,
    /// Elements of four bytes from one pair of points to the next.
    pub apart: usize,
    /// How values at points are stored. There is an even number of channels, or of columns of tiles, where they are paired.
    pub pairing: Pairing,
}

impl TransformShape {
    /// Elements of the memory in which values are kept that have gone through one axis.
    pub fn between(&self) -> usize {
        6 * self.channels * self.width.max(4 * self.columns)
    }
}

/// One compiled function: each distinct nest has one.
///
/// Its signature is `extern "C" fn(buffers: *const *mut f32, scratch: *mut f32, gemms: *const Gemm, task: i64)`, where
/// `gemms` points to the prepared forms of `gemms`, `size_of::<kernels::Gemm>()` bytes apart. It calls the micro-kernel
/// through the external symbol `rnet_gemm(gemm: *const Gemm, a: *const f32, b: *const f32, c: *mut f32)`, number 0, the
/// transforms of Winograd's F(4x4, 3x3) through `rnet_transform`, number 1 (see `kernels::transform::TransformCode`), and rounding
/// in pairs through `rnet_pack`, number 2, and `rnet_round`, number 3 (see `kernels::PackCode` and `kernels::RoundCode`).
#[derive(Clone, Debug)]
pub struct Kernel {
    /// A name for profiles and symbol tables.
    pub name: String,
    /// The code, for the host's instruction set.
    pub function: Function,
    /// The matrix products that it calls.
    pub gemms: Vec<GemmShape>,
    /// Scratch elements a worker needs.
    pub scratch: usize,
}

/// One call of a kernel in the order of the program.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What it computes, in the words of the source: `conv2d layer1.0.conv1`.
    pub label: String,
    /// `file:line:column` of the anchor.
    pub source: String,
    /// Index into `Program::kernels`.
    pub kernel: usize,
    /// Indices into `Program::buffers`, in the kernel's order.
    pub buffers: Vec<usize>,
    /// Number of tasks: the workers take 0..tasks in any order.
    pub tasks: usize,
    /// Launches of the same wave are independent of each other; a wave starts when the one before has finished. Never decreases.
    pub wave: usize,
    /// Floating-point operations that the mathematics needs (a multiply-add counts 2).
    pub flops: u64,
    /// Bytes that are read and written outside scratch.
    pub bytes: u64,
}

/// How the logical elements of a tensor lie in memory: `permutation[i]` is the logical axis that is the i-th outermost
/// physical one. NCHW activations are channels-last, `[0, 2, 3, 1]`; OIHW weights `[2, 3, 1, 0]`.
pub type Layout = Vec<usize>;

/// What a state tensor is to training.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum StateKind {
    /// Trained by the optimizer.
    Parameter,
    /// A running statistic of batch norm.
    Statistic,
    /// What the optimizer remembers of a parameter or statistic; called `<slot>.<its name>`.
    Memory,
}

/// What a memory is called: `velocity/layer1.0.conv1.weight`, its slot and what it remembers. Layers cannot have a `/` in their
/// names, so no weight is called as a memory is.
pub fn memory_name(slot: &str, of: &str) -> String {
    format!("{slot}/{of}")
}

/// The slot of a memory of that name, and what it remembers; `None` where it is no memory's.
pub fn memory_parts(name: &str) -> Option<(&str, &str)> {
    name.split_once('/')
}

/// A tensor that outlives the step.
#[derive(Clone, PartialEq, Debug)]
pub struct StateSpec {
    /// Parameter, statistic or memory.
    pub kind: StateKind,
    /// As in PyTorch: `layer1.0.conv1.weight`; of a memory see [`memory_name`].
    pub name: String,
    /// Logical extents.
    pub dims: Vec<usize>,
    /// How it lies in memory; one of the same kind and name lies the same way in every program of the model.
    pub layout: Layout,
    /// How it starts.
    pub init: Init,
}

/// How a state tensor starts. Values are drawn by counter from (seed, name, logical index).
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// The same number everywhere.
    Constant(f32),
    /// Normal with this standard deviation (He et al. 2015: sqrt(2 / fan)).
    Normal(f32),
    /// Uniform in [-bound, bound).
    Uniform(f32),
    /// Filters that pass on one input channel each, as many as there are input channels; the others uniform in [-bound, bound).
    Dirac(f32),
    /// As `whitening::start` computes it from training images, with this much added to variances; until then as `Normal` of
    /// deviation `1 / sqrt(elements of a filter)`.
    Whitening(f32),
    /// A memory: as what it remembers.
    Copied,
}

/// Where a buffer's memory is.
#[derive(Clone, PartialEq, Debug)]
pub enum Storage {
    /// In the program's arena, at this element offset (a multiple of 16). Contents at the start of a step are undefined.
    Arena(usize),
    /// A state tensor, shared by all programs of a model: index into `Program::states`.
    State(usize),
    /// Filled by the caller before each step: `image` (layout `[0,2,3,1]`), `label`, `seed`, and the numbers of
    /// `TrainConfig::scalars`, such as `lr`.
    Input(String),
    /// Read by the caller after the step: `loss`, `logits`, `correct`, `grad.<parameter>`. Not in the arena.
    Output(String),
}

/// A piece of memory that kernels read and write.
#[derive(Clone, PartialEq, Debug)]
pub struct BufferSpec {
    /// Where it is.
    pub storage: Storage,
    /// Elements (each four bytes).
    pub len: usize,
    /// Logical extents of the tensor in it, for inputs and outputs.
    pub dims: Vec<usize>,
    /// How that tensor lies in memory.
    pub layout: Layout,
}

/// A compiled computation for one batch size.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Distinct compiled functions.
    pub kernels: Vec<Kernel>,
    /// What is run, in order.
    pub launches: Vec<Launch>,
    /// All memory.
    pub buffers: Vec<BufferSpec>,
    /// The state tensors in the order of the model.
    pub states: Vec<StateSpec>,
    /// Elements of the arena.
    pub arena: usize,
}
