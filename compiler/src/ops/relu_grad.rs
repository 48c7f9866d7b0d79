//! `relu_grad`: the gradient of `relu`.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct ReluGrad;

impl Op for ReluGrad {
    fn name(&self) -> &'static str {
        "relu_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `relu`: `dx = dy` where `y > 0`, else 0. Operands: `y`, the result of the ReLU, and `dy`.\n\n\
         With respect to `y` it is constant almost everywhere."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<2>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].zip(operands[1], |y, dy| if y > 0.0 { dy } else { 0.0 })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let y = graph[node].operands[0];
        let mut emit = Emitter::new(graph, node);
        Ok(vec![None, Some(emit.emit(&ReluGrad, &[y, dy], Attributes::new()))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let zero = builder.constant(0.0);
            let positive = builder.push(Expression::Greater(x[0], zero));
            builder.push(Expression::Select(positive, x[1], zero))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 2, |_| Attributes::new())
    }
}
