//! Whether a run still computes with numbers.
//!
//! A gradient that is infinite or no number shows in what it moves: the parameter or the optimizer's memory of it. So after
//! each step everything that outlives the step is looked at, which costs one reading of it.

use crate::executable::all_finite;
use crate::state::State;
use crate::workers::Workers;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elements that a worker looks at before it asks for more.
const PIECE: usize = 1 << 15;

/// What is infinite or no number.
#[derive(Clone, PartialEq, Debug)]
pub enum NotFinite {
    /// The loss of the step.
    Loss(f32),
    /// A tensor that the step has moved, as checkpoints call it.
    Tensor(String),
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotFinite::Loss(loss) => write!(f, "the loss is {loss}"),
            NotFinite::Tensor(name) => write!(f, "`{name}` has got values that are not finite"),
        }
    }
}

/// What of a step's results is not finite: its loss, else the first such tensor of the state.
pub fn not_finite(loss: f32, state: &State, workers: &Workers) -> Option<NotFinite> {
    if !loss.is_finite() {
        return Some(NotFinite::Loss(loss));
    }
    let pieces: Vec<(usize, &[f32])> = (0..state.specs().len())
        .flat_map(|place| state.physical(place).chunks(PIECE).map(move |piece| (place, piece)))
        .collect();
    let (next, first) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    workers.run(&|_, _| {
        while let Some(&(place, piece)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !all_finite(piece) {
                first.fetch_min(place, Ordering::Relaxed);
            }
        }
    });
    let spec = state.specs().get(first.into_inner())?;
    Some(NotFinite::Tensor(spec.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Init, StateKind, StateSpec};

    #[test]
    fn any_value_of_any_tensor_counts() {
        let spec = |kind, name: &str, len| StateSpec {
            kind,
            name: name.to_string(),
            dims: vec![len],
            layout: vec![0],
            init: Init::Normal(1.0),
        };
        let long = 2 * PIECE + 3;
        let specs = [
            spec(StateKind::Parameter, "w", long),
            spec(StateKind::Memory, "velocity/w", long),
            spec(StateKind::Statistic, "m", 5),
        ];
        for threads in [1, 2, 3] {
            let workers = Workers::new(threads);
            let mut state = State::new(&specs, 1);
            assert_eq!(not_finite(1.5, &state, &workers), None);
            assert!(matches!(not_finite(f32::NAN, &state, &workers), Some(NotFinite::Loss(_))));
            // From the last tensor to the first, so that the one that is named changes.
            for (kind, name, place, expected) in [
                (StateKind::Statistic, "m", 4, "m"),
                (StateKind::Memory, "velocity/w", PIECE, "velocity/w"),
                (StateKind::Parameter, "w", long - 1, "w"),
            ] {
                let mut values = state.get(kind, name).unwrap();
                values[place] = f32::INFINITY;
                assert!(state.set(kind, name, &values));
                assert_eq!(not_finite(1.5, &state, &workers), Some(NotFinite::Tensor(expected.to_string())));
            }
        }
    }
}
