//! The tensors that outlive a step: parameters, running statistics, what the optimizer remembers.
//!
//! They lie in memory as the kernels want them; [`State::get`] and [`State::set`] speak the logical row-major order of
//! checkpoints.

use crate::buffer::Buffer;
use crate::layout::{to_logical, to_physical};
use crate::program::{Init, StateKind, StateSpec, memory_name, memory_parts};
use crate::random::scatter;
use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicU64, Ordering};

/// The slots whose memories take the place of weights and statistics in tests and in what a run leaves: a moving average, slow weights.
pub const AVERAGES: [&str; 2] = ["average", "slow"];

/// All state tensors of a model. Programs for different batch sizes share one.
pub struct State {
    specs: Vec<StateSpec>,
    buffers: Vec<Buffer>,
    places: HashMap<(StateKind, String), usize>,
    identity: u64,
}

impl State {
    /// Allocates the tensors and draws their initial values.
    ///
    /// A value depends on the seed, the tensor's name and the element's logical index alone, so neither the layout nor
    /// other tensors matter.
    pub fn new(specs: &[StateSpec], seed: u64) -> State {
        let mut state =
            State { specs: specs.to_vec(), buffers: Vec::new(), places: HashMap::new(), identity: new_identity() };
        for (place, spec) in specs.iter().enumerate() {
            state.places.insert((spec.kind, spec.name.clone()), place);
            let len = spec.dims.iter().product();
            // What is copied starts as what it remembers, whose name follows the slot.
            let (name, init) = match (spec.init, memory_parts(&spec.name)) {
                (Init::Copied, Some((_, name))) => {
                    let of = specs.iter().find(|of| of.kind != StateKind::Memory && of.name == name);
                    (name, of.unwrap_or_else(|| panic!("state: `{}` remembers nothing", spec.name)).init)
                }
                _ => (spec.name.as_str(), spec.init),
            };
            let logical: Vec<f32> = initial(init, seed, name, &spec.dims);
            let mut buffer = Buffer::zeroed(len);
            to_physical(&spec.dims, &spec.layout, &logical, &mut buffer);
            state.buffers.push(buffer);
        }
        state
    }

    /// What tensors there are, in the order of the model.
    pub fn specs(&self) -> &[StateSpec] {
        &self.specs
    }

    /// Where a tensor is in [`State::specs`].
    pub fn position(&self, kind: StateKind, name: &str) -> Option<usize> {
        self.places.get(&(kind, name.to_string())).copied()
    }

    /// A tensor in logical row-major order.
    pub fn get(&self, kind: StateKind, name: &str) -> Option<Vec<f32>> {
        let place = self.position(kind, name)?;
        let spec = &self.specs[place];
        Some(to_logical(&spec.dims, &spec.layout, &self.buffers[place]))
    }

    /// Replaces a tensor, given in logical row-major order. Returns whether there is one of that name and length.
    #[must_use]
    pub fn set(&mut self, kind: StateKind, name: &str, logical: &[f32]) -> bool {
        let Some(place) = self.position(kind, name) else { return false };
        let spec = &self.specs[place];
        if logical.len() != self.buffers[place].len() {
            return false;
        }
        to_physical(&spec.dims, &spec.layout, logical, &mut self.buffers[place]);
        true
    }

    /// The state that tests and saved weights are made of, where an average of the weights or slow ones are kept: parameters and
    /// statistics, each as that.
    pub fn averaged(&self) -> Option<State> {
        let average = |spec: &StateSpec| {
            let mut names = AVERAGES.iter().map(|slot| memory_name(slot, &spec.name));
            names.find_map(|name| self.position(StateKind::Memory, &name))
        };
        if !self.specs.iter().any(|spec| spec.kind == StateKind::Parameter && average(spec).is_some()) {
            return None;
        }
        let specs: Vec<StateSpec> = self.specs.iter().filter(|spec| spec.kind != StateKind::Memory).cloned().collect();
        let mut state = State { identity: new_identity(), buffers: Vec::new(), places: HashMap::new(), specs };
        for (place, spec) in state.specs.iter().enumerate() {
            state.places.insert((spec.kind, spec.name.clone()), place);
            let from = average(spec).unwrap_or(self.places[&(spec.kind, spec.name.clone())]);
            let mut buffer = Buffer::zeroed(self.buffers[from].len());
            self.copy(from, spec, &mut buffer);
            state.buffers.push(buffer);
        }
        Some(state)
    }

