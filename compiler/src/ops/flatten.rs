//! `flatten`: one axis of channels, height and width.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, unflatten};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Flatten;

impl Op for Flatten {
    fn name(&self) -> &'static str {
        "flatten"
    }

    fn doc(&self) -> &'static str {
        "Makes one axis of channels, height and width: f32[N,C,H,W] to f32[N,C H W], in that order."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        check::result(self, ElementType::F32, vec![x.dims[0], x.dims[1..].iter().product()])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        Tensor { dims: result.dims.clone(), data: operands[0].data.clone() }
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let dims = graph[graph[node].operands[0]].ty.dims.clone();
        let attributes = Attributes::new().with("dims", Attribute::extents(&dims));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&unflatten::Unflatten, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 4)).collect();
        vec![samples::case(&[&dims], Attributes::new())]
    }
}
