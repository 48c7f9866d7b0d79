//! The transforms of F(4x4, 3x3). Those of activations are the runtime's (see its `kernels::transform`); those of weights, which
//! are few, are maps.

use crate::lower::expression::{Expression, ExpressionBuilder, Scalar};
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{MapBuilder, NestBuilder, further};
use rnet_runtime::kernels::transform;
use rnet_runtime::program::{Pairing, Transform, TransformShape};

pub use rnet_runtime::kernels::transform::{POINTS, TILE};

/// Taps of the window along an axis.
pub const TAPS: usize = 3;

const NEAR: f64 = transform::NEAR as f64;
const FAR: f64 = transform::FAR as f64;

/// A linear map along one axis.
type Axis = fn(&mut Steps, &[Scalar]) -> Vec<Scalar>;

/// Arithmetic with constants.
pub struct Steps<'e>(&'e mut ExpressionBuilder);

impl Steps<'_> {
    fn scaled(&mut self, factor: f64, a: Scalar) -> Scalar {
        let factor = self.0.constant(factor);
        self.0.push(Expression::Mul(factor, a))
    }

    /// factor * a + b
    fn plus_scaled(&mut self, factor: f64, a: Scalar, b: Scalar) -> Scalar {
        let factor = self.0.constant(factor);
        self.0.push(Expression::MulAdd(factor, a, b))
    }

    fn sum(&mut self, a: Scalar, b: Scalar) -> Scalar {
        self.0.push(Expression::Add(a, b))
    }

    fn difference(&mut self, a: Scalar, b: Scalar) -> Scalar {
        self.0.push(Expression::Sub(a, b))
    }

    /// The values at a point and at its negative, from the even and the odd part: even + point * odd, even - point * odd.
    fn both(&mut self, point: f64, even: Scalar, odd: Scalar) -> [Scalar; 2] {
        [self.plus_scaled(point, odd, even), self.plus_scaled(-point, odd, even)]
    }
}

/// The denominators of Lagrange's interpolation at 0, +-3/4 and +-3/2.
fn denominators() -> [f64; 3] {
    let (near, far) = (NEAR * NEAR, FAR * FAR);
    [near * far, 2.0 * near * (near - far), 2.0 * far * (far - near)]
}

/// Three taps to six points.
pub fn weights(e: &mut Steps, g: &[Scalar]) -> Vec<Scalar> {
    let [zero, near, far] = denominators();
    let pair = |e: &mut Steps, point: f64, denominator: f64| {
        let (even, odd) = (e.plus_scaled(point * point, g[2], g[0]), g[1]);
        let even = e.scaled(1.0 / denominator, even);
        e.both(point / denominator, even, odd)
    };
    let (at_zero, [a, b], [c, d]) = (e.scaled(1.0 / zero, g[0]), pair(e, NEAR, near), pair(e, FAR, far));
    vec![at_zero, a, b, c, d, g[2]]
}

/// Sums at six points to three taps: the adjoint of [`weights`].
pub fn taps(e: &mut Steps, m: &[Scalar]) -> Vec<Scalar> {
    let [zero, near, far] = denominators();
    let both = |e: &mut Steps, power: i32, a: Scalar, b: Scalar| {
        let b = e.scaled(FAR.powi(power) / far, b);
        e.plus_scaled(NEAR.powi(power) / near, a, b)
    };
    let (even_near, odd_near) = (e.sum(m[1], m[2]), e.difference(m[1], m[2]));
    let (even_far, odd_far) = (e.sum(m[3], m[4]), e.difference(m[3], m[4]));
    let first = both(e, 0, even_near, even_far);
    let last = both(e, 2, even_near, even_far);
    vec![e.plus_scaled(1.0 / zero, m[0], first), both(e, 1, odd_near, odd_far), e.sum(last, m[5])]
}

/// A map over `pixels` x `channels` that applies a transform to values `from.1` elements apart, of pixels `from.2` apart, and
/// stores the results `to.1` apart, of pixels `to.2` apart.
fn along(
    nest: &mut NestBuilder,
    [pixels, channels]: [usize; 2],
    axis: Axis,
    count: usize,
    from: (Address, i64, i64),
    to: (Address, i64, i64),
) -> Vec<Statement> {
    let mut map = MapBuilder::new(nest, pixels, channels);
    let at = |(address, apart, _): &(Address, i64, i64), number: usize| {
        further(address, &Affine::constant(apart * number as i64))
    };
    let values: Vec<Scalar> = (0..count).map(|number| map.plain(at(&from, number), from.2, 1)).collect();
    let results = axis(&mut Steps(&mut map.expression), &values);
    for (number, result) in results.into_iter().enumerate() {
        map.store(result, at(&to, number), to.2, 1);
    }
    map.finish()
}

/// Values at all pairs of points, for a number of tiles: [points, points, tiles, channels], a little more than that apart so that
/// the points of one tile do not meet in the same places of the first-level cache. Where they are bf16 in pairs, an element of four
/// bytes is a pair, of neighbouring channels or of neighbouring tiles.
#[derive(Clone)]
pub struct Spectrum {
    pub address: Address,
    pub channels: usize,
    pub pairing: Pairing,
    /// Elements from one pair of points to the next.
    pub apart: i64,
}

