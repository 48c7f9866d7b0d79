//! Every micro-kernel against plain sums in f64.

use super::rounded::round;
use super::{Gemm, Isa};
use crate::program::{GemmShape, Precision};

/// The numbers that follow from a shape: how far A, B and C reach.
fn reach(shape: &GemmShape) -> [usize; 3] {
    let far = |offset: fn(&(i64, i64)) -> i64, steps: [(i64, usize); 2]| {
        let first = shape.batch.iter().map(offset).max().unwrap_or(0);
        (first + steps.iter().map(|&(step, count)| step * (count as i64 - 1)).sum::<i64>() + 1) as usize
    };
    [
        far(|entry| entry.0, [(shape.a_m, shape.m), (shape.a_k, shape.k)]),
        far(|entry| entry.1, [(shape.b_k, shape.k), (1, shape.n)]),
        far(|_| 0, [(shape.c_m, shape.m), (1, shape.n)]),
    ]
}

/// Multiplies the elements that the shape names, and says which of A and B these are.
fn by_the_book(shape: &GemmShape, a: &[f32], b: &[f32], c: &[f32]) -> (Vec<f64>, [Vec<bool>; 2]) {
    let rounded = |x: f32| match shape.precision {
        Precision::F32 => f64::from(x),
        Precision::Bf16 => f64::from(f32::from_bits(u32::from(round(x)) << 16)),
    };
    let mut result: Vec<f64> = c.iter().map(|&c| f64::from(c)).collect();
    let mut named = [vec![false; a.len()], vec![false; b.len()]];
    for m in 0..shape.m {
        for n in 0..shape.n {
            let at = m * shape.c_m as usize + n;
            let mut sum = if shape.accumulate { result[at] } else { 0.0 };
            for &(a_offset, b_offset) in &shape.batch {
                for k in 0..shape.k as i64 {
                    let i = (a_offset + m as i64 * shape.a_m + k * shape.a_k) as usize;
                    let j = (b_offset + k * shape.b_k) as usize + n;
                    (named[0][i], named[1][j]) = (true, true);
                    sum += rounded(a[i]) * rounded(b[j]);
                }
            }
            result[at] = sum;
        }
    }
    (result, named)
}

/// Convolutions' rows, columns of operands, odd depths, narrow and wide results, long sums, strides both ways.
fn shapes() -> Vec<GemmShape> {
    let shape = |[m, n, k]: [usize; 3], [a_m, a_k]: [i64; 2], batch: Vec<(i64, i64)>, accumulate: bool| GemmShape {
        m,
        n,
        k,
        a_m,
        a_k,
        b_k: n as i64 + 3,
        c_m: n as i64 + 5,
        batch,
        accumulate,
        precision: Precision::F32,
        paired: false,
    };
    let one = || vec![(0, 0)];
    vec![
        shape([1, 1, 1], [1, 1], one(), false),
        shape([32, 16, 48], [16, 1], (0..3).map(|row| (row * 544, row * 48 * 19)).collect(), false),
        shape([16, 16, 16], [16, 1], one(), false),
        shape([29, 17, 33], [40, 1], one(), true),
        shape([7, 70, 9], [9, 1], vec![(5, 0), (2, 40)], false),
        shape([48, 32, 17], [1, 50], (0..4).map(|row| (row * 700, row * 17 * 35)).collect(), true),
        shape([5, 3, 6], [40, 3], one(), false),
        shape([200, 64, 131], [131, 1], one(), false),
        shape([40, 20, 4096], [4096, 1], one(), true),
        shape([130, 16, 2050], [1, 130], vec![(0, 0), (130 * 2050, 7)], false),
    ]
}

/// The greatest difference from the book, in units of the sum's own size. Elements that the shape does not name are NaN.
fn difference(shape: &GemmShape, prepared: &GemmShape, isa: Isa) -> f64 {
    let [a, b, c] = reach(shape);
    let number = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    let (mut a, mut b): (Vec<f32>, Vec<f32>) = ((0..a).map(number).collect(), (a..a + b).map(number).collect());
    let mut found: Vec<f32> = (0..c).map(|at| at as f32 / 64.0).collect();
    let (expected, named) = by_the_book(shape, &a, &b, &found);
    for (operand, named) in [(&mut a, &named[0]), (&mut b, &named[1])] {
        operand.iter_mut().zip(named).filter(|(_, named)| !**named).for_each(|(value, _)| *value = f32::NAN);
    }
    // SAFETY: the three reach as far as the shape says, and are memory of their own; `prepared` reaches no farther.
    unsafe { Gemm::new(prepared, isa).run(a.as_ptr(), b.as_ptr(), found.as_mut_ptr()) };
    let size = (shape.k * shape.batch.len()) as f64;
    found
        .iter()
        .zip(&expected)
        .map(|(&x, &y)| (f64::from(x) - y).abs() / (size.sqrt() + y.abs()))
        .fold(0.0, |a, b| if b.is_nan() { f64::INFINITY } else { f64::max(a, b) })
}

#[test]
fn products_are_sums_of_products() {
    for isa in Isa::supported() {
        for precision in [Precision::F32, Precision::Bf16].into_iter().filter(|&precision| isa.supports(precision)) {
            for shape in shapes() {
                let shape = GemmShape { precision, ..shape };
                let found = difference(&shape, &shape, isa);
                assert!(found < 2e-6, "{} {shape:?}: {found:e}", isa.name());
            }
        }
    }
}

#[test]
fn another_product_is_noticed() {
    for isa in Isa::supported() {
        let shape = shapes().swap_remove(1);
        let shorter = GemmShape { k: shape.k - 1, ..shape.clone() };
        assert!(difference(&shape, &shorter, isa) > 1e-3);
        let narrower = GemmShape { n: shape.n - 1, ..shape.clone() };
        assert!(difference(&shape, &narrower, isa) > 1e-3);
        if isa.supports(Precision::Bf16) {
            let rounded = GemmShape { precision: Precision::Bf16, ..shape.clone() };
            let found = difference(&shape, &rounded, isa);
            assert!((1e-4..1e-2).contains(&found), "bf16 is {found:e} from f32");
        }
    }
}

#[test]
fn rounding_is_to_the_nearest_and_to_even() {
    let bits = |high: u32, low: u32| f32::from_bits(high << 16 | low);
    for (value, rounded) in [
        (bits(0x3f80, 0x0000), 0x3f80),
        (bits(0x3f80, 0x7fff), 0x3f80),
        (bits(0x3f80, 0x8000), 0x3f80),
        (bits(0x3f80, 0x8001), 0x3f81),
        (bits(0x3f81, 0x8000), 0x3f82),
        (bits(0x7f7f, 0xffff), 0x7f80),
        (f32::NEG_INFINITY, 0xff80),
        (f32::from_bits(0x7f80_0001), 0x7fc0),
    ] {
        assert_eq!(round(value), rounded, "{value}");
    }
}
