//! `dense`: a matrix product with weights.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{
    Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, dense_input_grad, dense_weight_grad, samples,
};
use crate::graph::ElementType;

/// See [`Op::doc`].
pub struct Dense;

impl Op for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn doc(&self) -> &'static str {
        "A fully connected layer without its bias, `y[n,o] = sum over i of x[n,i] w[o,i]`.\n\n\
         Operands: `x` (f32[N,I]) and `w` (f32[O,I]); the result is f32[N,O]."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x, w] = check::operands(self, operands)?;
        check::rank(self, "input", x, 2)?;
        check::rank(self, "weight", w, 2)?;
        if x.dims[1] != w.dims[1] {
            let message =
                format!("`dense` of {x} by weights {w}: {} features, the weights take {}", x.dims[1], w.dims[1]);
            return Err(OpError::new(message));
        }
        check::result(self, ElementType::F32, vec![x.dims[0], w.dims[0]])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let [x, w] = [operands[0], operands[1]];
        let rows = |i: usize| x.data[i * x.dims[1]..].iter().take(x.dims[1]);
        let columns = |o: usize| &w.data[o * w.dims[1]..];
        Tensor::from_fn(&result.dims, |at| rows(at[0]).zip(columns(at[1])).map(|(x, w)| x * w).sum())
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [x, w] = [graph[node].operands[0], graph[node].operands[1]];
        let mut emit = Emitter::new(graph, node);
        let dx = emit.emit(&dense_input_grad::DenseInputGrad, &[w, dy], Attributes::new());
        let dw = emit.emit(&dense_weight_grad::DenseWeightGrad, &[x, dy], Attributes::new());
        Ok(vec![Some(dx), Some(dw)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let [n, i, o] = [random.range(1, 4), random.range(1, 5), random.range(1, 5)];
        vec![samples::case(&[&[n, i], &[o, i]], Attributes::new())]
    }
}
