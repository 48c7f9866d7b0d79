//! Tiles for AVX-512: 32 registers of sixteen floats.

use super::{Job, TileCode, Tiles};
use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

/// Floats in a register.
const LANES: usize = 16;

/// Proof that the machine has AVX-512 F.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Supported(());

impl Supported {
    /// Asks the machine.
    pub(super) fn detect() -> Option<Supported> {
        std::arch::is_x86_feature_detected!("avx512f").then_some(Supported(()))
    }
}

/// The greatest heights: sums, one row of B and the broadcast element of A together fill the 32 registers.
pub(super) fn tiles(_: Supported) -> Tiles {
    Tiles { lanes: LANES, rows: &[28, 14, 9, 6], code }
}

/// One arm for each tile, so that each is compiled for its own size.
macro_rules! choose {
    ($tile:ident, $rows:expr, $vectors:expr) => {
        choose!(@ $tile, $rows, $vectors;
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28;
            2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            3: 1 2 3 4 5 6 7 8 9;
            4: 1 2 3 4 5 6;
        )
    };
    (@ $tile:ident, $rows:expr, $vectors:expr; $($n:literal: $($m:literal)*;)*) => {
        match ($rows, $vectors) {
            $($(($m, $n) => $tile::<$m, $n>,)*)*
            (rows, vectors) => unreachable!("no tile of {rows} rows and {vectors} vectors"),
        }
    };
}

fn code(rows: usize, vectors: usize) -> TileCode {
    choose!(tile, rows, vectors)
}

/// Rows of A that one address register serves: x86 addresses reach `p`, `p + s` and `p + 2s`.
const REACH: usize = 3;

/// Address registers for the highest tile that `unroll` knows; those of no row cost nothing.
const POINTERS: usize = 10;

/// How many rows of B ahead are asked for.
const AHEAD: isize = 8;

/// The code of a tile. `$multiply_add` takes an element of A in all lanes, a vector of B and the sum; an element has four bytes
/// and is moved as a float, whatever it is.
macro_rules! tile {
    ($tile:ident, $features:literal, $multiply_add:expr) => {
        /// # Safety
        /// As for [`TileCode`].
        #[target_feature(enable = $features)]
        unsafe fn $tile<const M: usize, const N: usize>(job: &Job, a: *const f32, b: *const f32, c: *mut f32) {
            let mask = ((1u32 << job.tail) - 1) as u16;
            let mut sums = [[_mm512_setzero_ps(); N]; M];
            // SAFETY: rows below M and columns of N vectors, of which the last is masked to `tail`, are the caller's tile;
            // masked lanes are neither read nor written. Pointers that move on after the last step of k are not read, and
            // prefetches may name any address.
            unsafe {
                if job.accumulate {
                    unroll!(m < M, {
                        sums[m] = row(c.byte_offset(m as isize * job.c_m), mask);
                    });
                }
                for &(a_offset, b_offset) in job.batch {
                    let mut rows = [a.byte_offset(a_offset); POINTERS];
                    for (group, pointer) in rows.iter_mut().enumerate().take(M.div_ceil(REACH)) {
                        *pointer = pointer.wrapping_byte_offset((group * REACH) as isize * job.a_m);
                    }
                    let mut b = b.byte_offset(b_offset);
                    for _ in 0..job.k {
                        let columns: [__m512; N] = row(b, mask);
                        for n in 0..N {
                            let ahead = b.wrapping_byte_offset(AHEAD * job.b_k).wrapping_add(n * LANES);
                            _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                        }
                        unroll!(m < M, {
                            let factor = *rows[m / REACH].byte_offset((m % REACH) as isize * job.a_m);
                            let factor = _mm512_set1_ps(factor);
                            for n in 0..N {
                                sums[m][n] = $multiply_add(factor, columns[n], sums[m][n]);
                            }
                        });
                        for pointer in rows.iter_mut().take(M.div_ceil(REACH)) {
                            *pointer = pointer.wrapping_byte_offset(job.a_k);
                        }
                        b = b.wrapping_byte_offset(job.b_k);
                    }
                }
                unroll!(m < M, {
                    let row = c.byte_offset(m as isize * job.c_m);
                    for (n, &sum) in sums[m].iter().enumerate().take(N - 1) {
                        _mm512_storeu_ps(row.add(n * LANES), sum);
                    }
                    _mm512_mask_storeu_ps(row.add((N - 1) * LANES), mask, sums[m][N - 1]);
                });
            }
        }
    };
}

tile!(tile, "avx512f", |a, b, sum| _mm512_fmadd_ps(a, b, sum));

/// Reads N vectors, the last masked.
///
/// # Safety
/// The elements that the mask leaves must be readable.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn row<const N: usize>(from: *const f32, mask: u16) -> [__m512; N] {
    let mut vectors = [_mm512_setzero_ps(); N];
    // SAFETY: the caller's promise.
    unsafe {
        for (n, vector) in vectors.iter_mut().enumerate().take(N - 1) {
            *vector = _mm512_loadu_ps(from.add(n * LANES));
        }
        vectors[N - 1] = _mm512_maskz_loadu_ps(mask, from.add((N - 1) * LANES));
    }
    vectors
}

