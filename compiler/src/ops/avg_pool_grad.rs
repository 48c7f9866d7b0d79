//! `avg_pool_grad`: the gradient of `avg_pool`.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, avg_pool, check, pool, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct AvgPoolGrad;

impl Op for AvgPoolGrad {
    fn name(&self) -> &'static str {
        "avg_pool_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `avg_pool`: `dy / (Kh Kw)` is added to the `dx` of every element under its window; where a window stands out \
         it is `dy` over the number of taps that do not.\n\n\
         Operand: `dy` (f32[N,C,H',W']). Its own gradient is `avg_pool`.\n\n\
         Attributes: those of `avg_pool`, and `dims` (the extents of `dx`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["ceil", "dilation", "dims", "kernel", "pad", "stride"])?;
        let [dy] = check::operands(self, operands)?;
        let dims = attributes.extents_of_rank("dims", 4)?;
        check::shape(self, "`dy`", dy, &pool::result(self, &attributes, &dims)?)?;
        Ok(TensorType::f32(&dims))
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let mut dy = operands[0].clone();
        let areas = pool::areas(attributes, &result.dims, &dy.dims);
        dy.data.iter_mut().zip(areas.iter().cycle()).for_each(|(dy, area)| *dy /= area);
        let mut dx = Tensor::full(&result.dims, 0.0);
        pool::visit(attributes, &result.dims, &dy.dims, |from, to| dx.data[from] += dy.data[to]);
        dx
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut attributes = graph[node].attributes.clone();
        attributes.0.remove("dims");
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&avg_pool::AvgPool, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let sample = |(x, y, attributes): (Vec<usize>, Vec<usize>, Attributes)| {
            samples::case(&[&y], attributes.with("dims", Attribute::extents(&x)))
        };
        pool::samples(self, seed).into_iter().map(sample).collect()
    }
}
