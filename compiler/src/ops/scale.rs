//! `scale`: times a number.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Scale;

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn doc(&self) -> &'static str {
        "Times a number, `y = by x`.\n\n\
         Attributes: `by` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["by"])?;
        attributes.number("by")?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let by = attributes.float("by");
        operands[0].map(|x| by * x)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let by = graph[node].attributes.float("by");
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.scale(dy, by))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let by = builder.constant(attributes.float("by"));
            builder.push(Expression::Mul(x[0], by))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| samples::number("by", 4.0 * random.unit() - 2.0))
    }
}
