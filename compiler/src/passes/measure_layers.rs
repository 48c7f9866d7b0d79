//! A computation that measures the layers of a model: how large their activations are, and the gradients of their weights.

use super::differentiate::{NoGradient, differentiate};
use crate::graph::{Attributes, Graph, NodeId, OutputKind};
use crate::ops::{self, emit::Emitter};
use std::collections::BTreeSet;

/// What each measured layer's results are called, before its path.
pub const ACTIVATION: &str = "activation.";
/// See [`ACTIVATION`].
pub const GRADIENT: &str = "gradient.";

/// A layer that has weights.
struct Layer {
    path: String,
    /// Its result.
    activation: NodeId,
}

/// The layers with weights of more than one axis (convolutions, dense layers), in the order of computation. Gains and biases
/// alone are none.
fn layers(forward: &Graph) -> Vec<Layer> {
    let weights: BTreeSet<&str> = forward
        .ids()
        .into_iter()
        .map(|id| &forward[id])
        .filter(|node| node.op.name() == "parameter" && node.ty.rank() > 1)
        .map(|node| node.place.path.as_str())
        .collect();
    let mut layers: Vec<Layer> = Vec::new();
    for id in forward.topological() {
        let node = &forward[id];
        if node.operands.is_empty() || node.ty.rank() < 2 {
            continue;
        }
        match layers.iter_mut().find(|layer| layer.path == node.place.path) {
            // A layer's result is its last node: behind the product may come a bias.
            Some(layer) => layer.activation = id,
            None if weights.contains(node.place.path.as_str()) => {
                layers.push(Layer { path: node.place.path.clone(), activation: id });
            }
            None => {}
        }
    }
    layers
}

/// The sum of the squares of all elements: f32[].
fn squares(emitter: &mut Emitter, x: NodeId) -> NodeId {
    let axes: Vec<usize> = (0..emitter.dims(x).len()).collect();
    let squares = emitter.square(x);
    emitter.reduce_sum(squares, &axes)
}

fn root(emitter: &mut Emitter, x: NodeId) -> NodeId {
    emitter.emit(ops::find("sqrt").expect("`sqrt` is an op"), &[x], Attributes::new())
}

