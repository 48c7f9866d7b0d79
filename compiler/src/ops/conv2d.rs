//! `conv2d`: two-dimensional convolution.

use super::convolution::{self, Convolution};
use super::emit::Emitter;
use super::tensor::Tensor;
use super::{
    Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, conv2d_input_grad, conv2d_weight_grad, samples,
};

/// See [`Op::doc`].
pub struct Conv2d;

impl Op for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn doc(&self) -> &'static str {
        "Two-dimensional convolution (cross-correlation, as all frameworks have it) with zero padding: \
         `y[n,o,p,q] = sum over i, a, b of w[o,i,a,b] x[n,i, p sh + a dh - ph, q sw + b dw - pw]`.\n\n\
         Operands: `x` (f32[N,C,H,W]) and `w` (f32[O,C/groups,Kh,Kw]); the result is f32[N,O,H',W'] with \
         `H' = floor((H + 2 ph - (Kh - 1) dh - 1) / sh) + 1`. Filters of group g see the channels of group g alone. A bias \
         is a `broadcast` and an `add`.\n\n\
         Attributes: `stride`, `pad`, `dilation` (two whole \
         numbers each, for height and width), `groups` (whole number)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &convolution::ATTRIBUTES)?;
        let [x, w] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        check::rank(self, "weight", w, 4)?;
        convolution::typed(self, Convolution::new(self, &attributes, &x.dims, &w.dims)?.result())
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let [x, w] = [&operands[0].data, &operands[1].data];
        let mut y = Tensor::full(&result.dims, 0.0);
        Convolution::of(attributes, &operands[0].dims, &operands[1].dims).visit(|run| {
            let to = y.data[run.y..run.y + run.len].iter_mut();
            let (weight, from) = (w[run.w], x[run.x..].iter());
            // The same twice, for the first is compiled to vector code.
            match run.step {
                1 => to.zip(from).for_each(|(y, x)| *y += weight * x),
                step => to.zip(from.step_by(step)).for_each(|(y, x)| *y += weight * x),
            }
        });
        y
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let [x, w] = [graph[node].operands[0], graph[node].operands[1]];
        let attributes = graph[node].attributes.clone();
        let mut emit = Emitter::new(graph, node);
        let for_x = convolution::with_dims(&attributes, &emit.dims(x));
        let for_w = convolution::with_dims(&attributes, &emit.dims(w));
        let dx = emit.emit(&conv2d_input_grad::Conv2dInputGrad, &[w, dy], for_x);
        let dw = emit.emit(&conv2d_weight_grad::Conv2dWeightGrad, &[x, dy], for_w);
        Ok(vec![Some(dx), Some(dw)])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        convolution::samples(seed).into_iter().map(|(x, w, attributes)| samples::case(&[&x, &w], attributes)).collect()
    }
}
