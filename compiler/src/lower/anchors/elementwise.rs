//! Kernels without an anchor: elementwise graphs and reductions over one walk.

use crate::lower::layout::Domain;
use crate::lower::loops::{Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, Sweep, chunk, clear_reductions, tasks};
use crate::ops::Lowering;

/// The walk of the kernel: that of its elementwise results, or of what its reductions add up.
fn domain(kernel: &Kernel) -> Domain {
    let first = kernel.stored[0];
    let walked = match kernel.graph[first].op.lowering() {
        Lowering::Reduction => kernel.graph[first].operands[0],
        _ => first,
    };
    Domain::new(kernel.dims(walked), &kernel.layouts[&walked])
}

/// Whether a reduction keeps the rows or the columns apart, so that a map may hold one pixel only.
fn keeps_pixels(kernel: &Kernel, domain: &Domain) -> bool {
    kernel.stored.iter().any(|&id| {
        matches!(kernel.graph[id].op.lowering(), Lowering::Reduction) && {
            let removed = kernel.graph[id].attributes.ints("axes");
            [domain.axes[1], domain.axes[2]].iter().flatten().any(|&axis| !removed.contains(&(axis as i64)))
        }
    })
}

/// The nest of a kernel without an anchor.
pub fn lower(kernel: Kernel) -> (NestBuilder, Vec<Statement>) {
    let domain = domain(&kernel);
    let Domain { outer, rows, columns, channels, .. } = domain;
    let (outer_chunk, row_chunk) =
        if domain.axes[1].is_none() { (1, 1) } else { tasks(outer, rows, columns * channels) };
    let grid = [outer.div_ceil(outer_chunk), rows.div_ceil(row_chunk)];
    let mut nest = NestBuilder::new(kernel, &grid);
    let mut body = clear_reductions(&mut nest);
    let (task_outer, task_row) = (nest.task(0).times(outer_chunk as i64), nest.task(1).times(row_chunk as i64));
    let apart = keeps_pixels(&kernel, &domain);
    let map = |nest: &mut NestBuilder, position: [Affine; 4], pixels: usize| {
        let sweep = Sweep::new(&domain, position, 1);
        let mut map = MapBuilder::new(nest, pixels, channels);
        map.sinks(&sweep, None);
        map.finish()
    };
    body.extend(nest.each_below(
        outer_chunk,
        |i| Some((task_outer.plus(i), outer as i64)),
        |nest, i| {
            let image = task_outer.plus(&i);
            if apart {
                return nest.each_below(
                    row_chunk,
                    |r| Some((task_row.plus(r), rows as i64)),
                    |nest, r| {
                        nest.each(columns, |nest, c| {
                            map(nest, [image.clone(), task_row.plus(&r), c, Affine::default()], 1)
                        })
                    },
                );
            }
            // Rows follow each other in memory, so a block of rows is one run of pixels; a block is small enough for the
            // first-level cache only where several stores share it, so a task's rows are one block.
            let block = chunk(row_chunk, (1 << 16) / (columns * channels).max(1));
            nest.each(row_chunk / block, |nest, b| {
                let row = task_row.plus(&b.times(block as i64));
                map(nest, [image.clone(), row, Affine::default(), Affine::default()], block * columns)
            })
        },
    ));
    (nest, body)
}
