//! Sample operands for the checks that run over every op: types come from [`Op::samples`], values from here.

use super::tensor::Tensor;
use super::{Attributes, Op, TensorType};
use crate::graph::{Attribute, ElementType};

/// A small deterministic generator (Steele, Lea & Flood 2014: SplitMix64).
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A whole number from `low` to `high`, both included.
    pub fn range(&mut self, low: usize, high: usize) -> usize {
        low + (self.bits() % (high - low + 1) as u64) as usize
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Values for each operand of a sample of `op`. Real values are distinct, of either sign and away from zero, so that
/// kinks (a ReLU's zero, a maximum's ties) lie at least a hundredth away; they are positive where the op asks for it.
/// Labels name a class, mostly; seeds are any number.
pub fn operands(op: &dyn Op, types: &[TensorType], seed: u64) -> Vec<Tensor> {
    let mut random = Random::new(seed ^ 0x5eed);
    let classes = types.first().and_then(|ty| ty.dims.last()).copied().unwrap_or(1);
    types
        .iter()
        .enumerate()
        .map(|(at, ty)| match ty.element {
            ElementType::I32 if ty.rank() == 0 => Tensor::full(&[], (random.bits() >> 40) as f64),
            ElementType::I32 => Tensor::from_fn(&ty.dims, |_| random.range(0, classes - 1) as f64),
            ElementType::F32 => {
                let mut tensor = spread(&ty.dims, &mut random);
                if is_bounded(op.name()) {
                    // No value comes to lie where a piece ends, at 3 or 6.
                    tensor.data.iter_mut().for_each(|x| *x *= 7.0);
                }
                if needs_positive(op.name(), at) {
                    tensor.data.iter_mut().for_each(|x| *x = x.abs() + 0.1);
                }
                tensor
            }
        })
        .collect()
}

/// Whether operand `at` of the op must be positive for a real result or a moderate gradient.
fn needs_positive(op: &str, at: usize) -> bool {
    matches!((op, at), ("sqrt" | "rsqrt" | "power", 0) | ("div", 1) | ("batch_norm", 2))
}

/// Whether the op levels off or changes its form some way from zero, so that its samples have to reach that far.
fn is_bounded(op: &str) -> bool {
    matches!(op, "relu6" | "sigmoid" | "tanh" | "erf" | "gelu" | "silu" | "hardsigmoid" | "hardswish")
}

/// Numbers that are at least 0.02 apart and at least 0.01 from zero, in random order.
fn spread(dims: &[usize], random: &mut Random) -> Tensor {
    let len: usize = dims.iter().product();
    let gap = (2.0 / len as f64).max(0.02);
    let mut data: Vec<f64> = (0..len).map(|i| (i as f64 - len as f64 / 2.0 + 0.5) * gap).collect();
    for i in (1..len).rev() {
        data.swap(i, random.range(0, i));
    }
    // An odd number of evenly spaced values has one at zero.
    data.iter_mut().for_each(|x| *x += 0.3 * gap);
    Tensor { dims: dims.to_vec(), data }
}

/// f32 types of the given extents, with attributes: one sample.
pub(super) fn case(dims: &[&[usize]], attributes: Attributes) -> (Vec<TensorType>, Attributes) {
    (dims.iter().map(|dims| TensorType::f32(dims)).collect(), attributes)
}

/// Samples of an elementwise op with `arity` operands of one shape, from scalars to activations.
pub(super) fn elementwise(seed: u64, arity: usize, attributes: impl Fn(&mut Random) -> Attributes) -> Samples {
    let mut random = Random::new(seed);
    let mut samples = Vec::new();
    for rank in [0, 1, 2, 4] {
        let dims: Vec<usize> = (0..rank).map(|_| random.range(1, 4)).collect();
        let attributes = attributes(&mut random);
        samples.push((vec![TensorType::f32(&dims); arity], attributes));
    }
    samples
}

/// What [`Op::samples`] returns.
pub(super) type Samples = Vec<(Vec<TensorType>, Attributes)>;

/// One attribute, a number.
pub(super) fn number(name: &str, value: f64) -> Attributes {
    Attributes::new().with(name, Attribute::Float(value))
}
