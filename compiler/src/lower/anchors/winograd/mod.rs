//! Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016) for 3x3
//! convolutions of stride 1, in all three directions: tiles of the operands become values at 6x6 points, one matrix product for each
//! pair of points does all the multiplications, and its result is brought back. 36 multiplications stand for 144.

mod convolution;
mod transform;
mod weight_grad;

pub use convolution::{lower, pack};
pub use weight_grad::{lower as lower_weight_grad, parts as partials};

use super::window::Window;
use crate::lower::nest::{Algorithm, Kernel};
use rnet_runtime::program::{Pairing, Precision};
use transform::{POINTS, TAPS, TILE};

/// A convolution as this family sees it: `outputs` channels at rows x columns from `depth` channels.
/// The data gradient is the convolution of the incoming gradient with the weights turned round.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub images: usize,
    pub depth: usize,
    pub rows: usize,
    pub columns: usize,
    pub outputs: usize,
    pub pad: [usize; 2],
}

impl Shape {
    /// Of the forward pass and the weight gradient.
    pub fn forward(window: &Window) -> Shape {
        let Window { images, input, rows, columns, output, pad, .. } = *window;
        Shape { images, depth: input, rows, columns, outputs: output, pad }
    }

    /// Of the data gradient. Only for windows that [`fits`] accepts.
    fn backward(window: &Window) -> Shape {
        let Window { images, height, width, input, output, pad, .. } = *window;
        let pad = pad.map(|pad| TAPS - 1 - pad);
        Shape { images, depth: output, rows: height, columns: width, outputs: input, pad }
    }

    /// Tiles down and across an image.
    fn tiles(&self) -> [usize; 2] {
        [self.rows.div_ceil(TILE), self.columns.div_ceil(TILE)]
    }

    /// Whether tiles cover the result exactly.
    fn is_exact(&self) -> bool {
        self.rows.is_multiple_of(TILE) && self.columns.is_multiple_of(TILE)
    }
}

/// How the forward pass and the data gradient pair the operand's values at points: along the sum, if they are bf16 and even in number.
fn channel_pairs(kernel: &Kernel, shape: &Shape) -> Pairing {
    match kernel.arithmetic.precision {
        Precision::Bf16 if shape.depth.is_multiple_of(2) => Pairing::Channels,
        _ => Pairing::None,
    }
}

/// How the weight gradient, which sums over tiles, pairs those of both operands.
fn tile_pairs(kernel: &Kernel, shape: &Shape) -> Pairing {
    let even = [shape.depth, shape.outputs, shape.tiles()[1]].iter().all(|extent| extent.is_multiple_of(2));
    match kernel.arithmetic.precision {
        Precision::Bf16 if even => Pairing::Tiles,
        _ => Pairing::None,
    }
}

/// Whether the window is one that the method knows.
fn fits(window: &Window) -> bool {
    window.kernel == [TAPS; 2]
        && window.stride == [1, 1]
        && window.dilation == [1, 1]
        && window.groups == 1
        && window.pad.iter().all(|&pad| pad < TAPS)
}

/// Weights (of one tap) beyond which those at all points no longer fit the third-level cache.
const MOST_WEIGHTS: usize = 1 << 17;

/// What this method asks of a convolution's values.
struct Demands {
    /// How often the operand goes through a transform.
    operand: usize,
    /// How often the weights do.
    weights: usize,
    /// Whether each block of tiles reads the weights at all points, so that these have to fit the third-level cache.
    near_weights: bool,
}

/// An estimate in cycles of (direct convolution, this method), for vectors of sixteen and one multiply-add a cycle (two of
/// bf16).
fn cost(shape: &Shape, demands: &Demands, precision: Precision) -> (f64, f64) {
    let pixels = (shape.images * shape.rows * shape.columns) as f64;
    let tiles = (shape.images * shape.tiles()[0] * shape.tiles()[1]) as f64;
    let pairs = (shape.depth * shape.outputs) as f64;
    let channels = (demands.operand * shape.depth + shape.outputs) as f64;
    let points = (POINTS * POINTS) as f64;
    // Of bf16 a fifth goes into packing.
    let (at_once, packing) = match precision {
        Precision::F32 => (16.0, 1.0),
        Precision::Bf16 => (32.0, 0.8),
    };
    let direct = pixels * (TAPS * TAPS) as f64 * pairs / at_once / (0.8 * packing);
    // Transforms of a pixel of a channel take about half a cycle on either side, those of a weight at one point a half.
    let transformed = tiles * points * pairs / at_once / (0.7 * packing)
        + tiles * (TILE * TILE) as f64 * channels / 2.0
        + demands.weights as f64 * points * pairs / 2.0;
    (direct, transformed)
}

fn chosen(kernel: &Kernel, window: &Window, shape: &Shape, demands: &Demands) -> bool {
    if !fits(window) {
        return false;
    }
    match kernel.arithmetic.algorithm {
        Algorithm::Direct => false,
        Algorithm::Winograd => true,
        Algorithm::Fastest => {
            let (direct, transformed) = cost(shape, demands, kernel.arithmetic.precision);
            let is_near = !demands.near_weights || shape.depth * shape.outputs <= MOST_WEIGHTS;
            is_near && shape.depth >= 8 && transformed < 0.9 * direct
        }
    }
}

/// The shape of a forward convolution, if it is to be done this way.
pub fn for_convolution(kernel: &Kernel, window: &Window) -> Option<Shape> {
    let shape = Shape::forward(window);
    chosen(kernel, window, &shape, &Demands { operand: 1, weights: 1, near_weights: true }).then_some(shape)
}

/// The shape of a data gradient, if it is to be done this way.
pub fn for_input_grad(kernel: &Kernel, window: &Window) -> Option<Shape> {
    let shape = fits(window).then(|| Shape::backward(window))?;
    chosen(kernel, window, &shape, &Demands { operand: 1, weights: 2, near_weights: true }).then_some(shape)
}

/// The shape of a weight gradient, if it is to be done this way.
pub fn for_weight_grad(kernel: &Kernel, window: &Window) -> Option<Shape> {
    let shape = Shape::forward(window);
    let operand = shape.outputs / weight_grad::outputs_each(&shape);
    let demands = Demands { operand, weights: 2 * weight_grad::parts(&shape), near_weights: false };
    chosen(kernel, window, &shape, &demands).then_some(shape)
}

/// The greatest divisor of `extent` that makes no more than `most` of `each`, at least 1.
fn divisor(extent: usize, each: usize, most: usize) -> usize {
    (1..=extent).rev().find(|&part| extent.is_multiple_of(part) && part * each <= most).unwrap_or(1)
}
