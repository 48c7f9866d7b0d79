//! How a map is run: brought to a form with as few pixels as possible, its steps placed outside the loops where they can be.

use super::LANES;
use super::contract::contract;
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Effect, Load, Map};

/// Vector registers that values which live through a loop may take, of sixteen.
const REGISTERS: usize = 12;

/// Units of work (vectors) in one iteration: enough to hide the latency of a sum.
pub(super) const UNITS: usize = 4;

/// Where a step is computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    /// Once: it is the same for all elements.
    Map,
    /// Once for each channel.
    Channel,
    /// For each element.
    Element,
}

/// A map with everything decided.
pub(super) struct Plan {
    pub map: Map,
    /// For each step.
    pub levels: Vec<Level>,
    /// For each step whether an effect needs it.
    pub needed: Vec<bool>,
    /// Vectors of channels that are worked on together.
    pub vectors: usize,
    /// Pixels that are worked on together.
    pub pixels: usize,
}

impl Plan {
    pub(super) fn new(map: &Map, contracted: bool) -> Plan {
        let mut map = map.clone();
        if map.channels == 1 && counts_on(&map) {
            pixels_become_channels(&mut map);
        }
        if is_linear(&map) {
            map.channels *= map.pixels;
            map.pixels = 1;
        } else if swapping_helps(&map) {
            swap(&mut map);
        }
        let levels = levels(&map);
        let all = needed(&map);
        contract(&mut map, &levels, &all, contracted);
        let needed = needed(&map);
        let mut plan = Plan { map, levels, needed, vectors: UNITS, pixels: 1 };
        plan.choose_block();
        plan
    }

    /// As many vectors of channels as there are registers for what is kept for each channel; pixels make up for the rest.
    fn choose_block(&mut self) {
        let folds = self.map.effects.iter().filter(|effect| !matches!(effect, Effect::Store { .. })).count();
        let kept = if self.map.pixels == 1 { 0 } else { self.kept(Level::Channel) };
        let alone = self.kept(Level::Map);
        let sums = self.map.loads.iter().filter(|load| load.partials.0 > UNITS).count();
        let available = self.map.channels.div_ceil(LANES);
        self.vectors = if self.map.pixels == 1 && folds == 0 && sums == 1 {
            // Partial results lie far apart: two cache lines of each at a time use what comes along anyway.
            2 * UNITS
        } else if (kept + folds) * UNITS + alone <= REGISTERS {
            UNITS
        } else {
            UNITS / 2
        };
        self.vectors = self.vectors.min(available.next_power_of_two());
        self.pixels = (UNITS / self.vectors).clamp(1, self.map.pixels.max(1));
    }

    /// How many values of a level other levels use; constants are read from memory.
    fn kept(&self, level: Level) -> usize {
        let used_later = |value: usize| {
            let by_step = self.map.steps.iter().enumerate().any(|(later, step)| {
                self.needed[later]
                    && self.levels[later] == Level::Element
                    && operands(step).any(|x| x.0 as usize == value)
            });
            by_step || self.map.effects.iter().any(|effect| stored(effect).0 as usize == value)
        };
        let steps = self.map.steps.iter().enumerate();
        let of_level = steps.filter(|&(value, step)| {
            self.needed[value] && self.levels[value] == level && !matches!(step, Expression::Constant(_))
        });
        of_level.filter(|&(value, _)| used_later(value)).count()
    }
}

/// The value that an effect stores or folds.
pub(super) fn stored(effect: &Effect) -> Scalar {
    match effect {
        Effect::Store { value, .. } | Effect::FoldPixels { value, .. } | Effect::FoldAll { value, .. } => *value,
    }
}

/// The operands of a step.
pub(super) fn operands(step: &Expression) -> impl Iterator<Item = Scalar> {
    use Expression as E;
    let operands = match *step {
        E::Load(_) | E::Constant(_) | E::Channel => [None; 3],
        E::Neg(a) | E::Abs(a) | E::Sqrt(a) | E::Floor(a) => [Some(a), None, None],
        E::Exp(a) | E::Log(a) | E::Tanh(a) | E::Erf(a) => [Some(a), None, None],
        E::Uniform { seed, .. } => [Some(seed), None, None],
        E::Add(a, b) | E::Sub(a, b) | E::Mul(a, b) | E::Div(a, b) | E::Min(a, b) | E::Max(a, b) => {
            [Some(a), Some(b), None]
        }
        E::Greater(a, b) | E::Equal(a, b) => [Some(a), Some(b), None],
        E::MulAdd(a, b, c) | E::Select(a, b, c) => [Some(a), Some(b), Some(c)],
    };
    operands.into_iter().flatten()
}

