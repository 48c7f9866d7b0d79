//! The training loop, and the pass over the test set.

mod rehearsal;
mod replay;
mod trap;

pub use rehearsal::Estimate;
pub use replay::Pending;
pub use trap::Trap;

use crate::checkpoint::Position;
use crate::config::TrainConfig;
use crate::data::{self, Batch, DataError, Dataset, Loader, Order, Pipeline};
use crate::evaluation::Evaluation;
use crate::executable::{Culprit, Executable, ExecutableError};
use crate::guard::{NotFinite, not_finite};
use crate::layers::{Layer, LayersRecord, Probe};
use crate::metrics::{Meter, Record, Split};
use crate::program::Program;
use crate::random::Stream;
use crate::state::State;
use crate::workers::Workers;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Keeps the stream of dropout apart from those of the loader.
const STEP: u64 = 3;

/// Steps between two `train` lines of the metrics within an epoch.
const STEPS_PER_RECORD: u64 = 100;

/// The sizes of the batches that `samples` images come in: the full one, and that of what is left.
pub fn batch_sizes(samples: usize, batch: usize) -> Vec<usize> {
    let (full, rest) = (samples / batch, samples % batch);
    [(full > 0).then_some(batch), (rest > 0).then_some(rest)].into_iter().flatten().collect()
}

/// One computation, compiled for each size of batch that occurs.
pub struct Batched(Vec<(usize, Executable)>);

impl Batched {
    /// Links programs, each with its number of images.
    ///
    /// # Errors
    /// When one cannot be run on this machine.
    pub fn new(programs: Vec<(usize, Program)>) -> Result<Batched, ExecutableError> {
        let linked = programs.into_iter().map(|(size, program)| Ok((size, Executable::new(program)?)));
        linked.collect::<Result<_, _>>().map(Batched)
    }

    fn of(&mut self, images: usize) -> &mut Executable {
        let found = self.0.iter_mut().find(|(size, _)| *size == images);
        &mut found.unwrap_or_else(|| panic!("train: no program for a batch of {images}")).1
    }

    /// Runs the computation on a batch; returns the mean loss and the number of hits.
    fn run(&mut self, batch: &Batch, scalars: &Scalars, workers: &Workers, state: &mut State) -> (f32, f32) {
        let executable = self.of(batch.labels.len());
        Batched::fill(executable, batch, scalars);
        executable.run(workers, state);
        (executable.output("loss")[0], executable.output("correct")[0])
    }

    /// Puts a batch, and what else the step needs, into the inputs.
    fn fill(executable: &mut Executable, batch: &Batch, scalars: &Scalars) {
        executable.input_f32("image").copy_from_slice(&batch.images);
        match &batch.targets {
            Some(targets) => executable.input_f32("label").copy_from_slice(targets),
            None => executable.input_i32("label").copy_from_slice(&batch.labels),
        }
        executable.set_numbers(&scalars.numbers);
        executable.set_numbers(&[("lr".to_string(), scalars.lr)]);
        if executable.has_input("seed") {
            executable.input_i32("seed")[0] = scalars.seed;
        }
    }

    /// The mean loss of a batch of test images, the number of hits, and the logits, `[N, classes]`. Where the pipeline has several
    /// views, loss and logits are their weighted means, and a hit is the greatest of those logits.
    fn evaluate(
        &mut self,
        batch: &Batch,
        pipeline: &Pipeline,
        workers: &Workers,
        state: &mut State,
    ) -> (f32, f32, Vec<f32>) {
        let views = pipeline.views();
        if let [_] = views[..] {
            let (loss, correct) = self.run(batch, &Scalars::default(), workers, state);
            return (loss, correct, self.of(batch.labels.len()).output_logical("logits"));
        }
        let mut seen = batch.clone();
        let (mut mean_loss, mut mean_logits) = (0.0, Vec::new());
        for view in views {
            view.write(&batch.images, pipeline.dims(), &mut seen.images);
            let (loss, _) = self.run(&seen, &Scalars::default(), workers, state);
            mean_loss += view.weight * loss;
            let logits = self.of(batch.labels.len()).output_logical("logits");
            mean_logits.resize(logits.len(), 0.0);
            mean_logits.iter_mut().zip(logits).for_each(|(mean, logit)| *mean += view.weight * logit);
        }
        let rows = mean_logits.chunks_exact(mean_logits.len() / batch.labels.len());
        let hits = rows.zip(&batch.labels).filter(|(row, label)| greatest(row) == Some(**label as usize)).count();
        (mean_loss, hits as f32, mean_logits)
    }
}

