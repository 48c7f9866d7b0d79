//! `channel_window_sum`: adds up neighbouring channels.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct ChannelWindowSum;

impl Op for ChannelWindowSum {
    fn name(&self) -> &'static str {
        "channel_window_sum"
    }

    fn doc(&self) -> &'static str {
        "Adds up neighbouring channels, of f32[N,C] or f32[N,C,H,W]: `y[n,c,..] = sum of x[n,k,..] over the channels k from \
         c - before to c + after` that there are. Its gradient is the same op with `before` and `after` in each other's place.\n\n\
         Attributes: `before`, `after` (whole numbers)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["after", "before"])?;
        attributes.count("before", 0)?;
        attributes.count("after", 0)?;
        let [x] = check::operands(self, operands)?;
        check::channels(self, x)?;
        Ok(x.clone())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let [before, after] = ["before", "after"].map(|name| attributes.int(name) as usize);
        Tensor::from_fn(&result.dims, |at| {
            let mut from = at.to_vec();
            let window = at[1].saturating_sub(before)..(at[1] + after + 1).min(result.dims[1]);
            let part = |channel: usize| {
                from[1] = channel;
                operands[0].at(&from)
            };
            window.map(part).sum()
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [before, after] = ["before", "after"].map(|name| graph[node].attributes.int(name) as usize);
        Ok(vec![Some(emit(&mut Emitter::new(graph, node), dy, after, before))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |rank: usize| {
            let dims: Vec<usize> = (0..rank).map(|axis| random.range(1, if axis == 1 { 7 } else { 3 })).collect();
            samples::case(&[&dims], window(random.range(0, 3), random.range(0, 8)))
        };
        vec![sample(2), sample(4), sample(4)]
    }
}

/// The sum over `before` channels before each and `after` behind it.
pub(super) fn emit(emit: &mut Emitter, x: NodeId, before: usize, after: usize) -> NodeId {
    emit.emit(&ChannelWindowSum, &[x], window(before, after))
}

fn window(before: usize, after: usize) -> Attributes {
    Attributes::new().with("before", Attribute::Int(before as i64)).with("after", Attribute::Int(after as i64))
}
