//! Elementwise computations: a loop over blocks of channels around a loop over pixels, a few vectors in each iteration.

use super::fold::Accumulators;
use super::plan::{Level, Plan, UNITS};
use super::{Emitter, LANES, Pointer, VECTOR};
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Effect, Element, Load, Map};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};

/// A map in the making.
pub(super) struct Code {
    pub(super) plan: Plan,
    /// Where each load starts.
    loads: Vec<Pointer>,
    /// Where each effect writes.
    pub(super) effects: Vec<Pointer>,
    /// The first value of the counter, if there are random numbers.
    counter: Option<Value>,
    /// The distinct distances between channels, and between pixels, of all that is addressed.
    channel_strides: Vec<i64>,
    pixel_strides: Vec<i64>,
}

/// A vector of elements: some channels of one pixel.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    /// Its first channel, counted from the block's.
    pub(super) channel: usize,
    /// Its pixel, counted from the iteration's.
    pixel: usize,
    /// How many channels.
    pub(super) lanes: usize,
}

/// Where the loops are: for each distinct stride an offset in elements, empty where the loop has ended or not begun.
#[derive(Clone, Default)]
pub(super) struct Place {
    channels: Vec<Value>,
    pixels: Vec<Value>,
    /// Constant parts, for what is left over behind the loops.
    first_channel: usize,
    first_pixel: usize,
}

/// The value of each step, where it has been computed.
type Values = Vec<Option<Value>>;

/// Emits a map.
pub(super) fn emit(emitter: &mut Emitter, map: &Map) {
    if map.pixels == 0 || map.channels == 0 {
        return;
    }
    let plan = Plan::new(map, emitter.contracted);
    let code = Code::new(emitter, plan);
    let map = &code.plan.map;
    let mut shared = vec![None; map.steps.len()];
    let unit = Unit { channel: 0, pixel: 0, lanes: 1 };
    code.steps(emitter, Level::Map, &Place::default(), unit, &mut shared);

    let block = code.plan.vectors * LANES;
    let blocks = map.channels / block;
    let totals = Accumulators::over_all(emitter, map);
    let steps = times(&code.channel_strides, block);
    let carried = emitter.repeat(blocks, &steps, &totals.values, &mut |emitter, offsets, values| {
        let place = Place { channels: offsets.to_vec(), ..Place::default() };
        code.block(emitter, &place, block, &shared, values)
    });
    let rest = map.channels - blocks * block;
    let mut totals = totals.with(carried);
    if rest > 0 {
        let place = Place { first_channel: blocks * block, ..Place::default() };
        let values = code.block(emitter, &place, rest, &shared, &totals.values);
        totals = totals.with(values);
    }
    totals.finish_all(emitter, &code);
}

impl Code {
    fn new(emitter: &mut Emitter, plan: Plan) -> Code {
        let map = &plan.map;
        let loads = map.loads.iter().map(|load| emitter.address_of(&load.address, load.element.bytes())).collect();
        let mut effects = Vec::new();
        let mut channel_strides = vec![1];
        let mut pixel_strides = Vec::new();
        for load in &map.loads {
            channel_strides.push(load.channel_stride);
            pixel_strides.push(load.pixel_stride);
        }
        for effect in &map.effects {
            let (Effect::Store { address, .. } | Effect::FoldPixels { address, .. } | Effect::FoldAll { address, .. }) =
                effect;
            effects.push(emitter.address_of(address, element(effect).bytes()));
            if let Effect::Store { pixel_stride, channel_stride, .. } = effect {
                channel_strides.push(*channel_stride);
                pixel_strides.push(*pixel_stride);
            }
        }
        let random = map.steps.iter().any(|step| matches!(step, Expression::Uniform { .. }));
        if random {
            pixel_strides.push(map.counter_pixel);
        }
        let counter = random.then(|| emitter.affine(&map.counter));
        for strides in [&mut channel_strides, &mut pixel_strides] {
            strides.retain(|&stride| stride != 0);
            strides.sort_unstable();
            strides.dedup();
        }
        Code { plan, loads, effects, counter, channel_strides, pixel_strides }
    }

