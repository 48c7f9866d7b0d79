//! The weight gradient: for each pair of points dW sums, over all tiles, the operand's values times the gradient's.

use super::super::Part;
use super::super::tile::{self, Region};
use super::transform::{self, POINTS, Plane, Spectrum, TAPS, TILE};
use super::{Shape, divisor, tile_pairs};
use crate::graph::NodeId;
use crate::lower::loops::{Affine, Statement};
use crate::lower::nest::{Kernel, NestBuilder, chunk, further};
use rnet_runtime::program::{GemmShape, Pairing, Transform};

/// Tiles that a partial result should be worth, so that bringing its sums back from the points is worth while.
const LEAST_TILES: usize = 64;

/// Elements of the values at points that a block aims at.
const BLOCK: usize = 72 << 10;

/// Weights (of one tap) of which a task keeps the sums at all points.
const WEIGHTS: usize = 1 << 14;

/// Into how many partial results the gradient is split.
pub fn parts(shape: &Shape) -> usize {
    let [down, across] = shape.tiles();
    let images_each = LEAST_TILES.div_ceil(down * across).max(shape.images.div_ceil(32)).min(shape.images);
    // A part less than a divisor leaves no part shorter than the others.
    shape.images / divisor(shape.images, 1, images_each)
}

/// Output channels of a task. Where the sums of all would leave the near caches, each task has some, and brings the operand to
/// the points for itself.
pub fn outputs_each(shape: &Shape) -> usize {
    let Shape { depth, outputs, .. } = *shape;
    let fewer = (1..outputs.div_ceil(16)).rev().map(|vectors| 16 * vectors);
    let mut fewer = fewer.filter(|fewer| outputs.is_multiple_of(*fewer) && fewer * depth <= WEIGHTS);
    if depth * outputs <= WEIGHTS { outputs } else { fewer.next().unwrap_or(outputs) }
}

/// The nest.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, shape: &Shape) -> Part<'g> {
    let (x, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let Shape { images, depth, outputs, .. } = *shape;
    let [down, across] = shape.tiles();
    let parts = parts(shape);
    let images_each = images / parts;
    let each = outputs_each(shape);
    // Sums that lie beyond the second-level cache are worth more tiles at a time.
    let least = if each < outputs { 32 } else { 16 };
    let wanted = (BLOCK / (POINTS * POINTS * (depth + each))).clamp(least, 64);
    let block_rows = divisor(down, across, wanted);
    let block_images = if block_rows == down { divisor(images_each, down * across, wanted) } else { 1 };
    let tiles = block_images * block_rows * across;
    let mut nest = NestBuilder::new(kernel, &[parts, outputs / each]);
    let first_output = nest.task(1).times(each as i64);

    let (tile_rows, tile_width) = (TILE * block_rows + TAPS - 1, TILE * across + TAPS - 1);
    let tile = nest.scratch((tile_rows * tile_width * depth).max(TILE * block_rows * TILE * across * each));
    // Weights of a tap that are brought back at a time; they follow each other where the task has all outputs.
    let [rows, len] =
        if each == outputs { [1, chunk(depth * outputs, 1024)] } else { [chunk(depth, 1024 / each), each] };
    let between = (tile_width * depth).max(TILE * across * each).max(TAPS * rows * len);
    let between = nest.scratch(POINTS * between);
    let pairing = tile_pairs(&kernel, shape);
    let operand = Spectrum::scratch(&mut nest, tiles, depth, pairing);
    let gradient = Spectrum::scratch(&mut nest, tiles, each, pairing);
    let sums = Spectrum::scratch(&mut nest, depth, each, Pairing::None);

    let first_image = nest.task(0).times(images_each as i64);
    let target = nest.value(anchor, nest.task(0).times((TAPS * TAPS * depth * outputs) as i64).plus(&first_output));
    let sums_len = POINTS * POINTS * sums.apart as usize;
    let mut body = vec![Statement::Fill { address: sums.address.clone(), len: sums_len, value: 0.0 }];
    body.extend(nest.each(images_each / block_images, |nest, g| {
        let first_image = first_image.plus(&g.times(block_images as i64));
        nest.each(down / block_rows, |nest, s| {
            let first_row = s.times((block_rows * TILE) as i64);
            let mut body = nest.each(block_images, |nest, i| {
                let (image, first) = (first_image.plus(&i), i.times((block_rows * across) as i64));
                let whole = Region {
                    row: first_row.offset(-(shape.pad[0] as i64)),
                    row_step: 1,
                    rows: tile_rows,
                    column: -(shape.pad[1] as i64),
                    column_step: 1,
                    columns: tile_width,
                    outside: 0.0,
                };
                let inner = Region {
                    row: first_row.clone(),
                    rows: TILE * block_rows,
                    column: 0,
                    columns: TILE * across,
                    ..whole.clone()
                };
                let mut body = tile::fill(nest, x, &image, &whole, &tile);
                let plane = Plane { address: tile.clone(), width: tile_width };
                let extent = [block_rows, across];
                body.push(transform::forward(Transform::Operand, &plane, extent, &between, &operand, &first));
                body.extend(tile::fill_channels(nest, dy, &image, (&first_output, each), &inner, &tile));
                let plane = Plane { address: tile.clone(), width: TILE * across };
                body.push(transform::forward(Transform::Gradient, &plane, extent, &between, &gradient, &first));
                body
            });
            body.extend(nest.each(POINTS * POINTS, |nest, pair| {
                let shape = GemmShape {
                    m: depth,
                    n: each,
                    k: if pairing == Pairing::None { tiles } else { tiles / 2 },
                    a_m: 1,
                    a_k: depth as i64,
                    b_k: each as i64,
                    c_m: each as i64,
                    batch: vec![(0, 0)],
                    accumulate: true,
                    precision: nest.kernel.arithmetic.precision,
                    paired: pairing != Pairing::None,
                };
                let none = Affine::default();
                let [a, b, c] = [&operand, &gradient, &sums].map(|spectrum| spectrum.at(&pair, &none));
                vec![nest.gemm(shape, a, b, c)]
            }));
            body
        })
    }));
    let apart = ((depth * outputs) as i64, outputs as i64);
    body.extend(nest.each(depth * each / (rows * len), |nest, p| {
        let from = further(&sums.address, &p.times((rows * len) as i64));
        let to = further(&target, &p.times(if each == outputs { len } else { rows * outputs } as i64));
        transform::taps_backward(nest, [rows, len], &from, sums.apart, &between, &to, apart)
    }));
    (nest, body)
}
