//! `conv2d` and `dense`: forward convolution as a loop nest around the batch-reduce matrix product.
//!
//! For an output row, C[columns, output] is the sum over the kernel's rows of A[columns, Kw * input] B[Kw * input, output]: with
//! channels last the elements under a row of the window follow each other.

use super::tile::{self, Region};
use super::window::{Window, sweep};
use super::winograd;
use super::{Part, depthwise};
use crate::graph::NodeId;
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{Buffer, Kernel, MapBuilder, NestBuilder, chunk, clear_reductions, further, tasks};
use rnet_runtime::program::{GemmShape, Precision};

/// Most elements of an input tile: a quarter of a usual second-level cache.
pub const TILE: usize = 64 << 10;
/// Elements of a block of rows between its matrix product and its epilogue: a half of a first-level cache.
pub const BLOCK: usize = 4 << 10;
/// Most elements of the weights that a run over a block of rows goes through.
pub const PANEL: usize = 64 << 10;

/// How a result is cut: images a task, rows a task, rows a block.
pub struct Cut {
    pub images: usize,
    pub rows: usize,
    pub block: usize,
}

impl Cut {
    /// For a result of `images` x `rows` rows of `row` elements, where a row of work needs `tile_row` elements of scratch.
    /// Rows come in multiples of `multiple` (or all together).
    pub fn new(images: usize, rows: usize, row: usize, tile_row: usize, multiple: usize, large_panel: bool) -> Self {
        let (task_images, task_rows) = tasks(images, rows, row);
        let fits = (TILE / tile_row.max(1)).max(1);
        let usable = |most: usize| {
            let wanted = chunk(rows, most.min(rows));
            if wanted.is_multiple_of(multiple) || wanted == rows {
                return wanted;
            }
            (1..=rows).find(|rows_| rows.is_multiple_of(*rows_) && rows_.is_multiple_of(multiple)).unwrap_or(rows)
        };
        let task_rows = usable(task_rows.min(fits));
        let block = if large_panel { task_rows } else { (BLOCK / row.max(1)).max(1) };
        let mut block = chunk(task_rows, block.min(task_rows));
        if !task_rows.is_multiple_of(block) || !block.is_multiple_of(multiple) {
            block = task_rows;
        }
        Cut { images: task_images, rows: task_rows, block }
    }
}

/// Channels in an element of the operands of a product: 2 where they are rounded to pairs of bf16 beforehand, which saves rounding them
/// anew for each product that reads them.
pub fn paired(kernel: &Kernel, groups: usize, depth: usize) -> usize {
    let paired = kernel.arithmetic.precision == Precision::Bf16 && groups == 1 && depth.is_multiple_of(2);
    if paired { 2 } else { 1 }
}

/// Where the micro-kernel finds an operand: element address of its row 0 of the task's rows, and the strides there.
pub struct Source {
    pub address: Address,
    pub row: i64,
    pub column: i64,
}

/// Runs `body` for each block of columns of B, so that a panel of the weights stays in the cache over all rows of a block.
pub fn output_blocks(
    nest: &mut NestBuilder,
    outputs: usize,
    depth: usize,
    body: impl FnOnce(&mut NestBuilder, Affine, usize) -> Vec<Statement>,
) -> Vec<Statement> {
    let most = (PANEL / depth.max(1)).max(32);
    let width = if outputs <= most {
        outputs
    } else {
        (16..=most).rev().find(|w| outputs.is_multiple_of(*w) && w.is_multiple_of(16)).unwrap_or(outputs)
    };
    nest.each(outputs / width, |nest, o| body(nest, o.times(width as i64), width))
}

