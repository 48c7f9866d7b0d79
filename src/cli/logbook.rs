//! `sessions.jsonl`: when, from where and on what machine `rnet train` worked on a run, and how that ended. Of a session that was
//! killed there is no ending.

use rnet_runtime::durable::WriteError;
use rnet_runtime::kernels::Isa;
use rnet_runtime::lines::Lines;
use rnet_runtime::machine;
use rnet_runtime::stopping::Metric;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Entry {
    /// A session began.
    Began(Session),
    /// It ended by itself.
    Ended(Ended),
}

/// What a session begins with. Times are in seconds since 1970.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// When it began.
    pub time: f64,
    /// Steps that were done already.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The network's name.
    pub network: String,
    /// Numbers that it trains.
    pub parameters: u64,
    /// The data set's name.
    pub data: String,
    /// The seed of the run.
    pub seed: u64,
    /// Images a step.
    pub batch: usize,
    /// What the best test is the best by.
    #[serde(default)]
    pub metric: Metric,
    /// rnet's version.
    pub version: String,
    /// Operating system and architecture.
    pub system: String,
    /// The processor, as it calls itself.
    pub cpu: String,
    /// The micro-kernels' instruction set.
    pub kernel: String,
    /// Threads that compute.
    pub threads: usize,
}

/// What a session ends with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended.
    pub time: f64,
    /// Steps that were done.
    pub step: u64,
    /// How.
    pub outcome: Ending,
    /// Why it could not go on, in the words that were said then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The run has come to its end.
    Finished,
    /// It was asked to stop.
    Stopped,
    /// It could not go on.
    Failed,
}

impl Session {
    /// The present moment, machine and version; what the run is remains to be filled in.
    pub fn here(threads: usize) -> Session {
        Session {
            time: now(),
            step: 0,
            steps: 0,
            network: String::new(),
            parameters: 0,
            data: String::new(),
            seed: 0,
            batch: 0,
            metric: Metric::default(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: machine::cpu_name(),
            kernel: Isa::from_environment().map_or_else(|_| String::new(), |isa| isa.name().to_string()),
            threads,
        }
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Where the logbook of the run in a directory is.
pub fn path(run: &Path) -> PathBuf {
    run.join("sessions.jsonl")
}

/// The logbook of a run, open at its end.
pub struct Logbook(Lines);

impl Logbook {
    /// Opens it, and begins it where there is none.
    pub fn open(run: &Path) -> Result<Logbook, WriteError> {
        Lines::append(&path(run)).map(Logbook)
    }

    /// A session begins.
    pub fn begin(&mut self, session: Session) -> Result<(), WriteError> {
        self.0.add(&Entry::Began(session))
    }

    /// It ends.
    pub fn end(&mut self, step: u64, outcome: Ending, reason: Option<String>) -> Result<(), WriteError> {
        self.0.add(&Entry::Ended(Ended { time: now(), step, outcome, reason }))
    }
}
