//! What happens to gradients before any rule sees them: accumulation and clipping.

use super::{Trained, memory};
use crate::graph::{Graph, NodeId, OutputKind};
use crate::ops::emit::Emitter;
use crate::ops::leaf;
use rnet_runtime::optimizer::Clip;

/// Added to the norm of all gradients before the bound is divided by it, as PyTorch does.
const NORM_EPS: f64 = 1e-6;

/// Takes the results `grad.<name>` out of the graph, with the parameters that they belong to.
pub(super) fn take(graph: &mut Graph) -> Vec<Trained> {
    let parameters: Vec<NodeId> = graph.ids().into_iter().filter(|&id| graph[id].op.name() == "parameter").collect();
    let is_gradient =
        |output: &crate::graph::Output| output.kind == OutputKind::Result && output.name.starts_with("grad.");
    let (gradients, others): (Vec<_>, Vec<_>) = std::mem::take(&mut graph.outputs).into_iter().partition(is_gradient);
    graph.outputs = others;
    gradients
        .into_iter()
        .map(|output| {
            let name = &output.name["grad.".len()..];
            let parameter = parameters.iter().copied().find(|&id| graph[id].attributes.text("name") == name);
            let parameter = parameter.unwrap_or_else(|| panic!("optimizer: there is no parameter `{name}`"));
            Trained { parameter, gradient: output.value }
        })
        .collect()
}

/// Adds up the gradients of `batches` batches, each with its share, until an update is due.
pub(super) fn accumulate(graph: &mut Graph, trained: &mut [Trained], batches: u64, due: NodeId) {
    for Trained { parameter, gradient } in trained {
        let sum = memory(graph, *parameter, "gradient", false);
        let key = leaf::key(&graph[sum]).expect("a memory is a leaf");
        let mut emit = Emitter::new(graph, *parameter);
        let share = emit.scale(*gradient, 1.0 / batches as f64);
        *gradient = emit.add(sum, share);
        let dims = emit.dims(sum);
        let nothing = emit.constant(0.0, &dims);
        let kept = emit.select(due, nothing, *gradient);
        graph.output(OutputKind::Update, &key, kept);
    }
}

/// Brings gradients within a bound.
pub(super) fn clip(graph: &mut Graph, trained: &mut [Trained], clip: Clip) {
    match clip {
        Clip::None => {}
        Clip::Value(bound) => {
            for Trained { parameter, gradient } in trained {
                *gradient = Emitter::new(graph, *parameter).clamp(*gradient, -bound, bound);
            }
        }
        Clip::Norm(bound) => {
            // All sums come before the first addition, so that one kernel adds them up.
            let sums: Vec<NodeId> = trained
                .iter()
                .map(|Trained { parameter, gradient }| sum_of_squares(&mut Emitter::new(graph, *parameter), *gradient))
                .collect();
            let Some(first) = trained.first() else { return };
            let mut emit = Emitter::new(graph, first.parameter);
            let total = sums.into_iter().reduce(|total, sum| emit.add(total, sum)).expect("there is a gradient");
            let norm = emit.sqrt(total);
            let norm = emit.offset(norm, NORM_EPS);
            let bound = emit.constant(bound, &[]);
            let factor = emit.div(bound, norm);
            let factor = emit.clamp(factor, 0.0, 1.0);
            for Trained { parameter, gradient } in trained {
                let mut emit = Emitter::new(graph, *parameter);
                let dims = emit.dims(*gradient);
                let factor = emit.broadcast(factor, &[], &dims);
                *gradient = emit.mul(*gradient, factor);
            }
        }
    }
}

/// The sum of the squares of all elements, f32[].
pub(super) fn sum_of_squares(emit: &mut Emitter, x: NodeId) -> NodeId {
    let axes: Vec<usize> = (0..emit.dims(x).len()).collect();
    let squares = emit.square(x);
    emit.reduce_sum(squares, &axes)
}
