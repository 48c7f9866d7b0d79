//! All that a run writes down beside its checkpoints: metrics, layers, the newest evaluation, event files, the logbook.

use super::judgement::Judgement;
use super::logbook::{Ending, Logbook, Session};
use super::run_directory::RunDirectory;
use rnet_runtime::durable::WriteError;
use rnet_runtime::layers::LayersLog;
use rnet_runtime::metrics::{MetricsLog, Record};
use rnet_runtime::tensorboard::EventLog;
use rnet_runtime::train::Tested;
use std::path::PathBuf;

/// The files, open at their ends.
pub struct Journal {
    run: PathBuf,
    metrics: MetricsLog,
    layers: LayersLog,
    events: Option<EventLog>,
    logbook: Logbook,
    /// The newest line of the metrics.
    last: Option<Record>,
}

impl Journal {
    /// Opens the files of a run, which the session begins with or goes on with; what they tell of later steps goes. `has_events`: event
    /// files are wanted. A run that has some gets more of them in any case.
    pub fn open(run: &RunDirectory, session: Session, has_events: bool) -> Result<Journal, WriteError> {
        let step = session.step;
        let folder = run.path().join("tensorboard");
        let has_events = has_events || folder.is_dir();
        let mut journal = Journal {
            run: run.path().to_path_buf(),
            metrics: MetricsLog::open(&run.metrics(), step)?,
            layers: LayersLog::open(&run.path().join("layers.jsonl"), step)?,
            events: has_events.then(|| EventLog::create(&folder, step)).transpose()?,
            logbook: Logbook::open(run.path())?,
            last: None,
        };
        journal.logbook.begin(session)?;
        Ok(journal)
    }

    /// Adds a line of the metrics.
    pub fn add(&mut self, record: &Record) -> Result<(), WriteError> {
        self.last = Some(record.clone());
        if let Some(events) = &mut self.events {
            events.add(record)?;
        }
        self.metrics.add(record)
    }

    /// Adds what a test has found out beside its line of the metrics, which came just before.
    pub fn tested(&mut self, tested: &Tested) -> Result<(), WriteError> {
        let Some(Record { epoch, step, time, .. }) = self.last else { return Ok(()) };
        if let Some(layers) = &tested.layers {
            self.layers.add(layers)?;
            if let Some(events) = &mut self.events {
                let scalars = layers.layers.iter().flat_map(|layer| {
                    let both = [("activation", layer.activation), ("gradient", layer.gradient)];
                    both.map(|(name, value)| Some((format!("{name}/{}", layer.path), f64::from(value?))))
                });
                events.scalars(step, time, scalars.flatten())?;
            }
        }
        Judgement::new(epoch, step, tested.evaluation, tested.dataset).write(&self.run)
    }

    /// The session ends; where it could not go on, with the reason.
    pub fn end(&mut self, step: u64, ending: Ending, reason: Option<String>) -> Result<(), WriteError> {
        self.logbook.end(step, ending, reason)
    }
}
