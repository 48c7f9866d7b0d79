//! What `rnet grad --reference` writes: the answers of the reference evaluator.

use super::super::Failure;
use rnet_compiler::graph::{Graph, OutputKind, eval, state_leaves};
use rnet_compiler::ops::tensor::Tensor;
use rnet_runtime::state::State;
use rnet_runtime::tensors::{DoubleTensors, Elements, Tensors};
use std::collections::HashMap;

/// What the leaves of the model's graphs hold: the batch, the seed of what is random, and the state as it is now.
pub fn leaves(state: &State, batch: &Tensors, seed: u64) -> HashMap<String, Tensor> {
    let mut leaves = state_leaves(state);
    for (name, tensor) in batch {
        let data = match &tensor.elements {
            Elements::Real(values) => values.iter().copied().map(f64::from).collect(),
            // Labels, which the native program has found to be classes.
            Elements::Whole(values) => values.iter().map(|&value| value as f64).collect(),
        };
        leaves.insert(name.clone(), Tensor { dims: tensor.dims.clone(), data });
    }
    leaves.insert("seed".to_string(), Tensor::full(&[], f64::from(seed as i32)));
    leaves
}

/// The results of a graph, but for the count of correct answers.
pub fn answers(graph: &Graph, leaves: &HashMap<String, Tensor>) -> Result<DoubleTensors, Failure> {
    let outputs = eval(graph, leaves).map_err(Failure::new)?;
    let is_answer = |name: &str| {
        name != "correct" && graph.outputs.iter().any(|output| output.name == name && output.kind == OutputKind::Result)
    };
    let answers = outputs.into_iter().filter(|(name, _)| is_answer(name));
    Ok(answers.map(|(name, tensor)| (name, (tensor.dims, tensor.data))).collect())
}