/// Pairs of bf16, which AVX512_BF16 multiplies and adds up two at a time.
pub(super) mod pairs {
    use super::super::rounded::Packers;
    use super::super::{Job, TileCode, Tiles};
    use super::{AHEAD, LANES, POINTERS, REACH, row};
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps,
        _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
        _mm512_permutexvar_epi16, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_storeu_si512,
    };

    /// Proof that the machine has AVX-512 F, BW, VL and BF16.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(in super::super) struct Supported(());

    impl Supported {
        /// Asks the machine.
        pub(in super::super) fn detect() -> Option<Supported> {
            let has = std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512bf16");
            has.then_some(Supported(()))
        }
    }

    /// As high as those of floats.
    pub(in super::super) fn tiles(_: Supported) -> Tiles {
        Tiles { lanes: LANES, rows: &[28, 14, 9, 6], code }
    }

    /// Rounding to nearest, ties to even, by the machine's own instruction.
    pub(in super::super) fn packers(_: Supported) -> Packers {
        Packers { along, across }
    }

    fn code(rows: usize, vectors: usize) -> TileCode {
        choose!(tile, rows, vectors)
    }

    /// The same bits as sixteen pairs.
    #[inline(always)]
    fn pairs(vector: __m512) -> __m512bh {
        // SAFETY: both are plain 64 bytes, of which every pattern is a value.
        unsafe { std::mem::transmute::<__m512, __m512bh>(vector) }
    }

    /// The same bits as integers.
    #[inline(always)]
    pub(in super::super) fn integers(vector: __m512bh) -> __m512i {
        // SAFETY: as in `pairs`.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(vector) }
    }

    tile!(tile, "avx512f,avx512bf16", |a, b, sum| _mm512_dpbf16_ps(sum, pairs(a), pairs(b)));

    /// The mask of the first `count` of sixteen lanes.
    fn first(count: usize) -> u16 {
        ((1u32 << count.min(LANES)) - 1) as u16
    }

    /// See [`Packers::along`].
    ///
    /// # Safety
    /// As there, and the machine must have AVX-512 F, BW and BF16.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn along(from: *const f32, rows: usize, row_step: isize, len: usize, to: *mut u32, to_step: usize) {
        for number in 0..rows {
            // SAFETY: `len` elements of each row are readable and half as many pairs writable; masked lanes are not touched.
            unsafe {
                let (from, to) = (from.byte_offset(number as isize * row_step), to.add(number * to_step));
                let mut at = 0;
                while at + 2 * LANES <= len {
                    let (low, high) = (_mm512_loadu_ps(from.add(at)), _mm512_loadu_ps(from.add(at + LANES)));
                    let both = _mm512_cvtne2ps_pbh(high, low);
                    _mm512_storeu_si512(to.add(at / 2).cast(), integers(both));
                    at += 2 * LANES;
                }
                if at < len {
                    let rest = len - at;
                    let low = _mm512_maskz_loadu_ps(first(rest), from.add(at));
                    let high = _mm512_maskz_loadu_ps(first(rest.saturating_sub(LANES)), from.wrapping_add(at + LANES));
                    let both = _mm512_cvtne2ps_pbh(high, low);
                    _mm512_mask_storeu_epi32(to.add(at / 2).cast(), first(rest.div_ceil(2)), integers(both));
                }
            }
        }
    }

    /// Where the lanes of two rows of sixteen go, so that each pair is one of the first and one of the second row.
    pub(in super::super) static INTERLEAVED: [u16; 32] = {
        let mut lanes = [0; 32];
        let mut lane = 0;
        while lane < 32 {
            lanes[lane] = (lane % 2 * LANES + lane / 2) as u16;
            lane += 1;
        }
        lanes
    };

    /// See [`super::super::RoundCode`].
    ///
    /// # Safety
    /// As there, and the machine must have AVX-512 F, BW and BF16.
    pub(in super::super) unsafe extern "C" fn round(len: usize, from: *const f32, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { along(from, 1, 0, len, to.cast(), 0) }
    }

    /// See [`super::super::PackCode`].
    ///
    /// # Safety
    /// As there, and the machine must have AVX-512 F, BW and BF16.
    pub(in super::super) unsafe extern "C" fn pack(
        rows: usize,
        row_step: usize,
        len: usize,
        to_step: usize,
        from: *const f32,
        to: *mut f32,
    ) {
        // SAFETY: the caller's promise.
        unsafe { across(from, rows, 4 * row_step as isize, len, to.cast(), to_step) }
    }

    /// See [`Packers::across`].
    ///
    /// # Safety
    /// As there, and the machine must have AVX-512 F, BW and BF16.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn across(from: *const f32, rows: usize, row_step: isize, len: usize, to: *mut u32, to_step: usize) {
        // SAFETY: `INTERLEAVED` has 64 bytes.
        let lanes = unsafe { _mm512_loadu_si512(INTERLEAVED.as_ptr().cast()) };
        for pair in 0..rows.div_ceil(2) {
            // SAFETY: `len` elements of each row are readable and as many pairs writable; masked lanes are not touched, and
            // a second row that is not there is not read.
            unsafe {
                let upper = from.byte_offset(2 * pair as isize * row_step);
                let to = to.add(pair * to_step);
                let is_whole = 2 * pair + 1 < rows;
                let mut at = 0;
                while at < len {
                    let mask = first(len - at);
                    let low = _mm512_maskz_loadu_ps(mask, upper.add(at));
                    let high = if is_whole {
                        _mm512_maskz_loadu_ps(mask, upper.byte_offset(row_step).add(at))
                    } else {
                        _mm512_setzero_ps()
                    };
                    let both = _mm512_cvtne2ps_pbh(high, low);
                    let both = _mm512_permutexvar_epi16(lanes, integers(both));
                    _mm512_mask_storeu_epi32(to.add(at).cast(), mask, both);
                    at += LANES;
                }
            }
        }
    }
}
