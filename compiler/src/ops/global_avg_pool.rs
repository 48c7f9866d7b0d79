//! `global_avg_pool`: the mean over height and width.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};

/// See [`Op::doc`].
pub struct GlobalAvgPool;

impl Op for GlobalAvgPool {
    fn name(&self) -> &'static str {
        "global_avg_pool"
    }

    fn doc(&self) -> &'static str {
        "The mean over height and width (Lin et al. 2013): `y[n,c] = mean of x[n,c,..]`, from f32[N,C,H,W] to f32[N,C].\n\n\
         Decomposes to `reduce_sum` and `scale`."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        check::attributes(self, attributes, &[])?;
        let [x] = check::operands(self, operands)?;
        check::rank(self, "input", x, 4)?;
        Ok(TensorType::f32(&x.dims[..2]))
    }

    fn eval(&self, operands: &[&Tensor], _: &Attributes, result: &TensorType) -> Tensor {
        let area = operands[0].data.len() / result.len();
        let data = operands[0].data.chunks(area).map(|plane| plane.iter().sum::<f64>() / area as f64).collect();
        Tensor { dims: result.dims.clone(), data }
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let share = 1.0 / area(graph, node);
        let mut emit = Emitter::new(graph, node);
        let dims = emit.dims(x);
        let dy = emit.scale(dy, share);
        Ok(vec![Some(emit.broadcast(dy, &[0, 1], &dims))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(decompose)
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let dims: Vec<usize> = (0..4).map(|_| random.range(1, 4)).collect();
        vec![samples::case(&[&dims], Attributes::new())]
    }
}

fn decompose(graph: &mut Graph, node: NodeId) -> NodeId {
    let x = graph[node].operands[0];
    let share = 1.0 / area(graph, node);
    let mut emit = Emitter::new(graph, node);
    let sum = emit.reduce_sum(x, &[2, 3]);
    emit.scale(sum, share)
}

fn area(graph: &Graph, node: NodeId) -> f64 {
    graph[graph[node].operands[0]].ty.dims[2..].iter().product::<usize>() as f64
}
