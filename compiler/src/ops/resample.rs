//! `resample`: another number of positions along one axis.

use super::emit::Emitter;
use super::stencil::{Direction, Method};
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, resample_grad, samples, stencil};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct Resample;

impl Op for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn doc(&self) -> &'static str {
        "Another number of positions along one axis of f32[N,C,H,W], from I to O: each position o of the result mixes neighbours.\n\n\
         `method=\"linear\"`: the straight line between the two positions next to `(o + 1/2) I / O - 1/2`, or the outermost \
         position beyond them (PyTorch's bilinear interpolation without `align_corners`, one axis at a time). `method=\"mean\"`: the mean \
         of the positions from `floor(o I / O)` up to `ceil((o + 1) I / O)`, that one not included (PyTorch's adaptive average pool). \
         `method=\"windows\"`: nothing is mixed; these windows, `windows` of them, stand one behind the other, the last position of each \
         repeated until it is as long as the longest.\n\n\
         Attributes: `axis` (2 or 3), `extent` (whole number: O), `method` (`\"linear\"`, `\"mean\"` or `\"windows\"`), `windows` (whole \
         number, for `\"windows\"` alone)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        stencil::infer(self, Direction::Forward, operands, attributes)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let axis = attributes.int("axis") as usize;
        let stencils = stencil::stencils(Method::of(attributes), operands[0].dims[axis], result.dims[axis]);
        stencil::apply(operands[0], &stencils, axis, result)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let attributes = graph[node].attributes.clone();
        let extent = graph[graph[node].operands[0]].ty.dims[attributes.int("axis") as usize];
        let attributes = attributes.with("extent", Attribute::Int(extent as i64));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&resample_grad::ResampleGrad, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        stencil::samples(Direction::Forward, seed)
    }
}

/// `x` with `extent` positions along `axis`; `x` itself where it has them.
pub(super) fn emit(emit: &mut Emitter, x: NodeId, axis: usize, extent: usize, method: Method) -> NodeId {
    along(emit, &Resample, x, axis, extent, method)
}

/// The gradient of [`emit`], whose operand had `extent` positions.
pub(super) fn emit_grad(emit: &mut Emitter, dy: NodeId, axis: usize, extent: usize, method: Method) -> NodeId {
    along(emit, &resample_grad::ResampleGrad, dy, axis, extent, method)
}

fn along(emit: &mut Emitter, op: &'static dyn Op, x: NodeId, axis: usize, extent: usize, method: Method) -> NodeId {
    if emit.dims(x)[axis] == extent {
        return x;
    }
    let attributes =
        method.attributes().with("axis", Attribute::extent(axis)).with("extent", Attribute::extent(extent));
    emit.emit(op, &[x], attributes)
}
