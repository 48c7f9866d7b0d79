//! The forward pass and the data gradient.

use super::super::Part;
use super::super::tile::{self, Region};
use super::super::window::sweep;
use super::transform::{self, POINTS, Plane, Spectrum, TAPS, TILE};
use super::{Shape, channel_pairs, divisor};
use crate::graph::NodeId;
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{Buffer, Kernel, MapBuilder, NestBuilder, chunk, clear_reductions, further, tasks};
use rnet_runtime::program::{GemmShape, Pairing, Transform};

/// Elements of the operand's and the products' values at points that a block aims at: together a sixth of a second-level cache
/// of 1 MiB.
const BLOCK: usize = 40 << 10;

/// How the tiles are cut: images and rows of tiles a task, and a block.
struct Cut {
    task: [usize; 2],
    block: [usize; 2],
}

impl Cut {
    fn new(shape: &Shape, pairing: Pairing) -> Cut {
        let [down, across] = shape.tiles();
        let task = tasks(shape.images, down, TILE * shape.columns * shape.outputs);
        // Pairs take half the room.
        let (block, most) = if pairing == Pairing::None { (BLOCK, 64) } else { (2 * BLOCK, 128) };
        let wanted = (block / (POINTS * POINTS * (shape.depth + shape.outputs))).clamp(16, most);
        // Large weights at points are read anew for each block, from beyond the second-level cache.
        let wanted = if shape.depth * shape.outputs > 1 << 13 { wanted.max(32) } else { wanted };
        let rows = divisor(task.1, across, wanted);
        let images = if rows == down { divisor(task.0, down * across, wanted) } else { 1 };
        let images = if shape.images.is_multiple_of(images) { images } else { 1 };
        Cut { task: [task.0, task.1], block: [images, rows] }
    }
}

/// Elements of the weights at a pair of points, and a little more: of four bytes, which may be pairs.
fn packed_apart(kernel: &Kernel, shape: &Shape) -> usize {
    let each = if channel_pairs(kernel, shape) == Pairing::None { 1 } else { 2 };
    Spectrum::apart(shape.depth * shape.outputs / each)
}

/// The launch that brings the weights to the points, into a temporary, and the number of this. `turned` is for the data gradient:
/// taps reversed, input and output channels exchanged.
pub fn pack<'g>(
    kernel: Kernel<'g>,
    shape: &Shape,
    w: NodeId,
    turned: bool,
    temporary: &mut dyn FnMut(usize) -> usize,
) -> (Part<'g>, usize) {
    let apart = packed_apart(&kernel, shape);
    let packed = temporary(POINTS * POINTS * apart);
    let (depth, outputs) = (shape.depth, shape.outputs);
    let is_paired = channel_pairs(&kernel, shape) != Pairing::None;
    let rows = chunk(depth, (2048 / outputs.max(1)).max(1));
    let rows = if is_paired && rows % 2 == 1 { depth } else { rows };
    let mut nest = NestBuilder::new(Kernel { stored: &[], ..kernel }, &[depth / rows]);
    let first = nest.task(0).times(rows as i64);
    let base = nest.buffer(Buffer::Temporary(packed));
    // In memory a tap is [input, output]; for the data gradient the depth is the output.
    let strides = if turned { (1, depth as i64) } else { (outputs as i64, 1) };
    let from = nest.value(w, first.times(strides.0));
    let tap = |i: usize, j: usize| {
        let (i, j) = if turned { (TAPS - 1 - i, TAPS - 1 - j) } else { (i, j) };
        further(&from, &Affine::constant(((i * TAPS + j) * depth * outputs) as i64))
    };
    if !is_paired {
        let to = Address { base, offset: first.times(outputs as i64) };
        let body = transform::weights_forward(&mut nest, [rows, outputs], &tap, strides, &to, apart as i64);
        return ((nest, body), packed);
    }
    let floats = nest.scratch(POINTS * POINTS * rows * outputs);
    let step = (rows * outputs) as i64;
    let mut body = transform::weights_forward(&mut nest, [rows, outputs], &tap, strides, &floats, step);
    // The first row is even, so half of its offset in floats is its offset in pairs.
    let to = Address { base, offset: nest.task(0).times((rows / 2 * outputs) as i64) };
    body.extend(nest.each(POINTS * POINTS, |_, pair| {
        let from = (further(&floats, &pair.times(step)), outputs);
        let to = (further(&to, &pair.times(apart as i64)), outputs);
        vec![Statement::Pack { rows, len: outputs, from, to }]
    }));
    ((nest, body), packed)
}

