//! `conv2d_input_grad` and `dense_input_grad`: the data gradient.
//!
//! dX[i, :] sums, over the taps that reach input row i, dY[(i + pad - tap * dilation) / stride, :] W[tap]^T. With a stride the
//! input pixels fall into classes (i + pad) mod stride, each reached by the taps of its own class: so the work is exactly that of the
//! forward pass. A first launch packs the weights: taps reversed, [Kh, Kw, output, input].

use super::convolution::{Cut, PANEL, output_blocks, paired};
use super::tile::{self, Region};
use super::window::{Window, floor_div, sweep};
use super::winograd;
use super::{Part, depthwise};
use crate::graph::NodeId;
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{Buffer, Kernel, MapBuilder, NestBuilder, chunk, clear_reductions, further};
use rnet_runtime::program::GemmShape;

/// One class of rows or columns along an axis.
pub struct Class {
    /// First index of the class within a block that starts at a multiple of the stride.
    pub first: usize,
    /// How many there are within the block.
    pub count: usize,
    /// (tap, offset in the tile from the class's own counter).
    pub taps: Vec<(usize, i64)>,
}

/// The classes along axis `d` for a block of `extent` input indices.
pub fn classes(window: &Window, d: usize, extent: usize) -> Vec<Class> {
    let (stride, pad, dilation) = (window.stride[d] as i64, window.pad[d] as i64, window.dilation[d] as i64);
    let low = low(window, d);
    (0..stride)
        .map(|class| {
            let first = (class - pad).rem_euclid(stride);
            let count = (extent as i64 - first + stride - 1).div_euclid(stride).max(0);
            let taps = (0..window.kernel[d] as i64)
                .filter(|tap| (tap * dilation).rem_euclid(stride) == class)
                .map(|tap| (tap as usize, (first + pad - tap * dilation).div_euclid(stride) - low))
                .collect();
            Class { first: first as usize, count: count as usize, taps }
        })
        .collect()
}

/// The first output index that input index 0 can need (at most 0).
pub fn low(window: &Window, d: usize) -> i64 {
    floor_div(window.pad[d] as i64 - (window.kernel[d] as i64 - 1) * window.dilation[d] as i64, window.stride[d] as i64)
}

/// Output indices that a block of `extent` input indices needs, from `low` on.
pub fn reach(window: &Window, d: usize, extent: usize) -> usize {
    let high = floor_div(extent as i64 - 1 + window.pad[d] as i64, window.stride[d] as i64);
    (high - low(window, d) + 1) as usize
}

/// Packs the weights; where `unit` is 2, in pairs of output channels.
fn pack<'g>(kernel: Kernel<'g>, window: &Window, w: NodeId, packed: usize, unit: usize) -> Part<'g> {
    let [kh, kw] = window.kernel;
    let (depth, output) = (window.group_input(), window.output);
    let block = chunk(output, (4096 / depth.max(1)).max(1));
    let block = if block.is_multiple_of(unit) { block } else { output };
    let kernel = Kernel { stored: &[], ..kernel };
    let mut nest = NestBuilder::new(kernel, &[output / block]);
    let first = nest.task(0).times(block as i64);
    let base = nest.buffer(Buffer::Temporary(packed));
    let floats = (unit == 2).then(|| nest.scratch(block * depth));
    let body = nest.each(kh, |nest, i| {
        nest.each(kw, |nest, j| {
            let from = i.times(kw as i64).plus(&j).times((depth * output) as i64).plus(&first);
            let reversed = i.times(-(kw as i64)).plus(&j.times(-1)).offset((kh * kw) as i64 - 1);
            // Blocks and outputs are even where pairs are wanted.
            let to =
                reversed.times((depth * output / unit) as i64).plus(&nest.task(0).times((block / unit * depth) as i64));
            let to = Address { base, offset: to };
            let from = nest.value(w, from);
            let mut map = MapBuilder::new(nest, block, depth);
            let value = map.plain(from, 1, output as i64);
            map.store(value, floats.clone().unwrap_or(to.clone()), depth as i64, 1);
            let mut body = map.finish();
            if let Some(floats) = &floats {
                let from = (floats.clone(), depth);
                body.push(Statement::Pack { rows: block, len: depth, from, to: (to, depth) });
            }
            body
        })
    });
    (nest, body)
}