    /// All pixels of some channels. Takes and returns the accumulators over all elements.
    fn block(
        &self,
        emitter: &mut Emitter,
        place: &Place,
        channels: usize,
        shared: &Values,
        totals: &[Value],
    ) -> Vec<Value> {
        let map = &self.plan.map;
        let vectors: Vec<Unit> = (0..channels)
            .step_by(LANES)
            .map(|channel| Unit { channel, pixel: 0, lanes: LANES.min(channels - channel) })
            .collect();
        let mut values = vec![shared.clone(); vectors.len()];
        self.partial_sums(emitter, Level::Channel, place, &vectors, &mut values);
        for (unit, values) in vectors.iter().zip(&mut values) {
            self.steps(emitter, Level::Channel, place, *unit, values);
        }
        let group = |pixels: usize| -> Vec<Unit> {
            (0..pixels).flat_map(|pixel| vectors.iter().map(move |unit| Unit { pixel, ..*unit })).collect()
        };
        let pixels = self.plan.pixels;
        let units = group(pixels);
        let own = Accumulators::over_pixels(emitter, map, units.len());
        let mut carried = totals.to_vec();
        carried.extend(&own.values);
        let iterations = map.pixels / pixels;
        let steps = times(&self.pixel_strides, pixels);
        carried = emitter.repeat(iterations, &steps, &carried, &mut |emitter, offsets, carried| {
            let place = Place { pixels: offsets.to_vec(), ..place.clone() };
            self.iteration(emitter, &place, &units, &values, carried)
        });
        let rest = map.pixels - iterations * pixels;
        if rest > 0 {
            let place = Place { first_pixel: iterations * pixels, ..place.clone() };
            carried = self.iteration(emitter, &place, &group(rest), &values, &carried);
        }
        let sums = carried.split_off(totals.len());
        own.with(sums).finish_pixels(emitter, self, place, &vectors);
        carried
    }

    /// Some pixels of some channels. Takes and returns the accumulators over all elements, then those over pixels.
    fn iteration(
        &self,
        emitter: &mut Emitter,
        place: &Place,
        units: &[Unit],
        kept: &[Values],
        carried: &[Value],
    ) -> Vec<Value> {
        let map = &self.plan.map;
        let mut carried = carried.to_vec();
        let mut values: Vec<Values> = (0..units.len()).map(|unit| kept[unit % kept.len()].clone()).collect();
        self.partial_sums(emitter, Level::Element, place, units, &mut values);
        self.pixel_values(emitter, place, units, &mut values);
        for (number, (unit, values)) in units.iter().zip(&mut values).enumerate() {
            self.steps(emitter, Level::Element, place, *unit, values);
            let (mut over_all, mut over_pixels) = (0, super::fold::count_all(map) * UNITS);
            for (effect, pointer) in map.effects.iter().zip(&self.effects) {
                match effect {
                    Effect::Store { value, pixel_stride, channel_stride, element, .. } => {
                        let value = self.operand(emitter, *value, values);
                        let strides = (*pixel_stride, *channel_stride, element.bytes());
                        let pointer = self.at(emitter, *pointer, strides, place, *unit);
                        match element {
                            Element::Bf16 => emitter.store_rounded(value, pointer, *channel_stride, unit.lanes),
                            _ => emitter.store(value, pointer, *channel_stride, unit.lanes),
                        }
                    }
                    Effect::FoldPixels { value, fold, .. } => {
                        let value = self.operand(emitter, *value, values);
                        let sum = &mut carried[over_pixels + number];
                        *sum = emitter.fold(*fold, *sum, value);
                        over_pixels += self.plan.pixels * kept.len();
                    }
                    Effect::FoldAll { value, fold, .. } => {
                        let value = self.operand(emitter, *value, values);
                        let value = emitter.only_lanes(*fold, value, unit.lanes);
                        let sum = &mut carried[over_all + number % UNITS];
                        *sum = emitter.fold(*fold, *sum, value);
                        over_all += UNITS;
                    }
                }
            }
        }
        carried
    }

