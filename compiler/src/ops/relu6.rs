//! `relu6`: the positive part, at most 6.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, relu_grad, samples};

/// See [`Op::doc`].
pub struct Relu6;

impl Op for Relu6 {
    fn name(&self) -> &'static str {
        "relu6"
    }

    fn doc(&self) -> &'static str {
        "The positive part, at most 6: `y = min(max(x, 0), 6)` (Krizhevsky 2010); NaN stays NaN.\n\n\
         Gradient: `dy` where `0 < y < 6`, else 0, so that `x` need not be kept."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        operands[0].map(|x| if x.is_nan() { x } else { x.clamp(0.0, 6.0) })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(between(&mut emit, node, 6.0, dy))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| {
            let (zero, six) = (builder.constant(0.0), builder.constant(6.0));
            let positive = builder.push(Expression::Max(x[0], zero));
            builder.push(Expression::Min(positive, six))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |_| Attributes::new())
    }
}

/// `dy` where `0 < y < high`, else 0.
pub(super) fn between(emit: &mut Emitter, y: NodeId, high: f64, dy: NodeId) -> NodeId {
    let negative = emit.neg(y);
    let room = emit.offset(negative, high);
    let below = emit.emit(&relu_grad::ReluGrad, &[room, dy], Attributes::new());
    emit.emit(&relu_grad::ReluGrad, &[y, below], Attributes::new())
}