fn needed(map: &Map) -> Vec<bool> {
    let mut needed = vec![false; map.steps.len()];
    for effect in &map.effects {
        needed[stored(effect).0 as usize] = true;
    }
    for value in (0..map.steps.len()).rev() {
        if needed[value] {
            operands(&map.steps[value]).for_each(|operand| needed[operand.0 as usize] = true);
        }
    }
    needed
}

fn levels(map: &Map) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for step in &map.steps {
        let own = match step {
            Expression::Load(k) => match (map.loads[*k].pixel_stride, map.loads[*k].channel_stride) {
                (0, 0) => Level::Map,
                (0, _) => Level::Channel,
                _ => Level::Element,
            },
            Expression::Channel => Level::Channel,
            Expression::Uniform { .. } => Level::Element,
            _ => Level::Map,
        };
        let level = operands(step).map(|operand| levels[operand.0 as usize]).fold(own, Level::max);
        levels.push(level);
    }
    levels
}

/// A map over one channel is a map over as many channels as it had pixels.
fn pixels_become_channels(map: &mut Map) {
    map.channels = map.pixels;
    map.pixels = 1;
    for load in &mut map.loads {
        load.channel_stride = std::mem::take(&mut load.pixel_stride);
    }
    for step in &mut map.steps {
        if *step == Expression::Channel {
            *step = Expression::Constant(0.0);
        }
    }
    for effect in &mut map.effects {
        match effect {
            Effect::Store { pixel_stride, channel_stride, .. } => *channel_stride = std::mem::take(pixel_stride),
            Effect::FoldPixels { value, fold, address } => {
                *effect = Effect::FoldAll { value: *value, fold: *fold, address: address.clone() };
            }
            Effect::FoldAll { .. } => {}
        }
    }
    forget_pixels(map);
}

/// Whether the counter of random numbers, if there are any, runs on from the last channel of a pixel to the next pixel.
fn counts_on(map: &Map) -> bool {
    let random = map.steps.iter().any(|step| matches!(step, Expression::Uniform { .. }));
    !random || map.counter_pixel == map.channels as i64
}

/// Whether the elements lie in memory as if pixels and channels were one long row.
fn is_linear(map: &Map) -> bool {
    let flat = |pixel_stride: i64, channel_stride: i64| pixel_stride == channel_stride * map.channels as i64;
    let loads = map.loads.iter().all(|load| flat(load.pixel_stride, load.channel_stride));
    let effects = map.effects.iter().all(|effect| match effect {
        Effect::Store { pixel_stride, channel_stride, .. } => flat(*pixel_stride, *channel_stride),
        Effect::FoldPixels { .. } => false,
        Effect::FoldAll { .. } => true,
    });
    map.pixels == 1 || (loads && effects && counts_on(map) && !map.steps.contains(&Expression::Channel))
}

/// Whether more accesses are contiguous when pixels and channels change places, which only a map without regard to channels
/// can do. Scattered stores are dearer than gathered loads.
fn swapping_helps(map: &Map) -> bool {
    let minds = map.steps.iter().any(|step| matches!(step, Expression::Channel | Expression::Uniform { .. }));
    if minds || map.effects.iter().any(|effect| matches!(effect, Effect::FoldPixels { .. })) {
        return false;
    }
    let cost = |stride: i64, price: i64| if stride == 0 || stride == 1 { 0 } else { price };
    let mut gain = 0;
    for Load { pixel_stride, channel_stride, .. } in &map.loads {
        gain += cost(*channel_stride, 2) - cost(*pixel_stride, 2);
    }
    for effect in &map.effects {
        if let Effect::Store { pixel_stride, channel_stride, .. } = effect {
            gain += cost(*channel_stride, 3) - cost(*pixel_stride, 3);
        }
    }
    gain > 0
}

fn swap(map: &mut Map) {
    std::mem::swap(&mut map.pixels, &mut map.channels);
    for Load { pixel_stride, channel_stride, .. } in &mut map.loads {
        std::mem::swap(pixel_stride, channel_stride);
    }
    for effect in &mut map.effects {
        if let Effect::Store { pixel_stride, channel_stride, .. } = effect {
            std::mem::swap(pixel_stride, channel_stride);
        }
    }
}

/// With a single pixel its strides are never used: loads count as the same for all pixels where that is so.
fn forget_pixels(map: &mut Map) {
    for load in &mut map.loads {
        load.pixel_stride = if load.channel_stride == 0 { 0 } else { load.channel_stride * map.channels as i64 };
    }
}
