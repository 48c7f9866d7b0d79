//! `transpose`: a matrix with rows and columns exchanged.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct Transpose;

impl Op for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn doc(&self) -> &'static str {
        "A matrix with rows and columns exchanged, `y[j,i] = x[i,j]`: f32[A,B] becomes f32[B,A]. It is its own gradient."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "matrix", x, 2)?;
        check::result(self, ElementType::F32, vec![x.dims[1], x.dims[0]])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        Tensor::from_fn(&result.dims, |at| operands[0].at(&[at[1], at[0]]))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Ok(vec![Some(Emitter::new(graph, node).transpose(dy))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        vec![samples::case(&[&[random.range(1, 6), random.range(1, 40)]], Attributes::new())]
    }
}
