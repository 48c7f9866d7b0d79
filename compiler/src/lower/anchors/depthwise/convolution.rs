//! The forward pass: y[p, m c + j] = sum over taps of x[p stride + tap dilation - pad, c] w[tap, m c + j].

use crate::graph::NodeId;
use crate::lower::anchors::Part;
use crate::lower::anchors::convolution::Cut;
use crate::lower::anchors::tile::{self, Region};
use crate::lower::anchors::window::{Window, sweep};
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Address, Affine};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, clear_reductions, further};

/// The nest of a depthwise convolution.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, window: &Window) -> Part<'g> {
    let (x, w) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let Window { images, rows, columns, input, output, .. } = *window;
    let (multiplier, tile_width) = (window.group_output(), window.tile_width());
    let cut = Cut::new(images, rows, columns * output, tile_width * input * window.stride[0], 1, false);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(cut.images), rows / cut.rows]);
    let tile_rows = window.tile_rows(cut.rows);
    let tile = nest.scratch(tile_rows * tile_width * input);
    // With a multiplier the results of a row are interleaved here, before the epilogue meets them channel by channel.
    let raw = (multiplier > 1).then(|| nest.scratch(columns * output));
    let (task_image, task_row) = (nest.task(0).times(cut.images as i64), nest.task(1).times(cut.rows as i64));

    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        cut.images,
        |i| Some((task_image.plus(i), images as i64)),
        |nest, i| {
            let image = task_image.plus(&i);
            let region = Region::under(window, &task_row, cut.rows, 0.0);
            let mut body = tile::fill(nest, x, &image, &region, &tile);
            body.extend(nest.each(cut.rows, |nest, r| {
                let at = further(&tile, &r.times((window.stride[0] * tile_width * input) as i64));
                let sweep = sweep(nest.kernel.dims(anchor), image.clone(), task_row.plus(&r), Affine::default(), 1);
                let mut map = MapBuilder::new(nest, columns, input);
                let Some(raw) = &raw else {
                    let result = sum(&mut map, window, w, &at, 0);
                    map.give(anchor, result);
                    map.sinks(&sweep, None);
                    return map.finish();
                };
                for j in 0..multiplier {
                    let result = sum(&mut map, window, w, &at, j);
                    map.store(result, further(raw, &Affine::constant(j as i64)), output as i64, multiplier as i64);
                }
                let mut body = map.finish();
                let mut map = MapBuilder::new(nest, columns, output);
                let result = map.plain(raw.clone(), output as i64, 1);
                map.give(anchor, result);
                map.sinks(&sweep, None);
                body.extend(map.finish());
                body
            }));
            body
        },
    ));
    (nest, body)
}

/// The sum over the taps, in row-major order, for the j-th filter of each channel: `at` is the tile's place of the first window's first tap.
fn sum(map: &mut MapBuilder, window: &Window, w: NodeId, at: &Address, j: usize) -> Scalar {
    let [kh, kw] = window.kernel;
    let input = window.input as i64;
    let mut sum = None;
    for tap in 0..kh * kw {
        let (row, column) = (tap / kw * window.dilation[0], tap % kw * window.dilation[1]);
        let place = Affine::constant((row * window.tile_width() + column) as i64 * input);
        let x = map.plain(further(at, &place), window.stride[1] as i64 * input, 1);
        let weight = weight(map, window, w, tap, j);
        sum = Some(map.expression.push(match sum {
            None => Expression::Mul(x, weight),
            Some(sum) => Expression::MulAdd(x, weight, sum),
        }));
    }
    sum.expect("a window has taps")
}

/// The weights of a tap, those of the j-th filter of each channel.
pub(super) fn weight(map: &mut MapBuilder, window: &Window, w: NodeId, tap: usize, j: usize) -> Scalar {
    let address = map.nest.value(w, Affine::constant((tap * window.output + j) as i64));
    map.plain(address, 0, window.group_output() as i64)
}
