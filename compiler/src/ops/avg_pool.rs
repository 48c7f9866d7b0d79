//! `avg_pool`: the mean under a sliding window.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, avg_pool_grad, check, pool, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct AvgPool;

impl Op for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool"
    }

    fn doc(&self) -> &'static str {
        "The mean under a sliding window, `y = sum / (Kh Kw)`; padding counts as zeros that are averaged in (as in PyTorch).\n\n\
         From f32[N,C,H,W] to f32[N,C,H',W'] with `H' = floor((H + 2 ph - Kh) / sh) + 1`.\n\n\
         Attributes: `kernel`, `stride`, `pad` (two whole numbers each, for height and width)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &pool::ATTRIBUTES)?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        pool::result(self, &attributes, &x.dims)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let area: usize = pool::window(attributes).kernel.iter().product();
        let mut y = Tensor::full(&result.dims, 0.0);
        pool::visit(attributes, &operands[0].dims, &result.dims, |from, to| y.data[to] += operands[0].data[from]);
        y.map(|sum| sum / area as f64)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let dims = graph[graph[node].operands[0]].ty.dims.clone();
        let attributes = graph[node].attributes.clone().with("dims", Attribute::extents(&dims));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&avg_pool_grad::AvgPoolGrad, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        pool::samples(self, seed).into_iter().map(|(x, _, attributes)| samples::case(&[&x], attributes)).collect()
    }
}
