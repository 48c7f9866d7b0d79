//! `dense_input_grad`: the gradient of `dense` with respect to its input.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, dense, dense_weight_grad, samples};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct DenseInputGrad;

impl Op for DenseInputGrad {
    fn name(&self) -> &'static str {
        "dense_input_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `dense` with respect to its input, `dx[n,i] = sum over o of w[o,i] dy[n,o]`.\n\n\
         Operands: `w` (f32[O,I]) and `dy` (f32[N,O]); the result is f32[N,I]."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [w, dy] = check::operands(self, operands)?;
        check::rank(self, "weight", w, 2)?;
        check::rank(self, "`dy`", dy, 2)?;
        if dy.dims[1] != w.dims[0] {
            return Err(OpError::new(format!("`dense_input_grad` of weights {w} and `dy` {dy}: outputs differ")));
        }
        check::result(self, ElementType::F32, vec![dy.dims[0], w.dims[1]])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let [w, dy] = [operands[0], operands[1]];
        Tensor::from_fn(&result.dims, |at| (0..w.dims[0]).map(|o| w.at(&[o, at[1]]) * dy.at(&[at[0], o])).sum())
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [w, inner] = [graph[node].operands[0], graph[node].operands[1]];
        let mut emit = Emitter::new(graph, node);
        let dw = emit.emit(&dense_weight_grad::DenseWeightGrad, &[dy, inner], Attributes::new());
        let dinner = emit.emit(&dense::Dense, &[dy, w], Attributes::new());
        Ok(vec![Some(dw), Some(dinner)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let [n, i, o] = [random.range(1, 4), random.range(1, 5), random.range(1, 5)];
        vec![samples::case(&[&[o, i], &[n, o]], Attributes::new())]
    }
}
