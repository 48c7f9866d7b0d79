//! What becomes of a run whose directory takes no more writes: the disk is full, read-only, or gone.

use super::run_directory::{Recipe, RunDirectory};
use rnet_runtime::checkpoint::Checkpoints;
use rnet_runtime::metrics::{MetricsLog, Record};
use rnet_runtime::train::Trainer;
use std::fs;
use std::path::PathBuf;

/// What a run directory is made of, beside what changes in it.
pub struct Rescue {
    /// The model's file, resolved.
    pub model: String,
    /// What else the run needs to go on.
    pub recipe: Recipe,
    /// The run's seed.
    pub seed: u64,
}

/// The files that tell of a run, beside its model and its checkpoints; the table is made from the lines of the metrics.
const TOLD: [&str; 4] = ["metrics.jsonl", "layers.jsonl", "evaluation.json", "sessions.jsonl"];

impl Rescue {
    /// Writes the run as it is now, settled, into a new directory among the system's temporary files, with the metrics and whatever
    /// else tells of it as far as that can still be read, and the lines of the metrics that could not be written. Returns the directory.
    ///
    /// # Errors
    /// When that fails too; in words.
    pub fn save(&self, run: &RunDirectory, unwritten: &[Record], trainer: &Trainer) -> Result<PathBuf, String> {
        let name = run.path().file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy());
        let path = std::env::temp_dir().join(format!("rnet-{name}-{}", std::process::id()));
        let rescued = RunDirectory::create(Some(&path), &name, &self.model, &self.recipe)
            .map_err(|failure| failure.to_string())?;
        let checkpoints = Checkpoints::open(&rescued.checkpoints(), 1, self.seed);
        let written = checkpoints.and_then(|checkpoints| checkpoints.write(&trainer.state, &trainer.position));
        written.map_err(|error| error.to_string())?;
        for file in TOLD {
            let (from, to) = (run.path().join(file), path.join(file));
            if let Ok(bytes) = fs::read(from) {
                fs::write(&to, bytes).map_err(|error| format!("{}: {error}", to.display()))?;
            }
        }
        let mut log = MetricsLog::open(&rescued.metrics(), trainer.position.step).map_err(|error| error.to_string())?;
        unwritten.iter().try_for_each(|record| log.add(record)).map_err(|error| error.to_string())?;
        Ok(path)
    }
}
