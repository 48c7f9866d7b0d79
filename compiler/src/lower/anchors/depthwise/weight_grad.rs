//! The weight gradient: dw[tap, m c + j] = sum over pixels of x[p stride + tap dilation - pad, c] dy[p, m c + j]. For each row of the
//! window a map folds the products of a row of pixels, so that its sums stay in registers. Images are shared out over partial results.

use crate::graph::NodeId;
use crate::lower::anchors::Part;
use crate::lower::anchors::convolution::TILE;
use crate::lower::anchors::tile::{self, Region};
use crate::lower::anchors::window::{Window, sweep};
use crate::lower::expression::Expression;
use crate::lower::loops::{Address, Affine, Fold, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, chunk, further};

/// The nest of a depthwise convolution's weight gradient, split into `parts` partial results.
pub fn lower<'g>(kernel: Kernel<'g>, anchor: NodeId, window: &Window, parts: usize) -> Part<'g> {
    let (x, dy) = (kernel.graph[anchor].operands[0], kernel.graph[anchor].operands[1]);
    let Window { images, rows, columns, input, output, .. } = *window;
    let multiplier = window.group_output();
    let [kh, kw] = window.kernel;
    let images_each = images.div_ceil(parts);
    let mut nest = NestBuilder::new(kernel, &[parts]);
    let direct = kernel.is_direct(dy);
    let tile_width = window.tile_width();
    let tile_row = tile_width * input * window.stride[0] + if direct { 0 } else { columns * output };
    let chunk_rows = chunk(rows, (TILE / tile_row).clamp(1, rows));
    let tile_rows = window.tile_rows(chunk_rows);
    let x_tile = nest.scratch(tile_rows * tile_width * input);
    let dy_tile = (!direct).then(|| nest.scratch(chunk_rows * columns * output));

    let len = kh * kw * output;
    let target = {
        let part = nest.task(0).times(len as i64);
        nest.value(anchor, part)
    };
    // A fold leaves the sums of neighbouring channels side by side: with a multiplier, those of each filter apart.
    let sums = if multiplier == 1 { target.clone() } else { nest.scratch(len) };
    let image_first = nest.task(0).times(images_each as i64);

    let mut body = vec![Statement::Fill { address: sums.clone(), len, value: 0.0 }];
    body.extend(nest.each_below(
        images_each,
        |i| Some((image_first.plus(i), images as i64)),
        |nest, i| {
            let image = image_first.plus(&i);
            nest.each(rows / chunk_rows, |nest, c| {
                let row = c.times(chunk_rows as i64);
                let region = Region::under(window, &row, chunk_rows, 0.0);
                let mut body = tile::fill(nest, x, &image, &region, &x_tile);
                let first = match &dy_tile {
                    Some(tile) => {
                        let position = sweep(nest.kernel.dims(dy), image.clone(), row, Affine::default(), 1);
                        let mut map = MapBuilder::new(nest, chunk_rows * columns, output);
                        let value = map.value(dy, &position);
                        map.store(value, tile.clone(), output as i64, 1);
                        body.extend(map.finish());
                        tile.clone()
                    }
                    None => {
                        let pixel = image.times(rows as i64).plus(&row).times((columns * output) as i64);
                        nest.value(dy, pixel)
                    }
                };
                body.extend(nest.each(chunk_rows, |nest, r| {
                    let dy = further(&first, &r.times((columns * output) as i64));
                    nest.each(kh, |nest, i| {
                        let line = r.times(window.stride[0] as i64).plus(&i.times(window.dilation[0] as i64));
                        let x = further(&x_tile, &line.times((tile_width * input) as i64));
                        let sums = further(&sums, &i.times((kw * output) as i64));
                        taps(nest, window, &x, &dy, &sums)
                    })
                }));
                body
            })
        },
    ));
    if multiplier > 1 {
        for j in 0..multiplier {
            let mut map = MapBuilder::new(&mut nest, kh * kw, input);
            let sum = map.plain(further(&sums, &Affine::constant((j * input) as i64)), output as i64, 1);
            map.store(sum, further(&target, &Affine::constant(j as i64)), output as i64, multiplier as i64);
            body.extend(map.finish());
        }
    }
    (nest, body)
}

/// Adds a row of pixels to the sums of the taps of one row of the window.
fn taps(nest: &mut NestBuilder, window: &Window, x: &Address, dy: &Address, sums: &Address) -> Vec<Statement> {
    let (input, output, multiplier) = (window.input as i64, window.output as i64, window.group_output());
    let mut map = MapBuilder::new(nest, window.columns, window.input);
    for j in 0..multiplier {
        let dy = map.plain(further(dy, &Affine::constant(j as i64)), output, multiplier as i64);
        for tap in 0..window.kernel[1] {
            let place = Affine::constant((tap * window.dilation[1]) as i64 * input);
            let x = map.plain(further(x, &place), window.stride[1] as i64 * input, 1);
            let value = map.expression.push(Expression::Mul(x, dy));
            let place = Affine::constant(tap as i64 * output + j as i64 * input);
            map.fold_pixels(value, Fold::Sum, further(sums, &place));
        }
    }
    map.finish()
}
