//! `concat`: tensors side by side along the channels.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, slice_channels};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Concat;

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn doc(&self) -> &'static str {
        "Tensors side by side along the channels: one or more of f32[N,Ci] or f32[N,Ci,H,W] give f32[N,sum Ci,..].\n\n\
         Its gradients are `slice_channels`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let Some(first) = operands.first() else {
            return Err(OpError::new("`concat` needs at least one operand"));
        };
        let mut channels = 0;
        for ty in operands {
            check::channels(self, ty)?;
            if ty.rank() != first.rank() || ty.dims[0] != first.dims[0] || ty.dims[2..] != first.dims[2..] {
                return Err(OpError::new(format!("`concat` of {first} and {ty}"))
                    .hint("all but the channels must be equal: batch, height and width"));
            }
            channels += ty.dims[1];
        }
        let mut dims = first.dims.clone();
        dims[1] = channels;
        check::result(self, ElementType::F32, dims)
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let mut data = Vec::with_capacity(result.len());
        for image in 0..result.dims[0] {
            for x in operands {
                let len = x.data.len() / x.dims[0];
                data.extend_from_slice(&x.data[image * len..(image + 1) * len]);
            }
        }
        Tensor { dims: result.dims.clone(), data }
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let operands = graph[node].operands.clone();
        let mut emit = Emitter::new(graph, node);
        let mut start = 0;
        let slice = |x: &NodeId| {
            let len = emit.dims(*x)[1] as i64;
            let attributes = Attributes::new().with("start", Attribute::Int(start)).with("len", Attribute::Int(len));
            start += len;
            Some(emit.emit(&slice_channels::SliceChannels, &[dy], attributes))
        };
        Ok(operands.iter().map(slice).collect())
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |count: usize, rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|_| random.range(1, 4)).collect();
            let mut part = || {
                let mut dims = dims.clone();
                dims[1] = random.range(1, 4);
                TensorType::f32(&dims)
            };
            ((0..count).map(|_| part()).collect(), Attributes::new())
        };
        vec![sample(1, 4), sample(2, 4), sample(3, 4), sample(2, 2)]
    }
}
