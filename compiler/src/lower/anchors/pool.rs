//! `max_pool` and `avg_pool`: an elementwise map whose loads are the taps of the window, over a tile with its border filled in.

use super::Part;
use super::convolution::Cut;
use super::tile::{self, Region};
use super::window::{Window, sweep};
use crate::graph::NodeId;
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, clear_reductions, further};
use crate::ops::pool;

/// The window of a pool whose input has `x` extents and whose result (or incoming gradient) has `y`.
pub fn window(kernel: &Kernel, anchor: NodeId, x: &[usize], y: &[usize]) -> Window {
    let extent = kernel.graph[anchor].attributes.ints("kernel");
    Window::new(kernel, anchor, x, y, [extent[0] as usize, extent[1] as usize])
}

/// What stands in the border: nothing that could win a maximum, nothing that adds to a sum.
pub fn border(op: &str) -> f32 {
    if op.starts_with("max") { f32::NEG_INFINITY } else { 0.0 }
}

/// A run of output rows or columns whose windows count equally many taps: its first, its length, the taps.
type Run = (usize, usize, usize);

/// The runs of an axis, the whole windows first; a window that stands out beyond the padding is the last alone.
pub fn runs(kernel: &Kernel, anchor: NodeId, axis: usize, extent: usize, outputs: usize) -> Vec<Run> {
    let window = pool::window(&kernel.graph[anchor].attributes);
    let taps = window.kernel[axis];
    let whole = (0..outputs).rev().find(|&output| pool::counted(&window, axis, output, extent) == taps);
    let whole = whole.map_or(0, |last| last + 1);
    let last = pool::counted(&window, axis, outputs - 1, extent);
    assert!(outputs - whole <= 1, "lower: {} windows of a pool stand out", outputs - whole);
    [(0, whole, taps), (whole, outputs - whole, last)].into_iter().filter(|run| run.1 > 0).collect()
}

/// The taps of the windows of one output row, in row-major order: `at` is the tile's place of the first window's first tap.
pub fn taps(map: &mut MapBuilder, window: &Window, tile_width: usize, at: &Address) -> Vec<Scalar> {
    let channels = window.input as i64;
    let ([kh, kw], [dh, dw]) = (window.kernel, window.dilation);
    (0..kh * kw)
        .map(|tap| {
            let place = ((tap / kw * dh * tile_width + tap % kw * dw) as i64) * channels;
            map.plain(further(at, &Affine::constant(place)), window.stride[1] as i64 * channels, 1)
        })
        .collect()
}

/// The nest of a pool.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let x = kernel.graph[anchor].operands[0];
    let op = kernel.graph[anchor].op.name();
    let window = window(&kernel, anchor, kernel.dims(x), kernel.dims(anchor));
    let Window { images, rows, columns, input: channels, .. } = window;
    let (row_runs, column_runs) = match op {
        "max_pool" => (vec![(0, rows, 0)], vec![(0, columns, 0)]),
        _ => (runs(&kernel, anchor, 0, window.height, rows), runs(&kernel, anchor, 1, window.width, columns)),
    };
    let tile_width = window.tile_width();
    let cut = Cut::new(images, rows, columns * channels, tile_width * channels * window.stride[0], 1, false);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(cut.images), rows / cut.rows]);
    let tile_rows = window.tile_rows(cut.rows);
    let tile = nest.scratch(tile_rows * tile_width * channels);
    let (task_image, task_row) = (nest.task(0).times(cut.images as i64), nest.task(1).times(cut.rows as i64));

    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        cut.images,
        |i| Some((task_image.plus(i), images as i64)),
        |nest, i| {
            let image = task_image.plus(&i);
            let region = Region::under(&window, &task_row, cut.rows, border(op));
            let mut body = tile::fill(nest, x, &image, &region, &tile);
            body.extend(nest.each(cut.rows, |nest, r| {
                let row = task_row.plus(&r);
                let at = further(&tile, &r.times((window.stride[0] * tile_width * channels) as i64));
                // One row, whose windows count `high` rows of taps.
                let line = |nest: &mut NestBuilder, high: usize| {
                    let mut body = Vec::new();
                    for &(first, len, wide) in &column_runs {
                        let start = Affine::constant(first as i64);
                        let at = further(&at, &start.times((window.stride[1] * channels) as i64));
                        let sweep = sweep(nest.kernel.dims(anchor), image.clone(), row.clone(), start, 1);
                        let mut map = MapBuilder::new(nest, len, channels);
                        let taps = taps(&mut map, &window, tile_width, &at);
                        let join = |a, b| {
                            if op == "max_pool" { Expression::Max(a, b) } else { Expression::Add(a, b) }
                        };
                        let mut result = taps[0];
                        for &tap in &taps[1..] {
                            result = map.expression.push(join(result, tap));
                        }
                        if op == "avg_pool" {
                            let share = map.expression.constant(1.0 / (high * wide) as f64);
                            result = map.expression.push(Expression::Mul(result, share));
                        }
                        map.give(anchor, result);
                        map.sinks(&sweep, None);
                        body.extend(map.finish());
                    }
                    body
                };
                match row_runs[..] {
                    [(.., high)] => line(nest, high),
                    [(_, whole, high), (.., low)] => vec![Statement::If {
                        value: row.clone(),
                        low: 0,
                        high: whole as i64,
                        then: line(nest, high),
                        otherwise: line(nest, low),
                    }],
                    _ => unreachable!("an axis has one run or two"),
                }
            }));
            body
        },
    ));
    (nest, body)
}
