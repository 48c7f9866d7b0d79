//! The invariants of a graph. Every pass may rely on them, and is checked for keeping them.

use super::{Graph, NodeId, OutputKind};
use crate::ops::{Lowering, leaf};
use std::collections::{BTreeMap, BTreeSet};

/// Checks that
/// - every operand is in the graph, and there is no cycle;
/// - every node has the type that its op infers;
/// - no two leaves and no two outputs share a name;
/// - every output's value is in the graph, and an update names a state leaf of its type;
/// - either no node has a kernel, or all but the leaves have one, and kernels do not wait for each other in a circle.
///
/// # Errors
/// The first violation, in words.
pub fn verify(graph: &Graph) -> Result<(), String> {
    operands(graph)?;
    types(graph)?;
    let leaves = leaves(graph)?;
    outputs(graph, &leaves)?;
    kernels(graph)
}

fn describe(graph: &Graph, id: NodeId) -> String {
    let node = &graph[id];
    match node.place.path.as_str() {
        "" => format!("{id:?} = {}", node.op.name()),
        path => format!("{id:?} = {} of {path}", node.op.name()),
    }
}

fn operands(graph: &Graph) -> Result<(), String> {
    for id in graph.ids() {
        for &operand in &graph[id].operands {
            if !graph.contains(operand) {
                return Err(format!("{}: operand {operand:?} is not in the graph", describe(graph, id)));
            }
            if !graph.users(operand).contains(&id) {
                return Err(format!("{}: no edge from its operand {operand:?}", describe(graph, id)));
            }
        }
    }
    match graph.try_topological() {
        Some(_) => Ok(()),
        None => Err("the graph has a cycle".to_string()),
    }
}

fn types(graph: &Graph) -> Result<(), String> {
    for id in graph.ids() {
        let node = &graph[id];
        let types: Vec<_> = node.operands.iter().map(|&operand| &graph[operand].ty).collect();
        let inferred = node
            .op
            .infer(&types, &node.attributes)
            .map_err(|error| format!("{}: {}", describe(graph, id), error.message))?;
        if inferred != node.ty {
            return Err(format!("{}: its type is {}, the op infers {inferred}", describe(graph, id), node.ty));
        }
    }
    Ok(())
}

fn leaves(graph: &Graph) -> Result<BTreeMap<String, NodeId>, String> {
    let mut leaves = BTreeMap::new();
    for id in graph.ids() {
        if let Some(name) = leaf::key(&graph[id])
            && let Some(other) = leaves.insert(name.clone(), id)
        {
            return Err(format!("{} and {other:?} are both called `{name}`", describe(graph, id)));
        }
    }
    Ok(leaves)
}