    /// The steps of one level for one unit.
    fn steps(&self, emitter: &mut Emitter, level: Level, place: &Place, unit: Unit, values: &mut Values) {
        for step in 0..self.plan.map.steps.len() {
            if self.plan.levels[step] == level && self.plan.needed[step] && values[step].is_none() {
                values[step] = Some(self.step(emitter, step, place, unit, values));
            }
        }
    }

    /// Loads that are sums of many partial results: one loop over these for all units, so that their latencies overlap.
    fn partial_sums(&self, emitter: &mut Emitter, level: Level, place: &Place, units: &[Unit], values: &mut [Values]) {
        for (step, expression) in self.plan.map.steps.iter().enumerate() {
            let Expression::Load(k) = *expression else { continue };
            let load = &self.plan.map.loads[k];
            let (count, stride) = load.partials;
            if count <= UNITS || self.plan.levels[step] != level || !self.plan.needed[step] {
                continue;
            }
            let pointers: Vec<Pointer> = units.iter().map(|unit| self.load_pointer(emitter, k, place, *unit)).collect();
            assert!(load.element != Element::Bf16, "clif: partial results are f32");
            let read = |emitter: &mut Emitter, pointer: Pointer, unit: &Unit| {
                emitter.load(pointer, load.channel_stride, unit.lanes)
            };
            let first: Vec<Value> =
                pointers.iter().zip(units).map(|(pointer, unit)| read(emitter, *pointer, unit)).collect();
            let sums = emitter.repeat(count - 1, &[stride], &first, &mut |emitter, offsets, sums| {
                let mut next = Vec::new();
                for ((pointer, unit), sum) in pointers.iter().zip(units).zip(sums) {
                    let value = emitter.indexed(pointer.value, offsets[0]);
                    let moved = Pointer { value, offset: pointer.offset + stride * super::ELEMENT };
                    let more = read(emitter, moved, unit);
                    next.push(emitter.builder.ins().fadd(*sum, more));
                }
                next
            });
            for (values, sum) in values.iter_mut().zip(sums) {
                values[step] = Some(sum);
            }
        }
    }

    /// Values that are the same for all channels of a pixel: read once for each pixel.
    fn pixel_values(&self, emitter: &mut Emitter, place: &Place, units: &[Unit], values: &mut [Values]) {
        for (step, expression) in self.plan.map.steps.iter().enumerate() {
            let Expression::Load(k) = *expression else { continue };
            let per_pixel = self.plan.map.loads[k].channel_stride == 0 && self.plan.levels[step] == Level::Element;
            if !per_pixel || !self.plan.needed[step] {
                continue;
            }
            let mut last: Option<(usize, Value)> = None;
            for (unit, values) in units.iter().zip(values.iter_mut()) {
                if values[step].is_some() {
                    continue;
                }
                let value = match last {
                    Some((pixel, value)) if pixel == unit.pixel => value,
                    _ => self.step(emitter, step, place, *unit, values),
                };
                last = Some((unit.pixel, value));
                values[step] = Some(value);
            }
        }
    }

    fn load_pointer(&self, emitter: &mut Emitter, load: usize, place: &Place, unit: Unit) -> Pointer {
        let Load { pixel_stride, channel_stride, element, .. } = self.plan.map.loads[load];
        self.at(emitter, self.loads[load], (pixel_stride, channel_stride, element.bytes()), place, unit)
    }

    /// The address of a unit's first element, for something that starts at `pointer` and has elements of `bytes` bytes.
    pub(super) fn at(
        &self,
        emitter: &mut Emitter,
        pointer: Pointer,
        (pixel_stride, channel_stride, bytes): (i64, i64, i64),
        place: &Place,
        unit: Unit,
    ) -> Pointer {
        let mut value = pointer.value;
        // The channel's part comes first: it does not change in the loop over pixels.
        for (strides, stride, offsets) in [
            (&self.channel_strides, channel_stride, &place.channels),
            (&self.pixel_strides, pixel_stride, &place.pixels),
        ] {
            if let Some(offset) = find(strides, stride, offsets) {
                value = emitter.indexed_by(value, offset, bytes);
            }
        }
        let constant = channel_stride * (place.first_channel + unit.channel) as i64
            + pixel_stride * (place.first_pixel + unit.pixel) as i64;
        Pointer { value, offset: pointer.offset + constant * bytes }
    }

