//! `momentum`: the new velocity of a parameter.

use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct Momentum;

impl Op for Momentum {
    fn name(&self) -> &'static str {
        "momentum"
    }

    fn doc(&self) -> &'static str {
        "The new velocity of a parameter, `v' = momentum v + g + weight_decay p` (Sutskever et al. 2013, in PyTorch's \
         form).\n\n\
         Operands: `v`, `p` and the gradient `g`, of one shape. Written by the optimizer.\n\n\
         Attributes: `momentum` (number), `weight_decay` (number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["momentum", "weight_decay"])?;
        attributes.number("momentum")?;
        attributes.number("weight_decay")?;
        check::same::<3>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let (momentum, decay) = (attributes.float("momentum"), attributes.float("weight_decay"));
        let g = operands[2].zip(operands[1], |g, p| g + decay * p);
        operands[0].zip(&g, |v, g| momentum * v + g)
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("an optimizer's step is not differentiated".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let [v, p, mut g] = [x[0], x[1], x[2]];
            if attributes.float("weight_decay") != 0.0 {
                let decay = builder.constant(attributes.float("weight_decay"));
                g = builder.push(Expression::MulAdd(decay, p, g));
            }
            let momentum = builder.constant(attributes.float("momentum"));
            builder.push(Expression::MulAdd(momentum, v, g))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 3, |random| {
            let decay = Attribute::Float(0.1 * random.range(0, 1) as f64);
            samples::number("momentum", random.unit()).with("weight_decay", decay)
        })
    }
}
