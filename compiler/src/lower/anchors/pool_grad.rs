//! `max_pool_grad` and `avg_pool_grad`: each input pixel gathers from the windows that cover it.
//!
//! For the maximum, the tap that won each window is found first, into a tile; a pixel then takes the gradient of the windows
//! whose winning tap is the one by which they see it.

use super::Part;
use super::pool::{border, runs, taps, window};
use super::tile::{self, Region};
use super::window::{Window, floor_div, sweep};
use crate::graph::NodeId;
use crate::lower::expression::Expression;
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, chunk, clear_reductions, further, tasks};

/// Most elements of the tile of the input.
const TILE: usize = 64 << 10;

/// The nest of a pool's gradient.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let op = node.op.name();
    let is_max = op == "max_pool_grad";
    let dy = *node.operands.last().expect("a pool's gradient has an operand");
    let window = window(&kernel, anchor, kernel.dims(anchor), kernel.dims(dy));
    let Window { images, height, width, input: channels, .. } = window;
    let [sh, sw] = window.stride.map(|s| s as i64);
    let [ph, pw] = window.pad.map(|p| p as i64);
    let [kh, kw] = window.kernel.map(|k| k as i64);
    let [dh, dw] = window.dilation.map(|d| d as i64);
    let (low_row, low_column) = (floor_div(ph - (kh - 1) * dh, sh), floor_div(pw - (kw - 1) * dw, sw));

    let (task_images, task_rows) = tasks(images, height, width * channels);
    let fits = (TILE / (width * channels)).max(1);
    let mut block = chunk(height, task_rows.min(fits).min(height));
    if !block.is_multiple_of(window.stride[0]) {
        block =
            (1..=height).find(|b| height.is_multiple_of(*b) && b.is_multiple_of(window.stride[0])).unwrap_or(height);
    }
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(task_images), height / block]);
    let (task_image, task_row) = (nest.task(0).times(task_images as i64), nest.task(1).times(block as i64));
    let moved = nest.task(1).times((block / window.stride[0]) as i64);

    // The windows that a block of input rows meets.
    let window_rows = (floor_div(block as i64 - 1 + ph, sh) - low_row + 1) as usize;
    let window_columns = (floor_div(width as i64 - 1 + pw, sw) - low_column + 1) as usize;
    let window_len = (window_columns * channels) as i64;
    let dy_tile = nest.scratch(window_rows * window_columns * channels);
    let max_tiles = is_max.then(|| {
        let x_rows = window.tile_rows(window_rows);
        let x_columns = (window_columns - 1) * window.stride[1] + (window.kernel[1] - 1) * window.dilation[1] + 1;
        (
            nest.scratch(x_rows * x_columns * channels),
            x_rows,
            x_columns,
            nest.scratch(window_rows * window_columns * channels),
        )
    });

    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        task_images,
        |i| Some((task_image.plus(i), images as i64)),
        |nest, i| {
            let image = task_image.plus(&i);
            let windows = Region {
                row: moved.offset(low_row),
                row_step: 1,
                rows: window_rows,
                column: low_column,
                column_step: 1,
                columns: window_columns,
                outside: 0.0,
            };
            let mut body = tile::fill(nest, dy, &image, &windows, &dy_tile);
            if !is_max {
                let first = windows.row.clone();
                body.extend(make_up(nest, anchor, &window, first, low_column, [window_rows, window_columns], &dy_tile));
            }
            if let Some((x_tile, x_rows, x_columns, winners)) = &max_tiles {
                let region = Region {
                    row: moved.offset(low_row).times(sh).offset(-ph),
                    row_step: 1,
                    rows: *x_rows,
                    column: low_column * sw - pw,
                    column_step: 1,
                    columns: *x_columns,
                    outside: border(op),
                };
                body.extend(tile::fill(nest, nest.kernel.graph[anchor].operands[0], &image, &region, x_tile));
                // Windows beyond the result bring no gradient (their dY is 0), whichever tap wins them.
                body.extend(nest.each(window_rows, |nest, r| {
                    let mut map = MapBuilder::new(nest, window_columns, channels);
                    let at = further(x_tile, &r.times((window.stride[0] * x_columns * channels) as i64));
                    let taps = taps(&mut map, &window, *x_columns, &at);
                    let mut best = taps[0];
                    let mut winner = map.expression.constant(0.0);
                    for (number, &tap) in taps.iter().enumerate().skip(1) {
                        let greater = map.expression.push(Expression::Greater(tap, best));
                        let number = map.expression.constant(number as f64);
                        winner = map.expression.push(Expression::Select(greater, number, winner));
                        best = map.expression.push(Expression::Select(greater, tap, best));
                    }
                    map.store(winner, further(winners, &r.times(window_len)), channels as i64, 1);
                    map.finish()
                }));
            }
            for class_row in 0..sh {
                let first_row = (class_row - ph).rem_euclid(sh);
                let count_rows = (block as i64 - first_row + sh - 1).div_euclid(sh).max(0) as usize;
                for class_column in 0..sw {
                    let first_column = (class_column - pw).rem_euclid(sw);
                    let count_columns = (width as i64 - first_column + sw - 1).div_euclid(sw).max(0) as usize;
                    if count_rows == 0 || count_columns == 0 {
                        continue;
                    }
                    body.extend(nest.each(count_rows, |nest, r| {
                        let row = task_row.plus(&r.times(sh)).offset(first_row);
                        let sweep =
                            sweep(nest.kernel.dims(anchor), image.clone(), row, Affine::constant(first_column), sw);
                        let mut map = MapBuilder::new(nest, count_columns, channels);
                        let mut sum = None;
                        for i in (0..kh).filter(|i| (i * dh).rem_euclid(sh) == class_row) {
                            for j in (0..kw).filter(|j| (j * dw).rem_euclid(sw) == class_column) {
                                let row = (first_row + ph - i * dh).div_euclid(sh) - low_row;
                                let column = (first_column + pw - j * dw).div_euclid(sw) - low_column;
                                let place = r.times(window_len).offset(row * window_len + column * channels as i64);
                                let mut part = map.plain(further(&dy_tile, &place), channels as i64, 1);
                                if let Some((_, _, _, winners)) = &max_tiles {
                                    let winner = map.plain(further(winners, &place), channels as i64, 1);
                                    let tap = map.expression.constant((i * kw + j) as f64);
                                    let won = map.expression.push(Expression::Equal(winner, tap));
                                    let nothing = map.expression.constant(0.0);
                                    part = map.expression.push(Expression::Select(won, part, nothing));
                                }
                                sum = Some(match sum {
                                    None => part,
                                    Some(sum) => map.expression.push(Expression::Add(sum, part)),
                                });
                            }
                        }
                        let mut result = sum.unwrap_or_else(|| map.expression.constant(0.0));
                        if !is_max {
                            let share = map.expression.constant(1.0 / (kh * kw) as f64);
                            result = map.expression.push(Expression::Mul(result, share));
                        }
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

/// The share of a window that stands out beyond the padding is greater, for it counts fewer taps: makes its gradient in the tile greater.
fn make_up(
    nest: &mut NestBuilder,
    anchor: NodeId,
    window: &Window,
    first_row: Affine,
    first_column: i64,
    [window_rows, window_columns]: [usize; 2],
    tile: &Address,
) -> Vec<Statement> {
    let channels = window.input;
    let row_len = (window_columns * channels) as i64;
    let scaled = |nest: &mut NestBuilder, at: Address, pixels: usize, stride: i64, by: f64| {
        let mut map = MapBuilder::new(nest, pixels, channels);
        let value = map.plain(at.clone(), stride, 1);
        let by = map.expression.constant(by);
        let value = map.expression.push(Expression::Mul(value, by));
        map.store(value, at, stride, 1);
        map.finish()
    };
    let mut body = Vec::new();
    if let [_, (column, _, taps)] | [(column, _, taps)] =
        runs(&nest.kernel, anchor, 1, window.width, window.columns)[..]
        && taps < window.kernel[1]
    {
        let at = further(tile, &Affine::constant((column as i64 - first_column) * channels as i64));
        body.extend(scaled(nest, at, window_rows, row_len, window.kernel[1] as f64 / taps as f64));
    }
    if let [_, (row, _, taps)] | [(row, _, taps)] = runs(&nest.kernel, anchor, 0, window.height, window.rows)[..]
        && taps < window.kernel[0]
    {
        let by = window.kernel[0] as f64 / taps as f64;
        body.extend(nest.each(window_rows, |nest, r| {
            let at = further(tile, &r.times(row_len));
            vec![Statement::If {
                value: first_row.plus(&r),
                low: row as i64,
                high: row as i64 + 1,
                then: scaled(nest, at, window_columns, channels as i64, by),
                otherwise: Vec::new(),
            }]
        }));
    }
    body
}
