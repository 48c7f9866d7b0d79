//! Runs a program launch by launch and stops at the first value that is not finite.

use super::Executable;
use crate::program::Storage;
use crate::state::State;
use crate::workers::Workers;
use std::fmt;

/// The exponent of infinities and NaN.
const NOT_FINITE: u32 = 0x7f80_0000;

/// Inputs that hold whole numbers.
const WHOLE: [&str; 2] = ["label", "seed"];

/// Where values stop being finite: the first launch that has a result which is not, while all that it reads is.
#[derive(Clone, PartialEq, Debug)]
pub struct Culprit {
    /// What it computes, in the words of the source: `conv2d layer1.0.conv1`. Of a value that was there before all launches,
    /// what that is.
    pub label: String,
    /// `file:line:column`; empty for a value that was there before.
    pub source: String,
    /// How many of its results are not finite.
    pub count: usize,
    /// How many results there are.
    pub len: usize,
    /// The first of them that is not finite.
    pub value: f32,
    /// The greatest magnitude among what it reads.
    pub greatest_operand: f32,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Culprit { label, source, count, len, value, greatest_operand } = self;
        if source.is_empty() {
            return write!(f, "{label}: {count} of its {len} values are not finite, the first is {value}");
        }
        write!(
            f,
            "{source}: `{label}`: {count} of its {len} results are not finite, the first is {value}; all that it reads is, \
             up to {greatest_operand:e}"
        )
    }
}

/// Whether all values are finite.
pub fn all_finite(values: &[f32]) -> bool {
    // Without a branch, so that it runs as fast as memory does.
    values.iter().fold(0, |found, value| found | u32::from(value.to_bits() & NOT_FINITE == NOT_FINITE)) == 0
}

impl Executable {
    /// Runs the program once, or up to the launch that gives something infinite or no number. The inputs and the state are
    /// looked at first.
    ///
    /// # Panics
    /// When the state lacks a tensor of the program.
    pub fn run_trapped(&mut self, workers: &Workers, state: &mut State) -> Result<(), Culprit> {
        self.find_states(state);
        for buffer in 0..self.buffers.len() {
            if matches!(self.buffers[buffer].storage, Storage::Input(_) | Storage::State(_)) {
                let values = self.values(buffer, state);
                if let Some(label) = self.name(buffer).filter(|_| !all_finite(values)) {
                    return Err(culprit(label, String::new(), values, 0.0));
                }
            }
        }
        for launch in 0..self.launches.len() {
            let run = self.prepare(workers.count(), state, None, launch..launch + 1);
            workers.run(&|worker, barrier| run.work(worker, barrier));
            let buffers = self.launches[launch].buffers.iter();
            let touched = || buffers.clone().copied().filter(|&buffer| self.holds_reals(buffer));
            let Some(wrong) = touched().find(|&buffer| !all_finite(self.values(buffer, state))) else { continue };
            let others = touched().filter(|&buffer| buffer != wrong).flat_map(|buffer| self.values(buffer, state));
            let greatest =
                others.filter(|value| value.is_finite()).fold(0.0, |greatest: f32, value| greatest.max(value.abs()));
            let (label, source) = (self.launches[launch].label.clone(), self.launches[launch].source.clone());
            return Err(culprit(label, source, self.values(wrong, state), greatest));
        }
        Ok(())
    }

    fn holds_reals(&self, buffer: usize) -> bool {
        !matches!(&self.buffers[buffer].storage, Storage::Input(name) if WHOLE.contains(&name.as_str()))
    }

    /// What an input or a tensor of the state is called, if it holds real numbers.
    fn name(&self, buffer: usize) -> Option<String> {
        match &self.buffers[buffer].storage {
            Storage::Input(name) => self.holds_reals(buffer).then(|| format!("input `{name}`")),
            Storage::State(index) => {
                let spec = &self.states[*index];
                Some(format!("`{}`", spec.name))
            }
            Storage::Arena(_) | Storage::Output(_) => None,
        }
    }

    /// What is in a buffer.
    fn values<'v>(&'v self, buffer: usize, state: &'v State) -> &'v [f32] {
        let spec = &self.buffers[buffer];
        match &spec.storage {
            Storage::Arena(offset) => &self.arena[*offset..*offset + spec.len],
            Storage::State(index) => {
                let (_, places) = self.places.as_ref().expect("the states have been found");
                &state.physical(places[*index])[..spec.len]
            }
            Storage::Input(_) | Storage::Output(_) => &self.own[buffer],
        }
    }
}

fn culprit(label: String, source: String, values: &[f32], greatest_operand: f32) -> Culprit {
    let wrong = || values.iter().copied().filter(|value| !value.is_finite());
    let value = wrong().next().unwrap_or(0.0);
    Culprit { label, source, count: wrong().count(), len: values.len(), value, greatest_operand }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_number_is_told_apart_at_every_place() {
        let fine = [0.0, -0.0, 1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45];
        for len in 0..70 {
            let values: Vec<f32> = (0..len).map(|at| fine[at % fine.len()]).collect();
            assert!(all_finite(&values));
            for place in 0..len {
                for wrong in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
                    let mut values = values.clone();
                    values[place] = wrong;
                    assert!(!all_finite(&values), "{wrong} at {place} of {len}");
                }
            }
        }
    }
}