/// The place of the greatest number, of equal ones the first; none where one is not a number.
fn greatest(row: &[f32]) -> Option<usize> {
    let greatest = row.iter().copied().reduce(|x, y| if x >= y || x.is_nan() { x } else { y })?;
    row.iter().position(|&x| x == greatest).filter(|_| !row.iter().any(|x| x.is_nan()))
}

/// What a step gets beside its batch.
#[derive(Clone, Default)]
struct Scalars {
    /// The learning rate, whatever `numbers` say.
    lr: f64,
    /// See [`TrainConfig::scalars`].
    numbers: Vec<(String, f64)>,
    seed: i32,
}

/// Why training stopped before its end.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum TrainError {
    /// A step's loss, or what it has made of the weights, is infinite or no number.
    #[error("step {step}: {what}: training has diverged (learning rate {})", *lr as f32)]
    Diverged {
        /// The step, from 1. The state is that after it.
        step: u64,
        /// What.
        what: NotFinite,
        /// Its learning rate.
        lr: f64,
    },
    /// The trap has found such a value within a step.
    #[error("step {step} computes a value that is not finite (learning rate {})", *lr as f32)]
    Trapped {
        /// The step, from 1. The state is that before it.
        step: u64,
        /// Where.
        culprit: Culprit,
        /// Its learning rate.
        lr: f64,
    },
    /// The loss over the test images is infinite or no number.
    #[error("the test loss after step {step} is {loss}: the weights give no finite loss any more")]
    Untestable {
        /// Steps done.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// An image cannot be read.
    #[error("{0}")]
    Data(String),
}

impl From<DataError> for TrainError {
    fn from(error: DataError) -> TrainError {
        TrainError::Data(error.to_string())
    }
}

/// Is told what happens, and decides whether to go on.
pub trait Watcher {
    /// What it may fail with.
    type Error: From<TrainError>;

    /// A step is done.
    fn step(&mut self, progress: &Progress);

    /// A line of the metrics is due.
    ///
    /// # Errors
    /// Ends the run.
    fn record(&mut self, record: &Record) -> Result<(), Self::Error>;

    /// A test is done, and its line of the metrics told.
    ///
    /// # Errors
    /// Ends the run.
    fn tested(&mut self, tested: &Tested) -> Result<(), Self::Error>;

    /// All that belongs to a step is done, the test at the end of an epoch too: a run that is resumed here goes on to the bit.
    ///
    /// # Errors
    /// Ends the run.
    fn settled(&mut self, progress: &Progress, trainer: &Trainer) -> Result<Flow, Self::Error>;
}

/// What a test has found out, beside the line of the metrics.
pub struct Tested<'a> {
    /// How the network judged the test images.
    pub evaluation: &'a Evaluation,
    /// The test images.
    pub dataset: &'a Dataset,
    /// How large the layers are; `None` where nothing measures them.
    pub layers: Option<LayersRecord>,
}

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// The newest step's epoch, from 1.
    pub epoch: u64,
    /// Loss and hits since the last line of the metrics.
    pub meter: Meter,
    /// Images of the newest step.
    pub images: usize,
    /// The newest step's learning rate.
    pub lr: f64,
    /// What the newest step took, with the time it waited for its batch.
    pub elapsed: Duration,
    /// What it waited.
    pub waited: Duration,
    /// Whether the newest step is an epoch's last, or the run's.
    pub ends_epoch: bool,
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// On.
    Continue,
    /// Stop after this step.
    Stop,
}

/// Everything that training needs, ready to run.
pub struct Trainer {
    /// The weights and what belongs to them.
    pub state: State,
    /// Where the run is.
    pub position: Position,
    /// Measures the layers at each test, on the first batch of the run.
    pub probe: Option<Probe>,
    config: TrainConfig,
    dataset: Arc<Dataset>,
    train: Pipeline,
    test: Pipeline,
    step: Batched,
    evaluation: Batched,
    workers: Workers,
    /// Looks at every value of every step, where that is asked for.
    pub trap: Option<Trap>,
}

/// The computations of a run.
pub struct Computations {
    /// The training step for each of [`batch_sizes`] of the training set.
    pub step: Batched,
    /// The evaluation for each of [`batch_sizes`] of the test set.
    pub evaluation: Batched,
}

impl Trainer {
    /// A run at its beginning.
    pub fn new(
        config: TrainConfig,
        dataset: Arc<Dataset>,
        [train, test]: [Pipeline; 2],
        computations: Computations,
        state: State,
        workers: Workers,
    ) -> Trainer {
        let Computations { step, evaluation } = computations;
        let position = Position::default();
        Trainer { state, position, probe: None, config, dataset, train, test, step, evaluation, workers, trap: None }
    }

