//! Maps of all kinds.

use super::interpreter::{Interpreter, Random, close, run_compiled};
use crate::lower::expression::{Expression as E, Scalar, uniform};
use crate::lower::loops::{Address, Affine, Base, Effect, Element, Fold, Load, Map, Nest, Statement};

fn at(buffer: usize, offset: i64) -> Address {
    Address { base: Base::Buffer(buffer), offset: Affine::constant(offset) }
}

fn nest(map: Map, buffers: usize) -> Nest {
    // Every other map is contracted.
    let contracted = map.steps.len().is_multiple_of(2);
    Nest { grid: vec![1], buffers, scratch: 0, contracted, gemms: vec![], body: vec![Statement::Map(map)] }
}

/// How an operand may lie in memory.
fn strides(random: &mut Random, pixels: usize, channels: usize) -> (i64, i64) {
    let (pixels, channels) = (pixels as i64, channels as i64);
    random.pick(&[
        (channels, 1),
        (channels, 1),
        (channels + 3, 1),
        (0, 1),
        (0, 0),
        (1, 0),
        (1, pixels),
        (2 * channels, 2),
    ])
}

/// A random map: loads in buffers 0.., stores and folds in buffers after them. Returns it with the lengths.
fn random_map(random: &mut Random) -> (Map, Vec<usize>) {
    let pixels = random.pick(&[1, 2, 3, 5, 8, 17]);
    let channels = random.pick(&[1, 2, 3, 4, 7, 8, 16, 19, 32, 45]);
    let (mut lens, mut loads, mut steps) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..1 + random.below(4) {
        let (pixel_stride, channel_stride) = strides(random, pixels, channels);
        let span = (pixels as i64 * pixel_stride + channels as i64 * channel_stride) + 1;
        let count = random.pick(&[1, 1, 1, 2, 4, 5, 9]);
        let start = random.below(5) as i64;
        lens.push((start + span * count as i64) as usize);
        let partials = if count == 1 { (1, 0) } else { (count, span) };
        let element = if count == 1 { random.pick(&[Element::F32, Element::F32, Element::Bf16]) } else { Element::F32 };
        loads.push(Load { address: at(k, start), pixel_stride, channel_stride, element, partials });
        steps.push(E::Load(k));
    }
    for _ in 0..2 + random.below(8) {
        let known = steps.len();
        let mut any = || Scalar(random.below(known) as u32);
        let (a, b, c) = (any(), any(), any());
        steps.push(match random.below(16) {
            0 => E::Add(a, b),
            1 => E::Sub(a, b),
            2 => E::Mul(a, b),
            3 => E::MulAdd(a, b, c),
            4 => E::Min(a, b),
            5 => E::Max(a, b),
            6 => E::Neg(a),
            7 => E::Abs(a),
            8 => E::Floor(a),
            9 => E::Greater(a, b),
            10 => E::Equal(a, b),
            11 | 12 => E::Select(a, b, c),
            13 => E::Channel,
            _ => E::Constant(random.pick(&[0.0, 1.0, -0.5, 2.0])),
        });
    }
    let mut effects = Vec::new();
    for _ in 0..1 + random.below(3) {
        let value = Scalar(random.below(steps.len()) as u32);
        let fold = random.pick(&[Fold::Sum, Fold::Max]);
        let buffer = lens.len();
        match random.below(5) {
            0 => {
                effects.push(Effect::FoldAll { value, fold, address: at(buffer, 2) });
                lens.push(5);
            }
            1 | 2 => {
                effects.push(Effect::FoldPixels { value, fold, address: at(buffer, 1) });
                lens.push(channels + 3);
            }
            _ => {
                let (p, c) = (pixels as i64, channels as i64);
                let (pixel_stride, channel_stride) = random.pick(&[(c, 1), (c, 1), (c + 5, 1), (1, p), (2 * c, 2)]);
                let element = random.pick(&[Element::F32, Element::F32, Element::Bf16]);
                effects.push(Effect::Store { value, address: at(buffer, 3), pixel_stride, channel_stride, element });
                lens.push(6 + (p * pixel_stride + c * channel_stride) as usize);
            }
        }
    }
    (Map { pixels, channels, loads, steps, counter: Affine::default(), counter_pixel: 0, effects }, lens)
}

fn check(nest: &Nest, buffers: &[Vec<f32>]) -> Result<(), String> {
    let expected = Interpreter::run(nest, buffers.to_vec());
    let actual = run_compiled(nest, buffers, 1);
    for (buffer, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        for (place, (&expected, &actual)) in expected.iter().zip(actual).enumerate() {
            if !close(actual, expected, 100.0) {
                return Err(format!("b{buffer}[{place}] is {actual}, not {expected}\n{nest}"));
            }
        }
    }
    Ok(())
}

