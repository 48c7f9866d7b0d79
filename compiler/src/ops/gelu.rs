//! `gelu`: x times the normal distribution's share below it.

use super::emit::Emitter;
use super::tensor::Tensor;
use super::{Attributes, Graph, Lowering, NodeId, Op, OpError, TensorType, check, erf, samples, tanh};
use crate::graph::Attribute;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, FRAC_2_SQRT_PI};

/// The weight of the cube in the approximation.
const CUBE: f64 = 0.044715;

/// See [`Op::doc`].
pub struct Gelu;

impl Op for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn doc(&self) -> &'static str {
        "`x` times the share of the standard normal distribution below it, `y = x F(x)` (Hendrycks & Gimpel 2016).\n\n\
         With `approximate=\"none\"` it is `F(x) = (1 + erf(x / sqrt 2)) / 2`, with `approximate=\"tanh\"` \
         `F(x) = (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`. Gradient: `dx = (F(x) + x F'(x)) dy`. Decomposes to `erf` \
         or `tanh` and arithmetic.\n\n\
         Attributes: `approximate` (`\"none\"` or `\"tanh\"`)."
    }

    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
        let attributes = check::attributes(self, attributes, &["approximate"])?;
        let approximate = attributes.text("approximate")?;
        if !matches!(approximate, "none" | "tanh") {
            return Err(OpError::new(format!("`gelu` knows no approximation {approximate:?}"))
                .hint("`approximate` is \"none\" or \"tanh\""));
        }
        check::same::<1>(self, operands)
    }

    fn eval(&self, operands: &[&Tensor], attributes: &Attributes, _: &TensorType) -> Tensor {
        let by_tanh = attributes.text("approximate") == "tanh";
        operands[0].map(|x| {
            let share = match by_tanh {
                true => (FRAC_2_PI.sqrt() * (x + CUBE * x * x * x)).tanh(),
                false => libm::erf(x * FRAC_1_SQRT_2),
            };
            0.5 * x * (1.0 + share)
        })
    }

    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let x = graph[node].operands[0];
        let by_tanh = graph[node].attributes.text("approximate") == "tanh";
        let mut emit = Emitter::new(graph, node);
        let share = share(&mut emit, x, by_tanh);
        let square = emit.square(x);
        let density = if by_tanh {
            // F' = 2 F (1 - F) u', where u is what the tangent is taken of.
            let inner = emit.scale(square, 3.0 * CUBE);
            let inner = emit.offset(inner, 1.0);
            let inner = emit.scale(inner, 2.0 * FRAC_2_PI.sqrt());
            let rest = emit.one_minus(share);
            let spread = emit.mul(share, rest);
            emit.mul(spread, inner)
        } else {
            let exponent = emit.scale(square, -0.5);
            let power = emit.exp(exponent);
            emit.scale(power, 0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI)
        };
        let moved = emit.mul(x, density);
        let slope = emit.add(share, moved);
        Ok(vec![Some(emit.mul(dy, slope))])
    }

    fn lowering(&self) -> Lowering {
        Lowering::Decompose(|graph, node| {
            let x = graph[node].operands[0];
            let by_tanh = graph[node].attributes.text("approximate") == "tanh";
            let mut emit = Emitter::new(graph, node);
            let share = share(&mut emit, x, by_tanh);
            emit.mul(x, share)
        })
    }

    fn samples(&self, seed: u64) -> samples::Samples {
        samples::elementwise(seed, 1, |random| {
            let approximate = ["none", "tanh"][random.range(0, 1)];
            Attributes::new().with("approximate", Attribute::Text(approximate.to_string()))
        })
    }
}

/// F(x).
fn share(emit: &mut Emitter, x: NodeId, by_tanh: bool) -> NodeId {
    let odd = if by_tanh {
        let square = emit.square(x);
        let cube = emit.mul(square, x);
        let cube = emit.scale(cube, CUBE);
        let sum = emit.add(x, cube);
        let inner = emit.scale(sum, FRAC_2_PI.sqrt());
        emit.emit(&tanh::Tanh, &[inner], Attributes::new())
    } else {
        let inner = emit.scale(x, FRAC_1_SQRT_2);
        emit.emit(&erf::Erf, &[inner], Attributes::new())
    };
    let sum = emit.offset(odd, 1.0);
    emit.scale(sum, 0.5)
}
