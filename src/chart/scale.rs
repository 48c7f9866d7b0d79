//! An axis: its range, where a value lies on it, and the values that are marked.

/// The range of an axis.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Axis {
    /// Its least value.
    pub low: f64,
    /// Its greatest value, above `low`.
    pub high: f64,
    /// Whether equal ratios, not equal differences, are equally far apart.
    pub is_logarithmic: bool,
}

impl Axis {
    /// From `low` to `high`; where that is no range, one that has room for `low`.
    pub fn linear(low: f64, high: f64) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        Axis { low, high, is_logarithmic: false }
    }

    /// From `low` to `high`, both above zero, with some room around.
    pub fn logarithmic(low: f64, high: f64) -> Axis {
        let room = (high / low).powf(0.03).max(1.1);
        Axis { low: low / room, high: high * room, is_logarithmic: true }
    }

    /// Where a value lies: 0 at `low`, 1 at `high`; beyond them at the edge.
    pub fn share(&self, value: f64) -> f64 {
        let share = match self.is_logarithmic {
            false => (value - self.low) / (self.high - self.low),
            true => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// About `count` round values within the range, each with its text.
    pub fn marks(&self, count: usize) -> Vec<(f64, String)> {
        if self.is_logarithmic {
            let exponents = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
            let decades = (self.high / self.low).log10();
            // Over few decades parts of them are marked too.
            let parts: &[f64] = if decades > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            let every = (decades / count as f64).ceil().max(1.0) as i32;
            let values = exponents
                .filter(|exponent| exponent % every == 0)
                .flat_map(|exponent| parts.iter().map(move |part| part * 10f64.powi(exponent)));
            let values: Vec<f64> = values.filter(|value| (self.low..=self.high).contains(value)).collect();
            if values.is_empty() {
                let middle = (self.low * self.high).sqrt();
                return vec![(middle, short(middle))];
            }
            return values.into_iter().map(|value| (value, decade(value))).collect();
        }
        let rough = (self.high - self.low) / count as f64;
        let magnitude = 10f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 5.0];
        let step = magnitude * factors.into_iter().find(|factor| factor * magnitude >= rough * 0.95).unwrap_or(10.0);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        // All marks have one unit.
        let (unit, sign) = match last as f64 * step {
            1e6.. => (1e6, "M"),
            1e4.. => (1e3, "k"),
            _ => (1.0, ""),
        };
        let label = |value: f64| format!("{}{}", text(value / unit, step / unit), if value == 0.0 { "" } else { sign });
        (first..=last).map(|at| at as f64 * step).map(|value| (value, label(value))).collect()
    }
}

/// A value in as many digits as tell multiples of `step` apart.
fn text(value: f64, step: f64) -> String {
    if value == 0.0 {
        return "0".to_string();
    }
    let digits = (-step.log10() - 1e-9).ceil().max(0.0) as usize;
    if digits > 4 { format!("{value:.0e}") } else { format!("{value:.digits$}") }
}

/// A mark of a logarithmic axis, with a unit of its own.
fn decade(value: f64) -> String {
    match value.abs() {
        1e6.. => format!("{}M", short(value / 1e6)),
        1e4.. => format!("{}k", short(value / 1e3)),
        _ => text(value, value),
    }
}

/// A number in at most three significant digits.
fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().expect("a number's text is a number");
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_within_the_range() {
        let cases: &[(Axis, &[&str])] = &[
            (Axis::linear(0.0, 460.0), &["0", "100", "200", "300", "400"]),
            (Axis::linear(0.0, 100.2), &["0", "20", "40", "60", "80", "100"]),
            (Axis::linear(0.0, 1.05), &["0", "0.5", "1.0"]),
            (Axis::linear(0.0, 0.0), &["0", "0.5", "1.0"]),
            (Axis::linear(0.0, 52_000.0), &["0", "20k", "40k"]),
            (Axis::linear(0.0, 12_700.0), &["0", "5k", "10k"]),
            (Axis::linear(0.0, 28_152.0), &["0", "10k", "20k"]),
            (Axis::linear(0.0, 1_400_000.0), &["0", "0.5M", "1.0M"]),
            (Axis::linear(0.0, 6_000_000.0), &["0", "2M", "4M", "6M"]),
            (Axis::logarithmic(0.011, 90.0), &["0.01", "0.1", "1", "10", "100"]),
            (Axis::logarithmic(1e-9, 1.0), &["1e-8", "0.0001", "1"]),
            (Axis::logarithmic(0.9, 20.0), &["1", "2", "5", "10", "20"]),
            (Axis::logarithmic(0.3, 0.3), &["0.3"]),
        ];
        for (axis, expected) in cases {
            let count = if expected.len() > 4 { 5 } else { 3 };
            let marks: Vec<String> = axis.marks(count).into_iter().map(|(_, text)| text).collect();
            assert_eq!(&marks, expected, "{axis:?}");
        }
    }

    #[test]
    fn a_value_lies_between_the_ends() {
        let linear = Axis::linear(0.0, 4.0);
        assert_eq!([-1.0, 1.0, 5.0].map(|value| linear.share(value)), [0.0, 0.25, 1.0]);
        let logarithmic = Axis { low: 0.1, high: 10.0, is_logarithmic: true };
        assert!((logarithmic.share(1.0) - 0.5).abs() < 1e-12);
    }
}
