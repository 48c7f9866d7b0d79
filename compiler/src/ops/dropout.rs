//! `dropout`: zeroes elements at random.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Expression, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::Attribute;
use crate::lower::expression::uniform;

/// See [`Op::doc`].
pub struct Dropout;

impl Op for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn doc(&self) -> &'static str {
        "Zeroes elements at random (Srivastava et al. 2014): `y = x / (1 - rate)` with probability `1 - rate`, else 0.\n\n\
         Operands: `x` and `seed` (i32[]). The choice is a hash of `seed`, `stream` and the element's position \
         (channels last), so the gradient is the same op on `dy`, and nothing is stored.\n\n\
         Attributes: `rate` (number in [0, 1)), `stream` (whole number: tells the dropouts of one graph apart)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["rate", "stream"])?;
        attributes.number_within("rate", 0.0, 1.0)?;
        attributes.count("stream", 0)?;
        let [x, seed] = check::operands(self, operands)?;
        check::real(self, &[x])?;
        check::shape(self, "seed", seed, &TensorType::i32(&[]))?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let rate = attributes.float("rate");
        let stream = attributes.int("stream") as u32;
        let seed = operands[1].data[0] as i32 as u32;
        Tensor::from_fn(&result.dims, |index| {
            // f32 decides, as in the compiled code, so that both keep the same elements.
            let kept = uniform(seed, stream, channels_last(index, &result.dims)) >= rate as f32;
            if kept { operands[0].at(index) / (1.0 - rate) } else { 0.0 }
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let seed = graph[node].operands[1];
        let attributes = graph[node].attributes.clone();
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&Dropout, &[dy, seed], attributes)), None])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Elementwise(|builder, x, attributes| {
            let rate = attributes.float("rate");
            let stream = attributes.int("stream") as u32;
            let draw = builder.push(Expression::Uniform { seed: x[1], stream });
            let threshold = builder.constant(rate);
            let dropped = builder.push(Expression::Greater(threshold, draw));
            let factor = builder.constant(1.0 / (1.0 - rate));
            let scaled = builder.push(Expression::Mul(x[0], factor));
            let zero = builder.constant(0.0);
            builder.push(Expression::Select(dropped, zero, scaled))
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| {
            let stream = Attribute::Int(random.range(0, 9) as i64);
            samples::number("rate", 0.8 * random.unit()).with("stream", stream)
        })
        .into_iter()
        .map(|(mut types, attributes)| {
            types.push(TensorType::i32(&[]));
            (types, attributes)
        })
        .collect()
    }
}

/// The element's counter: its linear index with the channels (axis 1) innermost, in 32-bit wrapping arithmetic.
fn channels_last(index: &[usize], dims: &[usize]) -> u32 {
    let mut counter = 0u32;
    let rest = (0..dims.len()).filter(|&axis| axis != 1);
    for axis in rest.chain((dims.len() > 1).then_some(1)) {
        counter = counter.wrapping_mul(dims[axis] as u32).wrapping_add(index[axis] as u32);
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_run_over_channels_first() {
        assert_eq!(channels_last(&[1, 2, 3, 4], &[2, 3, 5, 7]), ((5 + 3) * 7 + 4) * 3 + 2);
        assert_eq!(channels_last(&[1, 2], &[2, 3]), 5);
        assert_eq!(channels_last(&[], &[]), 0);
    }

    #[test]
    fn drops_about_its_rate_and_keeps_the_mean() {
        let attributes = samples::number("rate", 0.25).with("stream", Attribute::Int(3));
        let ty = TensorType::f32(&[4, 8, 20, 20]);
        let y = Dropout.eval(&[&Tensor::full(&ty.dims, 1.0), &Tensor::full(&[], 7.0)], &attributes, &ty);
        let dropped = y.data.iter().filter(|&&y| y == 0.0).count() as f64 / ty.len() as f64;
        assert!((dropped - 0.25).abs() < 0.02, "dropped {dropped}");
        assert!(y.data.iter().all(|&y| y == 0.0 || y == 1.0 / 0.75));
    }
}