/// The launches of a data gradient.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, temporary: &mut dyn FnMut(usize) -> usize) -> Vec<Part<'g>> {
    let (w, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let extent = match *kernel.dims(w) {
        [_, _, kh, kw] => [kh, kw],
        _ => [1, 1],
    };
    let window = Window::new(&kernel, anchor, kernel.dims(anchor), kernel.dims(dy), extent);
    if let Some(shape) = winograd::for_input_grad(&kernel, &window) {
        let (packing, packed) = winograd::pack(kernel, &shape, w, true, temporary);
        return vec![packing, winograd::lower(kernel, anchor, dy, &shape, packed)];
    }
    if depthwise::fits(&window) {
        return vec![depthwise::lower_input_grad(kernel, anchor, &window)];
    }
    let Window { images, height, width, input, output, .. } = window;
    let weights = window.kernel[0] * window.kernel[1] * window.group_input() * output;
    let unit = paired(&kernel, window.groups, output);
    let packed = temporary(weights / unit);
    let packing = pack(kernel, &window, w, packed, unit);

    let direct = window.is_flat() && kernel.is_direct(dy) && unit == 1;
    let tile_width = reach(&window, 1, width);
    let scratch_row = if direct { 0 } else { (tile_width * output).div_ceil(window.stride[0]) };
    let cut = Cut::new(images, height, width * input, scratch_row, window.stride[0], weights > PANEL / 2);
    let tile_rows = reach(&window, 0, cut.rows);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(cut.images), height / cut.rows]);
    let tile = (!direct).then(|| nest.scratch(tile_rows * tile_width * output));
    let rounded = (unit == 2).then(|| nest.scratch(tile_rows * tile_width * output / 2));
    let store_raw = kernel.stores_raw(anchor);
    let raw = (!store_raw).then(|| nest.scratch(cut.block * width * input));
    let (task_image, task_row) = (nest.task(0).times(cut.images as i64), nest.task(1).times(cut.rows as i64));

    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        cut.images,
        |i| Some((task_image.plus(i), images as i64)),
        |nest, i| {
            let image = task_image.plus(&i);
            let mut body = Vec::new();
            let source = match &tile {
                Some(tile) => {
                    // Tasks start at multiples of the stride, so their first output row moves with them.
                    let moved = nest.task(1).times((cut.rows / window.stride[0]) as i64);
                    let region = Region {
                        row: moved.offset(low(&window, 0)),
                        row_step: 1,
                        rows: tile_rows,
                        column: low(&window, 1),
                        column_step: 1,
                        columns: tile_width,
                        outside: 0.0,
                    };
                    body.extend(tile::fill(nest, dy, &image, &region, tile));
                    if let Some(rounded) = &rounded {
                        let len = tile_rows * tile_width * output;
                        body.push(Statement::Round { len, from: tile.clone(), to: rounded.clone() });
                    }
                    rounded.as_ref().unwrap_or(tile).clone()
                }
                None => nest.value(
                    dy,
                    image.times((height * width * output) as i64).plus(&task_row.times((width * output) as i64)),
                ),
            };
            body.extend(nest.each(cut.rows / cut.block, |nest, b| {
                let row = task_row.plus(&b.times(cut.block as i64));
                let first = match &raw {
                    Some(raw) => raw.clone(),
                    None => nest.value(
                        anchor,
                        image.times((height * width * input) as i64).plus(&row.times((width * input) as i64)),
                    ),
                };
                let moved = cut.block / window.stride[0] * tile_width * output / unit;
                let a = further(&source, &b.times(moved as i64));
                let mut body = products(nest, &window, (packed, unit), tile_width, &a, &first, cut.block);
                let sweep = sweep(nest.kernel.dims(anchor), image.clone(), row, Affine::default(), 1);
                let mut map = MapBuilder::new(nest, cut.block * width, input);
                let result = map.plain(first, input as i64, 1);
                map.give(anchor, result);
                map.sinks(&sweep, store_raw.then_some(anchor));
                body.extend(map.finish());
                body
            }));
            body
        },
    ));
    vec![packing, (nest, body)]
}

