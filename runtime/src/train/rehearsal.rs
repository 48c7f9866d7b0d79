//! A few steps that leave nothing behind: what a run will take, whether a network can learn a batch by heart, which learning
//! rates it bears.

use super::{Scalars, Trainer};
use crate::data::{self, DataError, Loader, Order};
use crate::guard::not_finite;
use std::time::{Duration, Instant};

/// Steps before those that are timed: the first touch their memory for the first time.
const WARM_UP: u64 = 2;

/// Batches that are ready beside the one in use: see `data::loader`.
const BATCHES: usize = 4;

/// What a run takes.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// Bytes, by what they are for.
    pub memory: Vec<(&'static str, u64)>,
    /// Steps that were timed.
    pub steps: u64,
    /// The median of their times, in seconds.
    pub step: f64,
    /// One pass over the test images, in seconds, from some of them.
    pub test: f64,
    /// Steps and tests of the whole run, in seconds.
    pub total: f64,
}

impl Trainer {
    /// Bytes that the run needs, by what for, as far as it is known before it begins.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        let executables = || self.step.0.iter().chain(&self.evaluation.0).map(|(_, executable)| executable);
        let scratch: usize = executables().map(|executable| executable.scratch()).sum();
        let state: usize = (0..self.state.specs().len()).map(|place| 4 * self.state.physical(place).len()).sum();
        let image: usize = self.train.dims().iter().product();
        vec![
            ("activations and gradients", executables().map(|executable| executable.memory() as u64).sum()),
            ("workers' scratch", (scratch * self.workers.count()) as u64),
            ("weights and optimizer", state as u64),
            ("a checkpoint while it is written", 2 * state as u64),
            ("batches made ready", (BATCHES * self.config.batch * 4 * image) as u64),
            ("images", self.dataset.memory()),
        ]
    }

    /// Measures steps for about as long as `limit`, at least one, and some of the test; the running statistics have moved after it.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn rehearse(&mut self, limit: Duration) -> Result<Estimate, DataError> {
        let order = Order::Train { seed: self.config.seed };
        let numbers = 0..u64::MAX / 2;
        let loader = Loader::start(
            &self.dataset,
            &self.train,
            order,
            self.config.batch,
            numbers,
            data::threads(&self.dataset.train),
        );
        let (mut times, mut number, mut start) = (Vec::new(), 0, Instant::now());
        let begin = start;
        for batch in loader {
            let batch = batch?;
            let scalars = Scalars { lr: 0.0, ..self.scalars(0) };
            self.step.run(&batch, &scalars, &self.workers, &mut self.state);
            number += 1;
            // A last batch that is smaller says little.
            if number > WARM_UP && (batch.labels.len() == self.config.batch || self.steps_per_epoch() == 1) {
                times.push(start.elapsed().as_secs_f64());
            }
            if !times.is_empty() && begin.elapsed() > limit {
                break;
            }
            start = Instant::now();
        }
        times.sort_unstable_by(f64::total_cmp);
        let step = times[times.len() / 2];
        let test = self.time_test(limit)?;
        let steps = self.steps();
        let tests = steps.div_ceil(self.steps_per_epoch().saturating_mul(self.config.test_every));
        let total = steps as f64 * step + tests as f64 * test;
        Ok(Estimate { memory: self.memory(), steps: times.len() as u64, step, test, total })
    }

    /// Seconds of a whole test, from as many batches as fit into `limit`.
    fn time_test(&mut self, limit: Duration) -> Result<f64, DataError> {
        let batches = self.dataset.test.len().div_ceil(self.config.batch) as u64;
        let loader = Loader::start(
            &self.dataset,
            &self.test,
            Order::Test,
            self.config.batch,
            0..batches,
            data::threads(&self.dataset.test),
        );
        let (start, mut images) = (Instant::now(), 0);
        for batch in loader {
            let batch = batch?;
            self.evaluation.evaluate(&batch, &self.test, &self.workers, &mut self.state);
            images += batch.labels.len();
            if start.elapsed() > limit {
                break;
            }
        }
        Ok(start.elapsed().as_secs_f64() * self.dataset.test.len() as f64 / images as f64)
    }

    /// Takes steps on the run's first batch, prepared as for a test, at the base learning rate and with one choice of dropout,
    /// until `each` says that it is enough. It gets the number of the step from 1, the loss, hits and images before it.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn overfit(&mut self, each: &mut dyn FnMut(u64, f32, f32, usize) -> bool) -> Result<(), DataError> {
        let order = Order::Train { seed: self.config.seed };
        let mut loader = Loader::start(
            &self.dataset,
            &self.test,
            order,
            self.config.batch,
            0..1,
            data::threads(&self.dataset.train),
        );
        let mut batch = loader.next().expect("a data set has a first batch")?;
        // The step takes labels as the training images have them.
        batch.targets = self.train.unmixed(&batch.labels);
        let scalars = Scalars { lr: self.config.optimizer.lr, ..self.scalars(0) };
        for step in 1.. {
            let (loss, correct) = self.step.run(&batch, &scalars, &self.workers, &mut self.state);
            if each(step, loss, correct, batch.labels.len()) || not_finite(loss, &self.state, &self.workers).is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Takes a step at each of the learning rates, on the run's own batches, until `each`, which gets the loss before the
    /// step, says that it is enough or values are no longer finite.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn sweep(&mut self, rates: &[f64], each: &mut dyn FnMut(f64, f32) -> bool) -> Result<(), DataError> {
        let order = Order::Train { seed: self.config.seed };
        let numbers = 0..rates.len() as u64;
        let loader = Loader::start(
            &self.dataset,
            &self.train,
            order,
            self.config.batch,
            numbers,
            data::threads(&self.dataset.train),
        );
        for (step, (batch, &lr)) in loader.zip(rates).enumerate() {
            let batch = batch?;
            let scalars = Scalars { lr, ..self.scalars(step as u64) };
            let (loss, _) = self.step.run(&batch, &scalars, &self.workers, &mut self.state);
            if !loss.is_finite() || each(lr, loss) || not_finite(loss, &self.state, &self.workers).is_some() {
                break;
            }
        }
        Ok(())
    }
}
