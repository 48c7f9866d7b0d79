//! Parts: ops that look at a part of each sample before they compute its elements. `softmax` looks at the channels of a pixel,
//! `standardize` at groups of channels, of a pixel or of an image; `channel_window_sum` at the neighbours of a channel.

use super::Part as Launch;
use super::window::sweep;
use crate::graph::NodeId;
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Address, Affine, Fold, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, Sweep, clear_reductions, tasks};

/// A part of a value: a run of pixels, and some of their channels.
struct Part {
    sweep: Sweep,
    pixels: usize,
    channels: usize,
}

impl Part {
    /// A map over the part.
    fn map<'b, 'g>(&self, nest: &'b mut NestBuilder<'g>) -> MapBuilder<'b, 'g> {
        MapBuilder::new(nest, self.pixels, self.channels)
    }

    /// Adds up, or takes the maximum of, several expressions over the part, each at its own address.
    fn fold(
        &self,
        nest: &mut NestBuilder,
        fold: Fold,
        into: &[&Address],
        values: impl FnOnce(&mut MapBuilder, &Sweep) -> Vec<Scalar>,
    ) -> Vec<Statement> {
        let start = if fold == Fold::Sum { 0.0 } else { f32::NEG_INFINITY };
        let clear = |address: &&Address| Statement::Fill { address: (*address).clone(), len: 1, value: start };
        let mut body: Vec<Statement> = into.iter().map(clear).collect();
        let mut map = self.map(nest);
        for (value, address) in values(&mut map, &self.sweep).into_iter().zip(into) {
            map.fold_all(value, fold, (*address).clone());
        }
        body.extend(map.finish());
        body
    }

    /// The anchor's value at each element, and all that rides behind it.
    fn give(
        &self,
        nest: &mut NestBuilder,
        anchor: NodeId,
        value: impl FnOnce(&mut MapBuilder, &Sweep) -> Scalar,
    ) -> Vec<Statement> {
        let mut map = self.map(nest);
        let value = value(&mut map, &self.sweep);
        map.give(anchor, value);
        map.sinks(&self.sweep, None);
        map.finish()
    }
}

/// A nest that runs `body` for each part: of each image, if `whole`, else of each pixel; in groups of channels.
fn each_part<'g>(
    kernel: Kernel<'g>,
    anchor: NodeId,
    whole: bool,
    groups: usize,
    prepare: impl FnOnce(&mut NestBuilder<'g>) -> Vec<Address>,
    body: impl Fn(&mut NestBuilder<'g>, &Part, &[Address]) -> Vec<Statement>,
) -> Launch<'g> {
    let dims = kernel.dims(anchor);
    let (images, rows, columns) = match *dims {
        [_, _, height, width] if whole => (dims[0], 1, height * width),
        [images, _, height, width] => (images, height, width),
        [samples, _] => (1, samples, 1),
        _ => panic!("lower: parts of a value of rank {}", dims.len()),
    };
    let channels = dims[1] / groups;
    let (task_images, task_rows) = tasks(images, rows, columns * dims[1]);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(task_images), rows / task_rows]);
    let scratch = prepare(&mut nest);
    let (first_image, first_row) = (nest.task(0).times(task_images as i64), nest.task(1).times(task_rows as i64));
    let mut statements = clear_reductions(&mut nest);
    statements.extend(nest.each_below(
        task_images,
        |i| Some((first_image.plus(i), images as i64)),
        |nest, i| {
            let image = first_image.plus(&i);
            nest.each(task_rows, |nest, r| {
                let row = first_row.plus(&r);
                let part = |nest: &mut NestBuilder<'g>, column: Affine, pixels: usize| {
                    nest.each(groups, |nest, g| {
                        let mut sweep = sweep(dims, image.clone(), row.clone(), column, 1);
                        sweep.start[1] = g.times(channels as i64);
                        body(nest, &Part { sweep, pixels, channels }, &scratch)
                    })
                };
                // The pixels of an image follow each other.
                if whole {
                    part(nest, Affine::default(), columns)
                } else {
                    nest.each(columns, |nest, c| part(nest, c, 1))
                }
            })
        },
    ));
    (nest, statements)
}

/// The nest of `softmax`.
pub fn softmax(kernel: Kernel, anchor: NodeId) -> Launch {
    let x = kernel.graph[anchor].operands[0];
    let power = move |map: &mut MapBuilder, sweep: &Sweep, greatest: &Address| {
        let value = map.value(x, sweep);
        let greatest = map.plain(greatest.clone(), 0, 0);
        let shifted = map.expression.push(Expression::Sub(value, greatest));
        map.expression.push(Expression::Exp(shifted))
    };
    let scratch = |nest: &mut NestBuilder| vec![nest.scratch(1), nest.scratch(1)];
    each_part(kernel, anchor, false, 1, scratch, move |nest, part, scratch| {
        let [greatest, sum] = scratch else { unreachable!("two numbers are kept") };
        let mut body = part.fold(nest, Fold::Max, &[greatest], |map, sweep| vec![map.value(x, sweep)]);
        body.extend(part.fold(nest, Fold::Sum, &[sum], |map, sweep| vec![power(map, sweep, greatest)]));
        body.extend(part.give(nest, anchor, |map, sweep| {
            let power = power(map, sweep, greatest);
            let sum = map.plain(sum.clone(), 0, 0);
            map.expression.push(Expression::Div(power, sum))
        }));
        body
    })
}

