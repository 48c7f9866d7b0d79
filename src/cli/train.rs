//! `rnet train`: trains a model, shows how it goes, and keeps what it has done.

mod bar;
mod interrupts;

use super::journal::Journal;
use super::logbook::{Ending, Session};
use super::rescue::Rescue;
use super::run_directory::{Recipe, RunDirectory};
use super::weights::Start;
use super::{Failure, divergence, dry_run, model, note, overfit_batch, report, session, tell, thousands};
use bar::Bar;
use interrupts::Interrupts;
use rnet_compiler::elaborate::Elaborated;
use rnet_runtime::checkpoint::Checkpoints;
use rnet_runtime::durable::WriteError;
use rnet_runtime::metrics::{Record, Split};
use rnet_runtime::stopping::Metric;
use rnet_runtime::train::{Flow, Progress, Tested, TrainError, Trainer, Trap, Watcher};
use rnet_runtime::{tensors, truncation, weights};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Train a model; a run directory gets its metrics, checkpoints and weights
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::OptionalArguments,
    /// Go on with the run in this directory, to the bit as if it had not stopped
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    start: Start,
    /// Where the data set is: its own directory, or the one above it [default: the path in the file]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The run directory, which must not exist or be empty [default: runs/NAME-1, -2, ..]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Passes over the training set [default: the file's]
    #[arg(long, conflicts_with = "steps")]
    epochs: Option<u64>,
    /// Optimizer steps [default: the file's]
    #[arg(long)]
    steps: Option<u64>,
    /// Images a step [default: the file's]
    #[arg(long)]
    batch: Option<usize>,
    /// Threads to compute with; their number changes no bit of the result [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Of initial weights, shuffling, augmentation and dropout [default: the file's]
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    precision: model::PrecisionArgument,
    /// Steps from one checkpoint to the next, beside that at the end of each epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: Option<u64>,
    /// Newest checkpoints to keep, beside the best
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    keep: u64,
    /// Also write event files for TensorBoard, into `tensorboard` in the run directory
    #[arg(long)]
    tensorboard: bool,
    /// Do not measure the layers' activations and gradients at each test
    #[arg(long)]
    no_layers: bool,
    /// Look at every value of every step for what is not finite; takes several times as long, and changes no bit of the result
    #[arg(long)]
    trap_nan: bool,
    /// Learn one batch by heart, say whether the loss comes close to its least (exit code 1 if not), and leave nothing behind
    #[arg(long, conflicts_with_all = ["resume", "out", "epochs", "dry_run"])]
    overfit_batch: bool,
    /// Say what memory and time the run will take, from a few measured steps, and leave nothing behind
    #[arg(long, conflicts_with_all = ["resume", "out"])]
    dry_run: bool,
}

