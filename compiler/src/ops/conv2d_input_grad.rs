//! `conv2d_input_grad`: the gradient of `conv2d` with respect to its input.

use super::convolution::{self, Convolution};
use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, conv2d, conv2d_weight_grad, samples};

/// See [`Op::doc`].
pub struct Conv2dInputGrad;

impl Op for Conv2dInputGrad {
    fn name(&self) -> &'static str {
        "conv2d_input_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `conv2d` with respect to its input, also known as transposed convolution: every product \
         `w[o,i,a,b] dy[n,o,p,q]` is added to the element of `dx` that `conv2d` would multiply by that weight.\n\n\
         Operands: `w` (f32[O,C/groups,Kh,Kw]) and `dy` (f32[N,O,H',W']). It is linear in both, and its gradients are \
         `conv2d` and `conv2d_weight_grad`.\n\n\
         Attributes: those of `conv2d`, and `dims` (the extents of `dx`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &convolution::GRADIENT_ATTRIBUTES)?;
        let [w, dy] = check::operands(self, operands)?;
        check::rank(self, "weight", w, 4)?;
        let dims = attributes.extents_of_rank("dims", 4)?;
        let result = Convolution::new(self, &attributes, &dims, &w.dims)?.result();
        check::shape(self, "`dy`", dy, &convolution::typed(self, result)?)?;
        Ok(TensorType::f32(&dims))
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let [w, dy] = [&operands[0].data, &operands[1].data];
        let mut dx = Tensor::full(&result.dims, 0.0);
        Convolution::of(attributes, &result.dims, &operands[0].dims).visit(|run| {
            let (to, from) = (dx.data[run.x..].iter_mut(), &dy[run.y..run.y + run.len]);
            let weight = w[run.w];
            // The same twice, for the first is compiled to vector code.
            match run.step {
                1 => to.zip(from).for_each(|(dx, dy)| *dx += weight * dy),
                step => to.step_by(step).zip(from).for_each(|(dx, dy)| *dx += weight * dy),
            }
        });
        dx
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [w, inner] = [graph[node].operands[0], graph[node].operands[1]];
        let attributes = convolution::without_dims(&graph[node].attributes);
        let mut emit = Emitter::new(graph, node);
        let for_w = convolution::with_dims(&attributes, &emit.dims(w));
        let dw = emit.emit(&conv2d_weight_grad::Conv2dWeightGrad, &[dy, inner], for_w);
        let dinner = emit.emit(&conv2d::Conv2d, &[dy, w], attributes);
        Ok(vec![Some(dw), Some(dinner)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let sample = |(x, w, attributes): (Vec<usize>, Vec<usize>, Attributes)| {
            let attributes = convolution::with_dims(&attributes, &x);
            let y = Convolution::of(&attributes, &x, &w).result();
            samples::case(&[&w, &y], attributes)
        };
        convolution::samples(seed).into_iter().map(sample).collect()
    }
}
