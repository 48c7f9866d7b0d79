//! Tiles for AVX2 and FMA: 16 registers of eight floats.

use super::{Job, TileCode, Tiles};
use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_prefetch, _mm256_cmpgt_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

/// Floats in a register.
const LANES: usize = 8;

/// Proof that the machine has AVX2 and FMA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Supported(());

impl Supported {
    /// Asks the machine.
    pub(super) fn detect() -> Option<Supported> {
        let supported = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        supported.then_some(Supported(()))
    }
}

/// The greatest heights: sums, one row of B and the broadcast element of A together fill the 16 registers.
pub(super) fn tiles(_: Supported) -> Tiles {
    Tiles { lanes: LANES, rows: &[12, 6, 4], code }
}

/// One arm for each tile, so that each is compiled for its own size.
macro_rules! choose {
    ($rows:expr, $vectors:expr; $($n:literal: $($m:literal)*;)*) => {
        match ($rows, $vectors) {
            $($(($m, $n) => tile::<$m, $n>,)*)*
            (rows, vectors) => unreachable!("no tile of {rows} rows and {vectors} vectors"),
        }
    };
}

fn code(rows: usize, vectors: usize) -> TileCode {
    choose!(rows, vectors;
        1: 1 2 3 4 5 6 7 8 9 10 11 12;
        2: 1 2 3 4 5 6;
        3: 1 2 3 4;
    )
}

/// Rows of A that one address register serves: x86 addresses reach `p`, `p + s` and `p + 2s`.
const REACH: usize = 3;

/// Address registers for the highest tile that `unroll` knows; those of no row cost nothing.
const POINTERS: usize = 10;

/// How many rows of B ahead are asked for.
const AHEAD: isize = 8;

/// # Safety
/// As for [`TileCode`].
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const M: usize, const N: usize>(job: &Job, a: *const f32, b: *const f32, c: *mut f32) {
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(job.tail as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    let mut sums = [[_mm256_setzero_ps(); N]; M];
    // SAFETY: rows below M and columns of N vectors, of which the last is masked to `tail`, are the caller's tile; masked
    // lanes are neither read nor written. Pointers that move on after the last step of k are not read, and prefetches
    // may name any address.
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
                let columns: [__m256; N] = row(b, mask);
                for n in 0..N {
                    _mm_prefetch::<_MM_HINT_T0>(b.wrapping_byte_offset(AHEAD * job.b_k).wrapping_add(n * LANES).cast());
                }
                unroll!(m < M, {
                    let factor = *rows[m / REACH].byte_offset((m % REACH) as isize * job.a_m);
                    let factor = _mm256_set1_ps(factor);
                    for n in 0..N {
                        sums[m][n] = _mm256_fmadd_ps(factor, columns[n], sums[m][n]);
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
                _mm256_storeu_ps(row.add(n * LANES), sum);
            }
            _mm256_maskstore_ps(row.add((N - 1) * LANES), mask, sums[m][N - 1]);
        });
    }
}

/// Reads N vectors, the last masked.
///
/// # Safety
/// The elements that the mask leaves must be readable.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn row<const N: usize>(from: *const f32, mask: __m256i) -> [__m256; N] {
    let mut vectors = [_mm256_setzero_ps(); N];
    // SAFETY: the caller's promise.
    unsafe {
        for (n, vector) in vectors.iter_mut().enumerate().take(N - 1) {
            *vector = _mm256_loadu_ps(from.add(n * LANES));
        }
        vectors[N - 1] = _mm256_maskload_ps(from.add((N - 1) * LANES), mask);
    }
    vectors
}
