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
         From f32[N,C,H,W] to f32[N,C,H',W'], of the extents of `max_pool`. With `ceil` the last window may stand out beyond the \
         padding: its sum is divided by the number of taps that do not.\n\n\
         Attributes: those of `max_pool`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &pool::ATTRIBUTES)?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        pool::result(self, &attributes, &x.dims)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let mut y = Tensor::full(&result.dims, 0.0);
        pool::visit(attributes, &x.dims, &result.dims, |from, to| y.data[to] += x.data[from]);
        let areas = pool::areas(attributes, &x.dims, &result.dims);
        y.data.iter_mut().zip(areas.iter().cycle()).for_each(|(y, area)| *y /= area);
        y
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
