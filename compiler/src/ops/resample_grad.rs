//! `resample_grad`: the gradient of `resample`.

use super::emit::Emitter;
use super::stencil::{Direction, Method};
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, resample, samples, stencil};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct ResampleGrad;

impl Op for ResampleGrad {
    fn name(&self) -> &'static str {
        "resample_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `resample`: each position of `dx` takes its share of every position of `dy` that read it.\n\n\
         Operand: `dy` (f32[N,C,H,W], with O positions along the axis). Its own gradient is `resample`.\n\n\
         Attributes: those of `resample`, but `extent` is that of `dx`, I."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        stencil::infer(self, Direction::Back, operands, attributes)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let axis = attributes.int("axis") as usize;
        let inputs = result.dims[axis];
        let stencils = stencil::stencils(Method::of(attributes), inputs, operands[0].dims[axis]);
        stencil::apply(operands[0], &stencil::transposed(&stencils, inputs), axis, result)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let attributes = graph[node].attributes.clone();
        let extent = graph[graph[node].operands[0]].ty.dims[attributes.int("axis") as usize];
        let attributes = attributes.with("extent", Attribute::Int(extent as i64));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&resample::Resample, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        stencil::samples(Direction::Back, seed)
    }
}
