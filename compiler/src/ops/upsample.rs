//! `upsample`: a whole number of times as many rows and columns.

use super::emit::Emitter;
use super::stencil::Method;
use super::tensor::Tensor;
use super::{
    Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, avg_pool, avg_pool_grad, check, resample, samples,
    stencil,
};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Upsample;

impl Op for Upsample {
    fn name(&self) -> &'static str {
        "upsample"
    }

    fn doc(&self) -> &'static str {
        "A whole number of times as many rows and columns, from f32[N,C,H,W] to f32[N,C,fh H,fw W].\n\n\
         `mode=\"nearest\"`: `y[n,c,p,q] = x[n,c,floor(p / fh),floor(q / fw)]`, which decomposes to the gradient of `avg_pool`, \
         scaled. `mode=\"bilinear\"`: straight lines between the centres of elements, the outermost elements beyond them (PyTorch's, \
         without `align_corners`); decomposes to `resample` along either axis.\n\n\
         Attributes: `factor` (two whole numbers: fh and fw), `mode` (`\"nearest\"` or `\"bilinear\"`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["factor", "mode"])?;
        let (factor, mode) = (attributes.pair("factor", 1)?, attributes.text("mode")?);
        if !matches!(mode, "nearest" | "bilinear") {
            return Err(OpError::new(format!("`upsample` knows no mode {mode:?}"))
                .hint("`mode` is \"nearest\" or \"bilinear\""));
        }
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        let plane = [0, 1].map(|axis| x.dims[2 + axis].saturating_mul(factor[axis]));
        check::result(self, ElementType::F32, vec![x.dims[0], x.dims[1], plane[0], plane[1]])
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let x = operands[0];
        if attributes.text("mode") == "nearest" {
            let factor = attributes.extents("factor");
            return Tensor::from_fn(&result.dims, |at| x.at(&[at[0], at[1], at[2] / factor[0], at[3] / factor[1]]));
        }
        let mut middle = result.clone();
        middle.dims[3] = x.dims[3];
        let [rows, columns] = [2, 3].map(|axis| stencil::stencils(Method::Linear, x.dims[axis], result.dims[axis]));
        stencil::apply(&stencil::apply(x, &rows, 2, &middle), &columns, 3, result)
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let dims = graph[graph[node].operands[0]].ty.dims.clone();
        let attributes = graph[node].attributes.clone();
        let mut emit = Emitter::new(graph, node);
        if attributes.text("mode") == "nearest" {
            let (window, area) = window(&attributes);
            let mean = emit.emit(&avg_pool::AvgPool, &[dy], window);
            return Ok(vec![Some(emit.scale(mean, area))]);
        }
        let dy = resample::emit_grad(&mut emit, dy, 3, dims[3], Method::Linear);
        Ok(vec![Some(resample::emit_grad(&mut emit, dy, 2, dims[2], Method::Linear))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let dims = graph[node].ty.dims.clone();
            let attributes = graph[node].attributes.clone();
            let mut emit = Emitter::new(graph, node);
            if attributes.text("mode") == "nearest" {
                let (window, area) = window(&attributes);
                let window = window.with("dims", Attribute::extents(&dims));
                let share = emit.emit(&avg_pool_grad::AvgPoolGrad, &[x], window);
                return emit.scale(share, area);
            }
            let x = resample::emit(&mut emit, x, 2, dims[2], Method::Linear);
            resample::emit(&mut emit, x, 3, dims[3], Method::Linear)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |mode: &str| {
            let dims = [2, 3, 4, 4].map(|most| random.range(1, most));
            let factor = [random.range(1, 3), random.range(1, 4)];
            let attributes = Attributes::new()
                .with("factor", Attribute::extents(&factor))
                .with("mode", Attribute::Text(mode.to_string()));
            samples::case(&[&dims], attributes)
        };
        vec![sample("nearest"), sample("bilinear")]
    }
}

/// The pool whose windows are what one element becomes, and the elements of a window.
fn window(attributes: &Attributes) -> (Attributes, f64) {
    let factor = attributes.extents("factor");
    let window = Attributes::new()
        .with("kernel", Attribute::extents(&factor))
        .with("stride", Attribute::extents(&factor))
        .with("pad", Attribute::extents(&[0, 0]));
    (window, (factor[0] * factor[1]) as f64)
}
