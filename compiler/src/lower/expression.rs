//! Scalar expressions: what is computed for one element. The loop emitter turns them into SIMD code, four lanes wide.

/// Names a value of an [`Expression`] list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Scalar(pub u32);

/// One step of an elementwise computation. Operands come earlier in the list.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Expression {
    /// The k-th load of the surrounding [`super::loops::Map`].
    Load(usize),
    /// A number.
    Constant(f32),
    /// a + b
    Add(Scalar, Scalar),
    /// a - b
    Sub(Scalar, Scalar),
    /// a * b
    Mul(Scalar, Scalar),
    /// a / b
    Div(Scalar, Scalar),
    /// a * b + c, rounded once
    MulAdd(Scalar, Scalar, Scalar),
    /// The smaller; NaN if either is NaN.
    Min(Scalar, Scalar),
    /// The greater; NaN if either is NaN.
    Max(Scalar, Scalar),
    /// -a
    Neg(Scalar),
    /// |a|
    Abs(Scalar),
    /// Square root.
    Sqrt(Scalar),
    /// Rounds towards minus infinity.
    Floor(Scalar),
    /// e^a, within 2 ulp over the range of f32.
    Exp(Scalar),
    /// Natural logarithm, within 2 ulp; NaN below 0, -inf at 0.
    Log(Scalar),
    /// Hyperbolic tangent, within 2 ulp.
    Tanh(Scalar),
    /// The error function, within 2 ulp.
    Erf(Scalar),
    /// 1.0 where a > b, else 0.0 (false where either is NaN).
    Greater(Scalar, Scalar),
    /// 1.0 where a == b, else 0.0.
    Equal(Scalar, Scalar),
    /// Where the first is not zero the second, else the third.
    Select(Scalar, Scalar, Scalar),
    /// The channel index of the element, as f32 (exact below 2^24).
    Channel,
    /// A number in [0, 1) that depends on (seed, counter) alone: see [`uniform`]. `seed` is the bits of an i32 load,
    /// `counter` is the element's channels-last linear index: the map's `counter` address plus pixel and channel.
    Uniform {
        /// A load of element type i32, kept as raw bits.
        seed: Scalar,
        /// Tells several random ops of one graph apart.
        stream: u32,
    },
}

/// Builds an [`Expression`] list; equal steps are shared.
#[derive(Clone, Default, Debug)]
pub struct ExpressionBuilder {
    /// The steps so far.
    pub steps: Vec<Expression>,
}

impl ExpressionBuilder {
    /// Adds a step, or finds the equal one.
    pub fn push(&mut self, step: Expression) -> Scalar {
        if let Some(at) = self.steps.iter().position(|&known| known == step) {
            return Scalar(at as u32);
        }
        self.steps.push(step);
        Scalar(self.steps.len() as u32 - 1)
    }

    /// A constant.
    pub fn constant(&mut self, value: f64) -> Scalar {
        self.push(Expression::Constant(value as f32))
    }
}

/// The random number behind [`Expression::Uniform`]: a counter hash in 32-bit wrapping arithmetic, so that the f64
/// reference, the scalar and the SIMD code agree to the bit.
///
/// Three rounds of xor-shift-multiply (Ellis, "Hash Prospector", 2018: triple32) over `counter` mixed with the seed and stream;
/// the upper 24 bits become the fraction.
pub fn uniform(seed: u32, stream: u32, counter: u32) -> f32 {
    let mut x = counter ^ seed.wrapping_mul(0x9e37_79b9) ^ stream.wrapping_mul(0x85eb_ca6b);
    x ^= x >> 17;
    x = x.wrapping_mul(0xed5a_d4bb);
    x ^= x >> 11;
    x = x.wrapping_mul(0xac4c_1b51);
    x ^= x >> 15;
    x = x.wrapping_mul(0x3184_8bab);
    x ^= x >> 14;
    (x >> 8) as f32 * (1.0 / 16_777_216.0)
}
