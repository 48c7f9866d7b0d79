//! The transforms of Winograd's F(4x4, 3x3) that go over whole activations: pixels to values at 6x6 points and back.
//!
//! The interpolation points are 0, +-3/4, +-3/2 and infinity. Their powers are exact in f32, and with them the result is about
//! five times as far from the exact one as that of direct convolution; with the usual 0, +-1, +-2 it is ten times.

use super::vector::{Lanes, Vector};
use super::{Family, Isa};
use crate::program::{Pairing, Transform, TransformShape};

/// The nearer pair of points.
pub const NEAR: f32 = 0.75;
/// The farther pair of points.
pub const FAR: f32 = 1.5;
/// Output pixels of a tile along an axis.
pub const TILE: usize = 4;
/// Points, and operand pixels under a tile, along an axis.
pub const POINTS: usize = 6;

/// A linear map along one axis, of the first `FROM` values to the first `TO`.
trait Axis {
    const FROM: usize;
    const TO: usize;
    fn apply<V: Vector>(values: [V; POINTS]) -> [V; POINTS];
}

/// The values at a point and at its negative, from the even and the odd part.
#[inline(always)]
fn both<V: Vector>(point: f32, even: V, odd: V) -> [V; 2] {
    [V::splat(point).mul_add(odd, even), V::splat(-point).mul_add(odd, even)]
}

/// Six operand pixels to six points: the coefficients of the products over all points but one.
struct Operand;

impl Axis for Operand {
    const FROM: usize = POINTS;
    const TO: usize = POINTS;

    #[inline(always)]
    fn apply<V: Vector>(d: [V; POINTS]) -> [V; POINTS] {
        let (near, far) = (NEAR * NEAR, FAR * FAR);
        let (sum, product) = (V::splat(-(near + far)), V::splat(near * far));
        let zero = product.mul_add(d[0], sum.mul_add(d[2], d[4]));
        let infinity = product.mul_add(d[1], sum.mul_add(d[3], d[5]));
        let (near, far) = (V::splat(-near), V::splat(-far));
        let [a, b] = both(NEAR, far.mul_add(d[2], d[4]), far.mul_add(d[1], d[3]));
        let [c, d] = both(FAR, near.mul_add(d[2], d[4]), near.mul_add(d[1], d[3]));
        [zero, a, b, c, d, infinity]
    }
}

/// Gradients of four output pixels to six points: the adjoint of [`Product`].
struct Gradient;

impl Axis for Gradient {
    const FROM: usize = TILE;
    const TO: usize = POINTS;

    #[inline(always)]
    fn apply<V: Vector>(y: [V; POINTS]) -> [V; POINTS] {
        let (near, far) = (V::splat(NEAR * NEAR), V::splat(FAR * FAR));
        let [a, b] = both(NEAR, near.mul_add(y[2], y[0]), near.mul_add(y[3], y[1]));
        let [c, d] = both(FAR, far.mul_add(y[2], y[0]), far.mul_add(y[3], y[1]));
        [y[0], a, b, c, d, y[3]]
    }
}

/// Products at six points to four output pixels.
struct Product;

impl Axis for Product {
    const FROM: usize = POINTS;
    const TO: usize = TILE;

    #[inline(always)]
    fn apply<V: Vector>(m: [V; POINTS]) -> [V; POINTS] {
        let (even_near, odd_near) = (m[1].plus(m[2]), m[1].minus(m[2]));
        let (even_far, odd_far) = (m[3].plus(m[4]), m[3].minus(m[4]));
        let first = V::splat(NEAR).mul_add(odd_near, V::splat(FAR).times(odd_far));
        let second = V::splat(NEAR * NEAR).mul_add(even_near, V::splat(FAR * FAR).times(even_far));
        let cubes = V::splat(FAR * FAR * FAR).mul_add(odd_far, m[5]);
        let third = V::splat(NEAR * NEAR * NEAR).mul_add(odd_near, cubes);
        [m[0].plus(even_near.plus(even_far)), first, second, third, m[5], m[5]]
    }
}

