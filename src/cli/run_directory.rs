//! The directory of a run: the model as it was trained, what was measured, checkpoints and weights.

use super::Failure;
use rnet_runtime::durable;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// What a run needs to go on beside its model.
#[derive(Serialize, Deserialize)]
pub struct Recipe {
    /// The version of rnet that began it.
    pub version: String,
    /// What `--data` said.
    pub data: Option<PathBuf>,
}

impl Recipe {
    /// The recipe of a new run.
    pub fn new(data: Option<PathBuf>) -> Recipe {
        Recipe { version: env!("CARGO_PKG_VERSION").to_string(), data }
    }
}

/// A run directory.
pub struct RunDirectory(PathBuf);

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
        Ok(RunDirectory(path))
    }

    /// One that is there.
    pub fn existing(path: &Path) -> RunDirectory {
        RunDirectory(path.to_path_buf())
    }

    /// The recipe of the run in a directory.
    pub fn recipe(path: &Path) -> Result<Recipe, Failure> {
        let file = path.join("run.json");
        let text = fs::read_to_string(&file)
            .map_err(|error| Failure::new(format!("{}: no run to go on with: {error}", file.display())))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("{}: not a run's recipe: {error}", file.display())))
    }

    /// The model file of the run in a directory.
    pub fn model(path: &Path) -> PathBuf {
        path.join("model.rnet")
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where its checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// Where its metrics are.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// Where its event files for TensorBoard are, if it has any.
    pub fn tensorboard(&self) -> PathBuf {
        self.0.join("tensorboard")
    }

    /// Where its weights are, once it has ended.
    pub fn weights(&self) -> PathBuf {
        self.0.join("weights.safetensors")
    }
}

/// The first of runs/NAME-1, -2, .. that does not exist.
fn free(name: &str) -> PathBuf {
    let candidates = (1u64..).map(|number| Path::new("runs").join(format!("{name}-{number}")));
    candidates.into_iter().find(|path| !path.exists()).expect("one of so many names is free")
}
