//! Ctrl-C while a run is at work.

use crate::cli::{Failure, note};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What interrupts do: while steps are taken the first ends the run after its step, and the second at once; before and after that each
/// ends the program.
#[derive(Clone, Default)]
pub struct Interrupts(Arc<AtomicU8>);

impl Interrupts {
    const IDLE: u8 = 0;
    const WORKING: u8 = 1;
    const STOPPING: u8 = 2;

    /// Begins to watch for them.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn watch() -> Result<Interrupts, Failure> {
        let interrupts = Interrupts::default();
        let state = Arc::clone(&interrupts.0);
        let handler = move || {
            let first =
                state.compare_exchange(Self::WORKING, Self::STOPPING, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if !first {
                std::process::exit(130);
            }
            note(
                "\nfinishing the step, with its test if one is due, and writing a checkpoint; once more stops at once",
            );
        };
        ctrlc::set_handler(handler).map_err(|error| Failure::new(format!("cannot watch for interrupts: {error}")))?;
        Ok(interrupts)
    }

    /// There is work to save from now on.
    ///
    /// # Panics
    /// When that has been said before.
    pub fn work(&self) {
        let idle = self.0.compare_exchange(Self::IDLE, Self::WORKING, Ordering::SeqCst, Ordering::SeqCst);
        assert!(idle.is_ok(), "train: a run begins once");
    }

    /// There are no steps to come.
    pub fn rest(&self) {
        self.0.store(Self::IDLE, Ordering::SeqCst);
    }

    /// Whether the run is to end.
    pub fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst) == Self::STOPPING
    }
}