    /// Writes a tensor as another one of its extents lies.
    fn copy(&self, from: usize, to: &StateSpec, buffer: &mut Buffer) {
        let spec = &self.specs[from];
        to_physical(&to.dims, &to.layout, &to_logical(&spec.dims, &spec.layout, &self.buffers[from]), buffer);
    }

    /// Makes what copies a parameter or statistic (its average, its slow copy) the same as it is now.
    pub fn copy_again(&mut self) {
        for place in 0..self.specs.len() {
            let spec = &self.specs[place];
            if let (Init::Copied, Some((_, name))) = (spec.init, memory_parts(&spec.name)) {
                let find = |kind| self.position(kind, name);
                let of = find(StateKind::Parameter).or_else(|| find(StateKind::Statistic));
                let of = of.unwrap_or_else(|| panic!("state: `{}` remembers nothing", spec.name));
                let mut buffer = Buffer::zeroed(self.buffers[place].len());
                self.copy(of, spec, &mut buffer);
                self.buffers[place] = buffer;
            }
        }
    }

    /// Takes over all values of a state with the same tensors.
    ///
    /// # Panics
    /// When it has others.
    pub fn copy_from(&mut self, other: &State) {
        assert!(self.specs == other.specs, "state: a copy of another model's state");
        for (buffer, other) in self.buffers.iter_mut().zip(&other.buffers) {
            buffer.copy_from_slice(other);
        }
    }

    /// A tensor as it lies in memory.
    pub fn physical(&self, place: usize) -> &[f32] {
        &self.buffers[place]
    }

    /// The address of a tensor, for kernels.
    pub(crate) fn pointer(&mut self, place: usize) -> *mut f32 {
        self.buffers[place].pointer()
    }

    /// Tells states apart, so that whoever looked up positions knows whether they still hold.
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }
}

/// A number that no other state of this process has.
fn new_identity() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The key of a tensor's random stream: FNV-1a of its name, mixed with the seed.
fn stream(seed: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    scatter(hash ^ scatter(seed))
}

/// The `counter`-th number of a stream, uniform in [0, 1) with 53 random bits.
fn uniform(stream: u64, counter: u64) -> f64 {
    (scatter(stream ^ scatter(counter)) >> 11) as f64 / (1u64 << 53) as f64
}

/// Initial values in logical order.
///
/// Element i draws the numbers 2i and 2i+1 of its tensor's stream; normal values are `sqrt(-2 ln(1-u)) cos(2 pi v)` (Box and
/// Muller, 1958), computed in f64.
fn initial(init: Init, seed: u64, name: &str, dims: &[usize]) -> Vec<f32> {
    let stream = stream(seed, name);
    let len: usize = dims.iter().product();
    let draw = |index: usize| [uniform(stream, 2 * index as u64), uniform(stream, 2 * index as u64 + 1)];
    let normal = |index: usize, deviation: f64| {
        let [u, v] = draw(index);
        (deviation * (-2.0 * (1.0 - u).ln()).sqrt() * (TAU * v).cos()) as f32
    };
    let uniform = |index: usize, bound: f32| (f64::from(bound) * (2.0 * draw(index)[0] - 1.0)) as f32;
    let element = |index: usize| match init {
        Init::Constant(value) => value,
        Init::Normal(deviation) => normal(index, f64::from(deviation)),
        Init::Uniform(bound) => uniform(index, bound),
        Init::Dirac(bound) => passing(dims, index).unwrap_or_else(|| uniform(index, bound)),
        Init::Whitening(_) => normal(index, (dims[1..].iter().product::<usize>() as f64).sqrt().recip()),
        Init::Copied => panic!("state: `{name}` starts as what it remembers"),
    };
    (0..len).map(element).collect()
}