/// Applies a map to `A::FROM` runs of `len` elements, `from_apart` elements apart, and stores `A::TO` runs, `to_apart` apart.
///
/// # Safety
/// The runs must be readable and writable, those written must not overlap those read, and the machine must have V.
#[inline(always)]
unsafe fn runs<V: Vector, A: Axis>(len: usize, from: *const f32, from_apart: usize, to: *mut f32, to_apart: usize) {
    let mut at = 0;
    while at < len {
        let count = (len - at).min(V::LANES);
        let mut values = [V::splat(0.0); POINTS];
        // SAFETY: elements from `at` to `at + count` are in each run.
        unsafe {
            if count == V::LANES {
                for (number, value) in values.iter_mut().enumerate().take(A::FROM) {
                    *value = V::load(from.add(number * from_apart + at), V::LANES);
                }
                let results = A::apply(values);
                for (number, result) in results.into_iter().enumerate().take(A::TO) {
                    result.store(to.add(number * to_apart + at), V::LANES);
                }
            } else {
                for (number, value) in values.iter_mut().enumerate().take(A::FROM) {
                    *value = V::load(from.add(number * from_apart + at), count);
                }
                let results = A::apply(values);
                for (number, result) in results.into_iter().enumerate().take(A::TO) {
                    result.store(to.add(number * to_apart + at), count);
                }
            }
        }
        at += V::LANES;
    }
}

/// Applies a map to six runs of `len` elements, `len` apart, and stores the results rounded, `to_apart` elements of four bytes apart.
///
/// # Safety
/// As for `runs`.
#[inline(always)]
unsafe fn rounded_runs<V: Vector, A: Axis>(len: usize, from: *const f32, to: *mut f32, to_apart: usize) {
    for at in (0..len).step_by(V::LANES) {
        let count = (len - at).min(V::LANES);
        // SAFETY: elements from `at` to `at + count` are in each run.
        unsafe {
            let results = A::apply(values::<V, A>(from.add(at), len, count));
            for (number, result) in results.into_iter().enumerate().take(A::TO) {
                result.store_rounded(to.add(number * to_apart).cast::<u16>().add(at), count);
            }
        }
    }
}

/// Applies a map to six runs of `len` elements, `len` apart, and to six more `second` elements on, and stores pairs of the results
/// rounded, `to_apart` pairs apart.
///
/// # Safety
/// As for `runs`.
#[inline(always)]
unsafe fn paired_runs<V: Vector, A: Axis>(len: usize, from: *const f32, second: usize, to: *mut f32, to_apart: usize) {
    for at in (0..len).step_by(V::LANES) {
        let count = (len - at).min(V::LANES);
        // SAFETY: elements from `at` to `at + count` are in each run.
        unsafe {
            let first = A::apply(values::<V, A>(from.add(at), len, count));
            let second = A::apply(values::<V, A>(from.add(second + at), len, count));
            for (number, (first, second)) in first.into_iter().zip(second).enumerate().take(A::TO) {
                first.store_pairs(second, to.add(number * to_apart).cast::<u32>().add(at), count);
            }
        }
    }
}

/// Loads `count` elements of each of a map's runs.
///
/// # Safety
/// They must be readable, and the machine must have V.
#[inline(always)]
unsafe fn values<V: Vector, A: Axis>(from: *const f32, apart: usize, count: usize) -> [V; POINTS] {
    let mut values = [V::splat(0.0); POINTS];
    for (number, value) in values.iter_mut().enumerate().take(A::FROM) {
        // SAFETY: the caller's promise.
        *value = unsafe { V::load(from.add(number * apart), count) };
    }
    values
}

/// Pixels to points.
///
/// # Safety
/// As for [`TransformCode`], and the machine must have V.
#[inline(always)]
unsafe fn forward<V: Vector, A: Axis>(shape: &TransformShape, from: *const f32, between: *mut f32, to: *mut f32) {
    let TransformShape { rows, columns, channels, width, apart, pairing, .. } = *shape;
    let row = width * channels;
    for y in 0..rows {
        // SAFETY: the plane's rows from TILE * y on, rows of `between`, and the tiles of row y are what the shape names.
        unsafe {
            runs::<V, A>(row, from.add(TILE * y * row), row, between, row);
            for i in 0..POINTS {
                let (from, to) = (between.add(i * row), to.add(i * POINTS * apart));
                let pixels = |x: usize| from.add(TILE * x * channels);
                match pairing {
                    Pairing::None => {
                        for x in 0..columns {
                            let tile = to.add((y * columns + x) * channels);
                            runs::<V, A>(channels, pixels(x), channels, tile, apart);
                        }
                    }
                    Pairing::Channels => {
                        for x in 0..columns {
                            let tile = to.add((y * columns + x) * (channels / 2));
                            rounded_runs::<V, A>(channels, pixels(x), tile, apart);
                        }
                    }
                    Pairing::Tiles => {
                        for x in (0..columns).step_by(2) {
                            let tiles = to.add((y * columns + x) / 2 * channels);
                            paired_runs::<V, A>(channels, pixels(x), TILE * channels, tiles, apart);
                        }
                    }
                }
            }
        }
    }
}

