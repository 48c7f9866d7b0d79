//! State tensors as files hold them: under PyTorch's names, in PyTorch's layouts.

use crate::program::{StateKind, memory_name, memory_parts};
use crate::state::{AVERAGES, State};
use crate::tensors::{Elements, Tensor, Tensors};

/// What PyTorch counts beside a running mean; nothing here needs it.
pub(crate) const COUNTER: &str = "num_batches_tracked";

/// What the running statistics of batch norm are called.
const MEAN: &str = "running_mean";
/// See [`MEAN`].
const VARIANCE: &str = "running_var";

/// Why tensors do not fit a model.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MisfitError {
    /// Tensors that the model has and the file has not.
    #[error("{missing} of the model's {expected} tensors are missing, the first is `{first}`{}", near(nearest))]
    Missing {
        /// How many.
        missing: usize,
        /// How many the model has.
        expected: usize,
        /// The first of them.
        first: String,
        /// The name in the file that is most like it.
        nearest: Option<String>,
    },
    /// Tensors that the model does not have.
    #[error("tensors that belong to no part of the model: {extra}, the first is `{first}`{}", near(nearest))]
    Unknown {
        /// How many.
        extra: usize,
        /// The first of them.
        first: String,
        /// The model's name that is most like it.
        nearest: Option<String>,
    },
    /// A tensor of another shape.
    #[error("`{name}` has extents {found:?}, the model's has {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its extents in the model.
        expected: Vec<usize>,
        /// Its extents in the file.
        found: Vec<usize>,
    },
    /// A tensor of whole numbers.
    #[error("`{name}` holds whole numbers, weights are real")]
    Whole {
        /// The tensor.
        name: String,
    },
}

fn near(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(" (is it `{name}`?)"))
}

/// Which state tensors a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// Parameters and running statistics: what evaluation needs. Where an average of them is kept, it takes their place.
    Weights,
    /// What the optimizer remembers too: what training needs to go on.
    All,
}

/// The tensors that belong into a file.
fn held(state: &State, extent: Extent) -> Vec<(StateKind, String, Vec<usize>)> {
    let specs = state.specs().iter().filter(|spec| extent == Extent::All || spec.kind != StateKind::Memory);
    specs.map(|spec| (spec.kind, spec.name.clone(), spec.dims.clone())).collect()
}

/// The state's tensors, as a file holds them.
pub fn tensors(state: &State, extent: Extent) -> Tensors {
    let averaged = if extent == Extent::Weights { state.averaged() } else { None };
    let state = averaged.as_ref().unwrap_or(state);
    held(state, extent)
        .into_iter()
        .map(|(kind, name, dims)| {
            let values = state.get(kind, &name).unwrap_or_else(|| panic!("weights: the state has no `{name}`"));
            (name, Tensor::real(&dims, values))
        })
        .collect()
}

/// Fills the state from a file's tensors; nothing is changed unless all fit. PyTorch's `num_batches_tracked` is passed over.
/// Where only weights are asked for, those of a checkpoint are what its test was made with: averages where it has them, else the
/// weights. What the optimizer remembers is passed over then, and averages begin at these weights.
///
/// # Errors
/// When a tensor is missing, unknown, or of another shape.
pub fn load(state: &mut State, tensors: &Tensors, extent: Extent) -> Result<(), MisfitError> {
    fill(state, tensors, extent, |_| true)
}

/// Fills those weights of the state whose names are chosen; tensors of the file that are not chosen are passed over too.
///
/// # Errors
/// As [`load`], of what is chosen.
pub fn load_chosen(state: &mut State, tensors: &Tensors, is_chosen: impl Fn(&str) -> bool) -> Result<(), MisfitError> {
    fill(state, tensors, Extent::Weights, is_chosen)
}

