//! Functions that are not instructions: exponential, logarithm, hyperbolic tangent, error function, random numbers.

use super::{Emitter, LANES, VECTOR};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};

/// ln 2 in two parts: the first has so few bits that its product with any exponent is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
const LN_2_LOW: f32 = -0.000_212_194_44;

/// `(e^r - 1 - r) / r^2` on [-ln2/2, ln2/2], from the highest power down: the interpolation in Chebyshev points.
const EXP: [f32; 5] = [0.001_392_618_4, 0.008_363_179, 0.041_666_556, 0.166_665_76, 0.5];

/// Below this in size the hyperbolic tangent is a polynomial: the exponential's rounding would show there.
const TANH_SPLIT: f32 = 0.625;

/// `(tanh x / x - 1) / x^2` by powers of `x^2`, for `|x|` up to [`TANH_SPLIT`]: least greatest error relative to tanh.
const TANH: [f32; 5] = [-0.005_717_037, 0.020_650_579, -0.053_743_497, 0.133_314_9, -0.333_332_84];

/// Below this in size the error function is a polynomial.
const ERF_SPLIT: f32 = 1.0;

/// `erf x / x - 1` by powers of `x^2`, for `|x|` up to [`ERF_SPLIT`].
const ERF: [f32; 7] =
    [7.889_119e-5, -0.000_802_084_1, 0.005_189_535, -0.026_854_444, 0.112_836, -0.376_126_26, 0.128_379_17];

/// `ln(1 - erf x) / x` by powers of x, from [`ERF_SPLIT`] to 4, where erf rounds to 1.
const ERF_LOG: [f32; 6] = [0.000_210_643_5, -0.003_186_948_8, 0.022_798_47, -0.105_116_15, -0.635_831_5, -1.128_480_1];

