//! Going back: a step that went wrong is reached again, to the bit, and looked at value by value.

use super::{Batched, Scalars, Trainer};
use crate::data::{self, Batch, DataError, Loader, Order};
use crate::executable::{Culprit, Executable, ExecutableError};
use crate::program::Program;
use crate::state::State;

/// A step that has not been done, with all that goes into it.
pub struct Pending {
    batch: Batch,
    scalars: Scalars,
}

impl Pending {
    /// Images of its batch.
    pub fn images(&self) -> usize {
        self.batch.labels.len()
    }
}

impl Trainer {
    /// Trains from the present position until only the step after `done` steps is left to do, and returns that. Nobody is
    /// told, nothing is tested or measured.
    ///
    /// # Errors
    /// When an image cannot be read.
    ///
    /// # Panics
    /// When the run has already done more steps, or does not last so long.
    pub fn replay(&mut self, done: u64) -> Result<Pending, DataError> {
        assert!(self.position.step <= done && done < self.steps(), "replay: step {done} lies behind");
        let order = Order::Train { seed: self.config.seed };
        let numbers = self.position.step..done + 1;
        let loader = Loader::start(
            &self.dataset,
            &self.train,
            order,
            self.config.batch,
            numbers,
            data::threads(&self.dataset.train),
        );
        for batch in loader {
            let batch = batch?;
            let scalars = self.scalars(self.position.step);
            if self.position.step == done {
                return Ok(Pending { batch, scalars });
            }
            self.step.run(&batch, &scalars, &self.workers, &mut self.state);
            self.position.step += 1;
        }
        panic!("replay: the loader has no batch {done}")
    }

    /// Finds where a step's values stop being finite. `program` stores every value; where it is left out, or rounds so that
    /// all is finite, the step itself says it as exactly as it can: a launch computes several ops at once.
    ///
    /// # Errors
    /// When the program cannot be run on this machine.
    pub fn examine(&mut self, pending: &Pending, program: Option<Program>) -> Result<Option<Culprit>, ExecutableError> {
        let Pending { batch, scalars } = pending;
        let mut spoiled = State::new(self.state.specs(), 0);
        if let Some(program) = program {
            let mut executable = Executable::new(program)?;
            Batched::fill(&mut executable, batch, scalars);
            spoiled.copy_from(&self.state);
            if let Err(culprit) = executable.run_trapped(&self.workers, &mut spoiled) {
                return Ok(Some(culprit));
            }
        }
        let executable = self.step.of(batch.labels.len());
        Batched::fill(executable, batch, scalars);
        spoiled.copy_from(&self.state);
        Ok(executable.run_trapped(&self.workers, &mut spoiled).err())
    }
}
