//! `rnet train --dry-run`: what a run will take, before it begins.

use super::{Failure, Outcome, print, thousands};
use rnet_runtime::machine;
use rnet_runtime::train::Trainer;
use std::time::Duration;

/// How long steps are measured.
const LIMIT: Duration = Duration::from_secs(5);

/// Prints an estimate of memory and time. Nothing is written.
pub fn run(trainer: &mut Trainer) -> Outcome {
    let needed: u64 = trainer.memory().iter().map(|(_, bytes)| bytes).sum();
    let there = machine::memory_bytes();
    if needed > there {
        return Err(Failure::new(format!(
            "the run needs {} of memory, this machine has {}\n  help: a smaller `batch` needs less",
            megabytes(needed),
            megabytes(there)
        )));
    }
    let estimate = trainer.rehearse(LIMIT).map_err(Failure::new)?;
    let mut text = String::from("memory\n");
    let total = [("in all", needed)];
    for (what, bytes) in estimate.memory.iter().chain(&total) {
        text += &format!("  {what:<34}{:>12}\n", megabytes(*bytes));
    }
    text += &format!("  {:<34}{:>12}\n", "resident at most, measured", megabytes(machine::peak_resident_bytes()));
    text += &format!(
        "time, measured on {}\n  {:<34}{:>12}\n  {:<34}{:>12}\n  {:<34}{:>12}\n",
        if estimate.steps == 1 { "one step".to_string() } else { format!("{} steps", estimate.steps) },
        "a step",
        duration(estimate.step),
        "a test",
        duration(estimate.test),
        format!("all {} steps, with tests", thousands(trainer.steps())),
        duration(estimate.total),
    );
    print(&text);
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Seconds as people say them.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 1.0 => format!("{:.1} ms", 1e3 * seconds),
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_well() {
        for (seconds, text) in [(0.0412, "41.2 ms"), (59.2, "59.2 s"), (61.0, "1 min 1 s"), (7325.0, "2 h 2 min")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