    /// What is trained and tested on.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The sizes of the batches that the training set comes in.
    pub fn batch_sizes(&self) -> Vec<usize> {
        batch_sizes(self.dataset.train.len(), self.config.batch)
    }

    /// Steps in an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.dataset.train.len().div_ceil(self.config.batch) as u64
    }

    /// Steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.config.length.steps(self.steps_per_epoch())
    }

    /// Whether all steps are done, or the run's patience is at its end.
    pub fn is_over(&self) -> bool {
        self.position.step >= self.steps() || self.position.stall.is_over(&self.config.stopping)
    }

    /// What a step gets beside its batch, by the number of steps before it.
    fn scalars(&self, step: u64) -> Scalars {
        let lr = self.config.optimizer.lr * self.config.schedule.factor(step, self.steps());
        let numbers = self.config.scalars(step, self.steps());
        Scalars { lr, numbers, seed: dropout_seed(self.config.seed, step) }
    }

    /// Trains from the present position to the end, or until the watcher says stop. Each epoch, and the run, ends with a test.
    /// Returns whether the run has come to its end.
    ///
    /// # Errors
    /// When the loss is no number any more; or what the watcher fails with.
    pub fn run<W: Watcher>(&mut self, watcher: &mut W) -> Result<bool, W::Error> {
        if self.is_over() {
            return Ok(true);
        }
        let (steps, per_epoch) = (self.steps(), self.steps_per_epoch());
        let seed = self.config.seed;
        let numbers = self.position.step..steps;
        let loader = Loader::start(
            &self.dataset,
            &self.train,
            Order::Train { seed },
            self.config.batch,
            numbers,
            data::threads(&self.dataset.train),
        );
        // Time that tests and checkpoints take does not count as training.
        let (mut training, mut waiting, mut counted, mut start) = (Duration::ZERO, Duration::ZERO, 0, Instant::now());
        for batch in loader {
            let waited = start.elapsed();
            let batch = batch.map_err(TrainError::from)?;
            let step = self.position.step;
            let scalars = self.scalars(step);
            let lr = scalars.lr;
            if let Some(trap) = &mut self.trap
                && let Err(culprit) = trap.check(&batch, &scalars, &self.workers, &self.state)
            {
                return Err(TrainError::Trapped { step: step + 1, culprit, lr }.into());
            }
            let (loss, correct) = self.step.run(&batch, &scalars, &self.workers, &mut self.state);
            if let Some(what) = not_finite(loss, &self.state, &self.workers) {
                return Err(TrainError::Diverged { step: step + 1, what, lr }.into());
            }
            let (images, done) = (batch.labels.len(), step + 1);
            self.position.step = done;
            self.position.meter.add(loss, correct, images);
            let elapsed = start.elapsed();
            (training, waiting) = (training + elapsed, waiting + waited);
            counted += images;
            let ends_epoch = done.is_multiple_of(per_epoch) || done == steps;
            let (epoch, meter) = (step / per_epoch + 1, self.position.meter);
            let progress = Progress { step: done, steps, epoch, meter, images, lr, elapsed, waited, ends_epoch };
            watcher.step(&progress);
            if ends_epoch || (done % per_epoch).is_multiple_of(STEPS_PER_RECORD) {
                let seconds = training.as_secs_f64().max(1e-9);
                let waited = Some(waiting.as_secs_f64() / seconds);
                let images_per_s = counted as f64 / seconds;
                watcher.record(&Record { waited, ..record(Split::Train, &progress, &meter, images_per_s) })?;
                self.position.meter = Meter::default();
                (training, waiting, counted) = (Duration::ZERO, Duration::ZERO, 0);
            }
            if done == steps || (ends_epoch && epoch.is_multiple_of(self.config.test_every)) {
                let mut evaluation = Evaluation::default();
                let each = &mut |batch: &Batch, logits: &[f32]| evaluation.add(&batch.labels, logits);
                let (meter, images_per_s) = self.test_each(each).map_err(TrainError::from)?;
                if !meter.loss.is_finite() {
                    return Err(TrainError::Untestable { step: done, loss: meter.mean_loss() }.into());
                }
                let metric = self.config.stopping.metric();
                let value = metric.of(meter.top1(), meter.mean_loss());
                if self.position.best.is_none_or(|(best, _)| metric.is_better(value, best, 0.0)) {
                    self.position.best = Some((value, done));
                }
                self.position.stall.note(&self.config.stopping, &meter);
                watcher.record(&record(Split::Test, &progress, &meter, images_per_s))?;
                let layers = self.measure_layers().map_err(TrainError::from)?;
                let layers = layers.map(|layers| LayersRecord { epoch, step: done, layers });
                watcher.tested(&Tested { evaluation: &evaluation, dataset: &self.dataset, layers })?;
            }
            let flow = watcher.settled(&progress, self)?;
            if self.is_over() || flow == Flow::Stop {
                return Ok(self.is_over());
            }
            start = Instant::now();
        }
        Ok(true)
    }

    /// Loss and hits over all test images, and images a second, with the average of the weights where one is kept.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn test(&mut self) -> Result<(Meter, f64), DataError> {
        self.test_each(&mut |_, _| ())
    }

    /// The same; `each` gets every batch with its logits, `[N, classes]`.
    fn test_each(&mut self, each: &mut dyn FnMut(&Batch, &[f32])) -> Result<(Meter, f64), DataError> {
        let mut averaged = self.state.averaged();
        let Trainer { dataset, test, config, evaluation, workers, state, .. } = self;
        let state = averaged.as_mut().unwrap_or(state);
        test_each(dataset, test, config.batch, evaluation, workers, state, each)
    }

    /// What the probe says, if there is one. Its batch and its seed are those of the run's first step, so that what differs
    /// from one time to the next is the network alone.
    fn measure_layers(&mut self) -> Result<Option<Vec<Layer>>, DataError> {
        let Some(probe) = &mut self.probe else { return Ok(None) };
        let seed = self.config.seed;
        let order = Order::Train { seed };
        let mut loader = Loader::start(&self.dataset, &self.train, order, self.config.batch, 0..1, 1);
        let batch = loader.next().expect("a run has a first batch")?;
        let lender = self.step.of(batch.labels.len());
        Ok(Some(probe.measure(&batch, dropout_seed(seed, 0), lender, &self.workers, &mut self.state)))
    }
}

