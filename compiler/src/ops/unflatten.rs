//! `unflatten`: the inverse of `flatten`.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, flatten, samples};
use crate::graph::Attribute;

/// See [`Op::doc`].
pub struct Unflatten;

impl Op for Unflatten {
    fn name(&self) -> &'static str {
        "unflatten"
    }

    fn doc(&self) -> &'static str {
        "The inverse of `flatten`: f32[N,C H W] to f32[N,C,H,W].\n\n\
         Attributes: `dims` (the extents of the result)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let dims = check::attributes(self, attributes, &["dims"])?.extents_of_rank("dims", 4)?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 2)?;
        if x.dims[0] != dims[0] || x.dims[1] != dims[1..].iter().product::<usize>() {
            return Err(OpError::new(format!(
                "`unflatten` of {x} to {dims:?}: the elements of an image differ in number"
            )));
        }
        Ok(TensorType::f32(&dims))
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        Tensor { dims: result.dims.clone(), data: operands[0].data.clone() }
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut emit = Emitter::new(graph, node);
        Ok(vec![Some(emit.emit(&flatten::Flatten, &[dy], Attributes::new()))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 4)).collect();
        let flat = [dims[0], dims[1..].iter().product()];
        vec![samples::case(&[&flat], Attributes::new().with("dims", Attribute::extents(&dims)))]
    }
}
