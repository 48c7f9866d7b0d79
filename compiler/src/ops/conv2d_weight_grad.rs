//! `conv2d_weight_grad`: the gradient of `conv2d` with respect to its weights.

use super::convolution::{self, Convolution};
use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, conv2d, conv2d_input_grad, samples};

/// See [`Op::doc`].
pub struct Conv2dWeightGrad;

impl Op for Conv2dWeightGrad {
    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn doc(&self) -> &'static str {
        "The gradient of `conv2d` with respect to its weights: \
         `dw[o,i,a,b] = sum over n, p, q of x[n,i, p sh + a dh - ph, q sw + b dw - pw] dy[n,o,p,q]`.\n\n\
         Operands: `x` (f32[N,C,H,W]) and `dy` (f32[N,O,H',W']). It is linear in both, and its gradients are \
         `conv2d_input_grad` and `conv2d`.\n\n\
         Attributes: those of `conv2d`, and `dims` (the extents of `dw`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &convolution::GRADIENT_ATTRIBUTES)?;
        let [x, dy] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        let dims = attributes.extents_of_rank("dims", 4)?;
        let result = Convolution::new(self, &attributes, &x.dims, &dims)?.result();
        check::shape(self, "`dy`", dy, &convolution::typed(self, result)?)?;
        Ok(TensorType::f32(&dims))
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let [x, dy] = [&operands[0].data, &operands[1].data];
        let mut dw = Tensor::full(&result.dims, 0.0);
        Convolution::of(attributes, &operands[0].dims, &result.dims).visit(|run| {
            let from = x[run.x..].iter().step_by(run.step);
            dw.data[run.w] += from.zip(&dy[run.y..run.y + run.len]).map(|(x, dy)| x * dy).sum::<f64>();
        });
        dw
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [x, inner] = [graph[node].operands[0], graph[node].operands[1]];
        let attributes = convolution::without_dims(&graph[node].attributes);
        let mut emit = Emitter::new(graph, node);
        let for_x = convolution::with_dims(&attributes, &emit.dims(x));
        let dx = emit.emit(&conv2d_input_grad::Conv2dInputGrad, &[dy, inner], for_x);
        let dinner = emit.emit(&conv2d::Conv2d, &[x, dy], attributes);
        Ok(vec![Some(dx), Some(dinner)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let sample = |(x, w, attributes): (Vec<usize>, Vec<usize>, Attributes)| {
            let attributes = convolution::with_dims(&attributes, &w);
            let y = Convolution::of(&attributes, &x, &w).result();
            samples::case(&[&x, &y], attributes)
        };
        convolution::samples(seed).into_iter().map(sample).collect()
    }
}