/// What dropout draws from in a step.
fn dropout_seed(seed: u64, step: u64) -> i32 {
    Stream::new(&[seed, STEP, step]).bits() as i32
}

fn record(split: Split, progress: &Progress, meter: &Meter, images_per_s: f64) -> Record {
    let Progress { epoch, step, lr, .. } = *progress;
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    Record { split, epoch, step, loss: meter.mean_loss(), top1: meter.top1(), images_per_s, lr, time, waited: None }
}

/// Loss and hits over all test images, in batches of `batch`, and images a second.
///
/// # Errors
/// When an image cannot be read.
pub fn test(
    dataset: &Arc<Dataset>,
    pipeline: &Pipeline,
    batch: usize,
    evaluation: &mut Batched,
    workers: &Workers,
    state: &mut State,
) -> Result<(Meter, f64), DataError> {
    test_each(dataset, pipeline, batch, evaluation, workers, state, &mut |_, _| ())
}

fn test_each(
    dataset: &Arc<Dataset>,
    pipeline: &Pipeline,
    batch: usize,
    evaluation: &mut Batched,
    workers: &Workers,
    state: &mut State,
    each: &mut dyn FnMut(&Batch, &[f32]),
) -> Result<(Meter, f64), DataError> {
    let batches = dataset.test.len().div_ceil(batch) as u64;
    let start = Instant::now();
    let mut meter = Meter::default();
    for batch in Loader::start(dataset, pipeline, Order::Test, batch, 0..batches, data::threads(&dataset.test)) {
        let batch = batch?;
        let (loss, correct, logits) = evaluation.evaluate(&batch, pipeline, workers, state);
        meter.add(loss, correct, batch.labels.len());
        each(&batch, &logits);
    }
    Ok((meter, meter.images as f64 / start.elapsed().as_secs_f64().max(1e-9)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_counts_and_none_beside_a_nan() {
        assert_eq!(greatest(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(greatest(&[f32::NEG_INFINITY, -1.0]), Some(1));
        assert_eq!(greatest(&[f32::NAN, 1.0]), None);
        assert_eq!(greatest(&[1.0, f32::NAN]), None);
    }

    #[test]
    fn batches_come_in_at_most_two_sizes_and_hold_everything() {
        for (samples, batch, expected) in
            [(100, 10, vec![10]), (103, 10, vec![10, 3]), (3, 10, vec![3]), (10, 10, vec![10]), (0, 10, vec![])]
        {
            assert_eq!(batch_sizes(samples, batch), expected, "{samples} by {batch}");
        }
    }
}
