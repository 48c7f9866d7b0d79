//! Folds: sums and maxima over the elements of a map, kept in registers while the loops run.
//!
//! Which element goes to which accumulator, and in what order these are put together, follows from the map's shape alone.

use super::map::{Code, Place, Unit};
use super::plan::UNITS;
use super::{ELEMENT, Emitter, LANES, Pointer, VECTOR};
use crate::lower::loops::{Effect, Fold, Map};
use cranelift_codegen::ir::{InstBuilder, Value};

/// Vectors that are folded into: for each fold of a map in its order, a few that are independent of each other.
pub(super) struct Accumulators {
    pub(super) values: Vec<Value>,
    /// How many for each fold.
    each: usize,
}

/// How many folds over all elements a map has.
pub(super) fn count_all(map: &Map) -> usize {
    map.effects.iter().filter(|effect| matches!(effect, Effect::FoldAll { .. })).count()
}

impl Accumulators {
    /// For the folds over all elements.
    pub(super) fn over_all(emitter: &mut Emitter, map: &Map) -> Accumulators {
        let folds = map.effects.iter().filter_map(|effect| match effect {
            Effect::FoldAll { fold, .. } => Some(*fold),
            _ => None,
        });
        Accumulators::new(emitter, folds, UNITS)
    }

    /// For the folds over pixels, of as many units as there are in an iteration.
    pub(super) fn over_pixels(emitter: &mut Emitter, map: &Map, units: usize) -> Accumulators {
        let folds = map.effects.iter().filter_map(|effect| match effect {
            Effect::FoldPixels { fold, .. } => Some(*fold),
            _ => None,
        });
        Accumulators::new(emitter, folds, units)
    }

    fn new(emitter: &mut Emitter, folds: impl Iterator<Item = Fold>, each: usize) -> Accumulators {
        let mut values = Vec::new();
        for fold in folds {
            let neutral = emitter.splat(neutral(fold));
            values.extend(vec![neutral; each]);
        }
        Accumulators { values, each }
    }

    /// The same with other values.
    pub(super) fn with(&self, values: Vec<Value>) -> Accumulators {
        Accumulators { values, each: self.each }
    }

    /// Puts the accumulators of each channel together and folds them into memory.
    pub(super) fn finish_pixels(&self, emitter: &mut Emitter, code: &Code, place: &Place, vectors: &[Unit]) {
        let mut values = self.values.chunks(self.each);
        for (effect, pointer) in code.plan.map.effects.iter().zip(&code.effects) {
            let Effect::FoldPixels { fold, .. } = effect else { continue };
            let values = values.next().expect("every fold has accumulators");
            for (number, unit) in vectors.iter().enumerate() {
                let pixels: Vec<Value> = values.iter().skip(number).step_by(vectors.len()).copied().collect();
                let total = emitter.together(*fold, &pixels);
                let pointer = code.at(emitter, *pointer, (0, 1, ELEMENT), place, *unit);
                let before = emitter.load(pointer, 1, unit.lanes);
                let after = emitter.fold(*fold, before, total);
                emitter.store(after, pointer, 1, unit.lanes);
            }
        }
    }

    /// Puts the accumulators over all elements together, then their lanes, and folds these into memory.
    pub(super) fn finish_all(&self, emitter: &mut Emitter, code: &Code) {
        let mut values = self.values.chunks(self.each);
        for (effect, pointer) in code.plan.map.effects.iter().zip(&code.effects) {
            let Effect::FoldAll { fold, .. } = effect else { continue };
            let total = emitter.together(*fold, values.next().expect("every fold has accumulators"));
            let lanes: Vec<Value> = (0..LANES)
                .map(|lane| {
                    let element = emitter.builder.ins().extractlane(total, lane as u8);
                    emitter.builder.ins().splat(VECTOR, element)
                })
                .collect();
            let total = emitter.together(*fold, &lanes);
            let pointer: Pointer = *pointer;
            let before = emitter.load(pointer, 1, 1);
            let after = emitter.fold(*fold, before, total);
            emitter.store(after, pointer, 1, 1);
        }
    }
}

/// What changes nothing when it is folded in.
fn neutral(fold: Fold) -> f32 {
    match fold {
        Fold::Sum => 0.0,
        Fold::Max => f32::NEG_INFINITY,
    }
}

impl Emitter<'_> {
    /// One more value.
    pub(super) fn fold(&mut self, fold: Fold, sum: Value, value: Value) -> Value {
        match fold {
            Fold::Sum => self.builder.ins().fadd(sum, value),
            Fold::Max => self.extreme(true, sum, value),
        }
    }

    /// All values, neighbours first.
    fn together(&mut self, fold: Fold, values: &[Value]) -> Value {
        match values {
            [value] => *value,
            _ => {
                let (left, right) = values.split_at(values.len().next_power_of_two() / 2);
                let (left, right) = (self.together(fold, left), self.together(fold, right));
                self.fold(fold, left, right)
            }
        }
    }

    /// The value with further lanes neutral.
    pub(super) fn only_lanes(&mut self, fold: Fold, value: Value, lanes: usize) -> Value {
        if lanes == LANES {
            return value;
        }
        let mask = self.lanes(std::array::from_fn(|lane| if lane < lanes { u32::MAX } else { 0 }), VECTOR);
        let neutral = self.splat(neutral(fold));
        self.select(mask, value, neutral)
    }
}
