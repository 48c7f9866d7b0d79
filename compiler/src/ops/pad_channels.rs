//! `pad_channels`: zero channels before and after.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, slice_channels};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct PadChannels;

impl Op for PadChannels {
    fn name(&self) -> &'static str {
        "pad_channels"
    }

    fn doc(&self) -> &'static str {
        "Adds channels of zeros: `before` of them in front and `after` behind, to f32[N,C] or f32[N,C,H,W].\n\n\
         The parameter-free shortcut of He et al. 2015 (option A) is `subsample` and this. Its gradient is `slice_channels`.\n\n\
         Attributes: `before`, `after` (whole numbers)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["after", "before"])?;
        let added = attributes.count("before", 0)? + attributes.count("after", 0)?;
        let [x] = check::operands(self, operands)?;
        check::channels(self, x)?;
        let mut dims = x.dims.clone();
        dims[1] += added;
        check::result(self, ElementType::F32, dims)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let before = attributes.int("before") as usize;
        let mut y = Tensor::full(&result.dims, 0.0);
        each_index(&operands[0].dims, |at| {
            let mut to = at.to_vec();
            to[1] += before;
            *y.at_mut(&to) = operands[0].at(at);
        });
        y
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let channels = graph[graph[node].operands[0]].ty.dims[1] as i64;
        let attributes = Attributes::new()
            .with("start", Attribute::Int(graph[node].attributes.int("before")))
            .with("len", Attribute::Int(channels));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&slice_channels::SliceChannels, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|_| random.range(1, 4)).collect();
            let attributes = Attributes::new()
                .with("before", Attribute::Int(random.range(0, 3) as i64))
                .with("after", Attribute::Int(random.range(0, 3) as i64));
            samples::case(&[&dims], attributes)
        };
        vec![sample(4), sample(2)]
    }
}
