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

/// Into how many partial results the gradient is split.
pub fn parts(shape: &Shape) -> usize {
    let [down, across] = shape.tiles();
    let images_each = LEAST_TILES.div_ceil(down * across).max(shape.images.div_ceil(32)).min(shape.images);
    // A part less than a divisor leaves no part shorter than the others.
    shape.images / divisor(shape.images, 1, images_each)
}

/// The same, by the name that direct convolution has for it.
pub fn partials(shape: &Shape) -> usize {
    parts(shape)
}

/// The nest.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, shape: &Shape) -> Part<'g> {
    let (x, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let Shape { images, depth, outputs, .. } = *shape;
    let [down, across] = shape.tiles();
    let parts = parts(shape);
    let images_each = images / parts;
    let wanted = (BLOCK / (POINTS * POINTS * (depth + outputs))).clamp(16, 64);
    let block_rows = divisor(down, across, wanted);
    let block_images = if block_rows == down { divisor(images_each, down * across, wanted) } else { 1 };
    let tiles = block_images * block_rows * across;
    let mut nest = NestBuilder::new(kernel, &[parts]);

    let (tile_rows, tile_width) = (TILE * block_rows + TAPS - 1, TILE * across + TAPS - 1);
    let tile = nest.scratch((tile_rows * tile_width * depth).max(TILE * block_rows * TILE * across * outputs));
    let len = depth * outputs;
    let piece = chunk(len, 1024);
    let between = (tile_width * depth).max(TILE * across * outputs).max(TAPS * piece);
    let between = nest.scratch(POINTS * between);
    let pairing = tile_pairs(&kernel, shape);
    let operand = Spectrum::scratch(&mut nest, tiles, depth, pairing);
    let gradient = Spectrum::scratch(&mut nest, tiles, outputs, pairing);
    let sums = Spectrum::scratch(&mut nest, depth, outputs, Pairing::None);

    let first_image = nest.task(0).times(images_each as i64);
    let target = nest.value(anchor, nest.task(0).times((TAPS * TAPS * len) as i64));
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
                body.extend(tile::fill(nest, dy, &image, &inner, &tile));
                let plane = Plane { address: tile.clone(), width: TILE * across };
                body.push(transform::forward(Transform::Gradient, &plane, extent, &between, &gradient, &first));
                body
            });
            body.extend(nest.each(POINTS * POINTS, |nest, pair| {
                let shape = GemmShape {
                    m: depth,
                    n: outputs,
                    k: if pairing == Pairing::None { tiles } else { tiles / 2 },
                    a_m: 1,
                    a_k: depth as i64,
                    b_k: outputs as i64,
                    c_m: outputs as i64,
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
    body.extend(nest.each(len / piece, |nest, p| {
        let offset = p.times(piece as i64);
        let (from, to) = (further(&sums.address, &offset), further(&target, &offset));
        transform::taps_backward(nest, piece, &from, sums.apart, &between, &to, len as i64)
    }));
    (nest, body)
}
