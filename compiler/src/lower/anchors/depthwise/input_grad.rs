//! The data gradient: dx[i, c] = sum over the taps that reach pixel i, and over j, of dy[(i + pad - tap dilation) / stride, m c + j]
//! w[tap, m c + j]. With a stride, pixels fall into classes as in [`super::super::input_grad`].

use super::convolution::weight;
use crate::graph::NodeId;
use crate::lower::anchors::Part;
use crate::lower::anchors::convolution::Cut;
use crate::lower::anchors::input_grad::{Class, classes, low, reach};
use crate::lower::anchors::tile::{self, Region};
use crate::lower::anchors::window::{Window, sweep};
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Address, Affine};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, clear_reductions, further};

/// The nest of a depthwise convolution's data gradient.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, window: &Window) -> Part<'g> {
    let (w, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let Window { images, height, width, input, output, stride, .. } = *window;
    let tile_width = reach(window, 1, width);
    let cut = Cut::new(images, height, width * input, (tile_width * output).div_ceil(stride[0]), stride[0], false);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(cut.images), height / cut.rows]);
    let tile_rows = reach(window, 0, cut.rows);
    let tile = nest.scratch(tile_rows * tile_width * output);
    let (task_image, task_row) = (nest.task(0).times(cut.images as i64), nest.task(1).times(cut.rows as i64));
    // Tasks start at multiples of the stride, so their first output row moves with them.
    let moved = nest.task(1).times((cut.rows / stride[0]) as i64);

    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        cut.images,
        |i| Some((task_image.plus(i), images as i64)),
        |nest, i| {
            let image = task_image.plus(&i);
            let region = Region {
                row: moved.offset(low(window, 0)),
                row_step: 1,
                rows: tile_rows,
                column: low(window, 1),
                column_step: 1,
                columns: tile_width,
                outside: 0.0,
            };
            let mut body = tile::fill(nest, dy, &image, &region, &tile);
            for vertical in classes(window, 0, cut.rows) {
                for horizontal in classes(window, 1, width) {
                    if vertical.count == 0 || horizontal.count == 0 {
                        continue;
                    }
                    body.extend(nest.each(vertical.count, |nest, r| {
                        let row = task_row.plus(&r.times(stride[0] as i64)).offset(vertical.first as i64);
                        let column = Affine::constant(horizontal.first as i64);
                        let sweep = sweep(nest.kernel.dims(anchor), image.clone(), row, column, stride[1] as i64);
                        let at = further(&tile, &r.times((tile_width * output) as i64));
                        let mut map = MapBuilder::new(nest, horizontal.count, input);
                        let result = sum(&mut map, window, w, &at, tile_width, [&vertical, &horizontal]);
                        map.give(anchor, result);
                        map.sinks(&sweep, None);
                        map.finish()
                    }));
                }
            }
            body
        },
    ));
    (nest, body)
}

/// The sum over the taps of a class of rows and one of columns; zero for pixels that no window reaches.
fn sum(
    map: &mut MapBuilder,
    window: &Window,
    w: NodeId,
    at: &Address,
    tile_width: usize,
    [vertical, horizontal]: [&Class; 2],
) -> Scalar {
    let (output, multiplier) = (window.output as i64, window.group_output());
    let mut sum = None;
    for &(i, row) in &vertical.taps {
        for &(k, column) in &horizontal.taps {
            for j in 0..multiplier {
                let place = Affine::constant((row * tile_width as i64 + column) * output + j as i64);
                let dy = map.plain(further(at, &place), output, multiplier as i64);
                let weight = weight(map, window, w, i * window.kernel[1] + k, j);
                sum = Some(map.expression.push(match sum {
                    None => Expression::Mul(dy, weight),
                    Some(sum) => Expression::MulAdd(dy, weight, sum),
                }));
            }
        }
    }
    sum.unwrap_or_else(|| map.expression.constant(0.0))
}
