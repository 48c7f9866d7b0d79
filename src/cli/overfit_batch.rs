//! `rnet train --overfit-batch`: can the network learn a single batch by heart? If not, something is wrong with it, with the
//! labels or with the learning rate, and a whole run would be time lost.

use super::{Failure, print};
use rnet_runtime::train::Trainer;
use std::process::ExitCode;

/// Steps without `--steps`.
pub const STEPS: u64 = 500;

/// What the loss has to fall to, as a share of the first; both are counted from the least that it can be.
const SMALL: f32 = 0.01;

/// Trains on one batch and says how it went; exit code 1 where the loss did not come close to `floor`, the least that it can be.
pub fn run(trainer: &mut Trainer, steps: u64, floor: f64) -> Result<ExitCode, Failure> {
    let floor = floor as f32;
    let (mut first, mut last, mut learned) = (None, None, false);
    let outcome = trainer.overfit(&mut |step, loss, correct, images| {
        let start = *first.get_or_insert(loss);
        last = Some((step, loss, correct, images));
        learned = loss - floor <= SMALL * (start - floor) && correct as usize == images;
        // Steps 1, 2, 5, 10, 20, 50, ..
        let shown = [1, 2, 5].iter().any(|lead| (0..19).any(|power| step == lead * 10u64.pow(power)));
        let is_enough = learned || step > steps;
        if shown || is_enough {
            print(&format!(
                "after {:>4} steps  loss {loss:.4}  accuracy {:>6.2}%\n",
                step - 1,
                100.0 * correct / images as f32
            ));
        }
        is_enough
    });
    outcome.map_err(Failure::new)?;
    let (Some(first), Some((step, loss, correct, images))) = (first, last) else {
        print("there is no batch to learn\n");
        return Ok(ExitCode::FAILURE);
    };
    if learned {
        print(&format!("the network learns a batch of {images} by heart in {} steps\n", step - 1));
        return Ok(ExitCode::SUCCESS);
    }
    let least = if floor > 0.0 { format!(", {floor:.4} is the least that it can be") } else { String::new() };
    let reason = if loss.is_finite() && step > steps {
        format!(
            "the loss went from {first:.4} to {loss:.4} in {steps} steps{least}, and {correct} of {images} are right\n  help: try \
             other learning rates (`rnet lr` looks for one), then look at the labels, at dropout, and at `normalize`"
        )
    } else {
        "values are not finite any more\n  help: a lower learning rate; `rnet lr` looks for one".to_string()
    };
    print(&format!("the network does not learn a batch of {images} by heart: {reason}\n"));
    Ok(ExitCode::FAILURE)
}
