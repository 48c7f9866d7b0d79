//! `leaky_relu`: the positive part, and a share of the negative one.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{
    Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, relu_grad::ReluGrad, samples,
};

/// See [`Op::doc`].
pub struct LeakyRelu;

impl Op for LeakyRelu {
    fn name(&self) -> &'static str {
        "leaky_relu"
    }

    fn doc(&self) -> &'static str {
        "The positive part and a share of the negative one (Maas et al. 2013): `y = x` where `x > 0`, else `slope x`.\n\n\
         Gradient: `dx = slope dy + (1 - slope) relu_grad(y, dy)`; `y` has the sign of `x`, which need not be kept.\n\n\
         Attributes: `slope` (number of at least 0)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let slope = check::attributes(self, attributes, &["slope"])?.number("slope")?;
        if slope < 0.0 {
            return Err(OpError::new(format!("`leaky_relu` needs a `slope` of at least 0, here is {slope}")));
        }
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let slope = attributes.float("slope");
        operands[0].map(|x| if x > 0.0 { x } else { slope * x })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let slope = graph[node].attributes.float("slope");
        let mut emit = Emitter::new(graph, node);
        let positive = emit.emit(&ReluGrad, &[node, dy], Attributes::new());
        let positive = emit.scale(positive, 1.0 - slope);
        let everywhere = emit.scale(dy, slope);
        Ok(vec![Some(emit.add(everywhere, positive))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let (zero, slope) = (builder.constant(0.0), builder.constant(attributes.float("slope")));
            let positive = builder.push(Expression::Greater(x[0], zero));
            let scaled = builder.push(Expression::Mul(x[0], slope));
            builder.push(Expression::Select(positive, x[0], scaled))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| samples::number("slope", 1.5 * random.unit()))
    }
}
