//! Ops that only move elements: flatten, transposition, subsampling, channel padding and slices, concatenation, and their gradients.

use super::Part;
use super::window::sweep;
use crate::graph::NodeId;
use crate::lower::layout::strides;
use crate::lower::loops::{Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, Sweep};

/// The nest: image by image and row by row, a copy for each operand, after a fill where copies do not cover the result.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let result = kernel.dims(anchor);
    let images = result[0];
    let each = images.div_ceil(32);
    let mut nest = NestBuilder::new(kernel, &[images.div_ceil(each)]);
    let first = nest.task(0).times(each as i64);
    let len: usize = result[1..].iter().product();
    let body = nest.each_below(
        each,
        |i| Some((first.plus(i), images as i64)),
        |nest, i| {
            let image = first.plus(&i);
            let mut body = Vec::new();
            if matches!(node.op.name(), "subsample_grad" | "pad_channels") {
                let address = nest.value(anchor, image.times(len as i64));
                body.push(Statement::Fill { address, len, value: 0.0 });
            }
            let mut before = 0;
            for &operand in &node.operands {
                body.extend(copy(nest, anchor, operand, &image, before));
                before += nest.kernel.dims(operand).get(1).copied().unwrap_or(1) as i64;
            }
            body
        },
    );
    (nest, body)
}

/// Copies what one image of the operand gives to the result. `before`: channels of the operands before it.
fn copy(nest: &mut NestBuilder, anchor: NodeId, operand: NodeId, image: &Affine, before: i64) -> Vec<Statement> {
    let kernel = nest.kernel;
    let node = &kernel.graph[anchor];
    let (from, to) = (kernel.dims(operand), kernel.dims(anchor));
    let to_strides = kernel.strides(anchor);
    // The walk is over [rows, columns, channels] of whichever side is the smaller.
    let op = node.op.name();
    if op == "flatten" || op == "unflatten" {
        let [_, channels, height, width] = *(if op == "flatten" { from } else { to }) else {
            panic!("lower: `{op}` of a value that is not of rank 4")
        };
        let inner = strides(&[channels, height, width], &[0, 1, 2]);
        return nest.each(height, |nest, h| {
            let matrix = Sweep {
                start: vec![image.clone(), h.times(inner[1])],
                pixel: vec![0, inner[2]],
                channel: vec![0, inner[0]],
            };
            let picture = sweep(&[1, channels, height, width], image.clone(), h, Affine::default(), 1);
            let (read, write) = if op == "flatten" { (picture, matrix) } else { (matrix, picture) };
            let mut map = MapBuilder::new(nest, width, channels);
            let value = map.value(operand, &read);
            let (offset, pixel, channel) = write.offset(&to_strides);
            let address = map.nest.value(anchor, offset);
            map.store(value, address, pixel, channel);
            map.finish()
        });
    }
    if op == "transpose" {
        let read = Sweep { start: vec![Affine::default(), image.clone()], pixel: vec![0, 0], channel: vec![1, 0] };
        let write = Sweep { start: vec![image.clone(), Affine::default()], pixel: vec![0, 0], channel: vec![0, 1] };
        let mut map = MapBuilder::new(nest, 1, to[1]);
        let value = map.value(operand, &read);
        let (offset, pixel, channel) = write.offset(&to_strides);
        let address = map.nest.value(anchor, offset);
        map.store(value, address, pixel, channel);
        return map.finish();
    }
    let plane = if op == "subsample_grad" { from } else { to };
    let (height, width) = if plane.len() == 4 { (plane[2], plane[3]) } else { (1, 1) };
    let step = node.attributes.get("stride").map_or([1, 1], |_| {
        let stride = node.attributes.ints("stride");
        [stride[0], stride[1]]
    });
    let (mut channels, mut read_channel, mut write_channel) = (from[1].min(to[1]), 0, 0);
    match op {
        "slice_channels" => read_channel = node.attributes.int("start"),
        "pad_channels" => write_channel = node.attributes.int("before"),
        "concat" => {
            channels = from[1];
            write_channel = before;
        }
        _ => {}
    }
    nest.each(height, |nest, h| {
        let place = |dims: &[usize], step: [i64; 2], channel: i64| {
            // A matrix has its images as rows.
            let row = if dims.len() == 2 { image.clone() } else { h.times(step[0]) };
            let mut sweep = sweep(dims, image.clone(), row, Affine::default(), step[1]);
            sweep.start[1] = Affine::constant(channel);
            sweep
        };
        let coarse = [1, 1];
        let (read, write) = match op {
            "subsample" => (place(from, step, 0), place(to, coarse, 0)),
            "subsample_grad" => (place(from, coarse, 0), place(to, step, 0)),
            _ => (place(from, coarse, read_channel), place(to, coarse, write_channel)),
        };
        let mut map = MapBuilder::new(nest, width, channels);
        let value = map.value(operand, &read);
        let (offset, pixel, channel) = write.offset(&to_strides);
        let address = map.nest.value(anchor, offset);
        map.store(value, address, pixel, channel);
        map.finish()
    })
}