/// From a forward graph in training mode, a graph without updates and with two results for each layer that has weights of more
/// than one axis: `activation.<path>`, the root mean square of its result, and `gradient.<path>`, the L2 norm of the loss's
/// gradient by all its parameters that are trained (absent where none is). Returns the paths too, in the order of computation.
///
/// # Errors
/// As [`differentiate`].
pub fn measure_layers(forward: &Graph) -> Result<(Graph, Vec<String>), NoGradient> {
    let layers = layers(forward);
    let mut graph = forward.clone();
    differentiate(&mut graph)?;
    let gradients: Vec<(String, NodeId)> = graph
        .outputs
        .iter()
        .filter(|output| output.kind == OutputKind::Result)
        .filter_map(|output| Some((output.name.strip_prefix("grad.")?.to_string(), output.value)))
        .collect();
    let parameters: Vec<NodeId> = graph.ids().into_iter().filter(|&id| graph[id].op.name() == "parameter").collect();
    graph.outputs.clear();
    for Layer { path, activation } in &layers {
        let mut emitter = Emitter::new(&mut graph, *activation);
        let elements: usize = emitter.dims(*activation).iter().product();
        let sum = squares(&mut emitter, *activation);
        let mean = emitter.scale(sum, 1.0 / elements as f64);
        let activation = root(&mut emitter, mean);
        graph.output(OutputKind::Result, &format!("{ACTIVATION}{path}"), activation);

        let own = parameters.iter().filter(|&&id| graph[id].place.path == *path);
        let names: Vec<&str> = own.map(|&id| graph[id].attributes.text("name")).collect();
        let of_layer = gradients.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let of_layer: Vec<NodeId> = of_layer.map(|&(_, gradient)| gradient).collect();
        let mut emitter = Emitter::new(&mut graph, activation);
        let sums: Vec<NodeId> = of_layer.iter().map(|&gradient| squares(&mut emitter, gradient)).collect();
        let Some(sum) = sums.into_iter().reduce(|a, b| emitter.add(a, b)) else { continue };
        let gradient = root(&mut emitter, sum);
        graph.output(OutputKind::Result, &format!("{GRADIENT}{path}"), gradient);
    }
    Ok((graph, layers.into_iter().map(|layer| layer.path).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{eval, parse, verify};
    use crate::ops::tensor::Tensor;
    use std::collections::HashMap;

    /// A convolution, batch norm's gain by itself, and a dense layer whose weight is frozen and whose bias is not.
    const FORWARD: &str = r#"graph {
  %0 = input {dims=[2,1,2,2], element="f32", name="image"} : f32[2,1,2,2]   @ m:1:1 image
  %1 = input {dims=[2], element="i32", name="label"} : i32[2]   @ m:1:1 label
  %2 = parameter {dims=[1,1,1,1], element="f32", init="constant", init_value=1.0, name="conv1.weight"} : f32[1,1,1,1]   @ m:2:1 conv1
  %3 = conv2d %0, %2 {dilation=[1,1], groups=1, pad=[0,0], stride=[1,1]} : f32[2,1,2,2]   @ m:2:1 conv1
  %4 = parameter {dims=[1], element="f32", init="constant", init_value=1.0, name="gain1.weight"} : f32[1]   @ m:3:1 gain1
  %5 = broadcast %4 {axes=[1], dims=[2,1,2,2]} : f32[2,1,2,2]   @ m:3:1 gain1
  %6 = mul %3, %5 : f32[2,1,2,2]   @ m:3:1 gain1
  %7 = flatten %6 : f32[2,4]   @ m:4:1 flatten1
  %8 = parameter {dims=[2,4], element="f32", frozen=true, init="constant", init_value=1.0, name="fc.weight"} : f32[2,4]   @ m:5:1 fc
  %9 = dense %7, %8 : f32[2,2]   @ m:5:1 fc
  %10 = parameter {dims=[2], element="f32", init="constant", init_value=0.0, name="fc.bias"} : f32[2]   @ m:5:1 fc
  %11 = broadcast %10 {axes=[1], dims=[2,2]} : f32[2,2]   @ m:5:1 fc
  %12 = add %9, %11 : f32[2,2]   @ m:5:1 fc
  %13 = cross_entropy %12, %1 {smoothing=0.0} : f32[]   @ m:5:1 loss
  update gain1.weight = %4
  result logits = %12
  result loss = %13
}"#;

    #[test]
    fn layers_are_measured_and_nothing_else_is_left() {
        let forward = parse(FORWARD).unwrap();
        let (graph, layers) = measure_layers(&forward).unwrap();
        verify(&graph).unwrap();
        assert_eq!(layers, ["conv1", "fc"]);
        assert!(graph.outputs.iter().all(|output| output.kind == OutputKind::Result));
        let names: Vec<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
        assert_eq!(names, ["activation.conv1", "gradient.conv1", "activation.fc", "gradient.fc"]);

        let tensor = |dims: &[usize], data: &[f64]| Tensor { dims: dims.to_vec(), data: data.to_vec() };
        let leaves = HashMap::from([
            ("image".to_string(), tensor(&[2, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0, 0.0, -1.0, -2.0, 1.0])),
            ("label".to_string(), tensor(&[2], &[0.0, 0.0])),
            ("conv1.weight".to_string(), tensor(&[1, 1, 1, 1], &[2.0])),
            ("gain1.weight".to_string(), tensor(&[1], &[1.0])),
            ("fc.weight".to_string(), tensor(&[2, 4], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])),
            ("fc.bias".to_string(), tensor(&[2], &[0.0, 3.0])),
        ]);
        let results = eval(&graph, &leaves).unwrap();
        let result = |name: &str| results[name].data[0];
        // Of 2x: the mean square of x is 36 / 8.
        assert!((result("activation.conv1") - (4.0f64 * 36.0 / 8.0).sqrt()).abs() < 1e-12);
        // Logits (2, 4 + 3) and (0, -2 + 3); the bias's gradient is the mean of softmax minus the label's.
        let wrong = |a: f64, b: f64| 1.0 / (1.0 + (a - b).exp());
        let mean = (wrong(2.0, 7.0) + wrong(0.0, 1.0)) / 2.0;
        assert!((result("gradient.fc") - (2.0 * mean * mean).sqrt()).abs() < 1e-12);
        assert!((result("activation.fc") - ((4.0 + 49.0 + 0.0 + 1.0) / 4.0f64).sqrt()).abs() < 1e-12);
    }
}
