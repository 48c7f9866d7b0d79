//! What is said of a run that has left the finite numbers: where that began, and what is kept.

use super::{Failure, note};
use rnet_runtime::checkpoint::Checkpoints;
use rnet_runtime::machine;
use rnet_runtime::program::Program;
use rnet_runtime::train::{TrainError, Trainer};

const HELP: &str = "a lower learning rate, a warm-up, or `normalize` in the data section usually mends it";

/// Why the run has ended. The step that went wrong is reached again from the newest checkpoint, to the bit, and done value by
/// value by the program that `separate` makes for a number of images.
pub fn explain(
    error: &TrainError,
    trainer: &mut Trainer,
    checkpoints: &Checkpoints,
    separate: &dyn Fn(usize) -> Result<Program, Failure>,
) -> Failure {
    let (place, saved) = match error {
        TrainError::Trapped { culprit, .. } => (culprit.to_string(), None),
        TrainError::Diverged { step, .. } => match find(*step, trainer, checkpoints, separate) {
            Ok((place, saved)) => (place, Some(saved)),
            Err(reason) => (format!("cannot be found: {reason}"), None),
        },
        // The weights may be as good as ever.
        TrainError::Data(reason) => return Failure::new(reason),
        TrainError::Untestable { .. } => ("in the test; the weights themselves are finite".to_string(), None),
    };
    let saved = saved.or_else(|| checkpoints.newest());
    let kept = saved.map_or_else(String::new, |saved| {
        format!("\n  kept: the checkpoint of step {saved}, in {}", checkpoints.directory().display())
    });
    Failure::new(format!("{error}\n  where it began: {place}{kept}\n  help: {HELP}"))
}

/// Where step `step` goes wrong, in words, and the step of the checkpoint from which it was reached again.
fn find(
    step: u64,
    trainer: &mut Trainer,
    checkpoints: &Checkpoints,
    separate: &dyn Fn(usize) -> Result<Program, Failure>,
) -> Result<(String, u64), Failure> {
    let (position, _) = checkpoints.resume(&mut trainer.state).map_err(Failure::new)?;
    let saved = position.step;
    trainer.position = position;
    note(&format!("step {step} has diverged; doing the steps since step {saved} again to find where"));
    let pending = trainer.replay(step - 1).map_err(Failure::new)?;
    let program = separate(pending.images())?;
    let fits = 4 * (program.arena as u64) < machine::memory_bytes() / 2;
    let culprit = trainer.examine(&pending, fits.then_some(program)).map_err(Failure::new)?;
    let place = culprit.map_or_else(
        || "every value of the step is finite when it is done again launch by launch".to_string(),
        |culprit| culprit.to_string(),
    );
    Ok((place, saved))
}