    /// A value as f32. Integer loads are kept as raw bits, because a seed wants those.
    fn operand(&self, emitter: &mut Emitter, scalar: Scalar, values: &Values) -> Value {
        let value = values[scalar.0 as usize].expect("operands come before their uses");
        match self.plan.map.steps[scalar.0 as usize] {
            Expression::Load(k) if self.plan.map.loads[k].element == Element::I32 => {
                let bits = emitter.bits(value);
                emitter.builder.ins().fcvt_from_sint(VECTOR, bits)
            }
            _ => value,
        }
    }

    fn constant(&self, scalar: Scalar) -> Option<f32> {
        match self.plan.map.steps[scalar.0 as usize] {
            Expression::Constant(value) => Some(value),
            _ => None,
        }
    }

    fn step(&self, emitter: &mut Emitter, step: usize, place: &Place, unit: Unit, values: &Values) -> Value {
        use Expression as E;
        let get = |emitter: &mut Emitter, scalar: Scalar| self.operand(emitter, scalar, values);
        let unary = |emitter: &mut Emitter, a| get(emitter, a);
        let binary = |emitter: &mut Emitter, a, b| (get(emitter, a), get(emitter, b));
        macro_rules! instruction {
            ($name:ident, $a:expr) => {{
                let a = unary(emitter, $a);
                emitter.builder.ins().$name(a)
            }};
            ($name:ident, $a:expr, $b:expr) => {{
                let (a, b) = binary(emitter, $a, $b);
                emitter.builder.ins().$name(a, b)
            }};
        }
        match self.plan.map.steps[step] {
            E::Load(k) => self.load(emitter, k, place, unit),
            E::Constant(value) => emitter.splat(value),
            E::Add(a, b) => instruction!(fadd, a, b),
            E::Sub(a, b) => instruction!(fsub, a, b),
            E::Mul(a, b) => instruction!(fmul, a, b),
            E::Div(a, b) => instruction!(fdiv, a, b),
            E::Neg(a) => instruction!(fneg, a),
            E::Abs(a) => instruction!(fabs, a),
            E::Sqrt(a) => instruction!(sqrt, a),
            E::Floor(a) => instruction!(floor, a),
            E::MulAdd(a, b, c) => {
                let ((a, b), c) = (binary(emitter, a, b), get(emitter, c));
                emitter.mul_add(a, b, c)
            }
            E::Min(a, b) | E::Max(a, b) => {
                let max = matches!(self.plan.map.steps[step], E::Max(..));
                let is_number = |scalar| self.constant(scalar).is_some_and(|value| !value.is_nan());
                let (left, right) = binary(emitter, a, b);
                match (is_number(a), is_number(b)) {
                    (true, _) => emitter.extreme_of_number(max, left, right),
                    (_, true) => emitter.extreme_of_number(max, right, left),
                    _ => emitter.extreme(max, left, right),
                }
            }
            E::Exp(a) => {
                let a = unary(emitter, a);
                emitter.exp(a)
            }
            E::Log(a) => {
                let a = unary(emitter, a);
                emitter.log(a)
            }
            E::Tanh(a) => {
                let a = unary(emitter, a);
                emitter.tanh(a)
            }
            E::Erf(a) => {
                let a = unary(emitter, a);
                emitter.erf(a)
            }
            E::Greater(..) | E::Equal(..) => {
                let mask = self.mask(emitter, Scalar(step as u32), values);
                let one = emitter.splat(1.0);
                emitter.builder.ins().band(mask, one)
            }
            E::Select(condition, a, b) => {
                let mask = self.mask(emitter, condition, values);
                let (left, right) = binary(emitter, a, b);
                // Only +0 is all zero bits.
                if self.constant(b).is_some_and(|value| value.to_bits() == 0) {
                    return emitter.builder.ins().band(mask, left);
                }
                emitter.select(mask, left, right)
            }
            E::Channel => {
                let first = emitter.integer((place.first_channel + unit.channel) as i64);
                let channel = self.moved(emitter, first, &self.channel_strides, 1, &place.channels);
                let channel = emitter.builder.ins().ireduce(types::I32, channel);
                let channel = emitter.builder.ins().splat(types::I32X4, channel);
                let lanes = emitter.lane_numbers();
                let channel = emitter.builder.ins().iadd(channel, lanes);
                emitter.builder.ins().fcvt_from_sint(VECTOR, channel)
            }
            E::Uniform { seed, stream } => {
                let seed = values[seed.0 as usize].expect("operands come before their uses");
                let seed = emitter.bits(seed);
                let by = self.plan.map.counter_pixel;
                let channel = (place.first_channel + unit.channel) as i64;
                let constant = emitter.integer(channel + (place.first_pixel + unit.pixel) as i64 * by);
                let counter = self.counter.expect("maps with random numbers have a counter");
                let counter = emitter.builder.ins().iadd(counter, constant);
                let counter = self.moved(emitter, counter, &self.channel_strides, 1, &place.channels);
                let counter = self.moved(emitter, counter, &self.pixel_strides, by, &place.pixels);
                emitter.uniform(seed, stream, counter)
            }
        }
    }

