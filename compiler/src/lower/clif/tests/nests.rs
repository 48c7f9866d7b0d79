//! Loops, conditions and matrix products around maps.

use super::interpreter::{Interpreter, Random, close, run_compiled};
use crate::lower::expression::{Expression as E, Scalar};
use crate::lower::loops::{Address, Affine, Base, Effect, Element, Fold, Load, Map, Nest, Statement, Var};
use rnet_runtime::program::{GemmShape, Precision};

/// A 3x3 convolution over rows with a halo, 5 -> 7 channels, then a bias, a maximum with 0 and the sum of each channel.
/// Tasks are images and blocks of three of the eight rows, so the last block ends early.
fn convolution() -> (Nest, Vec<Vec<f32>>) {
    let (images, height, width, inputs, outputs) = (2i64, 8i64, 6i64, 5i64, 7i64);
    let (image, block, row) = (Var(0), Var(1), Var(2));
    let pitch = (width + 2) * inputs;
    let padded = (height + 2) * pitch;
    let position = Affine::var(block).times(3).plus(&Affine::var(row));
    let shape = GemmShape {
        m: width as usize,
        n: outputs as usize,
        k: 3 * inputs as usize,
        a_m: inputs,
        a_k: 1,
        b_k: outputs,
        c_m: outputs,
        batch: (0..3).map(|kernel_row| (kernel_row * pitch, kernel_row * 3 * inputs * outputs)).collect(),
        accumulate: false,
        precision: Precision::F32,
        paired: false,
    };
    let scratch = Address { base: Base::Scratch, offset: Affine::constant(16) };
    let address = |buffer, offset| Address { base: Base::Buffer(buffer), offset };
    let result = Affine::var(image).times(height).plus(&position).times(width * outputs);
    let load = |address, pixel_stride| Load {
        address,
        pixel_stride,
        channel_stride: 1,
        element: Element::F32,
        partials: (1, 0),
    };
    let map = Map {
        pixels: width as usize,
        channels: outputs as usize,
        loads: vec![load(scratch.clone(), outputs), load(address(2, Affine::default()), 0)],
        steps: vec![
            E::Load(0),
            E::Load(1),
            E::Add(Scalar(0), Scalar(1)),
            E::Constant(0.0),
            E::Max(Scalar(2), Scalar(3)),
        ],
        counter: Affine::default(),
        counter_pixel: 0,
        effects: vec![
            Effect::Store {
                value: Scalar(4),
                address: address(3, result),
                pixel_stride: outputs,
                channel_stride: 1,
                element: Element::F32,
            },
            Effect::FoldPixels {
                value: Scalar(4),
                fold: Fold::Sum,
                address: address(4, Affine::var(image).times(3).plus(&Affine::var(block)).times(outputs)),
            },
        ],
    };
    let input = Affine::var(image).times(padded).plus(&position.times(pitch));
    let product =
        Statement::Gemm { shape: 0, a: address(0, input), b: address(1, Affine::default()), c: scratch.clone() };
    let cleared = Statement::Fill { address: scratch.clone(), len: (width * outputs) as usize, value: 1.0 };
    // The row 4 is left out, to have a condition.
    let choice =
        Statement::If { value: position.clone(), low: 4, high: 5, then: vec![cleared], otherwise: vec![product] };
    let rows = Statement::For {
        var: row,
        extent: 3,
        limit: Some((position, height)),
        body: vec![choice, Statement::Map(map)],
    };
    let nest =
        Nest { grid: vec![2, 3], buffers: 5, scratch: 64, contracted: false, gemms: vec![shape], body: vec![rows] };
    let mut random = Random(3);
    let lens = [images * padded, 9 * inputs * outputs, outputs, images * height * width * outputs, 6 * outputs];
    let buffers = lens.iter().map(|&len| (0..len).map(|_| random.number()).collect()).collect();
    (nest, buffers)
}

#[test]
fn a_convolution_agrees_with_the_interpreter() {
    let (nest, buffers) = convolution();
    let expected = Interpreter::run(&nest, buffers.clone());
    let actual = run_compiled(&nest, &buffers, 1);
    for (expected, actual) in expected.iter().zip(&actual) {
        assert!(expected.iter().zip(actual).all(|(&x, &y)| close(x, y, 100.0)), "{expected:?}\n{actual:?}");
    }
    assert_ne!(actual[3], buffers[3]);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (nest, buffers) = convolution();
    let bits = |buffers: Vec<Vec<f32>>| -> Vec<Vec<u32>> {
        buffers.iter().map(|buffer| buffer.iter().map(|x| x.to_bits()).collect()).collect()
    };
    let one = bits(run_compiled(&nest, &buffers, 1));
    for threads in [2, 3] {
        assert_eq!(one, bits(run_compiled(&nest, &buffers, threads)));
    }
}

#[test]
fn a_nest_prints_as_text() {
    let (nest, _) = convolution();
    let text = nest.to_string();
    assert!(
        text.starts_with("nest [2, 3] buffers 5 scratch 64 {\n  gemm0: f32 6x7x15 a [5, 1] b [7, 1] c [7, 1]"),
        "{text}"
    );
    assert!(text.contains("  for t2 < 3 while 3*t1 + t2 < 8 {\n    if 4 <= 3*t1 + t2 < 5 {\n"), "{text}");
    assert!(text.contains("      v1 = b2[0 + c]\n      v2 = v0 + v1\n"), "{text}");
}
