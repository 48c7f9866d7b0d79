//! `--trap-nan`: each step is first done value by value on a copy of the state.

use super::{Batch, Batched, Culprit, ExecutableError, Program, Scalars, State, Workers};

/// Programs that store every value, and a state for them to spoil.
pub struct Trap {
    steps: Batched,
    state: State,
}

impl Trap {
    /// From such programs, each with its number of images, for a run with that state.
    ///
    /// # Errors
    /// When one cannot be run on this machine.
    pub fn new(programs: Vec<(usize, Program)>, state: &State) -> Result<Trap, ExecutableError> {
        Ok(Trap { steps: Batched::new(programs)?, state: State::new(state.specs(), 0) })
    }

    /// Does a step on a copy of the state, up to the first value that is not finite.
    pub(super) fn check(
        &mut self,
        batch: &Batch,
        scalars: &Scalars,
        workers: &Workers,
        state: &State,
    ) -> Result<(), Culprit> {
        self.state.copy_from(state);
        let executable = self.steps.of(batch.labels.len());
        Batched::fill(executable, batch, scalars);
        executable.run_trapped(workers, &mut self.state)
    }
}
