//! `select`: one of two tensors.

use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct Select;

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn doc(&self) -> &'static str {
        "One of two tensors as it is: `y = a` where the number `c` is not zero, else `b`. Written by the optimizer, so it has no \
         gradient.\n\n\
         Operands: `c` (f32[]), `a` and `b`, of one shape."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [c, a, b] = check::operands(self, operands)?;
        check::shape(self, "condition", c, &TensorType::f32(&[]))?;
        check::same::<2>(self, &[a, b])
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, _: &TensorType) -> Tensor {
        if operands[0].data[0] != 0.0 { operands[1].clone() } else { operands[2].clone() }
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("an optimizer's step is not differentiated".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, _| builder.push(Expression::Select(x[0], x[1], x[2])))
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let both = samples::elementwise(seed, 2, |_| Attributes::new()).into_iter();
        both.map(|(mut types, attributes)| {
            types.insert(0, TensorType::f32(&[]));
            (types, attributes)
        })
        .collect()
    }
}
