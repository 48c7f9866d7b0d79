//! `layers.jsonl`: how large the layers of a network are as it learns, measured at each test on one batch that stays the same.

use crate::data::Batch;
use crate::durable::WriteError;
use crate::executable::Executable;
use crate::lines::Lines;
use crate::state::State;
use crate::workers::Workers;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One layer at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Layer {
    /// As its weights are named: `layer1.0.conv1`.
    pub path: String,
    /// The root mean square of its result; `None` where that is not finite.
    pub activation: Option<f32>,
    /// The L2 norm of the loss's gradient by its parameters; `None` where all of them are frozen, or it is not finite.
    pub gradient: Option<f32>,
}

/// One line: all layers at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LayersRecord {
    /// The epoch, from 1, that the newest step belongs to.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// In the order of computation.
    pub layers: Vec<Layer>,
}

/// Measures layers without changing anything that training depends on.
pub struct Probe {
    executable: Executable,
    paths: Vec<String>,
}

impl Probe {
    /// A probe by a program with the results `activation.<path>` and `gradient.<path>`, f32[] each, of these paths; the latter may
    /// be absent. It updates no state.
    pub fn new(executable: Executable, paths: Vec<String>) -> Probe {
        Probe { executable, paths }
    }

    /// Measures on a batch of the program's size. `lender` lends its arena: see [`Executable::run_in`].
    pub fn measure(
        &mut self,
        batch: &Batch,
        seed: i32,
        lender: &mut Executable,
        workers: &Workers,
        state: &mut State,
    ) -> Vec<Layer> {
        let Probe { executable, paths } = self;
        // A network without a measured layer has a program without inputs.
        if executable.has_input("image") {
            executable.input_f32("image").copy_from_slice(&batch.images);
        }
        if executable.has_input("label") {
            match &batch.targets {
                Some(targets) => executable.input_f32("label").copy_from_slice(targets),
                None => executable.input_i32("label").copy_from_slice(&batch.labels),
            }
        }
        if executable.has_input("seed") {
            executable.input_i32("seed")[0] = seed;
        }
        executable.run_in(lender, workers, state);
        let result = |name: String| {
            let is_there = executable.outputs().any(|known| known == name);
            is_there.then(|| executable.output(&name)[0]).filter(|value| value.is_finite())
        };
        let layer = |path: &String| Layer {
            path: path.clone(),
            activation: result(format!("activation.{path}")),
            gradient: result(format!("gradient.{path}")),
        };
        paths.iter().map(layer).collect()
    }
}

/// The file, open at its end.
pub struct LayersLog(Lines);

impl LayersLog {
    /// Opens the file of a run that has done `steps` steps: lines of later steps, and one that was cut off, go. Creates it where it
    /// is missing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path, steps: u64) -> Result<LayersLog, WriteError> {
        let (lines, _) = Lines::filtered(path, |record: &LayersRecord| record.step <= steps)?;
        Ok(LayersLog(lines))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&mut self, record: &LayersRecord) -> Result<(), WriteError> {
        self.0.add(record)
    }
}
