//! `subsample`: every stride-th row and column.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples, subsample_grad};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Subsample;

impl Op for Subsample {
    fn name(&self) -> &'static str {
        "subsample"
    }

    fn doc(&self) -> &'static str {
        "Every stride-th row and column: `y[n,c,p,q] = x[n,c,p sh,q sw]`, from f32[N,C,H,W] to f32[N,C,ceil(H/sh),ceil(W/sw)].\n\n\
         The parameter-free shortcut of He et al. 2015 (option A) is this and `pad_channels`.\n\n\
         Attributes: `stride` (two whole numbers, for height and width)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let stride = check::attributes(self, attributes, &["stride"])?.pair("stride", 1)?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        check::result(self, ElementType::F32, subsampled(&x.dims, stride))
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let stride = attributes.extents("stride");
        Tensor::from_fn(&result.dims, |at| operands[0].at(&[at[0], at[1], at[2] * stride[0], at[3] * stride[1]]))
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let dims = graph[graph[node].operands[0]].ty.dims.clone();
        let attributes = graph[node].attributes.clone().with("dims", Attribute::extents(&dims));
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&subsample_grad::SubsampleGrad, &[dy], attributes))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 5)).collect();
        let stride = [random.range(1, 3), random.range(1, 3)];
        let attributes = Attributes::new().with("stride", Attribute::extents(&stride));
        vec![samples::case(&[&dims], attributes)]
    }
}

/// The extents of a subsampled f32[N,C,H,W].
pub(super) fn subsampled(dims: &[usize], stride: [usize; 2]) -> Vec<usize> {
    vec![dims[0], dims[1], dims[2].div_ceil(stride[0]), dims[3].div_ceil(stride[1])]
}
