//! How weights move: optimizers, groups of weights, clipping, accumulation and averages as plain values, and the numbers that the
//! graph of a step gets for them.
//!
//! Whatever depends on the number of the step (the learning rate, corrections of bias, whether an update is due) is a function
//! of the step alone, computed here in f64 and handed to the graph as an input f32[]. So a resumed run gets the same numbers.

use crate::config::TrainConfig;
use serde::{Deserialize, Serialize};

/// A rule with its learning rate and weight decay.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Optimizer {
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// Base learning rate, which the schedule scales.
    pub lr: f64,
    /// Weight decay; the rule says where it enters.
    pub weight_decay: f64,
}

/// How a gradient becomes a step. The formulas are in docs/language.md.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Rule {
    /// Stochastic gradient descent as in PyTorch: `g = grad + wd p; v = mu v + g; p -= lr (nesterov ? g + mu v : v)`.
    Sgd {
        /// mu
        momentum: f64,
        /// Nesterov's form.
        nesterov: bool,
    },
    /// Kingma & Ba 2015; Loshchilov & Hutter 2019 where the decay is decoupled.
    Adam {
        /// What is kept of the means of gradients and of their squares.
        betas: [f64; 2],
        /// Added to the root.
        eps: f64,
        /// Whether weight decay shrinks the weights instead of joining the gradient.
        decoupled: bool,
    },
    /// Tieleman & Hinton 2012, in PyTorch's form.
    RmsProp {
        /// What is kept of the mean of squares.
        alpha: f64,
        /// Added to the root.
        eps: f64,
        /// Of the steps.
        momentum: f64,
        /// Whether the variance takes the place of the mean of squares.
        centered: bool,
    },
    /// Chen et al. 2023.
    Lion {
        /// What is kept of the mean for the step and for the memory.
        betas: [f64; 2],
    },
    /// You, Gitman & Ginsburg 2017.
    Lars {
        /// Of the steps.
        momentum: f64,
        /// A step is this share of its weight's norm.
        trust: f64,
    },
    /// You et al. 2020.
    Lamb {
        /// What is kept of the means of gradients and of their squares.
        betas: [f64; 2],
        /// Added to the root.
        eps: f64,
    },
    /// Jordan et al. 2024.
    Muon {
        /// What is kept of the mean of gradients.
        momentum: f64,
        /// Nesterov's form.
        nesterov: bool,
        /// Steps of the Newton-Schulz iteration.
        iterations: u64,
    },
}

/// What is different for weights whose names fit a pattern.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// A name, in which `*` stands for any characters.
    pub pattern: String,
    /// Another optimizer.
    pub optimizer: Option<Optimizer>,
    /// Another base learning rate.
    pub lr: Option<f64>,
    /// Another weight decay.
    pub weight_decay: Option<f64>,
}

impl Group {
    /// Whether a weight is of the group.
    pub fn fits(&self, name: &str) -> bool {
        // The text before the first star stands at the beginning, that behind the last at the end, the others anywhere between.
        let pieces: Vec<&str> = self.pattern.split('*').collect();
        let [first, middle @ .., last] = &pieces[..] else { return self.pattern == name };
        let Some(rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
        let found = middle.iter().try_fold(rest, |rest, piece| rest.find(piece).map(|at| &rest[at + piece.len()..]));
        found.is_some()
    }
}

/// A bound on gradients.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Clip {
    /// None.
    None,
    /// All gradients together are scaled down to this norm.
    Norm(f64),
    /// Each element is brought between minus and plus this.
    Value(f64),
}

/// What else is kept of the weights on their way.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Average {
    /// Nothing.
    None,
    /// An exponential moving average, with which tests are made and which is saved: `a += (1 - d) (p - a)` after update t, where
    /// d = min(decay, (1 + t) / (10 + t)).
    Ema {
        /// What is kept of the average.
        decay: f64,
    },
    /// Slow weights (Zhang et al. 2019): after every so many updates they take a step towards the weights, which go on from
    /// there: `s = p + keep (s - p); p = s` with keep = (1 - alpha) (t / T)^ramp at update t of T. Tests are made with the slow
    /// weights, and those are saved.
    Lookahead {
        /// Updates from one step of the slow weights to the next.
        every: u64,
        /// The share of the way that they go.
        alpha: f64,
        /// How their reluctance grows over the run.
        ramp: f64,
    },
}

/// The input that says by its value 1 that an update is due, else 0.
pub const DUE: &str = "due";
/// The input that says how far the average goes towards the weights.
pub const AVERAGE_SHARE: &str = "average_share";
/// The input that says how much of the slow weights is kept.
pub const SLOW_KEEP: &str = "slow_keep";
/// The input that says by its value 1 that the slow weights take a step, else 0.
pub const SLOW_DUE: &str = "slow_due";

/// The input that holds `1 - beta^t` at update t.
pub fn correction(beta: f64) -> String {
    format!("correction_{beta}")
}

impl Optimizer {
    /// The factors of the optimizer's corrections of bias.
    fn corrected(&self) -> &[f64] {
        match &self.rule {
            Rule::Adam { betas, .. } | Rule::Lamb { betas, .. } => betas,
            _ => &[],
        }
    }
}

impl TrainConfig {
    /// The optimizer of the weight of that name: what the last group says that fits and says something.
    pub fn optimizer_of(&self, name: &str) -> Optimizer {
        let mut optimizer = self.optimizer.clone();
        for group in self.groups.iter().filter(|group| group.fits(name)) {
            if let Some(other) = &group.optimizer {
                optimizer.clone_from(other);
            }
            optimizer.lr = group.lr.unwrap_or(optimizer.lr);
            optimizer.weight_decay = group.weight_decay.unwrap_or(optimizer.weight_decay);
        }
        optimizer
    }