    /// `value` plus the offset of a stride, if a loop counts it.
    fn moved(&self, emitter: &mut Emitter, value: Value, strides: &[i64], stride: i64, offsets: &[Value]) -> Value {
        match find(strides, stride, offsets) {
            Some(offset) => emitter.builder.ins().iadd(value, offset),
            None => value,
        }
    }

    /// All bits set where the condition is not zero. A comparison's own mask is used as it is.
    fn mask(&self, emitter: &mut Emitter, condition: Scalar, values: &Values) -> Value {
        let (comparison, a, b) = match self.plan.map.steps[condition.0 as usize] {
            Expression::Greater(a, b) => (FloatCC::GreaterThan, a, b),
            Expression::Equal(a, b) => (FloatCC::Equal, a, b),
            _ => {
                let value = self.operand(emitter, condition, values);
                let zero = emitter.splat(0.0);
                return emitter.compare(FloatCC::NotEqual, value, zero);
            }
        };
        let (a, b) = (self.operand(emitter, a, values), self.operand(emitter, b, values));
        emitter.compare(comparison, a, b)
    }

    fn load(&self, emitter: &mut Emitter, k: usize, place: &Place, unit: Unit) -> Value {
        let pointer = self.load_pointer(emitter, k, place, unit);
        let Load { channel_stride, partials: (count, stride), element, .. } = self.plan.map.loads[k];
        if element == Element::Bf16 {
            assert!(count == 1, "clif: partial results are f32");
            return emitter.load_rounded(pointer, channel_stride, unit.lanes);
        }
        let mut sum = emitter.load(pointer, channel_stride, unit.lanes);
        if count > UNITS {
            // Only a value for the whole map comes here; others are summed unit by unit in `partial_sums`.
            let sums = emitter.repeat(count - 1, &[stride], &[sum], &mut |emitter, offsets, sums| {
                let value = emitter.indexed(pointer.value, offsets[0]);
                let moved = Pointer { value, offset: pointer.offset + stride * super::ELEMENT };
                let more = emitter.load(moved, channel_stride, unit.lanes);
                vec![emitter.builder.ins().fadd(sums[0], more)]
            });
            return sums[0];
        }
        for part in 1..count {
            let moved = Pointer { offset: pointer.offset + part as i64 * stride * super::ELEMENT, ..pointer };
            let more = emitter.load(moved, channel_stride, unit.lanes);
            sum = emitter.builder.ins().fadd(sum, more);
        }
        sum
    }
}

/// What an effect leaves in memory.
fn element(effect: &Effect) -> Element {
    match effect {
        Effect::Store { element, .. } => *element,
        Effect::FoldPixels { .. } | Effect::FoldAll { .. } => Element::F32,
    }
}

/// What an iteration over `count` elements adds to the offset of each stride.
fn times(strides: &[i64], count: usize) -> Vec<i64> {
    strides.iter().map(|stride| stride * count as i64).collect()
}

/// The offset that counts a stride; none where the loop is not running.
fn find(strides: &[i64], stride: i64, offsets: &[Value]) -> Option<Value> {
    let at = strides.iter().position(|&known| known == stride)?;
    offsets.get(at).copied()
}
