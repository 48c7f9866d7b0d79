//! Vectors of floats, for code that is written once for all instruction sets.

use super::rounded::round;

/// Some floats that are worked on together.
pub(super) trait Vector: Copy {
    const LANES: usize;

    /// # Safety
    /// `count` elements (at most `LANES`) must be readable, and the machine must have the vector's instructions.
    unsafe fn load(from: *const f32, count: usize) -> Self;

    /// # Safety
    /// `count` elements (at most `LANES`) must be writable, and the machine must have the vector's instructions.
    unsafe fn store(self, to: *mut f32, count: usize);

    /// Stores `count` elements rounded to bf16.
    ///
    /// # Safety
    /// As for `store`.
    unsafe fn store_rounded(self, to: *mut u16, count: usize);

    /// Stores `count` pairs of an element of this vector and one of `second`, rounded to bf16.
    ///
    /// # Safety
    /// As for `store`.
    unsafe fn store_pairs(self, second: Self, to: *mut u32, count: usize);

    fn splat(value: f32) -> Self;

    /// `self * a + b`
    fn mul_add(self, a: Self, b: Self) -> Self;

    fn plus(self, other: Self) -> Self;

    fn minus(self, other: Self) -> Self;

    fn times(self, other: Self) -> Self;
}

/// Plain Rust; fused where that is an instruction.
#[derive(Clone, Copy)]
pub(super) struct Lanes<const FUSED: bool>([f32; 8]);

impl<const FUSED: bool> Lanes<FUSED> {
    #[inline(always)]
    fn with(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut result = self.0;
        for (x, y) in result.iter_mut().zip(other.0) {
            *x = f(*x, y);
        }
        Lanes(result)
    }
}

impl<const FUSED: bool> Vector for Lanes<FUSED> {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; 8];
        // SAFETY: the caller's promise; `lanes` has eight elements and is no part of what is read.
        unsafe { lanes.as_mut_ptr().copy_from_nonoverlapping(from, count) };
        Lanes(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, count: usize) {
        // SAFETY: the caller's promise; a local value overlaps nothing.
        unsafe { to.copy_from_nonoverlapping(self.0.as_ptr(), count) };
    }

    #[inline(always)]
    unsafe fn store_rounded(self, to: *mut u16, count: usize) {
        for (lane, &value) in self.0.iter().enumerate().take(count) {
            // SAFETY: the caller's promise.
            unsafe { *to.add(lane) = round(value) };
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, second: Self, to: *mut u32, count: usize) {
        for (lane, (&first, &second)) in self.0.iter().zip(&second.0).enumerate().take(count) {
            // SAFETY: the caller's promise.
            unsafe { *to.add(lane) = u32::from(round(first)) | u32::from(round(second)) << 16 };
        }
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Lanes([value; 8])
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        let mut result = b.0;
        for ((sum, x), y) in result.iter_mut().zip(self.0).zip(a.0) {
            *sum = if FUSED { x.mul_add(y, *sum) } else { x * y + *sum };
        }
        Lanes(result)
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.with(other, |x, y| x + y)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.with(other, |x, y| x - y)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.with(other, |x, y| x * y)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod wide {
    use super::Vector;
    use crate::kernels::avx512::pairs::{INTERLEAVED, integers};
    use std::arch::x86_64::{
        __m256bh, __m256i, __m512, _mm256_mask_storeu_epi16, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh,
        _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_epi32, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_permutexvar_epi16, _mm512_set1_ps, _mm512_storeu_ps,
        _mm512_sub_ps,
    };

    /// An AVX-512 register. Values of this type are made only inside `avx512` and `avx512_pairs` of `transform`, which are chosen only
    /// where the machine has AVX-512 F. The latter, which alone pairs, also needs BW, VL and BF16.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Wide(__m512);

    impl Vector for Wide {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn load(from: *const f32, count: usize) -> Self {
            // SAFETY: the caller's promise; lanes from `count` on are neither read nor faulted on.
            unsafe {
                if count == 16 {
                    Wide(_mm512_loadu_ps(from))
                } else {
                    Wide(_mm512_maskz_loadu_ps(((1u32 << count) - 1) as u16, from))
                }
            }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32, count: usize) {
            // SAFETY: as in `load`.
            unsafe {
                if count == 16 {
                    _mm512_storeu_ps(to, self.0);
                } else {
                    _mm512_mask_storeu_ps(to, ((1u32 << count) - 1) as u16, self.0);
                }
            }
        }

        #[inline(always)]
        unsafe fn store_rounded(self, to: *mut u16, count: usize) {
            // SAFETY: as in `load`; the machine has AVX512_BF16 wherever values are paired. Both 32 bytes and both 64 bytes below
            // are plain bits.
            unsafe {
                let rounded = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(self.0));
                _mm256_mask_storeu_epi16(to.cast(), ((1u32 << count) - 1) as u16, rounded);
            }
        }

        #[inline(always)]
        unsafe fn store_pairs(self, second: Self, to: *mut u32, count: usize) {
            // SAFETY: as in `store_rounded`; `INTERLEAVED` has 64 bytes.
            unsafe {
                let both = integers(_mm512_cvtne2ps_pbh(second.0, self.0));
                let lanes = _mm512_loadu_si512(INTERLEAVED.as_ptr().cast());
                let both = _mm512_permutexvar_epi16(lanes, both);
                _mm512_mask_storeu_epi32(to.cast(), ((1u32 << count) - 1) as u16, both);
            }
        }

        #[inline(always)]
        fn splat(value: f32) -> Self {
            // SAFETY: the machine has AVX-512 F wherever a `Wide` is used; so in all that follow.
            Wide(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            // SAFETY: as in `splat`.
            Wide(unsafe { _mm512_fmadd_ps(self.0, a.0, b.0) })
        }

        #[inline(always)]
        fn plus(self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            Wide(unsafe { _mm512_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            Wide(unsafe { _mm512_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn times(self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            Wide(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
    }
}
