//! Smoothing of noisy curves.

/// The exponential moving average with that weight of the past, 0 to below 1, corrected for its start as Adam corrects its moments:
/// `m_i = w m_(i-1) + (1 - w) y_i`, `y'_i = m_i / (1 - w^i)`.
pub fn smooth(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let (mut mean, mut rest) = (0.0, 1.0);
    let step = |&(x, y): &(f64, f64)| {
        mean = weight * mean + (1.0 - weight) * y;
        rest *= weight;
        (x, mean / (1.0 - rest))
    };
    points.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_not_drawn_to_zero() {
        let points = [(1.0, 4.0), (2.0, 1.0), (3.0, 1.0)];
        assert_eq!(smooth(&points, 0.0), points);
        let smoothed = smooth(&points, 0.5);
        assert_eq!((smoothed[0], smoothed[1]), ((1.0, 4.0), (2.0, 2.0)));
        assert!(smoothed[2].1 < 2.0 && smoothed[2].1 > 1.0);
    }
}