impl Emitter<'_> {
    /// The value of a polynomial, its coefficients given from the highest power down.
    fn polynomial(&mut self, x: Value, coefficients: &[f32]) -> Value {
        let mut sum = self.splat(coefficients[0]);
        for &coefficient in &coefficients[1..] {
            let coefficient = self.splat(coefficient);
            sum = self.mul_add(sum, x, coefficient);
        }
        sum
    }

    fn shift_left(&mut self, bits: Value, by: i64) -> Value {
        let by = self.builder.ins().iconst(types::I32, by);
        self.builder.ins().ishl(bits, by)
    }

    fn shift_right(&mut self, bits: Value, by: i64) -> Value {
        let by = self.builder.ins().iconst(types::I32, by);
        self.builder.ins().ushr(bits, by)
    }

    /// `2^n` for integers n from -126 to 127.
    fn power_of_two(&mut self, n: Value) -> Value {
        let bias = self.splat_integer(127);
        let exponent = self.builder.ins().iadd(n, bias);
        let bits = self.shift_left(exponent, 23);
        self.float(bits)
    }

    /// `e^x = 2^n e^r` with `x = n ln 2 + r`. The power of two is applied in two halves, so that results below the smallest
    /// normal number come out as denormals and those beyond the greatest number as infinity. NaN stays NaN.
    pub(super) fn exp(&mut self, x: Value) -> Value {
        // Beyond these the result is 0 or infinity; within them the exponents stay in range.
        let (low, high) = (self.splat(-104.0), self.splat(89.0));
        let x = self.extreme_of_number(true, low, x);
        let x = self.extreme_of_number(false, high, x);
        let log2_e = self.splat(std::f32::consts::LOG2_E);
        let scaled = self.builder.ins().fmul(x, log2_e);
        let n = self.builder.ins().nearest(scaled);
        let (high, low) = (self.splat(-LN_2_HIGH), self.splat(-LN_2_LOW));
        let r = self.mul_add(n, high, x);
        let r = self.mul_add(n, low, r);
        let q = self.polynomial(r, &EXP);
        let square = self.builder.ins().fmul(r, r);
        let tail = self.mul_add(q, square, r);
        let one = self.splat(1.0);
        let value = self.builder.ins().fadd(tail, one);
        let n = self.integer_of(n);
        let shift = self.builder.ins().iconst(types::I32, 1);
        let half = self.builder.ins().sshr(n, shift);
        let rest = self.builder.ins().isub(n, half);
        let (half, rest) = (self.power_of_two(half), self.power_of_two(rest));
        let value = self.builder.ins().fmul(value, half);
        self.builder.ins().fmul(value, rest)
    }

    /// Integers up to 2^22 in size, given as f32, as i32: adding 1.5 * 2^23 leaves them in the lowest bits. NaN gives something.
    fn integer_of(&mut self, whole: Value) -> Value {
        let magic = self.splat(12_582_912.0);
        let sum = self.builder.ins().fadd(whole, magic);
        let (sum, magic) = (self.bits(sum), self.bits(magic));
        self.builder.ins().isub(sum, magic)
    }

    /// `ln x = k ln 2 + ln(1 + f)` with 1 + f between sqrt(1/2) and sqrt(2). With `s = f / (2 + f)` and `h = f^2 / 2`,
    /// `ln(1 + f) = f - h + s (h + R)`, where `R = 2 s^2 (1/3 + s^2/5 + s^4/7 + ..)` is the series of artanh.
    pub(super) fn log(&mut self, x: Value) -> Value {
        let smallest = self.splat(f32::MIN_POSITIVE);
        let denormal = self.compare(FloatCC::LessThan, x, smallest);
        let scale = self.splat(8_388_608.0);
        let scaled = self.builder.ins().fmul(x, scale);
        let normal = self.select(denormal, scaled, x);
        // Taking the bits of sqrt(1/2) away puts the split between exponents at sqrt(1/2), where it is wanted.
        let bits = self.bits(normal);
        let root = self.splat_integer(0x3f35_04f3);
        let shifted = self.builder.ins().isub(bits, root);
        let by = self.builder.ins().iconst(types::I32, 23);
        let k = self.builder.ins().sshr(shifted, by);
        let exponent = self.shift_left(k, 23);
        let mantissa = self.builder.ins().isub(bits, exponent);
        let mantissa = self.float(mantissa);
        let k = self.builder.ins().fcvt_from_sint(VECTOR, k);
        let correction = self.splat(23.0);
        let correction = self.builder.ins().band(correction, denormal);
        let k = self.builder.ins().fsub(k, correction);

        let (one, two, half) = (self.splat(1.0), self.splat(2.0), self.splat(0.5));
        let f = self.builder.ins().fsub(mantissa, one);
        let divisor = self.builder.ins().fadd(f, two);
        let s = self.builder.ins().fdiv(f, divisor);
        let z = self.builder.ins().fmul(s, s);
        let series = self.polynomial(z, &[2.0 / 11.0, 2.0 / 9.0, 2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0]);
        let r = self.builder.ins().fmul(z, series);
        let h = self.builder.ins().fmul(f, half);
        let h = self.builder.ins().fmul(h, f);
        let (high, low) = (self.splat(LN_2_HIGH), self.splat(LN_2_LOW));
        let inner = self.builder.ins().fadd(h, r);
        let small = self.builder.ins().fmul(k, low);
        let small = self.mul_add(s, inner, small);
        let small = self.builder.ins().fsub(h, small);
        let value = self.builder.ins().fsub(f, small);
        let value = self.mul_add(k, high, value);

        // Infinity and NaN are their own logarithms; zero gives minus infinity and negative numbers NaN.
        let (zero, infinity) = (self.splat(0.0), self.splat(f32::INFINITY));
        let finite = self.compare(FloatCC::LessThan, x, infinity);
        let value = self.select(finite, value, x);
        let is_zero = self.compare(FloatCC::Equal, x, zero);
        let minus_infinity = self.splat(f32::NEG_INFINITY);
        let value = self.select(is_zero, minus_infinity, value);
        let negative = self.compare(FloatCC::LessThan, x, zero);
        let nan = self.splat(f32::NAN);
        self.select(negative, nan, value)
    }

    /// `tanh |x| = 1 - 2 / (e^(2 |x|) + 1)`, or a polynomial where x is small; it has the sign of x.
    pub(super) fn tanh(&mut self, x: Value) -> Value {
        let size = self.builder.ins().fabs(x);
        let double = self.builder.ins().fadd(size, size);
        let power = self.exp(double);
        let (one, two) = (self.splat(1.0), self.splat(2.0));
        let divisor = self.builder.ins().fadd(power, one);
        let rest = self.builder.ins().fdiv(two, divisor);
        let large = self.builder.ins().fsub(one, rest);

        let square = self.builder.ins().fmul(size, size);
        let series = self.polynomial(square, &TANH);
        let factor = self.builder.ins().fmul(series, square);
        let small = self.mul_add(factor, size, size);
        self.odd(x, size, TANH_SPLIT, small, large)
    }

    /// `erf |x| = 1 - e^p(|x|)`, or a polynomial where x is small; it has the sign of x.
    pub(super) fn erf(&mut self, x: Value) -> Value {
        let size = self.builder.ins().fabs(x);
        let four = self.splat(4.0);
        let bounded = self.extreme_of_number(false, four, size);
        let exponent = self.polynomial(bounded, &ERF_LOG);
        let exponent = self.builder.ins().fmul(exponent, bounded);
        let rest = self.exp(exponent);
        let one = self.splat(1.0);
        let large = self.builder.ins().fsub(one, rest);

        let square = self.builder.ins().fmul(size, size);
        let series = self.polynomial(square, &ERF);
        let small = self.mul_add(series, size, size);
        self.odd(x, size, ERF_SPLIT, small, large)
    }

    /// An odd function by its values at `size = |x|`: `small` below `split`, else `large`, which NaN takes too.
    fn odd(&mut self, x: Value, size: Value, split: f32, small: Value, large: Value) -> Value {
        let split = self.splat(split);
        let is_small = self.compare(FloatCC::LessThan, size, split);
        let value = self.select(is_small, small, large);
        let sign = self.splat(-0.0);
        let sign = self.builder.ins().band(x, sign);
        self.builder.ins().bor(value, sign)
    }

    /// [`crate::lower::expression::uniform`] in each lane. `counter` is the first lane's, an i64; the others follow.
    pub(super) fn uniform(&mut self, seed: Value, stream: u32, counter: Value) -> Value {
        let counter = self.builder.ins().ireduce(types::I32, counter);
        let counter = self.builder.ins().splat(types::I32X4, counter);
        let lanes = self.lane_numbers();
        let counter = self.builder.ins().iadd(counter, lanes);
        let factor = self.splat_integer(0x9e37_79b9);
        let seed = self.builder.ins().imul(seed, factor);
        let stream = self.splat_integer(stream.wrapping_mul(0x85eb_ca6b));
        let key = self.builder.ins().bxor(seed, stream);
        let mut x = self.builder.ins().bxor(counter, key);
        for (shift, factor) in [(17, 0xed5a_d4bb), (11, 0xac4c_1b51), (15, 0x3184_8bab)] {
            let shifted = self.shift_right(x, shift);
            x = self.builder.ins().bxor(x, shifted);
            let factor = self.splat_integer(factor);
            x = self.builder.ins().imul(x, factor);
        }
        let shifted = self.shift_right(x, 14);
        x = self.builder.ins().bxor(x, shifted);
        // 24 bits are a positive i32, so the signed conversion is exact.
        x = self.shift_right(x, 8);
        let whole = self.builder.ins().fcvt_from_sint(VECTOR, x);
        let unit = self.splat(1.0 / 16_777_216.0);
        self.builder.ins().fmul(whole, unit)
    }

    /// 0, 1, 2, 3
    pub(super) fn lane_numbers(&mut self) -> Value {
        self.lanes(std::array::from_fn::<u32, LANES, _>(|lane| lane as u32), types::I32X4)
    }
}
