//! A system that refuses, for tests: the n-th step from now on fails, alone or with all that follow.

use super::Step;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};

/// Which steps of this thread fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first one, counted from 0.
    pub first: usize,
    /// Whether all that follow it fail too: a disk that is gone, or a process that dies.
    pub forever: bool,
    /// The system's number for the reason.
    pub code: i32,
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
    static DONE: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

/// Does something under a plan; returns the outcome and the steps that were asked for, in order.
pub fn under<T>(plan: Option<Plan>, act: impl FnOnce() -> T) -> (T, Vec<Step>) {
    PLAN.set(plan);
    DONE.take();
    let outcome = act();
    PLAN.set(None);
    (outcome, DONE.take())
}

/// Fails if it is this step's turn.
pub(super) fn strike(step: Step) -> io::Result<()> {
    let at = DONE.with_borrow_mut(|done| {
        done.push(step);
        done.len() - 1
    });
    match PLAN.with_borrow(|plan| *plan) {
        Some(Plan { first, forever, code }) if at == first || (forever && at > first) => {
            Err(io::Error::from_raw_os_error(code))
        }
        _ => Ok(()),
    }
}

/// Leaves half of what a refused write should have written, as a full disk does.
pub(super) fn tear(is_refused: bool, file: &mut File, bytes: &[u8]) {
    if is_refused {
        let _ = file.write_all(&bytes[..bytes.len() / 2]);
    }
}
