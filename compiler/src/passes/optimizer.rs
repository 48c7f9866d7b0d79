//! Turns gradients into the optimizer's update: stochastic gradient descent with momentum, in PyTorch's form.

use crate::graph::{Attribute, Attributes, Graph, NodeId, OutputKind, Place};
use crate::ops;
use rnet_runtime::config::Sgd;

fn leaf(graph: &mut Graph, op: &str, name: &str, dims: &[usize], place: Place) -> NodeId {
    let dims = dims.iter().map(|&extent| extent as i64).collect();
    let attributes = Attributes::new()
        .with("name", Attribute::Text(name.to_string()))
        .with("dims", Attribute::Ints(dims))
        .with("element", Attribute::Text("f32".to_string()));
    graph.add(ops::find(op).unwrap_or_else(|| panic!("`{op}` is an op")), &[], attributes, place)
}

/// Replaces each result `grad.<name>` by updates of the parameter and its velocity. A parameter's own `lr` and `decay`
/// attributes scale the learning rate and the weight decay. Adds the input `lr` (f32[]).
///
/// # Panics
/// When a gradient belongs to no parameter of the graph.
pub fn optimizer(graph: &mut Graph, config: &Sgd) {
    let gradients: Vec<(String, NodeId)> = graph
        .outputs
        .iter()
        .filter(|output| output.kind == OutputKind::Result)
        .filter_map(|output| Some((output.name.strip_prefix("grad.")?.to_string(), output.value)))
        .collect();
    graph.outputs.retain(|output| output.kind != OutputKind::Result || !output.name.starts_with("grad."));
    let lr = leaf(graph, "input", "lr", &[], Place::default());
    let parameters: Vec<NodeId> = graph.ids().into_iter().filter(|&id| graph[id].op.name() == "parameter").collect();
    for (name, gradient) in gradients {
        let parameter = parameters.iter().copied().find(|&id| graph[id].attributes.text("name") == name);
        let parameter = parameter.unwrap_or_else(|| panic!("optimizer: there is no parameter `{name}`"));
        let node = &graph[parameter];
        let factor = |attribute: &str| node.attributes.get(attribute).map_or(1.0, |_| node.attributes.float(attribute));
        let (lr_factor, decay) = (factor("lr"), factor("decay"));
        let (dims, place) = (node.ty.dims.clone(), node.place.clone());
        let velocity = leaf(graph, "velocity", &name, &dims, place.clone());
        let attributes = Attributes::new()
            .with("momentum", Attribute::Float(config.momentum))
            .with("weight_decay", Attribute::Float(config.weight_decay * decay));
        let momentum = ops::find("momentum").expect("`momentum` is an op");
        let moved = graph.add(momentum, &[velocity, parameter, gradient], attributes.clone(), place.clone());
        let attributes = attributes
            .with("lr_factor", Attribute::Float(lr_factor))
            .with("nesterov", Attribute::Bool(config.nesterov));
        let sgd = ops::find("sgd").expect("`sgd` is an op");
        let stepped = graph.add(sgd, &[parameter, moved, gradient, lr], attributes, place);
        graph.output(OutputKind::Update, &format!("velocity.{name}"), moved);
        graph.output(OutputKind::Update, &name, stepped);
    }
}
