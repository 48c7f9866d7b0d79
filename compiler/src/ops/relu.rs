//! `relu`: the positive part.

use super::emit::Emitter;
use super::relu_grad::ReluGrad;
use super::tensor::{Tensor, maximum};
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Relu;

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn doc(&self) -> &'static str {
        "The positive part, `y = max(x, 0)` (Nair & Hinton 2010); NaN stays NaN.\n\n\
         Its gradient is 0 at 0, and is computed from `y` (`relu_grad`), so that `x` need not be kept."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| maximum(x, 0.0))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&ReluGrad, &[node, dy], Attributes::new()))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let zero = builder.constant(0.0);
            builder.push(Expression::Max(x[0], zero))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
