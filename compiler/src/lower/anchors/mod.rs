//! Loop nests of the ops that are more than elementwise, one file a family.

mod channel_window_sum;
mod convolution;
mod cross_entropy;
mod elementwise;
mod input_grad;
mod movement;
mod parts;
mod pool;
mod pool_grad;
mod resample;
mod tile;
mod weight_grad;
mod window;
mod winograd;

use super::loops::Statement;
use super::nest::{Kernel, NestBuilder};
use crate::graph::NodeId;
use crate::ops::Lowering;

/// One launch's worth of a kernel: a nest with its body.
pub type Part<'g> = (NestBuilder<'g>, Vec<Statement>);

/// The anchor of a kernel, if it has one.
pub fn anchor(kernel: &Kernel) -> Option<NodeId> {
    kernel.nodes.iter().copied().find(|&id| matches!(kernel.graph[id].op.lowering(), Lowering::Anchor))
}

/// The launches of a kernel in order. `temporary` hands out numbers for memory that they share; its length is asked for too.
pub fn lower<'g>(kernel: Kernel<'g>, temporary: &mut dyn FnMut(usize) -> usize) -> Vec<Part<'g>> {
    let Some(anchor) = anchor(&kernel) else {
        return vec![elementwise::lower(kernel)];
    };
    match kernel.graph[anchor].op.name() {
        "conv2d" | "dense" => convolution::lower(kernel, anchor, temporary),
        "conv2d_input_grad" | "dense_input_grad" => input_grad::lower(kernel, anchor, temporary),
        "conv2d_weight_grad" | "dense_weight_grad" => vec![weight_grad::lower(kernel, anchor)],
        "max_pool" | "avg_pool" => vec![pool::lower(kernel, anchor)],
        "max_pool_grad" | "avg_pool_grad" => vec![pool_grad::lower(kernel, anchor)],
        "resample" | "resample_grad" => vec![resample::lower(kernel, anchor)],
        "flatten" | "unflatten" | "subsample" | "subsample_grad" | "pad_channels" | "slice_channels" | "concat" => {
            vec![movement::lower(kernel, anchor)]
        }
        "softmax" => vec![parts::softmax(kernel, anchor)],
        "softmax_grad" => vec![parts::softmax_grad(kernel, anchor)],
        "standardize" | "standardize_grad" => vec![parts::standardize(kernel, anchor)],
        "channel_window_sum" => vec![channel_window_sum::lower(kernel, anchor)],
        "cross_entropy" => vec![cross_entropy::lower(kernel, anchor)],
        "cross_entropy_grad" => vec![cross_entropy::lower_grad(kernel, anchor)],
        "correct" => vec![cross_entropy::lower_correct(kernel, anchor)],
        other => panic!("lower: there is no loop nest for `{other}`"),
    }
}

/// Into how many partial results a kernel splits a value that it stores, by the nest that stores it.
pub fn partials(kernel: &Kernel, id: NodeId, nest: &NestBuilder) -> usize {
    match (kernel.graph[id].op.lowering(), kernel.graph[id].op.name()) {
        (Lowering::Reduction, _) => nest.tasks(),
        (_, "conv2d_weight_grad" | "dense_weight_grad") => weight_grad::partials(kernel, id),
        _ => 1,
    }
}
