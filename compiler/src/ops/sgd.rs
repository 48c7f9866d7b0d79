//! `sgd`: the new value of a parameter.

use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct Sgd;

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn doc(&self) -> &'static str {
        "The new value of a parameter, `p' = p - lr_factor lr s`, where the step `s` is the new velocity `v`, or with \
         `nesterov` `g + weight_decay p + momentum v` (Sutskever et al. 2013, in PyTorch's form).\n\n\
         Operands: `p`, the new velocity `v` and the gradient `g`, of one shape, and `lr` (f32[]). Written by the \
         optimizer.\n\n\
         Attributes: `lr_factor`, `momentum`, `weight_decay` (numbers), `nesterov` (true or false)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let known = ["lr_factor", "momentum", "nesterov", "weight_decay"];
        let attributes = check::attributes(self, attributes, &known)?;
        for name in ["lr_factor", "momentum", "weight_decay"] {
            attributes.number(name)?;
        }
        attributes.flag("nesterov")?;
        let [p, v, g, lr] = check::operands(self, operands)?;
        check::shape(self, "learning rate", lr, &TensorType::f32(&[]))?;
        check::same::<3>(self, &[p, v, g])
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let [p, v, g, lr] = [operands[0], operands[1], operands[2], operands[3]];
        let (momentum, decay) = (attributes.float("momentum"), attributes.float("weight_decay"));
        let rate = lr.data[0] * attributes.float("lr_factor");
        let step = if attributes.flag("nesterov") {
            g.zip(p, |g, p| g + decay * p).zip(v, |g, v| g + momentum * v)
        } else {
            v.clone()
        };
        p.zip(&step, |p, step| p - rate * step)
    }

    fn grad(&self, _: &mut Graph, _: NodeId, _: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        Err("an optimizer's step is not differentiated".to_string())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let [p, v, mut g, lr] = [x[0], x[1], x[2], x[3]];
            let mut step = v;
            if attributes.flag("nesterov") {
                if attributes.float("weight_decay") != 0.0 {
                    let decay = builder.constant(attributes.float("weight_decay"));
                    g = builder.push(Expression::MulAdd(decay, p, g));
                }
                let momentum = builder.constant(attributes.float("momentum"));
                step = builder.push(Expression::MulAdd(momentum, v, g));
            }
            let factor = builder.constant(-attributes.float("lr_factor"));
            let rate = builder.push(Expression::Mul(factor, lr));
            builder.push(Expression::MulAdd(rate, step, p))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 3, |random| {
            samples::number("momentum", random.unit())
                .with("weight_decay", Attribute::Float(0.1 * random.range(0, 1) as f64))
                .with("lr_factor", Attribute::Float(random.range(1, 3) as f64))
                .with("nesterov", Attribute::Bool(random.range(0, 1) == 1))
        })
        .into_iter()
        .map(|(mut types, attributes)| {
            types.push(TensorType::f32(&[]));
            (types, attributes)
        })
        .collect()
    }
}
