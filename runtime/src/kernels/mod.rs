//! The micro-kernels: the batch-reduce matrix product that convolutions and dense layers are made of.
//!
//! A [`Gemm`] is prepared once from its [`GemmShape`]: C is cut into column panels a few vectors wide and each panel into
//! row tiles whose sums stay in registers. The order of all sums follows from the shape and the instruction set alone.

/// Repeats `$body` for `$index` from 0 below a constant count of at most 28. The optimiser leaves long loops standing, and a
/// register cannot be chosen by a loop's variable.
#[cfg(target_arch = "x86_64")]
macro_rules! unroll {
    ($index:ident < $count:expr, $body:block) => {
        unroll!(@ $index, $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27)
    };
    (@ $index:ident, $count:expr, $body:block, $($at:literal)*) => {
        $(if $at < $count {
            let $index: usize = $at;
            $body
        })*
    };
}

mod plan;
mod portable;
mod rounded;
pub mod transform;
mod vector;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use crate::program::{GemmShape, Precision};
use plan::{Block, Panel};
use rounded::{Packers, Rounded};
use std::fmt;

/// An instruction set that this machine has been found to support: having a value of this type is the proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Isa(Family);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Supported),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Supported),
    Portable,
}

/// Why an instruction set cannot be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IsaError {
    /// There is none of that name.
    Unknown(String),
    /// This machine lacks it.
    Unsupported(String),
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IsaError::Unknown(name) => write!(f, "unknown micro-kernel `{name}`: there are avx512, avx2 and portable"),
            IsaError::Unsupported(name) => write!(f, "this machine does not support the micro-kernel `{name}`"),
        }
    }
}

impl std::error::Error for IsaError {}

impl Isa {
    /// The instruction sets of this machine, fastest first.
    pub fn supported() -> Vec<Isa> {
        let families = [
            #[cfg(target_arch = "x86_64")]
            avx512::Supported::detect().map(Family::Avx512),
            #[cfg(target_arch = "x86_64")]
            avx2::Supported::detect().map(Family::Avx2),
            Some(Family::Portable),
        ];
        families.into_iter().flatten().map(Isa).collect()
    }

    /// The fastest instruction set of this machine.
    pub fn best() -> Isa {
        Isa::supported()[0]
    }

    /// The instruction set of that name.
    ///
    /// # Errors
    /// When there is none, or this machine lacks it.
    pub fn named(name: &str) -> Result<Isa, IsaError> {
        if !["avx512", "avx2", "portable"].contains(&name) {
            return Err(IsaError::Unknown(name.to_string()));
        }
        let found = Isa::supported().into_iter().find(|isa| isa.name() == name);
        found.ok_or_else(|| IsaError::Unsupported(name.to_string()))
    }

    /// The one that the environment variable `RNET_KERNEL` names, else the fastest.
    ///
    /// # Errors
    /// When the variable names one that cannot be had.
    pub fn from_environment() -> Result<Isa, IsaError> {
        match std::env::var_os("RNET_KERNEL") {
            Some(name) => Isa::named(&name.to_string_lossy()),
            None => Ok(Isa::best()),
        }
    }

    /// Its name, as in `RNET_KERNEL`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Family::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Family::Avx2(_) => "avx2",
            Family::Portable => "portable",
        }
    }

    fn tiles(self) -> Tiles {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Family::Avx512(supported) => avx512::tiles(supported),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2(supported) => avx2::tiles(supported),
            Family::Portable => portable::tiles(),
        }
    }

    /// Whether products of that precision can be had.
    pub fn supports(self, precision: Precision) -> bool {
        precision == Precision::F32 || self.pairs().is_some()
    }

    /// For products of bf16: AVX-512 where the machine has AVX512_BF16, and plain Rust, which is slow and there to compare with.
    fn pairs(self) -> Option<PairCode> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Family::Avx512(_) => avx512::pairs::Supported::detect().map(|supported| PairCode {
                tiles: avx512::pairs::tiles(supported),
                packers: avx512::pairs::packers(supported),
            }),
            #[cfg(target_arch = "x86_64")]
            Family::Avx2(_) => None,
            Family::Portable => Some(PairCode { tiles: portable::pair_tiles(), packers: rounded::PLAIN }),
        }
    }
}

/// What multiplies pairs of bf16.
struct PairCode {
    tiles: Tiles,
    packers: Packers,
}

/// The tiles that an instruction set offers.
struct Tiles {
    /// Floats in a vector.
    lanes: usize,
    /// The greatest number of rows for 1, 2, .. vectors of columns.
    rows: &'static [usize],
    /// The code for (rows, vectors).
    code: fn(usize, usize) -> TileCode,
}

/// Computes one tile of C. The pointers are those of the call, moved to the tile's first row and column.
///
/// # Safety
/// The instruction set must be supported. For `job` and its tile of M rows and N vectors, of which the last has
/// `job.tail` columns: all elements of A and B that the sum names must be readable, those of C readable and writable,
/// and C must not overlap A or B.
type TileCode = unsafe fn(job: &Job, a: *const f32, b: *const f32, c: *mut f32);

/// What all tiles of a panel share. Strides and offsets count bytes.
struct Job<'a> {
    /// The offsets of (A_i, B_i).
    batch: &'a [(isize, isize)],
    k: usize,
    a_m: isize,
    a_k: isize,
    b_k: isize,
    c_m: isize,
    /// Columns in the last vector, from 1 to the number of lanes.
    tail: usize,
    accumulate: bool,
}

