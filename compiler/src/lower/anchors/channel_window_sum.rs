//! `channel_window_sum`: a map whose loads are neighbouring channels, over a tile of pixels with zeros on either side of their channels.

use super::Part;
use super::window::sweep;
use crate::graph::NodeId;
use crate::lower::expression::Expression;
use crate::lower::loops::{Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, clear_reductions, further, tasks};

/// The nest, row by row.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let x = node.operands[0];
    let dims = kernel.dims(anchor);
    let (images, rows, columns) = match *dims {
        [images, _, height, width] => (images, height, width),
        [samples, _] => (1, samples, 1),
        _ => panic!("lower: channels of a value of rank {}", dims.len()),
    };
    let channels = dims[1];
    // Windows reach no further than the channels do.
    let [before, after] = ["before", "after"].map(|name| (node.attributes.int(name) as usize).min(channels - 1));
    let padded = channels + before + after;
    let (task_images, task_rows) = tasks(images, rows, columns * channels);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(task_images), rows / task_rows]);
    let tile = nest.scratch(columns * padded);
    let (first_image, first_row) = (nest.task(0).times(task_images as i64), nest.task(1).times(task_rows as i64));
    let mut body = clear_reductions(&mut nest);
    body.push(Statement::Fill { address: tile.clone(), len: columns * padded, value: 0.0 });
    body.extend(nest.each_below(
        task_images,
        |i| Some((first_image.plus(i), images as i64)),
        |nest, i| {
            let image = first_image.plus(&i);
            nest.each(task_rows, |nest, r| {
                let sweep = sweep(dims, image, first_row.plus(&r), Affine::default(), 1);
                let mut map = MapBuilder::new(nest, columns, channels);
                let value = map.value(x, &sweep);
                map.store(value, further(&tile, &Affine::constant(before as i64)), padded as i64, 1);
                let mut body = map.finish();
                let mut map = MapBuilder::new(nest, columns, channels);
                let mut sum = map.plain(tile.clone(), padded as i64, 1);
                for channel in 1..=before + after {
                    let next = map.plain(further(&tile, &Affine::constant(channel as i64)), padded as i64, 1);
                    sum = map.expression.push(Expression::Add(sum, next));
                }
                map.give(anchor, sum);
                map.sinks(&sweep, None);
                body.extend(map.finish());
                body
            })
        },
    ));
    (nest, body)
}
