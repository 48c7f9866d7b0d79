//! `matmul`: the product of two matrices.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, samples};
use crate::graph::{Attribute, ElementType};

/// See [`Op::doc`].
pub struct Matmul;

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn doc(&self) -> &'static str {
        "The product of two matrices, `y[m,n] = sum over k of a[m,k] b[k,n]`, or with `transposed` of `a[k,m] b[k,n]`. Gradients: \
         `da = dy b^T` (transposed: `b dy^T`) and `db = a^T dy` (transposed: `a dy`).\n\n\
         Operands: `a` (f32[M,K], transposed f32[K,M]) and `b` (f32[K,N]); the result is f32[M,N].\n\n\
         Attributes: `transposed` (true or false)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let transposed = check::attributes(self, attributes, &["transposed"])?.flag("transposed")?;
        let [a, b] = check::operands(self, operands)?;
        check::rank(self, "first matrix", a, 2)?;
        check::rank(self, "second matrix", b, 2)?;
        let [m, k] = if transposed { [a.dims[1], a.dims[0]] } else { [a.dims[0], a.dims[1]] };
        if b.dims[0] != k {
            let how = if transposed { " transposed" } else { "" };
            return Err(OpError::new(format!("`matmul` of {a}{how} by {b}: sums over {k} and {} elements", b.dims[0])));
        }
        check::result(self, ElementType::F32, vec![m, b.dims[1]])
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
        let ([a, b], transposed) = ([operands[0], operands[1]], attributes.flag("transposed"));
        Tensor::from_fn(&result.dims, |at| {
            let factor = |k: usize| if transposed { a.at(&[k, at[0]]) } else { a.at(&[at[0], k]) };
            (0..b.dims[0]).map(|k| factor(k) * b.at(&[k, at[1]])).sum()
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let ([a, b], transposed) =
            ([graph[node].operands[0], graph[node].operands[1]], graph[node].attributes.flag("transposed"));
        let mut emit = Emitter::new(graph, node);
        let da = if transposed {
            let turned = emit.transpose(dy);
            emit.matmul(b, turned, false)
        } else {
            let turned = emit.transpose(b);
            emit.matmul(dy, turned, false)
        };
        Ok(vec![Some(da), Some(emit.matmul(a, dy, !transposed))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Anchor
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        let mut random = samples::Random::new(seed);
        let mut sample = |transposed: bool| {
            let [m, k, n] = [random.range(1, 9), random.range(1, 20), random.range(1, 20)];
            let a = if transposed { [k, m] } else { [m, k] };
            samples::case(&[&a, &[k, n]], Attributes::new().with("transposed", Attribute::Bool(transposed)))
        };
        vec![sample(false), sample(true)]
    }
}