impl Spectrum {
    /// Elements from one pair of points to the next where each has `len` elements.
    pub fn apart(len: usize) -> usize {
        len.next_multiple_of(16) + 16
    }

    /// Reserves scratch memory for `tiles` tiles.
    pub fn scratch(nest: &mut NestBuilder, tiles: usize, channels: usize, pairing: Pairing) -> Spectrum {
        let each = if pairing == Pairing::None { 1 } else { 2 };
        let apart = Spectrum::apart(tiles * channels / each);
        let address = nest.scratch(POINTS * POINTS * apart);
        Spectrum { address, channels, pairing, apart: apart as i64 }
    }

    /// Elements of a tile: channels, or pairs of them, or a half of each pair of tiles. There are two channels to halve wherever
    /// values are paired.
    fn tile(&self) -> i64 {
        let each = if self.pairing == Pairing::None { 1 } else { 2 };
        (self.channels / each) as i64
    }

    /// The place of a pair of points, given as one number, at a tile.
    pub fn at(&self, pair: &Affine, tile: &Affine) -> Address {
        further(&self.address, &pair.times(self.apart).plus(&tile.times(self.tile())))
    }
}

/// A plane of pixels in memory, channels innermost.
pub struct Plane {
    pub address: Address,
    /// Pixels from one row to the next.
    pub width: usize,
}

/// Pixels to points: `rows` x `columns` tiles of the plane become tiles of the spectrum from `first` on; `between` is scratch.
pub fn forward(
    transform: Transform,
    plane: &Plane,
    [rows, columns]: [usize; 2],
    between: &Address,
    spectrum: &Spectrum,
    first: &Affine,
) -> Statement {
    let shape = shape(transform, [rows, columns], spectrum, plane);
    let to = spectrum.at(&Affine::default(), first);
    Statement::Transform { shape, from: plane.address.clone(), between: between.clone(), to }
}

/// Points to pixels, the way back.
pub fn backward(
    spectrum: &Spectrum,
    first: &Affine,
    [rows, columns]: [usize; 2],
    between: &Address,
    plane: &Plane,
) -> Statement {
    let shape = shape(Transform::Product, [rows, columns], spectrum, plane);
    let from = spectrum.at(&Affine::default(), first);
    Statement::Transform { shape, from, between: between.clone(), to: plane.address.clone() }
}

fn shape(transform: Transform, [rows, columns]: [usize; 2], spectrum: &Spectrum, plane: &Plane) -> TransformShape {
    let Spectrum { channels, apart, pairing, .. } = *spectrum;
    TransformShape { transform, rows, columns, channels, width: plane.width, apart: apart as usize, pairing }
}

/// Weights to points. A tap's `pixels` x `channels` weights lie as the strides say; results are contiguous.
pub fn weights_forward(
    nest: &mut NestBuilder,
    [pixels, channels]: [usize; 2],
    tap: &dyn Fn(usize, usize) -> Address,
    strides: (i64, i64),
    base: &Address,
    apart: i64,
) -> Vec<Statement> {
    // A row of points at a time: all 36 results at once would not find registers.
    let mut body = Vec::new();
    for i in 0..POINTS {
        let mut map = MapBuilder::new(nest, pixels, channels);
        let row: Vec<Scalar> = (0..TAPS)
            .map(|j| {
                let column: Vec<Scalar> = (0..TAPS).map(|i| map.plain(tap(i, j), strides.0, strides.1)).collect();
                weights(&mut Steps(&mut map.expression), &column)[i]
            })
            .collect();
        for (j, value) in weights(&mut Steps(&mut map.expression), &row).into_iter().enumerate() {
            let to = further(base, &Affine::constant((i * POINTS + j) as i64 * apart));
            map.store(value, to, channels as i64, 1);
        }
        body.extend(map.finish());
    }
    body
}

/// Sums at points to the gradient of the taps, for `rows` x `len` weights of each, which follow each other at `from`; at `to` the
/// taps are `to_apart.0` apart, rows `to_apart.1`. `between` is scratch for [`TAPS`] * [`POINTS`] * `rows` * `len`.
pub fn taps_backward(
    nest: &mut NestBuilder,
    [rows, len]: [usize; 2],
    from: &Address,
    from_apart: i64,
    between: &Address,
    to: &Address,
    to_apart: (i64, i64),
) -> Vec<Statement> {
    let (strip, row) = ((rows * len) as i64, len as i64);
    let mut body = nest.each(POINTS, |nest, j| {
        let from = (further(from, &j.times(from_apart)), POINTS as i64 * from_apart, row);
        let to = (further(between, &j.times(strip)), POINTS as i64 * strip, row);
        along(nest, [rows, len], taps, POINTS, from, to)
    });
    body.extend(nest.each(TAPS, |nest, i| {
        let from = (further(between, &i.times(POINTS as i64 * strip)), strip, row);
        let to = (further(to, &i.times(TAPS as i64 * to_apart.0)), to_apart.0, to_apart.1);
        along(nest, [rows, len], taps, POINTS, from, to)
    }));
    body
}