/// Points to pixels.
///
/// # Safety
/// As for [`TransformCode`], and the machine must have V.
#[inline(always)]
unsafe fn backward<V: Vector>(shape: &TransformShape, from: *const f32, between: *mut f32, to: *mut f32) {
    let TransformShape { rows, columns, channels, width, apart, .. } = *shape;
    let strip = columns * channels;
    for y in 0..rows {
        // SAFETY: the tiles of row y, TILE * POINTS strips of `between`, and the plane's rows from TILE * y on are what the
        // shape names.
        unsafe {
            for j in 0..POINTS {
                let tiles = from.add(j * apart + y * strip);
                runs::<V, Product>(strip, tiles, POINTS * apart, between.add(j * strip), POINTS * strip);
            }
            for i in 0..TILE {
                for x in 0..columns {
                    let values = between.add(i * POINTS * strip + x * channels);
                    let pixels = to.add(((TILE * y + i) * width + TILE * x) * channels);
                    runs::<V, Product>(channels, values, strip, pixels, channels);
                }
            }
        }
    }
}

/// # Safety
/// As for [`TransformCode`], and the machine must have V.
#[inline(always)]
unsafe fn all<V: Vector>(shape: &TransformShape, from: *const f32, between: *mut f32, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match shape.transform {
            Transform::Operand => forward::<V, Operand>(shape, from, between, to),
            Transform::Gradient => forward::<V, Gradient>(shape, from, between, to),
            Transform::Product => backward::<V>(shape, from, between, to),
        }
    }
}

/// The function that compiled kernels call, for one kind of vector.
macro_rules! entry {
    ($(#[$attribute:meta])* $name:ident, $vector:ty) => {
        /// # Safety
        /// As for [`TransformCode`], and the machine must have the vector's instructions.
        $(#[$attribute])*
        unsafe extern "C" fn $name(
            transform: i64,
            rows: usize,
            columns: usize,
            channels: usize,
            width: usize,
            apart: usize,
            from: *const f32,
            between: *mut f32,
            to: *mut f32,
        ) {
            let pairing = match transform / 4 {
                0 => Pairing::None,
                1 => Pairing::Channels,
                _ => Pairing::Tiles,
            };
            let transform = match transform % 4 {
                0 => Transform::Operand,
                1 => Transform::Gradient,
                _ => Transform::Product,
            };
            let shape = TransformShape { transform, rows, columns, channels, width, apart, pairing };
            // SAFETY: the caller's promise.
            unsafe { all::<$vector>(&shape, from, between, to) }
        }
    };
}

entry!(portable, Lanes<{ cfg!(target_arch = "aarch64") }>);
entry!(
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx,fma")]
    fused,
    Lanes<true>
);
entry!(
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    avx512,
    super::vector::wide::Wide
);

entry!(
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    avx512_pairs,
    super::vector::wide::Wide
);

/// What compiled kernels call under the name `rnet_transform`: the fields of a [`TransformShape`], of which `transform` is the number
/// of the transform plus four times that of the pairing, then the plane and the values at
/// points, whichever is read first, with memory for [`TransformShape::between`] elements between them.
///
/// # Safety
/// What the shape says is read must be readable, what it says is written writable, and these and `between` must not overlap.
pub type TransformCode = unsafe extern "C" fn(
    transform: i64,
    rows: usize,
    columns: usize,
    channels: usize,
    width: usize,
    apart: usize,
    from: *const f32,
    between: *mut f32,
    to: *mut f32,
);

/// The code for an instruction set.
pub fn transform_code(isa: Isa) -> TransformCode {
    match isa.0 {
        #[cfg(target_arch = "x86_64")]
        Family::Avx512(_) if super::avx512::pairs::Supported::detect().is_some() => avx512_pairs,
        #[cfg(target_arch = "x86_64")]
        Family::Avx512(_) => avx512,
        #[cfg(target_arch = "x86_64")]
        Family::Avx2(_) => fused,
        #[cfg(target_arch = "x86_64")]
        Family::Portable if is_x86_feature_detected!("avx") && is_x86_feature_detected!("fma") => fused,
        Family::Portable => portable,
    }
}
