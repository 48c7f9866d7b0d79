//! What differs between two files of tensors.

use crate::tensors::{Elements, Tensor, Tensors};

/// How a tensor differs.
#[derive(Clone, PartialEq, Debug)]
pub enum Difference {
    /// It is in the first file alone.
    OnlyInFirst,
    /// It is in the second file alone.
    OnlyInSecond,
    /// The extents are others.
    Extents,
    /// Real numbers in one file, whole numbers in the other.
    Kind,
    /// Elements are others; by bits, so 0 and -0 differ too.
    Elements {
        /// How many.
        count: usize,
        /// The largest `|a - b|`.
        absolute: f64,
        /// The largest `|a - b| / max(|a|, |b|)`.
        relative: f64,
    },
}

/// For every tensor of either file, by name, how it differs; `None` where it is equal to the bit.
pub fn differences<'t>(first: &'t Tensors, second: &'t Tensors) -> Vec<(&'t str, Option<Difference>)> {
    let mut names: Vec<&String> = first.keys().chain(second.keys().filter(|name| !first.contains_key(*name))).collect();
    names.sort_unstable();
    let of = |name: &'t String| {
        let difference = match (first.get(name), second.get(name)) {
            (Some(a), Some(b)) => difference(a, b),
            (Some(_), None) => Some(Difference::OnlyInFirst),
            (None, _) => Some(Difference::OnlyInSecond),
        };
        (name.as_str(), difference)
    };
    names.into_iter().map(of).collect()
}

fn difference(a: &Tensor, b: &Tensor) -> Option<Difference> {
    if a.dims != b.dims {
        return Some(Difference::Extents);
    }
    let pairs: Vec<(f64, f64)> = match (&a.elements, &b.elements) {
        (Elements::Real(a), Elements::Real(b)) => {
            let others = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits());
            others.map(|(&a, &b)| (f64::from(a), f64::from(b))).collect()
        }
        (Elements::Whole(a), Elements::Whole(b)) => {
            a.iter().zip(b).filter(|(a, b)| a != b).map(|(&a, &b)| (a as f64, b as f64)).collect()
        }
        _ => return Some(Difference::Kind),
    };
    // NaN counts as more than infinity.
    let greatest =
        |of: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|&(a, b)| of(a, b).abs()).max_by(f64::total_cmp).unwrap_or(0.0);
    let absolute = greatest(&|a, b| a - b);
    let relative = greatest(&|a, b| if a == b { 0.0 } else { (a - b) / a.abs().max(b.abs()) });
    (!pairs.is_empty()).then_some(Difference::Elements { count: pairs.len(), absolute, relative })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_found() {
        let whole = |value| Tensor { dims: vec![1], elements: Elements::Whole(vec![value]) };
        let real = |values: &[f32]| Tensor::real(&[values.len()], values.to_vec());
        let elements = |count, absolute, relative| Some(Difference::Elements { count, absolute, relative });
        let table = [
            (Some(real(&[1.0, 2.0])), Some(real(&[1.0, 2.0])), None),
            (Some(real(&[1.0, 2.0, 4.0])), Some(real(&[1.0, 4.0, 3.0])), elements(2, 2.0, 0.5)),
            (Some(real(&[0.0])), Some(real(&[-0.0])), elements(1, 0.0, 0.0)),
            (Some(real(&[0.0])), Some(real(&[-2.0])), elements(1, 2.0, 1.0)),
            (Some(real(&[f32::NAN])), Some(real(&[f32::NAN])), None),
            (Some(whole(3)), Some(whole(1)), elements(1, 2.0, 2.0 / 3.0)),
            (Some(whole(3)), Some(whole(3)), None),
            (Some(whole(3)), Some(real(&[3.0])), Some(Difference::Kind)),
            (Some(real(&[1.0])), Some(real(&[1.0, 2.0])), Some(Difference::Extents)),
            (Some(real(&[1.0])), None, Some(Difference::OnlyInFirst)),
            (None, Some(real(&[1.0])), Some(Difference::OnlyInSecond)),
        ];
        for (a, b, expected) in table {
            let file =
                |tensor: &Option<Tensor>| tensor.iter().map(|tensor| ("w".to_string(), tensor.clone())).collect();
            let (first, second): (Tensors, Tensors) = (file(&a), file(&b));
            assert_eq!(differences(&first, &second), [("w", expected)], "{a:?} {b:?}");
        }
        let (one, nan) = (Tensors::from([("w".to_string(), real(&[1.0, f32::INFINITY]))]), real(&[f32::NAN, 2.0]));
        let found = differences(&one, &Tensors::from([("w".to_string(), nan)]))[0].1.clone();
        assert!(
            matches!(found, Some(Difference::Elements { count: 2, absolute, .. }) if absolute.is_nan()),
            "{found:?}"
        );
    }
}