/// An element of weights [O, I, Kh, Kw] of which filter i passes on input channel i; `None` in filters from I on.
fn passing(dims: &[usize], index: usize) -> Option<f32> {
    let [_, inputs, height, width] = *dims else { panic!("state: filters of extents {dims:?}") };
    let (filter, place) = (index / (inputs * height * width), index % (inputs * height * width));
    let middle = filter * height * width + height / 2 * width + width / 2;
    (filter < inputs).then_some(if place == middle { 1.0 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, dims: &[usize], layout: &[usize], init: Init) -> StateSpec {
        StateSpec {
            kind: StateKind::Parameter,
            name: name.to_string(),
            dims: dims.to_vec(),
            layout: layout.to_vec(),
            init,
        }
    }

    #[test]
    fn values_depend_on_seed_name_and_logical_index_alone() {
        let one = spec("w", &[4, 3, 2, 2], &[2, 3, 1, 0], Init::Normal(0.5));
        let other = spec("w", &[4, 3, 2, 2], &[0, 1, 2, 3], Init::Normal(0.5));
        let renamed = spec("v", &[4, 3, 2, 2], &[0, 1, 2, 3], Init::Normal(0.5));
        let get = |specs: &[StateSpec], seed, name| State::new(specs, seed).get(StateKind::Parameter, name).unwrap();
        let reference = get(std::slice::from_ref(&one), 7, "w");
        assert_eq!(reference, get(&[renamed.clone(), other], 7, "w"));
        assert_ne!(reference, get(&[one], 8, "w"));
        assert_ne!(reference, get(&[renamed], 7, "v"));
    }

    #[test]
    fn normal_and_uniform_have_their_moments() {
        let normal = initial(Init::Normal(2.0), 1, "w", &[100_000]);
        let moment = |values: &[f32], power: i32| {
            values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / values.len() as f64
        };
        assert!(moment(&normal, 1).abs() < 0.03, "{}", moment(&normal, 1));
        assert!((moment(&normal, 2) - 4.0).abs() < 0.08, "{}", moment(&normal, 2));
        assert!((moment(&normal, 4) / 48.0 - 1.0).abs() < 0.05, "{}", moment(&normal, 4));
        let uniform = initial(Init::Uniform(3.0), 1, "w", &[100_000]);
        assert!(uniform.iter().all(|x| (-3.0..3.0).contains(x)));
        assert!(moment(&uniform, 1).abs() < 0.03);
        assert!((moment(&uniform, 2) - 3.0).abs() < 0.05);
    }

    #[test]
    fn dirac_filters_pass_channels_on() {
        let weights = initial(Init::Dirac(0.25), 3, "w", &[3, 2, 3, 3]);
        for (at, &weight) in weights.iter().enumerate() {
            match at {
                4 | 31 => assert_eq!(weight, 1.0, "{at}"),
                0..36 => assert_eq!(weight, 0.0, "{at}"),
                _ => assert!(weight != 0.0 && weight.abs() <= 0.25, "{at}: {weight}"),
            }
        }
    }

    #[test]
    fn averages_start_as_weights_and_take_their_place() {
        let memory = |name: &str, init| StateSpec { kind: StateKind::Memory, ..spec(name, &[2, 3], &[1, 0], init) };
        let specs = [
            spec("w", &[2, 3], &[1, 0], Init::Normal(1.0)),
            spec("frozen", &[2], &[0], Init::Normal(1.0)),
            memory("velocity/w", Init::Constant(0.0)),
            memory("average/w", Init::Copied),
        ];
        let mut state = State::new(&specs, 4);
        let weight = state.get(StateKind::Parameter, "w").unwrap();
        assert_eq!(state.get(StateKind::Memory, "average/w").unwrap(), weight);
        assert!(state.set(StateKind::Parameter, "w", &[7.0; 6]));
        let averaged = state.averaged().unwrap();
        assert_eq!(averaged.get(StateKind::Parameter, "w").unwrap(), weight);
        assert_eq!(averaged.get(StateKind::Parameter, "frozen"), state.get(StateKind::Parameter, "frozen"));
        assert_eq!(averaged.specs().len(), 2);
        state.copy_again();
        assert_eq!(state.get(StateKind::Memory, "average/w").unwrap(), [7.0; 6]);
        assert!(State::new(&specs[..3], 4).averaged().is_none());

        // Slow weights as well.
        let specs = [specs[0].clone(), memory("slow/w", Init::Copied)];
        let mut state = State::new(&specs, 4);
        assert!(state.set(StateKind::Memory, "slow/w", &[3.0; 6]));
        assert_eq!(state.averaged().unwrap().get(StateKind::Parameter, "w").unwrap(), [3.0; 6]);
    }

    #[test]
    fn set_and_get_go_through_the_layout() {
        let mut state = State::new(&[spec("w", &[2, 3], &[1, 0], Init::Constant(0.0))], 0);
        assert!(state.set(StateKind::Parameter, "w", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(state.physical(0), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(state.get(StateKind::Parameter, "w").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(!state.set(StateKind::Parameter, "w", &[1.0]));
        assert!(!state.set(StateKind::Memory, "velocity/w", &[0.0; 6]));
    }
}