/// The nest of `softmax_grad`.
pub fn softmax_grad(kernel: Kernel, anchor: NodeId) -> Launch {
    let node = &kernel.graph[anchor];
    let (y, dy) = (node.operands[0], node.operands[1]);
    let scratch = |nest: &mut NestBuilder| vec![nest.scratch(1)];
    each_part(kernel, anchor, false, 1, scratch, move |nest, part, scratch| {
        let [sum] = scratch else { unreachable!("one number is kept") };
        let mut body = part.fold(nest, Fold::Sum, &[sum], |map, sweep| {
            let (y, dy) = (map.value(y, sweep), map.value(dy, sweep));
            vec![map.expression.push(Expression::Mul(y, dy))]
        });
        body.extend(part.give(nest, anchor, |map, sweep| {
            let (y, dy) = (map.value(y, sweep), map.value(dy, sweep));
            let sum = map.plain(sum.clone(), 0, 0);
            let difference = map.expression.push(Expression::Sub(dy, sum));
            map.expression.push(Expression::Mul(y, difference))
        }));
        body
    })
}

/// A number in scratch memory, times `share`.
fn mean(map: &mut MapBuilder, sum: &Address, share: f64) -> Scalar {
    let sum = map.plain(sum.clone(), 0, 0);
    let share = map.expression.constant(share);
    map.expression.push(Expression::Mul(sum, share))
}

/// The nest of `standardize` and of `standardize_grad`: the sum, then the squares of the deviations, so that nothing cancels.
pub fn standardize(kernel: Kernel, anchor: NodeId) -> Launch {
    let node = &kernel.graph[anchor];
    let x = node.operands[0];
    let dy = node.operands.get(1).copied();
    let dims = kernel.dims(anchor);
    let whole = node.attributes.ints("axes").len() > 1;
    let groups = node.attributes.int("groups") as usize;
    let eps = node.attributes.float("eps");
    let count = dims[1] / groups * if whole { dims[2] * dims[3] } else { 1 };
    let share = 1.0 / count as f64;
    let scratch = |nest: &mut NestBuilder| (0..4).map(|_| nest.scratch(1)).collect();
    each_part(kernel, anchor, whole, groups, scratch, move |nest, part, scratch| {
        let [sum, squares, plain, along] = scratch else { unreachable!("four numbers are kept") };
        let deviation = |map: &mut MapBuilder, sweep: &Sweep| {
            let value = map.value(x, sweep);
            let mean = mean(map, sum, share);
            map.expression.push(Expression::Sub(value, mean))
        };
        let mut body = part.fold(nest, Fold::Sum, &[sum], |map, sweep| vec![map.value(x, sweep)]);
        body.extend(part.fold(nest, Fold::Sum, &[squares], |map, sweep| {
            let deviation = deviation(map, sweep);
            vec![map.expression.push(Expression::Mul(deviation, deviation))]
        }));
        if let Some(dy) = dy {
            body.extend(part.fold(nest, Fold::Sum, &[plain, along], |map, sweep| {
                let (dy, deviation) = (map.value(dy, sweep), deviation(map, sweep));
                vec![dy, map.expression.push(Expression::Mul(dy, deviation))]
            }));
        }
        body.extend(part.give(nest, anchor, |map, sweep| {
            let variance = mean(map, squares, share);
            let eps = map.expression.constant(eps);
            let shifted = map.expression.push(Expression::Add(variance, eps));
            let root = map.expression.push(Expression::Sqrt(shifted));
            let one = map.expression.constant(1.0);
            let r = map.expression.push(Expression::Div(one, root));
            let deviation = deviation(map, sweep);
            let Some(dy) = dy else { return map.expression.push(Expression::Mul(deviation, r)) };
            let dy = map.value(dy, sweep);
            let plain = mean(map, plain, share);
            let along = mean(map, along, share);
            let square = map.expression.push(Expression::Mul(r, r));
            let along = map.expression.push(Expression::Mul(along, square));
            let through = map.expression.push(Expression::Mul(deviation, along));
            let rest = map.expression.push(Expression::Sub(dy, plain));
            let rest = map.expression.push(Expression::Sub(rest, through));
            map.expression.push(Expression::Mul(rest, r))
        }));
        body
    })
}