fn fill(
    state: &mut State,
    tensors: &Tensors,
    extent: Extent,
    is_chosen: impl Fn(&str) -> bool,
) -> Result<(), MisfitError> {
    let mut wanted = held(state, extent);
    wanted.retain(|(_, name, _)| is_chosen(name));
    let names: Vec<String> = wanted.iter().map(|(_, name, _)| name.clone()).collect();
    let is_memory = |name: &str| memory_parts(name).is_some_and(|(_, name)| names.iter().any(|known| known == name));
    let ignored =
        |name: &str| name.rsplit('.').next() == Some(COUNTER) || (extent == Extent::Weights && is_memory(name));
    let tensor = |name: &str| {
        let average = if extent == Extent::Weights { averaged(tensors, name) } else { None };
        average.unwrap_or(&tensors[name])
    };
    let given: Vec<&String> = tensors.keys().filter(|name| !ignored(name) && is_chosen(name)).collect();
    let missing: Vec<&String> = names.iter().filter(|name| !tensors.contains_key(*name)).collect();
    if let Some(first) = missing.first() {
        let nearest = nearest(first, given.iter().copied().filter(|name| !names.contains(name)));
        return Err(MisfitError::Missing {
            missing: missing.len(),
            expected: names.len(),
            first: first.to_string(),
            nearest,
        });
    }
    let unknown: Vec<&&String> = given.iter().filter(|name| !names.contains(name)).collect();
    if let Some(first) = unknown.first() {
        let nearest = nearest(first, names.iter());
        return Err(MisfitError::Unknown { extra: unknown.len(), first: first.to_string(), nearest });
    }
    for ((_, _, dims), name) in wanted.iter().zip(&names) {
        let tensor = tensor(name);
        if tensor.dims != *dims {
            let (expected, found) = (dims.clone(), tensor.dims.clone());
            return Err(MisfitError::Shape { name: name.clone(), expected, found });
        }
        if matches!(tensor.elements, Elements::Whole(_)) {
            return Err(MisfitError::Whole { name: name.clone() });
        }
    }
    for (kind, name, _) in &wanted {
        if let Elements::Real(values) = &tensor(name).elements {
            assert!(state.set(*kind, name, values), "weights: `{name}` was checked");
        }
    }
    if extent == Extent::Weights {
        state.copy_again();
    }
    Ok(())
}

/// Whether a tensor of that name is a running statistic of batch norm.
pub fn is_statistic(name: &str) -> bool {
    [MEAN, VARIANCE].contains(&name.rsplit('.').next().unwrap_or(name))
}

/// The average of a weight or statistic in a checkpoint's tensors, if it has one.
fn averaged<'t>(tensors: &'t Tensors, name: &str) -> Option<&'t Tensor> {
    AVERAGES.iter().find_map(|slot| tensors.get(&memory_name(slot, name)))
}

/// Removes from a file's tensors what the optimizer remembers, and returns how many tensors those are. Averages of weights take the
/// weights' place: tests were made with them.
pub fn remove_memory(tensors: &mut Tensors) -> usize {
    let is_memory = |name: &String| memory_parts(name).is_some_and(|(_, of)| tensors.contains_key(of));
    let memory: Vec<String> = tensors.keys().filter(|name| is_memory(name)).cloned().collect();
    let weights: Vec<String> = tensors.keys().filter(|name| !memory.contains(name)).cloned().collect();
    for name in weights {
        if let Some(average) = averaged(tensors, &name).cloned() {
            tensors.insert(name, average);
        }
    }
    memory.iter().for_each(|name| drop(tensors.remove(name)));
    memory.len()
}

/// Puts a `num_batches_tracked` of 0 beside each running mean, as PyTorch's files have one, and returns how many were missing.
pub fn add_counters(tensors: &mut Tensors) -> usize {
    let beside = |name: &String| Some(format!("{}{COUNTER}", name.strip_suffix(MEAN)?));
    let missing: Vec<String> =
        tensors.keys().filter_map(beside).filter(|counter| !tensors.contains_key(counter)).collect();
    for counter in &missing {
        tensors.insert(counter.clone(), Tensor { dims: Vec::new(), elements: Elements::Whole(vec![0]) });
    }
    missing.len()
}