/// The matrix products of a block of input rows.
fn products(
    nest: &mut NestBuilder,
    window: &Window,
    (packed, unit): (usize, usize),
    tile_width: usize,
    a: &Address,
    c: &Address,
    block: usize,
) -> Vec<Statement> {
    let base = nest.buffer(Buffer::Temporary(packed));
    // In elements, which are pairs where `unit` is 2.
    let (depth, outputs) = (window.group_output() / unit, window.group_input());
    let (input, output) = (window.input as i64, (window.output / unit) as i64);
    let [kh, kw] = window.kernel;
    let merged = window.groups == 1 && window.stride[1] == 1 && window.dilation[1] == 1;
    let row_len = tile_width as i64 * output;
    let stride = window.stride;
    let mut body = Vec::new();
    for vertical in classes(window, 0, block) {
        for horizontal in classes(window, 1, window.width) {
            if vertical.count == 0 || horizontal.count == 0 {
                continue;
            }
            let place = ((vertical.first * window.width + horizontal.first) as i64) * input;
            let c = further(c, &Affine::constant(place));
            let c_m = stride[1] as i64 * input;
            let c_row = (stride[0] * window.width) as i64 * input;
            if vertical.taps.is_empty() || horizontal.taps.is_empty() {
                // No window reaches these pixels.
                body.extend(nest.each(vertical.count, |nest, r| {
                    let mut map = MapBuilder::new(nest, horizontal.count, window.input);
                    let zero = map.expression.constant(0.0);
                    map.store(zero, further(&c, &r.times(c_row)), c_m, 1);
                    map.finish()
                }));
                continue;
            }
            let weights = |i: usize, j: usize| ((kh - 1 - i) * kw + (kw - 1 - j)) as i64 * output * outputs as i64;
            let batch: Vec<(i64, i64)> = if merged {
                // The last tap reads the first column; the packed taps run the same way.
                let &(last, column) = horizontal.taps.last().expect("taps are not empty");
                vertical.taps.iter().map(|&(i, row)| (row * row_len + column * output, weights(i, last))).collect()
            } else {
                let taps = vertical.taps.iter().flat_map(|&v| horizontal.taps.iter().map(move |&h| (v, h)));
                taps.map(|((i, row), (j, column))| (row * row_len + column * output, weights(i, j))).collect()
            };
            let k = if merged { kw * depth } else { depth };
            let (calls, m) = if window.is_flat() {
                (1, vertical.count * horizontal.count)
            } else {
                (vertical.count, horizontal.count)
            };
            body.extend(nest.each(window.groups, |nest, g| {
                output_blocks(nest, outputs, k * batch.len(), |nest, o, n| {
                    nest.each(calls, |nest, r| {
                        let shape = GemmShape {
                            m,
                            n,
                            k,
                            a_m: output,
                            a_k: 1,
                            b_k: outputs as i64,
                            c_m,
                            batch,
                            accumulate: false,
                            precision: nest.kernel.arithmetic.precision,
                            paired: unit == 2,
                        };
                        let a = further(a, &r.times(row_len).plus(&g.times(depth as i64)));
                        let b = Address { base, offset: o.plus(&g.times((depth * outputs) as i64)) };
                        let c = further(&c, &r.times(c_row).plus(&o).plus(&g.times(outputs as i64)));
                        vec![nest.gemm(shape, a, b, c)]
                    })
                })
            }));
        }
    }
    body
}
