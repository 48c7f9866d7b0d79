//! Looking for a learning rate: the loss while the rate grows from step to step (Smith, "Cyclical Learning Rates for Training
//! Neural Networks", WACV 2017).

use serde::Serialize;

/// How much of the smoothed loss is that of the steps before.
const INERTIA: f64 = 0.9;

/// Steps to each side over which the slope is taken.
const REACH: usize = 3;

/// A fall by less than this share of the first loss is none.
const LEAST_FALL: f64 = 0.01;

/// The sweep ends when the smoothed loss is so many times its least.
const BLOWN_UP: f64 = 4.0;

/// One step.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// The learning rate of the step.
    pub lr: f64,
    /// The loss before it.
    pub loss: f64,
    /// The mean of the losses so far, the newer the heavier.
    pub smoothed: f64,
}

/// `steps` rates from `from` to `to`, each the same multiple of the one before.
pub fn rates(from: f64, to: f64, steps: usize) -> Vec<f64> {
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|step| from * (to / from).powf(step as f64 / last)).collect()
}

/// The loss at each rate so far.
#[derive(Clone, Default, Debug)]
pub struct Sweep {
    /// In order.
    pub points: Vec<Point>,
    /// The mean before the zero that it began with is taken out.
    mean: f64,
}

impl Sweep {
    /// Adds a step; returns whether the loss has blown up, so that more steps would say nothing.
    pub fn add(&mut self, lr: f64, loss: f32) -> bool {
        let loss = f64::from(loss);
        self.mean = INERTIA * self.mean + (1.0 - INERTIA) * loss;
        let smoothed = self.mean / (1.0 - INERTIA.powi(self.points.len() as i32 + 1));
        self.points.push(Point { lr, loss, smoothed });
        smoothed > BLOWN_UP * self.least().map_or(f64::INFINITY, |least| least.smoothed)
    }

    /// Where the smoothed loss is least.
    pub fn least(&self) -> Option<Point> {
        self.points.iter().copied().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))
    }

    /// The rate at which the smoothed loss falls fastest, before it is least; `None` where it falls nowhere.
    pub fn suggestion(&self) -> Option<f64> {
        let least = self.points.iter().position(|point| Some(*point) == self.least())?;
        if self.points[least].smoothed > (1.0 - LEAST_FALL) * self.points[0].smoothed {
            return None;
        }
        let slope = |at: usize| {
            let (low, high) = (&self.points[at - REACH], &self.points[at + REACH]);
            (high.smoothed - low.smoothed) / (high.lr / low.lr).ln()
        };
        let inner = REACH..self.points.len().saturating_sub(REACH);
        let steepest = inner.filter(|&at| at <= least).min_by(|&a, &b| slope(a).total_cmp(&slope(b)))?;
        (slope(steepest) < 0.0).then(|| self.points[steepest].lr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(loss: impl Fn(f64) -> f64) -> Sweep {
        let mut sweep = Sweep::default();
        for lr in rates(1e-6, 10.0, 141) {
            if sweep.add(lr, loss(lr) as f32) {
                break;
            }
        }
        sweep
    }

    #[test]
    fn the_rate_lies_on_the_slope() {
        assert_eq!(
            rates(1e-2, 1.0, 3).iter().map(|rate| (rate * 1e3).round()).collect::<Vec<_>>(),
            [10.0, 100.0, 1000.0]
        );
        // Flat, then a fall around 1e-3 (a logistic curve in ln lr), then an explosion at 1.
        let typical = sweep(|lr| 0.3 + 2.0 / (1.0 + (lr / 1e-3).powi(2)) + lr.powi(3));
        let found = typical.suggestion().expect("the loss falls");
        assert!((3e-4..1e-2).contains(&found), "{found}");
        assert!(
            typical.points.len() < 141 && typical.points.last().is_some_and(|last| last.lr < 5.0),
            "it stopped early"
        );
        assert!(typical.least().is_some_and(|least| least.lr > found));
        // A curve that only rises or stays has no such rate.
        assert_eq!(sweep(|lr| 2.0 + lr).suggestion(), None);
        assert_eq!(sweep(|_| 2.0).suggestion(), None);
        assert_eq!(Sweep::default().suggestion(), None);
    }
}
