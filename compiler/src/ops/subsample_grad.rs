//! `subsample_grad`: the gradient of `subsample`.

use super::emit::Emitter;
use super::tensor::{Tensor, each_index};
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, subsample};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct SubsampleGrad;

impl Op for SubsampleGrad {
    fn name(&self) -> &'static str {
        "subsample_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `subsample`: `dx[n,c,p sh,q sw] = dy[n,c,p,q]`, zero elsewhere. Its own gradient is `subsample`.\n\n\
         Attributes: `stride` (two whole numbers), `dims` (the extents of `dx`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["dims", "stride"])?;
        let stride = attributes.pair("stride", 1)?;
        let dims = attributes.extents_of_rank("dims", 4)?;
        let [dy] = check::operands(self, operands)?;
        let wanted = check::result(self, ElementType::F32, subsample::subsampled(&dims, stride))?;
        check::shape(self, "`dy`", dy, &wanted)?;
        Ok(TensorType::f32(&dims))
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let stride = attributes.extents("stride");
        let mut dx = Tensor::full(&result.dims, 0.0);
        each_index(&operands[0].dims, |at| {
            *dx.at_mut(&[at[0], at[1], at[2] * stride[0], at[3] * stride[1]]) = operands[0].at(at);
        });
        dx
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut attributes = graph[node].attributes.clone();
        attributes.0.remove("dims");
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&subsample::Subsample, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 5)).collect();
        let stride = [random.range(1, 3), random.range(1, 3)];
        let attributes = Attributes::new().with("stride", Attribute::extents(&stride));
        let small = subsample::subsampled(&dims, stride);
        vec![samples::case(&[&small], attributes.with("dims", Attribute::extents(&dims)))]
    }
}
