//! `dense_weight_grad`: the gradient of `dense` with respect to its weights.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, dense, dense_input_grad, samples};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct DenseWeightGrad;

impl Op for DenseWeightGrad {
    fn name(&self) -> &'static str {
        "dense_weight_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `dense` with respect to its weights, `dw[o,i] = sum over n of x[n,i] dy[n,o]`.\n\n\
         Operands: `x` (f32[N,I]) and `dy` (f32[N,O]); the result is f32[O,I]."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x, dy] = check::operands(self, operands)?;
        check::rank(self, "input", x, 2)?;
        check::rank(self, "`dy`", dy, 2)?;
        if dy.dims[0] != x.dims[0] {
            return Err(OpError::new(format!("`dense_weight_grad` of {x} and `dy` {dy}: batches differ")));
        }
        check::result(self, ElementType::F32, vec![dy.dims[1], x.dims[1]])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let [x, dy] = [operands[0], operands[1]];
        Tensor::from_fn(&result.dims, |at| (0..x.dims[0]).map(|n| x.at(&[n, at[1]]) * dy.at(&[n, at[0]])).sum())
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [x, inner] = [graph[node].operands[0], graph[node].operands[1]];
        let mut emit = Emitter::new(graph, node);
        let dx = emit.emit(&dense_input_grad::DenseInputGrad, &[dy, inner], Attributes::new());
        let dinner = emit.emit(&dense::Dense, &[x, dy], Attributes::new());
        Ok(vec![Some(dx), Some(dinner)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let [n, i, o] = [random.range(1, 4), random.range(1, 5), random.range(1, 5)];
        vec![samples::case(&[&[n, i], &[n, o]], Attributes::new())]
    }
}
