//! `broadcast`: repeats a tensor along new axes.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, reduce_sum, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Broadcast;

impl Op for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn doc(&self) -> &'static str {
        "Repeats a tensor along new axes: `y[i] = x[i at axes]`, of extents `dims`.\n\n\
         `broadcast {axes=[1], dims=[8,16,32,32]} : f32[16] -> f32[8,16,32,32]` spreads a value for each channel. Its \
         gradient is `reduce_sum` over the new axes.\n\n\
         Attributes: `axes` (the axes of the result that those of `x` become, increasing), `dims` (extents)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["axes", "dims"])?;
        let dims = attributes.extents("dims")?;
        let axes = attributes.axes("axes", dims.len())?;
        let [x] = check::operands(self, operands)?;
        check::real(self, &[x])?;
        let kept: Vec<usize> = axes.iter().map(|&axis| dims[axis]).collect();
        if kept != x.dims {
            return Err(OpError::new(format!(
                "`broadcast` of {x} to {dims:?}: its axes {axes:?} have extents {kept:?}"
            )));
        }
        check::result(self, ElementType::F32, dims)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let axes = attributes.extents("axes");
        let from = &operands[0].data;
        Tensor::from_fn(&result.dims, |index| {
            from[axes.iter().fold(0, |offset, &axis| offset * result.dims[axis] + index[axis])]
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let axes = graph[node].attributes.extents("axes");
        let rest = reduce_sum::complement(&axes, graph[node].ty.rank());
        Ok(vec![Some(Emitter::new(graph, node).reduce_sum(dy, &rest))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Broadcast
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 4)).collect();
        let choices: [&[usize]; 6] = [&[], &[1], &[0, 1], &[2, 3], &[0, 2, 3], &[0, 1, 2, 3]];
        let sample = |axes: &[usize]| {
            let kept: Vec<usize> = axes.iter().map(|&axis| dims[axis]).collect();
            let attributes =
                Attributes::new().with("axes", Attribute::extents(axes)).with("dims", Attribute::extents(&dims));
            samples::case(&[&kept], attributes)
        };
        choices.into_iter().map(sample).collect()
    }
}