impl Arguments {
    /// What the flags change in the file.
    fn settings(&self) -> Vec<(String, String)> {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let settings = [
            ("epochs", number(self.epochs)),
            ("steps", number(self.steps)),
            ("batch", number(self.batch.map(|batch| batch as u64))),
            ("seed", number(self.seed)),
        ];
        let settings = settings.into_iter().filter_map(|(key, value)| Some((format!("train.{key}"), value?)));
        settings.chain(self.precision.setting()).collect()
    }
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let interrupts = Interrupts::watch()?;
    truncation::explain_truncation();
    let (file, recipe) = match &arguments.resume {
        None => (arguments.model.required("rnet train FILE")?, None),
        Some(directory) => {
            let is_begun = arguments.out.is_some() || arguments.start.is_given() || !arguments.settings().is_empty();
            if arguments.model.is_given() || is_begun {
                return Err(Failure::new(
                    "--resume goes on with what the run directory says; only --data, --threads, --checkpoint-every, \
                     --keep, --trap-nan, --tensorboard and --no-layers can be given beside it",
                ));
            }
            (model::Arguments::of(&RunDirectory::model(directory)), Some(RunDirectory::recipe(directory)?))
        }
    };
    let settings = arguments.settings();
    let directory = arguments.data.clone().or_else(|| recipe.and_then(|recipe| recipe.data));
    if arguments.overfit_batch {
        let steps = arguments.steps.unwrap_or(overfit_batch::STEPS);
        let (model, mut trainer) = session::prepare(&file, &settings, directory.as_deref(), arguments.threads)?;
        arguments.start.fill(&mut trainer.state)?;
        let floor = model.loss_weight * model.train.loss.floor(trainer.dataset().classes.len());
        return overfit_batch::run(&mut trainer, steps, floor);
    }
    let (model, mut trainer) = session::prepare(&file, &settings, directory.as_deref(), arguments.threads)?;
    arguments.start.fill(&mut trainer.state)?;
    if arguments.dry_run {
        return dry_run::run(&mut trainer).map(|()| ExitCode::SUCCESS);
    }
    let seed = model.train.seed;
    let separate = |images| -> Result<_, Failure> {
        model::separate_program(&file.elaborate_with(model::Mode::Train, Some(images), &settings)?)
    };
    if !arguments.no_layers {
        trainer.probe = Some(session::probe(&file, trainer.batch_sizes()[0], &settings)?);
    }
    if arguments.trap_nan {
        note("note: --trap-nan does every step twice, once value by value: it takes several times as long");
        let sizes = trainer.batch_sizes().into_iter();
        let programs: Vec<_> = sizes.map(|images| Ok((images, separate(images)?))).collect::<Result<_, Failure>>()?;
        trainer.trap = Some(Trap::new(programs, &trainer.state).map_err(Failure::new)?);
    }

