//! The directory of a run: the model as it was trained, what was measured, checkpoints and weights.

use super::Failure;
use rnet_runtime::durable::{self, Step, WriteError};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// What a run needs to go on beside its model.
#[derive(Clone, Serialize, Deserialize)]
pub struct Recipe {
    /// The version of rnet that began it.
    pub version: String,
    /// What `--data` said.
    pub data: Option<PathBuf>,
    /// The weights that it began with, if they were not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
}

impl Recipe {
    /// The recipe of a new run.
    pub fn new(data: Option<PathBuf>, from: Option<PathBuf>) -> Recipe {
        Recipe { version: env!("CARGO_PKG_VERSION").to_string(), data, from }
    }
}

/// A run directory, which no other process trains in as long as this lives.
pub struct RunDirectory {
    path: PathBuf,
    /// Locked; the system frees it however the process ends. Nothing where the file system knows no locks.
    _lock: Option<File>,
}

impl RunDirectory {
    /// Makes a new one, with the resolved model and the recipe in it.
    pub fn create(asked: Option<&Path>, name: &str, model: &str, recipe: &Recipe) -> Result<RunDirectory, Failure> {
        let path = match asked {
            Some(path) => path.to_path_buf(),
            None => free(name),
        };
        let failed = |error| Failure::new(format!("{}: cannot be made: {error}", path.display()));
        fs::create_dir_all(&path).map_err(failed)?;
        if fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Failure::new(format!(
                "--out {}: the directory is not empty\n  help: name another one, or go on with the run in it: --resume {}",
                path.display(),
                path.display()
            )));
        }
        durable::write(&RunDirectory::model(&path), model.as_bytes()).map_err(Failure::new)?;
        let json = serde_json::to_string_pretty(recipe).map_err(Failure::new)?;
        durable::write(&path.join("run.json"), format!("{json}\n").as_bytes()).map_err(Failure::new)?;
        RunDirectory::existing(&path)
    }

    /// One that is there.
    pub fn existing(path: &Path) -> Result<RunDirectory, Failure> {
        Ok(RunDirectory { path: path.to_path_buf(), _lock: lock(path)? })
    }

    /// The recipe of the run in a directory.
    pub fn recipe(path: &Path) -> Result<Recipe, Failure> {
        let file = path.join("run.json");
        let text = fs::read_to_string(&file).map_err(|error| {
            Failure::new(format!("{}: no run to go on with: {error}\n  help: `rnet runs` lists runs", file.display()))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{}: not a run's recipe: {error}", file.display())))
    }

    /// The model file of the run in a directory.
    pub fn model(path: &Path) -> PathBuf {
        path.join("model.rnet")
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Where its metrics are.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// Whether a process trains in the run directory.
    pub fn is_locked(path: &Path) -> bool {
        // Opened for reading alone: looking at a run changes nothing.
        File::open(path.join("lock")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Where its weights are, once it has ended.
    pub fn weights(&self) -> PathBuf {
        self.path.join("weights.safetensors")
    }
}

/// Locks a run directory.
fn lock(directory: &Path) -> Result<Option<File>, Failure> {
    let path = directory.join("lock");
    let failed = |error| Failure::new(WriteError::new(&path, Step::Create, error));
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whoever holds the lock wrote its number; without it the words are only less exact.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim().parse::<u32>().map_or(String::new(), |holder| format!(" (process {holder})"));
            return Err(Failure::new(format!(
                "{}: another process{holder} is training in this run directory\n  help: wait for it, or stop it with an \
                 interrupt; it then writes a checkpoint",
                directory.display()
            )));
        }
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(Some(file))
}

/// The first of runs/NAME-1, -2, .. that does not exist.
fn free(name: &str) -> PathBuf {
    let candidates = (1u64..).map(|number| Path::new("runs").join(format!("{name}-{number}")));
    candidates.into_iter().find(|path| !path.exists()).expect("one of so many names is free")
}
