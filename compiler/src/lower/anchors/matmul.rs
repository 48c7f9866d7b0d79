//! `matmul`: blocks of rows of the result, each one matrix product.

use super::Part;
use crate::graph::NodeId;
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, Sweep, chunk, further};
use rnet_runtime::program::{GemmShape, Precision};

/// Rows of the result that a task aims at.
const ROWS: usize = 64;

/// The nest of a product.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let (a, b) = (node.operands[0], node.operands[1]);
    let [m, n] = *kernel.dims(anchor) else { panic!("lower: a product is a matrix") };
    let k = kernel.dims(b)[0];
    let rows = chunk(m, ROWS);
    let mut nest = NestBuilder::new(kernel, &[m / rows]);
    let mut body = Vec::new();
    let [(a, a_strides), (b, b_strides)] = [a, b].map(|operand| whole(&mut nest, operand, &mut body));
    assert!(b_strides[1] == 1, "lower: the rows of the second matrix of a product are contiguous");
    let [a_m, a_k] = if node.attributes.flag("transposed") { [a_strides[1], a_strides[0]] } else { a_strides };
    let first = nest.task(0).times(rows as i64);
    let (a, c) = (further(&a, &first.times(a_m)), nest.value(anchor, first.times(n as i64)));
    let shape = GemmShape {
        m: rows,
        n,
        k,
        a_m,
        a_k,
        b_k: b_strides[0],
        c_m: n as i64,
        batch: vec![(0, 0)],
        accumulate: false,
        // An optimizer computes in f32, whatever activations are.
        precision: Precision::F32,
        paired: false,
    };
    body.push(nest.gemm(shape, a, b, c));
    (nest, body)
}

/// A matrix that micro-kernels can read, with the steps to its next row and column: where it lies, or a copy of what lies in
/// partial results.
fn whole(nest: &mut NestBuilder, matrix: NodeId, body: &mut Vec<Statement>) -> (Address, [i64; 2]) {
    let kernel = nest.kernel;
    if kernel.is_direct(matrix) {
        let strides = kernel.strides(matrix);
        return (nest.value(matrix, Affine::default()), [strides[0], strides[1]]);
    }
    let [rows, columns] = *kernel.dims(matrix) else { panic!("lower: a product is of matrices") };
    let copy = nest.scratch(rows * columns);
    let sweep = Sweep { start: vec![Affine::default(); 2], pixel: vec![1, 0], channel: vec![0, 1] };
    let mut map = MapBuilder::new(nest, rows, columns);
    let value = map.value(matrix, &sweep);
    map.store(value, copy.clone(), columns as i64, 1);
    body.extend(map.finish());
    (copy, [columns as i64, 1])
}