    /// The numbers that the graph of step `step` (from 0) of a run of `steps` gets, by the names of its inputs. A graph that
    /// does not need one has no such input.
    pub fn scalars(&self, step: u64, steps: u64) -> Vec<(String, f64)> {
        let is_last = step + 1 == steps;
        let due = is_last || (step + 1).is_multiple_of(self.accumulate);
        // Updates with this step's, and in the whole run.
        let (update, updates) = ((step + 1).div_ceil(self.accumulate), steps.div_ceil(self.accumulate));
        let mut scalars = vec![
            ("lr".to_string(), self.optimizer.lr * self.schedule.factor(step, steps)),
            (DUE.to_string(), f64::from(u8::from(due))),
        ];
        match self.average {
            Average::None => {}
            Average::Ema { decay } => {
                let decay = decay.min((1 + update) as f64 / (10 + update) as f64);
                scalars.push((AVERAGE_SHARE.to_string(), if due { 1.0 - decay } else { 0.0 }));
            }
            Average::Lookahead { every, alpha, ramp } => {
                let keep = (1.0 - alpha) * (update as f64 / updates as f64).powf(ramp);
                scalars.push((SLOW_KEEP.to_string(), keep));
                scalars.push((SLOW_DUE.to_string(), f64::from(u8::from(due && update.is_multiple_of(every)))));
            }
        }
        let optimizers = self.groups.iter().filter_map(|group| group.optimizer.as_ref()).chain([&self.optimizer]);
        for &beta in optimizers.flat_map(Optimizer::corrected) {
            scalars.push((correction(beta), 1.0 - beta.powf(update as f64)));
        }
        scalars
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Length, Schedule};

    fn config(accumulate: u64, average: Average) -> TrainConfig {
        let rule = Rule::Adam { betas: [0.9, 0.99], eps: 1e-8, decoupled: true };
        let group =
            |pattern: &str, lr, weight_decay| Group { pattern: pattern.to_string(), optimizer: None, lr, weight_decay };
        TrainConfig {
            loss: crate::config::Loss::CrossEntropy { smoothing: 0.0 },
            optimizer: Optimizer { rule, lr: 0.5, weight_decay: 0.1 },
            groups: vec![group("*.bn*", None, Some(0.0)), group("*.bias", Some(2.0), None)],
            clip: Clip::None,
            accumulate,
            average,
            schedule: Schedule::Constant,
            batch: 4,
            length: Length::Steps(10),
            test_every: 1,
            stopping: crate::stopping::Stopping::Never,
            seed: 0,
            precision: crate::program::Precision::F32,
        }
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, fitting, others) in [
            ("fc.*", vec!["fc.weight", "fc."], vec!["fc", "afc.weight"]),
            ("*.bn*.weight", vec!["a.bn1.weight", "a.b.bn.weight"], vec!["bn1.weight", "a.bn1.bias"]),
            ("a.weight", vec!["a.weight"], vec!["a.weight2", "b.a.weight"]),
            ("*", vec!["", "x"], vec![]),
            ("a*a", vec!["aa", "aba"], vec!["a"]),
            ("*ab*b", vec!["abb", "xabyb"], vec!["ab"]),
        ] {
            let group = Group { pattern: pattern.to_string(), optimizer: None, lr: None, weight_decay: None };
            fitting.iter().for_each(|name| assert!(group.fits(name), "{pattern} and {name}"));
            others.iter().for_each(|name| assert!(!group.fits(name), "{pattern} and {name}"));
        }
    }

    #[test]
    fn groups_say_what_is_different() {
        let config = config(1, Average::None);
        for (name, lr, decay) in
            [("x.conv.weight", 0.5, 0.1), ("x.bn.weight", 0.5, 0.0), ("x.bn.bias", 2.0, 0.0), ("fc.bias", 2.0, 0.1)]
        {
            let optimizer = config.optimizer_of(name);
            assert_eq!((optimizer.lr, optimizer.weight_decay), (lr, decay), "{name}");
        }
    }

    #[test]
    fn numbers_of_a_step() {
        let get = |config: &TrainConfig, step, name: &str| {
            let scalars = config.scalars(step, 10);
            scalars.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
        };
        let config_of_four = config(4, Average::Lookahead { every: 2, alpha: 0.5, ramp: 1.0 });
        let due: Vec<f64> = (0..10).map(|step| get(&config_of_four, step, DUE).unwrap()).collect();
        assert_eq!(due, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
        let slow: Vec<f64> = (0..10).map(|step| get(&config_of_four, step, SLOW_DUE).unwrap()).collect();
        assert_eq!(slow, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(get(&config_of_four, 7, SLOW_KEEP), Some(0.5 * (2.0 / 3.0)));
        assert_eq!(get(&config_of_four, 7, "correction_0.9"), Some(1.0 - 0.9f64.powi(2)));
        let ema = config(1, Average::Ema { decay: 0.5 });
        assert_eq!(get(&ema, 0, AVERAGE_SHARE), Some(1.0 - 2.0 / 11.0));
        assert_eq!(get(&ema, 9, AVERAGE_SHARE), Some(0.5));
        assert_eq!(get(&ema, 0, SLOW_KEEP), None);
    }
}
