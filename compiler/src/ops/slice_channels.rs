//! `slice_channels`: some of the channels.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, pad_channels, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct SliceChannels;

impl Op for SliceChannels {
    fn name(&self) -> &'static str {
        "slice_channels"
    }

    fn doc(&self) -> &'static str {
        "The channels from `start` on, `len` of them, of f32[N,C] or f32[N,C,H,W]. Its gradient is `pad_channels`.\n\n\
         Attributes: `start`, `len` (whole numbers)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["len", "start"])?;
        let (start, len) = (attributes.count("start", 0)?, attributes.count("len", 1)?);
        let [x] = check::operands(self, operands)?;
        check::channels(self, x)?;
        if start + len > x.dims[1] {
            let end = start + len;
            return Err(OpError::new(format!("`slice_channels` of channels {start} to {end} of {x}, which has fewer")));
        }
        let mut dims = x.dims.clone();
        dims[1] = len;
        check::result(self, ElementType::F32, dims)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let start = attributes.int("start") as usize;
        Tensor::from_fn(&result.dims, |at| {
            let mut from = at.to_vec();
            from[1] += start;
            operands[0].at(&from)
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let channels = graph[graph[node].operands[0]].ty.dims[1] as i64;
        let [start, len] = ["start", "len"].map(|name| graph[node].attributes.int(name));
        let attributes = Attributes::new()
            .with("before", Attribute::Int(start))
            .with("after", Attribute::Int(channels - start - len));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&pad_channels::PadChannels, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|_| random.range(1, 4)).collect();
            let start = random.range(0, dims[1] - 1);
            let attributes = Attributes::new()
                .with("start", Attribute::Int(start as i64))
                .with("len", Attribute::Int(random.range(1, dims[1] - start) as i64));
            samples::case(&[&dims], attributes)
        };
        vec![sample(4), sample(2)]
    }
}
