//! Tiles in plain Rust, written so that the compiler vectorises them for whatever machine it targets.
//!
//! Where the machine can multiply and add with one rounding, so do these, as all other code does there: then every micro-kernel
//! gives the same bits.

use super::{Job, TileCode, Tiles};

/// Columns of a tile: two vectors of the baseline instruction sets.
const COLUMNS: usize = 8;

/// Up to four rows of eight columns.
pub(super) fn tiles() -> Tiles {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx") && is_x86_feature_detected!("fma") {
        return Tiles { lanes: COLUMNS, rows: &[4], code: fused_code };
    }
    Tiles { lanes: COLUMNS, rows: &[4], code }
}

/// One arm for each height.
macro_rules! choose {
    ($rows:expr, $tile:ident $(, $more:literal)?) => {
        match $rows {
            1 => $tile::<1 $(, $more)?>,
            2 => $tile::<2 $(, $more)?>,
            3 => $tile::<3 $(, $more)?>,
            _ => $tile::<4 $(, $more)?>,
        }
    };
}

fn code(rows: usize, _vectors: usize) -> TileCode {
    if cfg!(target_arch = "aarch64") { choose!(rows, tile, true) } else { choose!(rows, tile, false) }
}

#[cfg(target_arch = "x86_64")]
fn fused_code(rows: usize, _vectors: usize) -> TileCode {
    choose!(rows, fused)
}

/// The same code, compiled for x86 with fused multiply-adds.
///
/// # Safety
/// As for [`TileCode`], and the machine must have AVX and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,fma")]
unsafe fn fused<const M: usize>(job: &Job, a: *const f32, b: *const f32, c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { tile::<M, true>(job, a, b, c) }
}

/// # Safety
/// As for [`TileCode`].
#[inline(always)]
unsafe fn tile<const M: usize, const FUSED: bool>(job: &Job, a: *const f32, b: *const f32, c: *mut f32) {
    let mut sums = [[0.0f32; COLUMNS]; M];
    // SAFETY: only elements of the tile are touched: rows below M, columns below `tail`, which the caller lets us use.
    unsafe {
        if job.accumulate {
            for (m, sums) in sums.iter_mut().enumerate() {
                *sums = read(c.byte_offset(m as isize * job.c_m), job.tail);
            }
        }
        for &(a_offset, b_offset) in job.batch {
            let (mut a, mut b) = (a.byte_offset(a_offset), b.byte_offset(b_offset));
            for _ in 0..job.k {
                let row = read(b, job.tail);
                for (m, sums) in sums.iter_mut().enumerate() {
                    let factor = *a.byte_offset(m as isize * job.a_m);
                    for (sum, x) in sums.iter_mut().zip(row) {
                        *sum = if FUSED { factor.mul_add(x, *sum) } else { *sum + factor * x };
                    }
                }
                a = a.wrapping_byte_offset(job.a_k);
                b = b.wrapping_byte_offset(job.b_k);
            }
        }
        for (m, sums) in sums.iter().enumerate() {
            let row = c.byte_offset(m as isize * job.c_m);
            if job.tail == COLUMNS {
                row.cast::<[f32; COLUMNS]>().write_unaligned(*sums);
            } else {
                row.copy_from_nonoverlapping(sums.as_ptr(), job.tail);
            }
        }
    }
}

/// Tiles of pairs of bf16, of the same size.
pub(super) fn pair_tiles() -> Tiles {
    Tiles { lanes: COLUMNS, rows: &[4], code: pair_code }
}

fn pair_code(rows: usize, _vectors: usize) -> TileCode {
    choose!(rows, pair_tile)
}

/// The two numbers of a pair.
fn unpaired(pair: f32) -> [f32; 2] {
    let bits = pair.to_bits();
    [f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000)]
}

/// # Safety
/// As for [`TileCode`].
unsafe fn pair_tile<const M: usize>(job: &Job, a: *const f32, b: *const f32, c: *mut f32) {
    for m in 0..M {
        // SAFETY: only elements of the tile are touched, as in `tile`.
        unsafe {
            let (a, c) = (a.byte_offset(m as isize * job.a_m), c.byte_offset(m as isize * job.c_m));
            let mut sums = if job.accumulate { read(c, job.tail) } else { [0.0; COLUMNS] };
            for &(a_offset, b_offset) in job.batch {
                for step in 0..job.k as isize {
                    let [first, second] = unpaired(*a.byte_offset(a_offset + step * job.a_k));
                    let row = read(b.byte_offset(b_offset + step * job.b_k), job.tail);
                    for (sum, pair) in sums.iter_mut().zip(row) {
                        let [x, y] = unpaired(pair);
                        *sum += first * x + second * y;
                    }
                }
            }
            c.copy_from_nonoverlapping(sums.as_ptr(), job.tail);
        }
    }
}

/// Reads `count` elements, zeros after them.
///
/// # Safety
/// That many elements must be readable.
#[inline(always)]
unsafe fn read(from: *const f32, count: usize) -> [f32; COLUMNS] {
    // SAFETY: the caller's promise; the whole row is read only where it is there.
    unsafe {
        if count == COLUMNS {
            return from.cast::<[f32; COLUMNS]>().read_unaligned();
        }
        let mut row = [0.0; COLUMNS];
        for (column, x) in row.iter_mut().enumerate().take(count) {
            *x = *from.add(column);
        }
        row
    }
}