#[test]
fn random_maps_agree_with_the_interpreter() {
    let mut random = Random(1);
    for _ in 0..300 {
        let (map, lens) = random_map(&mut random);
        let buffers: Vec<Vec<f32>> = lens.iter().map(|&len| (0..len).map(|_| random.number()).collect()).collect();
        let count = buffers.len();
        check(&nest(map, count), &buffers).unwrap_or_else(|message| panic!("{message}"));
    }
}

#[test]
fn the_check_notices_a_wrong_nest() {
    let load = Load { address: at(0, 0), pixel_stride: 8, channel_stride: 1, element: Element::F32, partials: (1, 0) };
    let store = Effect::Store {
        value: Scalar(1),
        address: at(1, 0),
        pixel_stride: 8,
        channel_stride: 1,
        element: Element::F32,
    };
    let steps = vec![E::Load(0), E::Neg(Scalar(0))];
    let map = Map {
        pixels: 2,
        channels: 8,
        loads: vec![load],
        steps,
        counter: Affine::default(),
        counter_pixel: 0,
        effects: vec![store],
    };
    let buffers = vec![vec![1.0; 16], vec![0.0; 16]];
    let mut other = map.clone();
    other.steps[1] = E::Abs(Scalar(0));
    let expected = Interpreter::run(&nest(other, 2), buffers.clone());
    assert_ne!(expected, run_compiled(&nest(map, 2), &buffers, 1));
}

/// Applies a function of one argument to numbers.
fn apply(step: E, numbers: &[f32]) -> Vec<f32> {
    let load = Load { address: at(0, 0), pixel_stride: 0, channel_stride: 1, element: Element::F32, partials: (1, 0) };
    let store = Effect::Store {
        value: Scalar(1),
        address: at(1, 0),
        pixel_stride: 0,
        channel_stride: 1,
        element: Element::F32,
    };
    let map = Map {
        pixels: 1,
        channels: numbers.len(),
        loads: vec![load],
        steps: vec![E::Load(0), step],
        counter: Affine::default(),
        counter_pixel: 0,
        effects: vec![store],
    };
    run_compiled(&nest(map, 2), &[numbers.to_vec(), vec![0.0; numbers.len()]], 1).swap_remove(1)
}

/// The distance from the true value in units of the last place.
fn ulps(actual: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    let place = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
    ((f64::from(actual) - exact) / place).abs()
}

#[test]
fn exp_is_within_two_units_of_the_last_place() {
    let mut numbers: Vec<f32> = (-87_000..88_700).map(|x| x as f32 / 1000.0).collect();
    numbers.extend([1e-20, -1e-8, 0.0, -0.0, 88.722]);
    for (x, y) in numbers.iter().zip(apply(E::Exp(Scalar(0)), &numbers)) {
        assert!(ulps(y, f64::from(*x).exp()) <= 2.0, "exp({x}) = {y}");
    }
    let edges = [89.0, 1000.0, f32::INFINITY, -120.0, f32::NEG_INFINITY, f32::NAN, 88.73];
    let results = apply(E::Exp(Scalar(0)), &edges);
    assert_eq!(results[..5], [f32::INFINITY, f32::INFINITY, f32::INFINITY, 0.0, 0.0]);
    assert!(results[5].is_nan());
    assert_eq!(results[6], f32::INFINITY);
}

#[test]
fn log_is_within_two_units_of_the_last_place() {
    let mut numbers: Vec<f32> = (1..200_000).map(|x| x as f32 / 1000.0).collect();
    numbers.extend((0x0080_0000..0x7f80_0000u32).step_by(20_011).map(f32::from_bits));
    for (x, y) in numbers.iter().zip(apply(E::Log(Scalar(0)), &numbers)) {
        assert!(ulps(y, f64::from(*x).ln()) <= 2.0 || *x == 1.0 && y == 0.0, "log({x}) = {y}");
    }
    let results = apply(E::Log(Scalar(0)), &[0.0, -0.0, f32::INFINITY, -1.0, f32::NAN, f32::NEG_INFINITY]);
    assert_eq!(results[..3], [f32::NEG_INFINITY, f32::NEG_INFINITY, f32::INFINITY]);
    assert!(results[3..].iter().all(|x| x.is_nan()));
}

