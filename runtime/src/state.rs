//! The tensors that outlive a step: parameters, running statistics, momentum buffers.
//!
//! They lie in memory as the kernels want them; [`State::get`] and [`State::set`] speak the logical row-major order of
//! checkpoints.

use crate::buffer::Buffer;
use crate::layout::{to_logical, to_physical};
use crate::program::{Init, StateKind, StateSpec};
use crate::random::scatter;
use std::collections::HashMap;
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicU64, Ordering};

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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut state = State {
            specs: specs.to_vec(),
            buffers: Vec::new(),
            places: HashMap::new(),
            identity: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        for (place, spec) in specs.iter().enumerate() {
            state.places.insert((spec.kind, spec.name.clone()), place);
            let len = spec.dims.iter().product();
            let logical: Vec<f32> = initial(spec.init, seed, &spec.name, len);
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
fn initial(init: Init, seed: u64, name: &str, len: usize) -> Vec<f32> {
    let stream = stream(seed, name);
    let element = |index: usize| {
        let (u, v) = (uniform(stream, 2 * index as u64), uniform(stream, 2 * index as u64 + 1));
        match init {
            Init::Constant(value) => value,
            Init::Normal(deviation) => {
                let radius = (-2.0 * (1.0 - u).ln()).sqrt();
                (f64::from(deviation) * radius * (TAU * v).cos()) as f32
            }
            Init::Uniform(bound) => (f64::from(bound) * (2.0 * u - 1.0)) as f32,
        }
    };
    (0..len).map(element).collect()
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
        let normal = initial(Init::Normal(2.0), 1, "w", 100_000);
        let moment = |values: &[f32], power: i32| {
            values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / values.len() as f64
        };
        assert!(moment(&normal, 1).abs() < 0.03, "{}", moment(&normal, 1));
        assert!((moment(&normal, 2) - 4.0).abs() < 0.08, "{}", moment(&normal, 2));
        assert!((moment(&normal, 4) / 48.0 - 1.0).abs() < 0.05, "{}", moment(&normal, 4));
        let uniform = initial(Init::Uniform(3.0), 1, "w", 100_000);
        assert!(uniform.iter().all(|x| (-3.0..3.0).contains(x)));
        assert!(moment(&uniform, 1).abs() < 0.03);
        assert!((moment(&uniform, 2) - 3.0).abs() < 0.05);
    }

    #[test]
    fn set_and_get_go_through_the_layout() {
        let mut state = State::new(&[spec("w", &[2, 3], &[1, 0], Init::Constant(0.0))], 0);
        assert!(state.set(StateKind::Parameter, "w", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        assert_eq!(state.physical(0), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        assert_eq!(state.get(StateKind::Parameter, "w").unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(!state.set(StateKind::Parameter, "w", &[1.0]));
        assert!(!state.set(StateKind::Velocity, "w", &[0.0; 6]));
    }
}
