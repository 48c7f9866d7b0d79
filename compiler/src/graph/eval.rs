//! The reference evaluator: every node by its op's naive f64 `eval`. It is the oracle for whatever the compiler emits.

use super::{Graph, NodeId};
use crate::ops::leaf;
use crate::ops::tensor::Tensor;
use indexmap::IndexMap;
use rnet_runtime::program::StateSpec;
use rnet_runtime::state::State;
use std::borrow::Cow;
use std::collections::HashMap;

/// The outputs of a verified graph, by name and in their order, when its leaves have these values. Leaves are looked up
/// by [`leaf::key`]: inputs, parameters and statistics by their name, memories by `<slot>.<name>`.
///
/// # Errors
/// When a leaf has no value or one of another shape.
pub fn eval(graph: &Graph, leaves: &HashMap<String, Tensor>) -> Result<IndexMap<String, Tensor>, String> {
    let order = graph.topological();
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for used in order.iter().flat_map(|&id| &graph[id].operands).chain(graph.outputs.iter().map(|output| &output.value))
    {
        *uses.entry(*used).or_default() += 1;
    }
    let mut values: HashMap<NodeId, Cow<Tensor>> = HashMap::new();
    for id in order {
        let node = &graph[id];
        let value = match leaf::key(node) {
            Some(name) => {
                let value = leaves.get(&name).ok_or_else(|| format!("the {} `{name}` has no value", node.op.name()))?;
                if value.dims != node.ty.dims || value.data.len() != node.ty.len() {
                    return Err(format!("`{name}` is {}, its value has extents {:?}", node.ty, value.dims));
                }
                Cow::Borrowed(value)
            }
            None => {
                let operands: Vec<&Tensor> = node.operands.iter().map(|operand| &*values[operand]).collect();
                Cow::Owned(node.op.eval(&operands, &node.attributes, &node.ty))
            }
        };
        values.insert(id, value);
        // Whatever was used for the last time goes, so that a whole training step fits in memory.
        for operand in &node.operands {
            let left = uses.get_mut(operand).expect("an operand is used");
            *left -= 1;
            if *left == 0 {
                values.remove(operand);
            }
        }
    }
    Ok(graph.outputs.iter().map(|output| (output.name.clone(), values[&output.value].clone().into_owned())).collect())
}

/// What parameters, statistics and memories hold now, as leaves to evaluate with.
pub fn state_leaves(state: &State) -> HashMap<String, Tensor> {
    let leaf = |spec: &StateSpec| {
        let values = state.get(spec.kind, &spec.name).expect("a state has all its tensors");
        let data = values.into_iter().map(f64::from).collect();
        (spec.name.clone(), Tensor { dims: spec.dims.clone(), data })
    };
    state.specs().iter().map(leaf).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const TEXT: &str = r#"graph {
  %0 = input {dims=[2], element="f32", name="x"} : f32[2]
  %1 = memory {dims=[2], element="f32", name="w", slot="velocity"} : f32[2]
  %2 = mul %0, %0 : f32[2]
  %3 = add %2, %1 : f32[2]
  result square = %2
  update velocity/w = %3
}"#;

    #[test]
    fn evaluates_outputs_in_order() {
        let vector = |a, b| Tensor { dims: vec![2], data: vec![a, b] };
        let leaves =
            HashMap::from([("x".to_string(), vector(3.0, -2.0)), ("velocity/w".to_string(), vector(1.0, 1.0))]);
        let outputs = eval(&parse(TEXT).unwrap(), &leaves).unwrap();
        assert_eq!(outputs.keys().collect::<Vec<_>>(), ["square", "velocity/w"]);
        assert_eq!(outputs["square"], vector(9.0, 4.0));
        assert_eq!(outputs["velocity/w"], vector(10.0, 5.0));
    }

    #[test]
    fn a_leaf_without_its_value_is_an_error() {
        let graph = parse(TEXT).unwrap();
        assert_eq!(eval(&graph, &HashMap::new()), Err("the input `x` has no value".to_string()));
        let leaves = HashMap::from([("x".to_string(), Tensor::full(&[3], 0.0))]);
        assert_eq!(eval(&graph, &leaves), Err("`x` is f32[2], its value has extents [3]".to_string()));
    }
}