#[test]
fn odd_functions_are_within_two_units_of_the_last_place() {
    let mut numbers: Vec<f32> = (-100_000..100_000).map(|x| x as f32 / 10_007.0).collect();
    numbers.extend((0x0400_0000..0x7f80_0000u32).step_by(20_011).map(f32::from_bits));
    type Exact = fn(f64) -> f64;
    let functions: [(E, Exact); 2] = [(E::Tanh(Scalar(0)), f64::tanh), (E::Erf(Scalar(0)), libm::erf)];
    for (step, exact) in functions {
        for (x, y) in numbers.iter().zip(apply(step, &numbers)) {
            assert!(ulps(y, exact(f64::from(*x))) <= 2.0, "{step:?} of {x} is {y}");
        }
        let results = apply(step, &[f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, f32::NAN]);
        let bits: Vec<u32> = results[..4].iter().map(|y| y.to_bits()).collect();
        assert_eq!(bits, [1.0f32, -1.0, 0.0, -0.0].map(f32::to_bits));
        assert!(results[4].is_nan());
    }
}

#[test]
fn extremes_keep_nan() {
    let nan = f32::NAN;
    let (a, b) = ([1.0, nan, 1.0, nan, -1.0], [2.0, 2.0, nan, nan, -2.0]);
    for (step, expected) in [
        (E::Max(Scalar(0), Scalar(1)), [2.0, nan, nan, nan, -1.0]),
        (E::Min(Scalar(0), Scalar(1)), [1.0, nan, nan, nan, -2.0]),
        (E::Max(Scalar(0), Scalar(2)), [1.0, nan, 1.0, nan, 0.0]),
        (E::Min(Scalar(2), Scalar(0)), [0.0, nan, 0.0, nan, -1.0]),
    ] {
        let load =
            |k| Load { address: at(k, 0), pixel_stride: 0, channel_stride: 1, element: Element::F32, partials: (1, 0) };
        let map = Map {
            pixels: 1,
            channels: 5,
            loads: vec![load(0), load(1)],
            steps: vec![E::Load(0), E::Load(1), E::Constant(0.0), step],
            counter: Affine::default(),
            counter_pixel: 0,
            effects: vec![Effect::Store {
                value: Scalar(3),
                address: at(2, 0),
                pixel_stride: 0,
                channel_stride: 1,
                element: Element::F32,
            }],
        };
        let result = run_compiled(&nest(map, 3), &[a.to_vec(), b.to_vec(), vec![0.0; 5]], 1).swap_remove(2);
        assert!(result.iter().zip(expected).all(|(x, y)| close(*x, y, 0.0)), "{step:?}: {result:?}");
    }
}

#[test]
fn random_numbers_agree_to_the_bit() {
    for (pixels, channels, width, by) in
        [(3, 5, 5, 5), (4, 16, 20, 32), (1, 7, 7, 7), (9, 1, 1, 1), (9, 1, 1, 2), (4, 8, 8, 24)]
    {
        let seed =
            Load { address: at(0, 0), pixel_stride: 0, channel_stride: 0, element: Element::I32, partials: (1, 0) };
        let uniform_step = E::Uniform { seed: Scalar(0), stream: 3 };
        let store = Effect::Store {
            value: Scalar(1),
            address: at(1, 0),
            pixel_stride: width as i64,
            channel_stride: 1,
            element: Element::F32,
        };
        let map = Map {
            pixels,
            channels,
            loads: vec![seed],
            steps: vec![E::Load(0), uniform_step],
            counter: Affine::constant(1000),
            counter_pixel: by,
            effects: vec![store],
        };
        let buffers = [vec![f32::from_bits(77)], vec![0.0; pixels * width]];
        let result = run_compiled(&nest(map, 2), &buffers, 1).swap_remove(1);
        for (pixel, channel) in (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| (pixel, channel))) {
            let expected = uniform(77, 3, (1000 + pixel * by as usize + channel) as u32);
            assert_eq!(result[pixel * width + channel].to_bits(), expected.to_bits());
        }
    }
}

#[test]
fn integers_become_floats() {
    let load = Load { address: at(0, 0), pixel_stride: 0, channel_stride: 1, element: Element::I32, partials: (1, 0) };
    let map = Map {
        pixels: 1,
        channels: 6,
        loads: vec![load],
        steps: vec![E::Load(0)],
        counter: Affine::default(),
        counter_pixel: 0,
        effects: vec![Effect::Store {
            value: Scalar(0),
            address: at(1, 0),
            pixel_stride: 0,
            channel_stride: 1,
            element: Element::F32,
        }],
    };
    let integers = [3i32, -4, 0, 1_000_000, 9, 12].map(|x| f32::from_bits(x as u32));
    let result = run_compiled(&nest(map, 2), &[integers.to_vec(), vec![0.0; 6]], 1).swap_remove(1);
    assert_eq!(result, [3.0, -4.0, 0.0, 1_000_000.0, 9.0, 12.0]);
}