/// The name with the fewest differing pieces between dots, if at least half agree.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> Option<String> {
    let pieces: Vec<&str> = name.split('.').collect();
    let alike = |other: &str| {
        let other: Vec<&str> = other.split('.').collect();
        let from_end = pieces.iter().rev().zip(other.iter().rev()).filter(|(a, b)| a == b).count();
        let from_start = pieces.iter().zip(&other).filter(|(a, b)| a == b).count();
        from_end.max(from_start)
    };
    let (alike, best) = known.map(|other| (alike(other), other)).min_by_key(|(alike, _)| std::cmp::Reverse(*alike))?;
    (2 * alike >= pieces.len()).then(|| best.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Init, StateSpec};

    fn state() -> State {
        let spec = |kind, name: &str, dims: &[usize]| StateSpec {
            kind,
            name: name.to_string(),
            dims: dims.to_vec(),
            layout: (0..dims.len()).rev().collect(),
            init: Init::Normal(1.0),
        };
        State::new(
            &[
                spec(StateKind::Parameter, "fc.weight", &[2, 3]),
                spec(StateKind::Statistic, "bn.running_mean", &[2]),
                spec(StateKind::Memory, "velocity/fc.weight", &[2, 3]),
            ],
            5,
        )
    }

    #[test]
    fn tensors_go_out_and_come_back() {
        let mut fresh = state();
        let mut all = tensors(&fresh, Extent::All);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["bn.running_mean", "fc.weight", "velocity/fc.weight"]);
        all.get_mut("fc.weight").unwrap().elements = Elements::Real((0..6).map(|x| x as f32).collect());
        load(&mut fresh, &all, Extent::All).unwrap();
        assert_eq!(tensors(&fresh, Extent::All), all);
        all.insert("bn.num_batches_tracked".to_string(), Tensor { dims: vec![], elements: Elements::Whole(vec![3]) });
        load(&mut fresh, &all, Extent::Weights).unwrap();
        assert_eq!(tensors(&fresh, Extent::Weights).len(), 2);
        // Of a checkpoint with slow weights those are the weights.
        all.insert("slow/fc.weight".to_string(), Tensor::real(&[2, 3], vec![9.0; 6]));
        load(&mut fresh, &all, Extent::Weights).unwrap();
        assert_eq!(fresh.get(StateKind::Parameter, "fc.weight"), Some(vec![9.0; 6]));
    }

    #[test]
    fn chosen_tensors_alone_are_filled_and_have_to_fit() {
        let mut fresh = state();
        let mut given = Tensors::from([("fc.weight".to_string(), Tensor::real(&[2, 3], vec![7.0; 6]))]);
        let before = fresh.get(StateKind::Statistic, "bn.running_mean");
        load_chosen(&mut fresh, &given, |name| name.starts_with("fc")).unwrap();
        assert_eq!(fresh.get(StateKind::Parameter, "fc.weight"), Some(vec![7.0; 6]));
        assert_eq!(fresh.get(StateKind::Statistic, "bn.running_mean"), before);
        let missing = load_chosen(&mut fresh, &given, |_| true).unwrap_err();
        assert!(matches!(missing, MisfitError::Missing { missing: 1, expected: 2, .. }), "{missing}");
        given.insert("fc.extra".to_string(), Tensor::real(&[], vec![0.0]));
        load_chosen(&mut fresh, &given, |name| name == "fc.weight").unwrap();
        let unknown = load_chosen(&mut fresh, &given, |name| name.starts_with("fc")).unwrap_err();
        assert!(matches!(unknown, MisfitError::Unknown { extra: 1, .. }), "{unknown}");
    }

    #[test]
    fn files_lose_memory_and_gain_counters() {
        let mut file = tensors(&state(), Extent::All);
        file.insert("velocity/of_what".to_string(), Tensor::real(&[], vec![0.0]));
        file.insert("average/fc.weight".to_string(), Tensor::real(&[2, 3], vec![4.0; 6]));
        // A layer may be called as a slot is.
        file.insert("velocity.weight".to_string(), Tensor::real(&[], vec![1.0]));
        assert_eq!(remove_memory(&mut file), 2);
        assert_eq!(file["fc.weight"], Tensor::real(&[2, 3], vec![4.0; 6]));
        assert!(file.remove("velocity.weight").is_some());
        assert_eq!(file.keys().collect::<Vec<_>>(), ["bn.running_mean", "fc.weight", "velocity/of_what"]);
        assert_eq!((add_counters(&mut file), add_counters(&mut file)), (1, 0));
        assert_eq!(file["bn.num_batches_tracked"].elements, Elements::Whole(vec![0]));
        assert!(is_statistic("bn.running_var") && !is_statistic("bn.running_weight") && !is_statistic("bn.weight"));
    }

    #[test]
    fn what_does_not_fit_is_named_and_changes_nothing() {
        let mut fresh = state();
        let before = tensors(&fresh, Extent::All);
        let change = |name: &str, tensor: Option<Tensor>| {
            let mut changed = before.clone();
            match tensor {
                Some(tensor) => changed.insert(name.to_string(), tensor),
                None => changed.remove(name),
            };
            changed
        };
        let mut renamed = change("fc.weight", None);
        renamed.insert("module.fc.weight".to_string(), before["fc.weight"].clone());
        let whole = Tensor { dims: vec![2], elements: Elements::Whole(vec![1, 2]) };
        for (tensors, words) in [
            (change("fc.weight", None), "1 of the model's 3 tensors are missing, the first is `fc.weight`"),
            (renamed, "(is it `module.fc.weight`?)"),
            (change("fc.bias", Some(Tensor::real(&[2], vec![0.0; 2]))), "`fc.bias` (is it `fc.weight`?)"),
            (
                change("fc.weight", Some(Tensor::real(&[3, 2], vec![0.0; 6]))),
                "has extents [3, 2], the model's has [2, 3]",
            ),
            (change("bn.running_mean", Some(whole)), "whole numbers"),
        ] {
            let error = load(&mut fresh, &tensors, Extent::All).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(tensors(&fresh, Extent::All), before);
    }
}