/// A batch-reduce matrix product, ready to run.
pub struct Gemm(Prepared);

enum Prepared {
    /// Of operands that are in memory as the tiles take them.
    Plain(Plain),
    /// Of floats that are rounded first.
    Rounded(Rounded),
}

/// A product of operands that are in memory as the tiles take them: floats, or pairs of bf16.
struct Plain {
    blocks: Box<[Block]>,
    panels: Box<[Panel]>,
    a_m: isize,
    a_k: isize,
    b_k: isize,
    c_m: isize,
    accumulate: bool,
}

/// Bytes of an f32.
const ELEMENT: isize = size_of::<f32>() as isize;

impl Gemm {
    /// Prepares a product for an instruction set.
    ///
    /// # Panics
    /// When a stride of the shape does not fit the address space, or the instruction set does not support its precision.
    pub fn new(shape: &GemmShape, isa: Isa) -> Gemm {
        let bytes = |elements: i64| {
            isize::try_from(elements).ok().and_then(|x| x.checked_mul(ELEMENT)).expect("a stride of the address space")
        };
        let tiles = match shape.precision {
            Precision::F32 => isa.tiles(),
            Precision::Bf16 => {
                let code = isa.pairs().unwrap_or_else(|| panic!("kernels: {} has no products of bf16", isa.name()));
                if !shape.paired {
                    return Gemm(Prepared::Rounded(Rounded::new(shape, &code, bytes)));
                }
                code.tiles
            }
        };
        let (panels, blocks) = plan::plan(shape, &tiles, bytes);
        Gemm(Prepared::Plain(Plain {
            blocks,
            panels,
            a_m: bytes(shape.a_m),
            a_k: bytes(shape.a_k),
            b_k: bytes(shape.b_k),
            c_m: bytes(shape.c_m),
            accumulate: shape.accumulate,
        }))
    }

    /// Runs the product.
    ///
    /// # Safety
    /// With the shape that this was made from: every element of A and B that the sum names must be readable, every
    /// element of C readable and writable, C must not overlap A or B, and no other thread may write to A or B or touch C.
    pub unsafe fn run(&self, a: *const f32, b: *const f32, c: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            match &self.0 {
                Prepared::Plain(product) => product.run(a, b, c),
                Prepared::Rounded(product) => product.run(a, b, c),
            }
        }
    }
}

impl Plain {
    /// # Safety
    /// As for [`Gemm::run`].
    unsafe fn run(&self, a: *const f32, b: *const f32, c: *mut f32) {
        for (index, block) in self.blocks.iter().enumerate() {
            for panel in &self.panels {
                let job = Job {
                    batch: &block.batch,
                    k: block.k,
                    a_m: self.a_m,
                    a_k: self.a_k,
                    b_k: self.b_k,
                    c_m: self.c_m,
                    tail: panel.tail,
                    accumulate: self.accumulate || index > 0,
                };
                for tile in &panel.tiles {
                    // SAFETY: panels and tiles partition the rows and columns of C, blocks partition the sum, so the
                    // caller's promise about the whole holds for each part; the code came from `Isa::tiles`, whose
                    // token proves that the instruction set is supported.
                    unsafe {
                        let row = tile.row as isize;
                        (tile.code)(
                            &job,
                            a.byte_offset(row * self.a_m),
                            b.add(panel.column),
                            c.byte_offset(row * self.c_m).add(panel.column),
                        );
                    }
                }
            }
        }
    }
}

/// What compiled kernels call under the name `rnet_pack`: of `rows` rows, `row_step` elements apart, `len` floats each become
/// `rows / 2` rows of `len` pairs of bf16, `to_step` pairs apart, each of an element and the one below it.
///
/// # Safety
/// Those elements must be readable, those pairs writable, and they must not overlap.
pub type PackCode =
    unsafe extern "C" fn(rows: usize, row_step: usize, len: usize, to_step: usize, from: *const f32, to: *mut f32);

/// What compiled kernels call under the name `rnet_round`: `len` floats become half as many pairs of bf16, each of two neighbours.
///
/// # Safety
/// Those elements must be readable, those pairs writable, and they must not overlap.
pub type RoundCode = unsafe extern "C" fn(len: usize, from: *const f32, to: *mut f32);

/// The code for an instruction set.
pub fn round_code(isa: Isa) -> RoundCode {
    match isa.0 {
        #[cfg(target_arch = "x86_64")]
        Family::Avx512(_) if isa.pairs().is_some() => avx512::pairs::round,
        _ => rounded::round_neighbours,
    }
}

/// The code for an instruction set.
pub fn pack_code(isa: Isa) -> PackCode {
    match isa.0 {
        #[cfg(target_arch = "x86_64")]
        Family::Avx512(_) if isa.pairs().is_some() => avx512::pairs::pack,
        _ => rounded::pack,
    }
}

/// What compiled kernels call, under this very name.
///
/// # Safety
/// `gemm` must point to a live [`Gemm`]; the rest is as for [`Gemm::run`].
pub unsafe extern "C" fn rnet_gemm(gemm: *const Gemm, a: *const f32, b: *const f32, c: *mut f32) {
    // SAFETY: both promises are passed on from the caller.
    unsafe { (*gemm).run(a, b, c) }
}

#[cfg(test)]
mod tests;
