//! `rsqrt`: one over the square root.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Rsqrt;

impl Op for Rsqrt {
    fn name(&self) -> &'static str {
        "rsqrt"
    }

    fn doc(&self) -> &'static str {
        "One over the square root, `y = 1 / sqrt(x)`. Gradient: `dx = -y^3 dy / 2`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| 1.0 / x.sqrt())
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        let square = emit.square(node);
        let cube = emit.mul(square, node);
        let product = emit.mul(dy, cube);
        Ok(vec![Some(emit.scale(product, -0.5))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let one = builder.constant(1.0);
            let root = builder.push(Expression::Sqrt(x[0]));
            builder.push(Expression::Div(one, root))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}
