//! `reduce_sum`: adds up along axes.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct ReduceSum;

impl Op for ReduceSum {
    fn name(&self) -> &'static str {
        "reduce_sum"
    }

    fn doc(&self) -> &'static str {
        "Adds up along axes, which disappear: `y[j] = sum of x[i] over all i that are j at the other axes`.\n\n\
         `reduce_sum {axes=[0,2,3]} : f32[8,16,32,32] -> f32[16]` sums each channel. Its gradient is `broadcast`.\n\n\
         Attributes: `axes` (axes of `x` to sum over, increasing)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let [x] = check::operands(self, operands)?;
        check::real(self, &[x])?;
        let axes = check::attributes(self, attributes, &["axes"])?.axes("axes", x.rank())?;
        let kept = complement(&axes, x.rank()).into_iter().map(|axis| x.dims[axis]).collect();
        check::result(self, ElementType::F32, kept)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        let kept = complement(&attributes.extents("axes"), x.dims.len());
        let mut y = Tensor::full(&result.dims, 0.0);
        let mut from = x.data.iter();
        each_index(&x.dims, |index| {
            let to = kept.iter().fold(0, |offset, &axis| offset * x.dims[axis] + index[axis]);
            y.data[to] += from.next().expect("as many elements as indices");
        });
        y
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let dims = graph[x].ty.dims.clone();
        let kept = complement(&graph[node].attributes.extents("axes"), dims.len());
        Ok(vec![Some(Emitter::new(graph, node).broadcast(dy, &kept, &dims))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Reduction
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 4)).collect();
        let choices: [(usize, &[usize]); 6] =
            [(4, &[0, 2, 3]), (4, &[2, 3]), (4, &[0, 1, 2, 3]), (2, &[0]), (2, &[1]), (1, &[0])];
        let sample = |(rank, axes): (usize, &[usize])| {
            samples::case(&[&dims[..rank]], Attributes::new().with("axes", Attribute::extents(axes)))
        };
        choices.into_iter().map(sample).collect()
    }
}

/// The axes below `rank` that are not among `axes`.
pub(super) fn complement(axes: &[usize], rank: usize) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(axis)).collect()
}