    let recipe = Recipe::new(directory.as_deref().map(absolute), arguments.start.file().map(absolute));
    let run = match &arguments.resume {
        Some(directory) => RunDirectory::existing(directory)?,
        None => RunDirectory::create(arguments.out.as_deref(), file.stem(), &model.resolved, &recipe)?,
    };
    let checkpoints = Checkpoints::open(&run.checkpoints(), arguments.keep as usize, seed).map_err(Failure::new)?;
    if arguments.resume.is_some() {
        let (position, damage) = checkpoints.resume(&mut trainer.state).map_err(Failure::new)?;
        damage.iter().for_each(|line| note(&format!("warning: passed over a damaged checkpoint: {line}")));
        trainer.position = position;
    } else {
        // So a run can go on from its first step on, and a disk that takes no checkpoint is noticed before any work is done.
        checkpoints.write(&trainer.state, &trainer.position).map_err(Failure::new)?;
    }
    introduce(&model, &trainer, &run);
    let metric = model.train.stopping.metric();
    let session = Session {
        step: trainer.position.step,
        steps: trainer.steps(),
        network: model.model.clone(),
        parameters: model.layers.iter().map(|layer| layer.parameters).sum(),
        data: trainer.dataset().name.clone(),
        seed,
        batch: model.train.batch,
        metric,
        ..Session::here(model::threads(arguments.threads))
    };
    let journal = Journal::open(&run, session, arguments.tensorboard).map_err(Failure::new)?;
    let mut watch = Watch {
        journal,
        bar: Bar::new(&trainer),
        checkpoints,
        every: arguments.checkpoint_every,
        interrupts,
        last_test: None,
        settled: trainer.position.step,
        saved: trainer.position.step,
        unwritten: Vec::new(),
        refusal: None,
        timed: Duration::ZERO,
        waited: Duration::ZERO,
        rescue: Rescue { model: model.resolved.clone(), recipe, seed },
        run,
    };
    let start = Instant::now();
    watch.interrupts.work();
    let outcome = trainer.run(&mut watch);
    watch.interrupts.rest();
    watch.bar.finish();
    let outcome = outcome.and_then(|finished| watch.end(finished, &trainer).map(|()| finished));
    let finished = outcome.map_err(|halt| {
        let step = trainer.position.step;
        let failure = match halt {
            Halt::Refused(message) => Failure::new(message),
            Halt::Failed(TrainError::Data(reason)) => watch.keep(&reason, &trainer),
            Halt::Failed(error) => divergence::explain(&error, &mut trainer, &watch.checkpoints, &separate),
        };
        // Whoever looks at the run later finds the reason in it. Where the directory takes no more writes, that is the reason.
        let _ = watch.journal.end(step, Ending::Failed, Some(failure.to_string()));
        let _ = report::write(watch.run.path(), &report::path(watch.run.path()));
        failure
    })?;
    let run = &watch.run;
    // The run is whole without its report, which `rnet report` can write at any time.
    if let Err(failure) = report::write(run.path(), &report::path(run.path())) {
        note(&format!("warning: no report: {failure}"));
    }
    if !finished {
        let step = trainer.position.step;
        tell(&format!("stopped after step {step}; go on with: rnet train --resume {}\n", run.path().display()));
        return Ok(ExitCode::from(130));
    }
    let seconds = start.elapsed().as_secs_f64();
    let test = match watch.last_test {
        Some(record) => format!("test loss {:.4}, accuracy {:.2}%", record.loss, 100.0 * record.top1),
        // A run that is resumed at its end has nothing left to do but this.
        None => {
            let (meter, _) = trainer.test().map_err(Failure::new)?;
            format!("test loss {:.4}, accuracy {:.2}%", meter.mean_loss(), 100.0 * meter.top1())
        }
    };
    let done = trainer.position.step;
    if done < trainer.steps() {
        let best = trainer.position.best.map_or_else(String::new, |(best, step)| {
            let best = match metric {
                Metric::Accuracy => format!("the best test accuracy was {:.2}%", 100.0 * best),
                Metric::Loss => format!("the least test loss was {best:.4}"),
            };
            format!("; {best} after step {step}, whose checkpoint is kept")
        });
        tell(&format!("stopped early after step {done}, as `stop` says{best}\n"));
    }
    if !watch.timed.is_zero() {
        let share = watch.waited.as_secs_f64() / watch.timed.as_secs_f64();
        tell(&format!("steps waited for their images {:.1}% of the time\n", 100.0 * share));
    }
    tell(&format!(
        "{test} after {} steps, in {seconds:.1} s; weights are in {}\n",
        thousands(done),
        run.weights().display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn introduce(model: &Elaborated, trainer: &Trainer, run: &RunDirectory) {
    let parameters: u64 = model.layers.iter().map(|layer| layer.parameters).sum();
    let mut text = format!(
        "{}: {} parameters, {} steps of {} images; run directory {}\n",
        model.model,
        thousands(parameters),
        thousands(trainer.steps()),
        model.train.batch,
        run.path().display()
    );
    let done = thousands(trainer.position.step);
    if trainer.is_over() {
        let weights = run.weights();
        text += &format!(
            "the run has come to its end after step {done}, nothing is left to do; `--from {}` begins a run with its weights\n",
            weights.display()
        );
    } else if trainer.position.step > 0 {
        text += &format!("going on after step {done}\n");
    }
    tell(&text);
}

/// Why a run ends before its end.
enum Halt {
    /// Its directory takes no more writes; in words.
    Refused(String),
    /// Its data cannot be read, or its numbers are not finite any more.
    Failed(TrainError),
}

impl From<TrainError> for Halt {
    fn from(error: TrainError) -> Halt {
        Halt::Failed(error)
    }
}

/// Shows and keeps what a run does.
struct Watch {
    journal: Journal,
    bar: Bar,
    checkpoints: Checkpoints,
    every: Option<u64>,
    interrupts: Interrupts,
    last_test: Option<Record>,
    /// The newest step of which all is done.
    settled: u64,
    /// The step of the newest checkpoint.
    saved: u64,
    /// Lines of the metrics that could not be written.
    unwritten: Vec<Record>,
    /// Why not.
    refusal: Option<WriteError>,
    /// What the steps took.
    timed: Duration,
    /// What they waited for their images, of that.
    waited: Duration,
    rescue: Rescue,
    run: RunDirectory,
}

impl Watch {
    /// What is said of a run whose data cannot be read any more; what it has done is kept.
    fn keep(&mut self, reason: &str, trainer: &Trainer) -> Failure {
        let step = trainer.position.step;
        // In the middle of a test there is nothing that could go on; the checkpoint before can.
        if self.settled == step && self.checkpoints.write(&trainer.state, &trainer.position).is_ok() {
            self.saved = step;
        }
        let (saved, path) = (self.saved, self.run.path().display());
        Failure::new(format!(
            "{reason}\n  kept: the checkpoint of step {saved}; once the data are whole again: rnet train --resume {path}"
        ))
    }

    /// Writes down what a run leaves at its end, or where it is interrupted.
    fn end(&mut self, finished: bool, trainer: &Trainer) -> Result<(), Halt> {
        let tensors = weights::tensors(&trainer.state, weights::Extent::Weights);
        let ending = if finished { Ending::Finished } else { Ending::Stopped };
        tensors::write(&self.run.weights(), &tensors)
            .and_then(|()| self.journal.end(trainer.position.step, ending, None))
            .map_err(|refusal| self.give_up(&refusal, trainer))
    }

    /// Ends a run whose directory takes no more writes, with what it has done kept elsewhere.
    fn give_up(&self, refusal: &WriteError, trainer: &Trainer) -> Halt {
        let step = trainer.position.step;
        let kept = match self.rescue.save(&self.run, &self.unwritten, trainer) {
            Ok(path) => {
                let path = path.display();
                format!("nothing is lost: step {step} has been saved elsewhere; go on with: rnet train --resume {path}")
            }
            Err(reason) => {
                let (saved, path) = (self.saved, self.run.path().display());
                format!(
                    "step {step} could not be saved elsewhere either: {reason}\n  the newest checkpoint is that of step \
                     {saved}; once there is room again: rnet train --resume {path}"
                )
            }
        };
        Halt::Refused(format!("{refusal}\n  {kept}"))
    }
}

impl Watcher for Watch {
    type Error = Halt;

    fn step(&mut self, progress: &Progress) {
        self.timed += progress.elapsed;
        self.waited += progress.waited;
        self.bar.step(progress);
    }

    fn record(&mut self, record: &Record) -> Result<(), Halt> {
        // A run whose metrics cannot be written ends where it is settled.
        if self.refusal.is_none() {
            self.refusal = self.journal.add(record).err();
        }
        if self.refusal.is_some() {
            self.unwritten.push(record.clone());
        }
        if record.split == Split::Test {
            self.last_test = Some(record.clone());
        }
        self.bar.record(record);
        Ok(())
    }

    fn tested(&mut self, tested: &Tested) -> Result<(), Halt> {
        if self.refusal.is_none() {
            self.refusal = self.journal.tested(tested).err();
        }
        Ok(())
    }

    fn settled(&mut self, progress: &Progress, trainer: &Trainer) -> Result<Flow, Halt> {
        self.settled = progress.step;
        if let Some(refusal) = &self.refusal {
            return Err(self.give_up(refusal, trainer));
        }
        let stop = self.interrupts.is_stopping();
        let is_due = self.every.is_some_and(|every| progress.step.is_multiple_of(every));
        if stop || is_due || progress.ends_epoch {
            let written = self.checkpoints.write(&trainer.state, &trainer.position);
            written.map_err(|refusal| self.give_up(&refusal, trainer))?;
            self.saved = progress.step;
        }
        Ok(if stop { Flow::Stop } else { Flow::Continue })
    }
}