/// The nest: `x` convolved with packed weights gives `anchor`.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, x: NodeId, shape: &Shape, packed: usize) -> Part<'g> {
    let Shape { images, depth, rows, columns, outputs, .. } = *shape;
    let [down, across] = shape.tiles();
    let Cut { task: [task_images, task_rows], block: [block_images, block_rows] } =
        Cut::new(shape, channel_pairs(&kernel, shape));
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(task_images), down / task_rows]);

    let tiles = block_images * block_rows * across;
    let tile_width = TILE * across + TAPS - 1;
    let tile_rows = TILE * block_rows + TAPS - 1;
    let tile = nest.scratch(tile_rows * tile_width * depth);
    let between = nest.scratch(POINTS * (tile_width * depth).max(TILE * across * outputs));
    let operand = Spectrum::scratch(&mut nest, tiles, depth, channel_pairs(&kernel, shape));
    let product = Spectrum::scratch(&mut nest, tiles, outputs, Pairing::None);
    // Tiles that stick out of the result go to scratch memory, from where the epilogue takes what is wanted.
    let store_raw = kernel.stores_raw(anchor) && shape.is_exact();
    let raw_columns = TILE * across;
    let raw = (!store_raw).then(|| nest.scratch(TILE * block_rows * raw_columns * outputs));
    let (task_image, task_row) = (nest.task(0).times(task_images as i64), nest.task(1).times(task_rows as i64));

    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        task_images / block_images,
        |g| Some((task_image.plus(&g.times(block_images as i64)), images as i64)),
        |nest, g| {
            let first_image = task_image.plus(&g.times(block_images as i64));
            nest.each(task_rows / block_rows, |nest, s| {
                let first_row = task_row.plus(&s.times(block_rows as i64));
                let mut body = nest.each(block_images, |nest, i| {
                    let region = Region {
                        row: first_row.times(TILE as i64).offset(-(shape.pad[0] as i64)),
                        row_step: 1,
                        rows: tile_rows,
                        column: -(shape.pad[1] as i64),
                        column_step: 1,
                        columns: tile_width,
                        outside: 0.0,
                    };
                    let mut body = tile::fill(nest, x, &first_image.plus(&i), &region, &tile);
                    let plane = Plane { address: tile.clone(), width: tile_width };
                    let first = i.times((block_rows * across) as i64);
                    body.push(transform::forward(
                        Transform::Operand,
                        &plane,
                        [block_rows, across],
                        &between,
                        &operand,
                        &first,
                    ));
                    body
                });
                body.extend(products(nest, packed, packed_apart(&kernel, shape), tiles, &operand, &product));
                body.extend(nest.each(block_images, |nest, i| {
                    let image = first_image.plus(&i);
                    let row = first_row.times(TILE as i64);
                    let line = (columns * outputs) as i64;
                    let address = match &raw {
                        Some(raw) => raw.clone(),
                        None => nest.value(anchor, image.times(rows as i64 * line).plus(&row.times(line))),
                    };
                    let plane = Plane { address: address.clone(), width: raw_columns };
                    let first = i.times((block_rows * across) as i64);
                    let mut body = vec![transform::backward(&product, &first, [block_rows, across], &between, &plane)];
                    let epilogue = |nest: &mut NestBuilder, row: Affine, from: Address, pixels: usize| {
                        let sweep = sweep(nest.kernel.dims(anchor), image.clone(), row, Affine::default(), 1);
                        let mut map = MapBuilder::new(nest, pixels, outputs);
                        let result = map.plain(from, outputs as i64, 1);
                        map.give(anchor, result);
                        map.sinks(&sweep, store_raw.then_some(anchor));
                        map.finish()
                    };
                    if shape.is_exact() {
                        body.extend(epilogue(nest, row, address, TILE * block_rows * columns));
                    } else {
                        body.extend(nest.each_below(
                            TILE * block_rows,
                            |r| Some((row.plus(r), rows as i64)),
                            |nest, r| {
                                let from = further(&address, &r.times((raw_columns * outputs) as i64));
                                epilogue(nest, row.plus(&r), from, columns)
                            },
                        ));
                    }
                    body
                }));
                body
            })
        },
    ));
    (nest, body)
}

/// One matrix product for each pair of points.
fn products(
    nest: &mut NestBuilder,
    packed: usize,
    apart: usize,
    tiles: usize,
    operand: &Spectrum,
    product: &Spectrum,
) -> Vec<Statement> {
    let base = nest.buffer(Buffer::Temporary(packed));
    let paired = operand.pairing != Pairing::None;
    let (depth, outputs) = (operand.channels / if paired { 2 } else { 1 }, product.channels);
    nest.each(POINTS * POINTS, |nest, pair| {
        let shape = GemmShape {
            m: tiles,
            n: outputs,
            k: depth,
            a_m: depth as i64,
            a_k: 1,
            b_k: outputs as i64,
            c_m: outputs as i64,
            batch: vec![(0, 0)],
            accumulate: false,
            precision: nest.kernel.arithmetic.precision,
            paired,
        };
        let b = Address { base, offset: pair.times(apart as i64) };
        let (a, c) = (operand.at(&pair, &Affine::default()), product.at(&pair, &Affine::default()));
        vec![nest.gemm(shape, a, b, c)]
    })
}
