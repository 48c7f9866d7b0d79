//! `conv2d_weight_grad` and `dense_weight_grad`: for each row of the window dW[Kw * input, output] sums, over the output rows,
//! X^T dY: a batch-reduce matrix product whose A runs over the pixels with its channels as rows.
//!
//! Images are shared out over partial results that their reader adds up in order; where the weights are too large for that, tasks
//! share out the output channels instead.

use super::convolution::{Source, TILE};
use super::tile::{self, Region, plane};
use super::window::{Window, sweep};
use super::winograd;
use super::{Part, depthwise};
use crate::graph::NodeId;
use crate::lower::loops::{Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, chunk, further};
use rnet_runtime::program::GemmShape;

/// Most elements of all partial results together.
const PARTIALS: usize = 2 << 20;
/// Most elements that the operands of a group of images take in scratch memory: two thirds of a usual second-level cache.
const GROUP: usize = 160 << 10;
/// Pixels that a group of images aims at, so that reading and writing the sums weighs little.
const GROUP_PIXELS: usize = 512;
/// Pixels of a block, over which both operands stay in the first-level cache.
const PIXELS: usize = 256;

fn window(kernel: &Kernel, anchor: NodeId) -> Window {
    let (x, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let extent = match *kernel.dims(anchor) {
        [_, _, kh, kw] => [kh, kw],
        _ => [1, 1],
    };
    Window::new(kernel, anchor, kernel.dims(x), kernel.dims(dy), extent)
}

/// Elements of the sums of one product.
fn m_by_n(window: &Window, outputs: usize) -> usize {
    let taps = if window.groups == 1 && window.dilation[1] == 1 { window.kernel[1] } else { 1 };
    taps * window.group_input() * outputs.min(window.group_output())
}

/// Into how many partial results the gradient is split.
pub fn partials(kernel: &Kernel, anchor: NodeId) -> usize {
    let window = window(kernel, anchor);
    if let Some(shape) = winograd::for_weight_grad(kernel, &window) {
        return winograd::partials(&shape);
    }
    let most = (PARTIALS / kernel.graph[anchor].ty.len()).clamp(1, 32);
    window.images.div_ceil(window.images.div_ceil(most))
}

/// The nest of a weight gradient.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let (x, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let window = window(&kernel, anchor);
    if let Some(shape) = winograd::for_weight_grad(&kernel, &window) {
        return winograd::lower_weight_grad(kernel, anchor, &shape);
    }
    if depthwise::fits(&window) {
        let parts = partials(&kernel, anchor);
        return depthwise::lower_weight_grad(kernel, anchor, &window, parts);
    }
    let Window { images, rows, columns, input, output, .. } = window;
    let [kh, kw] = window.kernel;
    let parts = partials(&kernel, anchor);
    let images_each = images.div_ceil(parts);
    // Output channels are cut where the images alone make too few tasks.
    let wanted = if parts >= 8 || window.groups > 1 { 1 } else { (16 / parts).min(output / 16).max(1) };
    let outputs = if wanted == 1 { output } else { chunk(output, output.div_ceil(wanted)) };
    let mut nest = NestBuilder::new(kernel, &[parts, output / outputs]);
    let first_output = nest.task(1).times(outputs as i64);

    let sampled = window.is_sampled();
    let direct_x = window.pad == [0, 0] && kernel.is_direct(x) && !sampled;
    let direct_dy = kernel.is_direct(dy);
    let tile_width = if sampled { columns } else { window.tile_width() };
    let row_step = if sampled { 1 } else { window.stride[0] };
    // Large weights want many pixels at once, because each product reads and writes all its sums; small ones, operands that stay
    // in a near cache.
    let limit = if m_by_n(&window, outputs) > TILE { GROUP } else { TILE };
    let tile_row = tile_width * input * row_step + columns * outputs;
    let chunk_rows = chunk(rows, (limit / tile_row).max(1).min(rows));
    let pixels = if m_by_n(&window, outputs) > TILE { GROUP_PIXELS } else { PIXELS };
    let block = chunk(chunk_rows, (pixels / columns).max(1).min(chunk_rows));
    let tile_rows = if sampled { chunk_rows } else { window.tile_rows(chunk_rows) };
    let (x_len, dy_len) = (tile_rows * tile_width * input, chunk_rows * columns * outputs);
    // Under a 1x1 window the pixels of small images follow each other, and one product takes several images.
    let group = if window.is_pointwise() && window.groups == 1 && chunk_rows == rows && images.is_multiple_of(parts) {
        let scratch = if direct_x { 0 } else { x_len } + if direct_dy { 0 } else { dy_len };
        let most = (GROUP_PIXELS / (rows * columns)).min(GROUP / scratch.max(1));
        (1..=images_each).rev().find(|&group| images_each.is_multiple_of(group) && group <= most).unwrap_or(1)
    } else {
        1
    };
    let x_tile = (!direct_x).then(|| nest.scratch(group * x_len));
    let dy_tile = (!direct_dy).then(|| nest.scratch(group * dy_len));

    let len = kernel.graph[anchor].ty.len();
    let part = nest.task(0).times(len as i64);
    let image_first = nest.task(0).times(images_each as i64);
    let target = nest.value(anchor, part.plus(&first_output));
    let mut body = if outputs == output {
        vec![Statement::Fill { address: target.clone(), len, value: 0.0 }]
    } else {
        nest.each(len / output, |_, r| {
            vec![Statement::Fill { address: further(&target, &r.times(output as i64)), len: outputs, value: 0.0 }]
        })
    };
    body.extend(nest.each_below(
        images_each / group,
        |i| Some((image_first.plus(&i.times(group as i64)), images as i64)),
        |nest, i| {
            let image = image_first.plus(&i.times(group as i64));
            nest.each(rows / chunk_rows, |nest, c| {
                let row = c.times(chunk_rows as i64);
                let mut body = Vec::new();
                let a = match &x_tile {
                    Some(tile) => {
                        let region = Region::read(&window, &row, chunk_rows);
                        body.extend(nest.each(group, |nest, e| {
                            let tile = further(tile, &e.times(x_len as i64));
                            tile::fill(nest, x, &image.plus(&e), &region, &tile)
                        }));
                        let column = if sampled { 1 } else { window.stride[1] };
                        Source {
                            address: tile.clone(),
                            row: (row_step * tile_width * input) as i64,
                            column: (column * input) as i64,
                        }
                    }
                    None => {
                        let line = (window.width * input) as i64;
                        let offset =
                            image.times(window.height as i64 * line).plus(&row.times(window.stride[0] as i64 * line));
                        Source {
                            address: nest.value(x, offset),
                            row: window.stride[0] as i64 * line,
                            column: (window.stride[1] * input) as i64,
                        }
                    }
                };
                let line = (if direct_x { window.width } else { tile_width } * input * window.dilation[0]) as i64;
                let b = match &dy_tile {
                    Some(tile) => {
                        let dims = nest.kernel.dims(dy);
                        debug_assert_eq!(plane(dims), (rows, columns, output));
                        body.extend(nest.each(group, |nest, e| {
                            let mut position = sweep(dims, image.plus(&e), row.clone(), Affine::default(), 1);
                            let axis = if dims.len() == 4 { 1 } else { dims.len() - 1 };
                            position.start[axis] = first_output.clone();
                            let mut map = MapBuilder::new(nest, chunk_rows * columns, outputs);
                            let value = map.value(dy, &position);
                            map.store(value, further(tile, &e.times(dy_len as i64)), outputs as i64, 1);
                            map.finish()
                        }));
                        Source { address: tile.clone(), row: (columns * outputs) as i64, column: outputs as i64 }
                    }
                    None => {
                        let offset = image
                            .times((rows * columns * output) as i64)
                            .plus(&row.times((columns * output) as i64))
                            .plus(&first_output);
                        Source {
                            address: nest.value(dy, offset),
                            row: (columns * output) as i64,
                            column: output as i64,
                        }
                    }
                };
                let merged = window.groups == 1 && window.dilation[1] == 1;
                let (depth, group_outputs) =
                    (window.group_input(), if window.groups == 1 { outputs } else { window.group_output() });
                let flat =
                    window.is_pointwise() && a.row == a.column * columns as i64 && b.row == b.column * columns as i64;
                let block = if group > 1 { chunk_rows } else { block };
                let (k, batch) = if flat {
                    (group * block * columns, vec![(0, 0)])
                } else {
                    (columns, (0..block as i64).map(|r| (r * a.row, r * b.row)).collect())
                };
                let (m, taps) = if merged { (kw * depth, 1) } else { (depth, kw) };
                body.extend(nest.each(chunk_rows / block, |nest, s| {
                    nest.each(window.groups, |nest, g| {
                        nest.each(kh, |nest, i| {
                            nest.each(taps, |nest, j| {
                                let shape = GemmShape {
                                    m,
                                    n: group_outputs,
                                    k,
                                    a_m: 1,
                                    a_k: a.column,
                                    b_k: b.column,
                                    c_m: output as i64,
                                    batch: batch.clone(),
                                    accumulate: true,
                                    precision: nest.kernel.arithmetic.precision,
                                    paired: false,
                                };
                                let tap = i.times(line).plus(&j.times((window.dilation[1] * input) as i64));
                                let a = further(
                                    &a.address,
                                    &s.times(block as i64 * a.row).plus(&tap).plus(&g.times(depth as i64)),
                                );
                                let b = further(
                                    &b.address,
                                    &s.times(block as i64 * b.row).plus(&g.times(group_outputs as i64)),
                                );
                                let place = i
                                    .times(kw as i64)
                                    .plus(&j)
                                    .times((depth * output) as i64)
                                    .plus(&g.times(group_outputs as i64));
                                vec![nest.gemm(shape, a, b, further(&target, &place))]
                            })
                        })
                    })
                }));
                body
            })
        },
    ));
    (nest, body)
}