fn outputs(graph: &Graph, leaves: &BTreeMap<String, NodeId>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for output in &graph.outputs {
        let name = &output.name;
        if !names.insert(name) {
            return Err(format!("two outputs are called `{name}`"));
        }
        if !graph.contains(output.value) {
            return Err(format!("the output `{name}` is {:?}, which is not in the graph", output.value));
        }
        if output.kind == OutputKind::Update {
            let ty = &graph[output.value].ty;
            match leaves.get(name).map(|&leaf| &graph[leaf]) {
                None => return Err(format!("the update of `{name}` names no leaf")),
                Some(leaf) if !leaf::is_state(leaf) => {
                    return Err(format!("the update of `{name}` names an {}, which is no state", leaf.op.name()));
                }
                Some(leaf) if leaf.ty != *ty => {
                    return Err(format!("the update of `{name}`, which is {}, has type {ty}", leaf.ty));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

fn kernels(graph: &Graph) -> Result<(), String> {
    let fused = graph.ids().into_iter().any(|id| graph[id].kernel.is_some());
    for id in graph.ids() {
        let is_leaf = matches!(graph[id].op.lowering(), Lowering::Leaf);
        match graph[id].kernel {
            Some(kernel) if is_leaf => {
                return Err(format!("{} is a leaf, but in kernel {kernel}", describe(graph, id)));
            }
            None if fused && !is_leaf => return Err(format!("{} is in no kernel, others are", describe(graph, id))),
            _ => {}
        }
    }
    match kernel_order(graph) {
        Some(_) => Ok(()),
        None => Err("kernels wait for each other in a circle".to_string()),
    }
}

/// The kernels of a fused graph, each after those whose results it reads; of those that could come next the least
/// first, so the order depends on the graph alone. `None` when there is a cycle.
pub fn kernel_order(graph: &Graph) -> Option<Vec<u32>> {
    let mut waiting: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for id in graph.ids() {
        if let Some(kernel) = graph[id].kernel {
            let needed = graph[id].operands.iter().filter_map(|&operand| graph[operand].kernel);
            waiting.entry(kernel).or_default().extend(needed.filter(|&needed| needed != kernel));
        }
    }
    let mut readers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&kernel, needed) in &waiting {
        for &needed in needed {
            readers.entry(needed).or_default().push(kernel);
        }
    }
    let mut ready: BTreeSet<u32> =
        waiting.iter().filter(|(_, needed)| needed.is_empty()).map(|(&kernel, _)| kernel).collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(kernel) = ready.pop_first() {
        order.push(kernel);
        for reader in readers.get(&kernel).into_iter().flatten() {
            let needed = waiting.get_mut(reader).expect("a reader is a kernel");
            needed.remove(&kernel);
            if needed.is_empty() {
                ready.insert(*reader);
            }
        }
    }
    (order.len() == waiting.len()).then_some(order)
}

#[cfg(test)]
mod tests {
    use super::super::{Attributes, Place, TensorType, parse};
    use super::*;
    use crate::ops::find;

    fn rejected(text: &str, words: &str) {
        let error = parse(text).expect_err("the graph breaks an invariant").to_string();
        assert!(error.contains(words), "{error}");
    }

    const INPUT: &str = r#"%0 = input {dims=[2], element="f32", name="image"} : f32[2]"#;
    const RELU: &str = "%1 = relu %0 : f32[2]";

    #[test]
    fn names_are_unique() {
        rejected(&format!("graph {{\n{INPUT}\n{}\n}}", INPUT.replace("%0", "%1")), "both called `image`");
        rejected(&format!("graph {{\n{INPUT}\nresult a = %0\nresult a = %0\n}}"), "two outputs are called `a`");
    }

    #[test]
    fn updates_name_a_state_of_their_type() {
        rejected(&format!("graph {{\n{INPUT}\nupdate image = %0\n}}"), "no state");
        rejected(&format!("graph {{\n{INPUT}\nupdate weight = %0\n}}"), "names no leaf");
        let state = r#"%1 = statistic {dims=[3], element="f32", init_value=0.0, name="mean"} : f32[3]"#;
        rejected(&format!("graph {{\n{INPUT}\n{state}\nupdate mean = %0\n}}"), "f32[3], has type f32[2]");
    }

    #[test]
    fn all_or_no_nodes_have_kernels() {
        rejected(&format!("graph {{\nkernel 0 {{\n{INPUT}\n}}\n}}"), "is a leaf");
        let free = RELU.replace("%1", "%2");
        rejected(&format!("graph {{\n{INPUT}\n{free}\nkernel 0 {{\n{RELU}\n}}\n}}"), "in no kernel");
    }

    #[test]
    fn kernels_form_no_circle() {
        let chain = "kernel 0 {\n%1 = relu %0 : f32[2]\n}\nkernel 1 {\n%2 = neg %1 : f32[2]\n}\nkernel 0 {\n%3 = relu %2 : f32[2]\n}";
        rejected(&format!("graph {{\n{INPUT}\n{chain}\n}}"), "circle");
    }

    #[test]
    fn cycles_and_wrong_types_are_found() {
        let mut graph = parse(&format!("graph {{\n{INPUT}\n{RELU}\n%2 = neg %1 : f32[2]\n}}")).unwrap();
        let [input, relu, neg] = <[NodeId; 3]>::try_from(graph.ids()).unwrap();
        graph[neg].ty = TensorType::f32(&[3]);
        assert!(verify(&graph).unwrap_err().contains("infers f32[2]"));
        graph[neg].ty = TensorType::f32(&[2]);
        graph.set_operands(relu, vec![neg]);
        assert_eq!(verify(&graph), Err("the graph has a cycle".to_string()));
        graph.set_operands(relu, vec![input]);
        assert_eq!(verify(&graph), Ok(()));
        graph.add(find("relu").unwrap(), &[neg], Attributes::new(), Place::default());
        assert_eq!(verify(&graph), Ok(()));
    }
}