/// The launches of a forward convolution.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, temporary: &mut dyn FnMut(usize) -> usize) -> Vec<Part<'g>> {
    let (x, w) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let extent = match *kernel.dims(w) {
        [_, _, kh, kw] => [kh, kw],
        _ => [1, 1],
    };
    let window = Window::new(&kernel, anchor, kernel.dims(x), kernel.dims(anchor), extent);
    if let Some(shape) = winograd::for_convolution(&kernel, &window) {
        let (packing, packed) = winograd::pack(kernel, &shape, w, false, temporary);
        return vec![packing, winograd::lower(kernel, anchor, x, &shape, packed)];
    }
    if depthwise::fits(&window) {
        return vec![depthwise::lower(kernel, anchor, &window)];
    }
    let Window { images, rows, columns, output, input, .. } = window;
    let [kh, kw] = window.kernel;
    let sampled = window.is_sampled();
    let unit = paired(&kernel, window.groups, input);
    let direct = window.pad == [0, 0] && kernel.is_direct(x) && unit == 1;
    let packing = (unit == 2).then(|| pack(kernel, w, temporary));
    let packed = packing.as_ref().map(|(_, packed)| *packed);
    let (tile_width, row_step) = if sampled { (columns, 1) } else { (window.tile_width(), window.stride[0]) };
    let depth = kh * kw * window.group_input();
    let large_panel = depth * window.group_output() > PANEL / 2;
    let scratch_row = if direct { 0 } else { tile_width * input * row_step };
    let cut = Cut::new(images, rows, columns * output, scratch_row, 1, large_panel);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(cut.images), rows / cut.rows]);

    let tile_rows = if sampled { cut.rows } else { window.tile_rows(cut.rows) };
    let tile = (!direct).then(|| nest.scratch(tile_rows * tile_width * input));
    let rounded = (unit == 2).then(|| nest.scratch(tile_rows * tile_width * input / 2));
    let store_raw = kernel.stores_raw(anchor);
    let raw = (!store_raw).then(|| nest.scratch(cut.block * columns * output));
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
                    let region = Region::read(&window, &task_row, cut.rows);
                    body.extend(tile::fill(nest, x, &image, &region, tile));
                    if let Some(rounded) = &rounded {
                        let len = tile_rows * tile_width * input;
                        body.push(Statement::Round { len, from: tile.clone(), to: rounded.clone() });
                    }
                    let column = if sampled { 1 } else { window.stride[1] };
                    Source {
                        address: rounded.as_ref().unwrap_or(tile).clone(),
                        row: (row_step * tile_width * input / unit) as i64,
                        column: (column * input / unit) as i64,
                    }
                }
                None => {
                    let row_len = (window.width * input) as i64;
                    let offset = image
                        .times(window.height as i64 * row_len)
                        .plus(&task_row.times(window.stride[0] as i64 * row_len));
                    Source {
                        address: nest.value(x, offset),
                        row: window.stride[0] as i64 * row_len,
                        column: (window.stride[1] * input) as i64,
                    }
                }
            };
            // From one row of the window to the next.
            let line = (if direct { window.width } else { tile_width } * input / unit * window.dilation[0]) as i64;
            body.extend(nest.each(cut.rows / cut.block, |nest, b| {
                let row = task_row.plus(&b.times(cut.block as i64));
                let first = match &raw {
                    Some(raw) => raw.clone(),
                    None => nest.value(
                        anchor,
                        image.times((rows * columns * output) as i64).plus(&row.times((columns * output) as i64)),
                    ),
                };
                let a = further(&source.address, &b.times(cut.block as i64 * source.row));
                let mut body = products(nest, &window, (w, packed), &source, line, &a, &first, cut.block);
                let sweep = sweep(nest.kernel.dims(anchor), image.clone(), row, Affine::default(), 1);
                let mut map = MapBuilder::new(nest, cut.block * columns, output);
                let result = map.plain(first, output as i64, 1);
                map.give(anchor, result);
                map.sinks(&sweep, store_raw.then_some(anchor));
                body.extend(map.finish());
                body
            }));
            body
        },
    ));
    packing.map(|(part, _)| part).into_iter().chain([(nest, body)]).collect()
}

/// The launch that rounds the weights in pairs of input channels, into a temporary, and the number of this.
fn pack<'g>(kernel: Kernel<'g>, w: NodeId, temporary: &mut dyn FnMut(usize) -> usize) -> (Part<'g>, usize) {
    let len = kernel.graph[w].ty.len();
    let output = kernel.dims(w)[0];
    // In memory the weights are [Kh * Kw * input, output], and pairs of rows are pairs of input channels of one tap.
    let pairs = len / output / 2;
    let rows = chunk(pairs, (4096 / output).max(1));
    let packed = temporary(len / 2);
    let mut nest = NestBuilder::new(Kernel { stored: &[], ..kernel }, &[pairs / rows]);
    let offset = nest.task(0).times((rows * output) as i64);
    let to = Address { base: nest.buffer(Buffer::Temporary(packed)), offset: offset.clone() };
    let from = nest.value(w, offset.times(2));
    let body = vec![Statement::Pack { rows: 2 * rows, len: output, from: (from, output), to: (to, output) }];
    ((nest, body), packed)
}

/// The matrix products of a block of output rows, with weights as they are or, in the temporary, paired.
#[allow(clippy::too_many_arguments)]
fn products(
    nest: &mut NestBuilder,
    window: &Window,
    (w, packed): (NodeId, Option<usize>),
    source: &Source,
    line: i64,
    a: &Address,
    c: &Address,
    block: usize,
) -> Vec<Statement> {
    let [kh, kw] = window.kernel;
    let (depth, outputs) = (window.group_input(), window.group_output());
    let unit = if packed.is_some() { 2 } else { 1 };
    let depth = depth / unit;
    let (input, output) = ((window.input / unit) as i64, window.output as i64);
    let merged = window.groups == 1 && window.dilation[1] == 1;
    // A flat block is one long row: its pixels follow each other in A and in C.
    let flat = window.is_flat() || (window.is_pointwise() && source.row == source.column * window.columns as i64);
    let (calls, m) = if flat { (1, block * window.columns) } else { (block, window.columns) };
    let batch: Vec<(i64, i64)> = if merged {
        (0..kh as i64).map(|i| (i * line, i * kw as i64 * input * output)).collect()
    } else {
        let step = window.dilation[1] as i64 * input;
        (0..kh as i64)
            .flat_map(|i| (0..kw as i64).map(move |j| (i, j)))
            .map(|(i, j)| (i * line + j * step, (i * kw as i64 + j) * depth as i64 * output))
            .collect()
    };
    let k = if merged { kw * depth } else { depth };
    nest.each(window.groups, |nest, g| {
        output_blocks(nest, outputs, kh * kw * depth, |nest, o, n| {
            let column = o.plus(&g.times(outputs as i64));
            nest.each(calls, |nest, r| {
                let shape = GemmShape {
                    m,
                    n,
                    k,
                    a_m: source.column,
                    a_k: 1,
                    b_k: output,
                    c_m: output,
                    batch,
                    accumulate: false,
                    precision: nest.kernel.arithmetic.precision,
                    paired: packed.is_some(),
                };
                let a = further(a, &r.times(source.row).plus(&g.times(depth as i64)));
                let b = match packed {
                    Some(packed) => Address { base: nest.buffer(Buffer::Temporary(packed)), offset: column.clone() },
                    None => nest.value(w, column.clone()),
                };
                let c = further(c, &r.times(window.columns as i64 * output).plus(&column));
                vec![nest.gemm(shape, a, b, c)]
            })
        })
    })
}
