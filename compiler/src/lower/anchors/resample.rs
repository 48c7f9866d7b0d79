//! `resample` and its gradient: maps whose loads are the neighbours that a position mixes.
//!
//! Positions whose weights are the same and whose neighbours move on evenly share a map, so the code is as long as there are
//! different mixtures, not as there are positions.

use super::Part;
use super::window::sweep;
use crate::graph::NodeId;
use crate::lower::expression::Expression;
use crate::lower::loops::{Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, Sweep, clear_reductions};
use crate::ops::stencil::{Method, Stencil, stencils, transposed};

/// Positions `first`, `first + step`, .. of one mixture, `count` of them.
struct Run {
    first: usize,
    step: usize,
    count: usize,
    /// The neighbours of the first; those of the next lie `advance` further on.
    stencil: Stencil,
    advance: usize,
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The runs that make up all positions, over an operand of `inputs` positions.
fn runs(stencils: &[Stencil], inputs: usize) -> Vec<Run> {
    let common = greatest_common_divisor(stencils.len(), inputs);
    // After so many positions the mixtures repeat, but for those at the ends.
    let (step, advance) = (stencils.len() / common, inputs / common);
    let mut runs: Vec<Run> = Vec::new();
    for phase in 0..step {
        let begin = runs.len();
        for at in (phase..stencils.len()).step_by(step) {
            let stencil = &stencils[at];
            match runs[begin..].last_mut() {
                Some(run)
                    if run.stencil.weights == stencil.weights
                        && run.stencil.start + run.count * advance == stencil.start =>
                {
                    run.count += 1;
                }
                _ => runs.push(Run { first: at, step, count: 1, stencil: stencil.clone(), advance }),
            }
        }
    }
    runs
}

/// The nest, image by image.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let (from, to) = (kernel.dims(node.operands[0]), kernel.dims(anchor));
    let axis = node.attributes.int("axis") as usize;
    let method = Method::of(&node.attributes);
    let stencils = match node.op.name() {
        "resample" => stencils(method, from[axis], to[axis]),
        _ => transposed(&stencils(method, to[axis], from[axis]), to[axis]),
    };
    let runs = runs(&stencils, from[axis]);
    let images = to[0];
    let each = images.div_ceil(32);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(each)]);
    let first = nest.task(0).times(each as i64);
    let mut body = clear_reductions(&mut nest);
    body.extend(nest.each_below(
        each,
        |i| Some((first.plus(i), images as i64)),
        |nest, i| {
            let image = first.plus(&i);
            let along = |nest: &mut NestBuilder, run: &Run| {
                if axis == 2 {
                    return nest.each(run.count, |nest, r| {
                        let read = r.times(run.advance as i64).offset(run.stencil.start as i64);
                        let read = sweep(from, image.clone(), read, Affine::default(), 1);
                        let write = r.times(run.step as i64).offset(run.first as i64);
                        let write = sweep(to, image.clone(), write, Affine::default(), 1);
                        map(nest, anchor, run, 2, &read, &write, to[3])
                    });
                }
                let place = |dims: &[usize], row: Affine, column: usize, step: usize| {
                    sweep(dims, image.clone(), row, Affine::constant(column as i64), step as i64)
                };
                if run.count == 1 {
                    // One column: its rows are the pixels.
                    let [mut read, mut write] = [(from, run.stencil.start), (to, run.first)]
                        .map(|(dims, column)| place(dims, Affine::default(), column, 0));
                    read.pixel[2] = 1;
                    write.pixel[2] = 1;
                    return map(nest, anchor, run, 3, &read, &write, to[2]);
                }
                nest.each(to[2], |nest, r| {
                    let read = place(from, r.clone(), run.stencil.start, run.advance);
                    let write = place(to, r, run.first, run.step);
                    map(nest, anchor, run, 3, &read, &write, run.count)
                })
            };
            runs.iter().flat_map(|run| along(nest, run)).collect()
        },
    ));
    (nest, body)
}

/// One map: `read` is where the first neighbour lies, the others follow along `axis`.
fn map(
    nest: &mut NestBuilder,
    anchor: NodeId,
    run: &Run,
    axis: usize,
    read: &Sweep,
    write: &Sweep,
    pixels: usize,
) -> Vec<Statement> {
    let operand = nest.kernel.graph[anchor].operands[0];
    let channels = nest.kernel.dims(anchor)[1];
    let mut map = MapBuilder::new(nest, pixels, channels);
    let mut sum = None;
    for (k, &weight) in run.stencil.weights.iter().enumerate() {
        let mut read = read.clone();
        read.start[axis] = read.start[axis].offset(k as i64);
        let value = map.value(operand, &read);
        let weight = map.expression.constant(weight);
        sum = Some(match sum {
            None => map.expression.push(Expression::Mul(value, weight)),
            Some(sum) => map.expression.push(Expression::MulAdd(value, weight, sum)),
        });
    }
    let sum = sum.unwrap_or_else(|| map.expression.constant(0.0));
    map.give(anchor, sum);
    map.sinks(write, None);
    map.finish()
}
