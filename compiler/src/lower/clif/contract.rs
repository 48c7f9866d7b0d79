//! Fewer instructions for the same steps: a product that goes into one sum becomes part of it, and a maximum with 0 that is only asked
//! whether it is greater than 0 is left out.

use super::plan::{Level, operands, stored};
use crate::lower::expression::{Expression as E, Scalar};
use crate::lower::loops::Map;

/// Rewrites steps in place; those that nothing needs any more stay behind. A product that is computed outside the loop of its sum
/// stays there, and so do all products where sums are not to be contracted.
pub(super) fn contract(map: &mut Map, levels: &[Level], needed: &[bool], sums: bool) {
    for at in 0..map.steps.len() {
        let step = map.steps[at];
        let by_product = |a: Scalar, b: Scalar| match map.steps[a.0 as usize] {
            E::Mul(x, y) if sums && levels[a.0 as usize] == levels[at] && uses(map, needed, a) == 1 => {
                Some(E::MulAdd(x, y, b))
            }
            _ => None,
        };
        let is_zero = |scalar: Scalar| map.steps[scalar.0 as usize] == E::Constant(0.0);
        let better = match step {
            E::Add(a, b) => by_product(a, b).or_else(|| by_product(b, a)),
            E::Greater(a, zero) if is_zero(zero) => match map.steps[a.0 as usize] {
                E::Max(x, other) if is_zero(other) => Some(E::Greater(x, zero)),
                E::Max(other, x) if is_zero(other) => Some(E::Greater(x, zero)),
                _ => None,
            },
            _ => None,
        };
        if let Some(better) = better {
            map.steps[at] = better;
        }
    }
}

/// How often the steps and effects that count use a value.
fn uses(map: &Map, needed: &[bool], value: Scalar) -> usize {
    let steps = map.steps.iter().zip(needed).filter(|(_, needed)| **needed);
    let by_steps: usize = steps.map(|(step, _)| operands(step).filter(|&operand| operand == value).count()).sum();
    by_steps + map.effects.iter().filter(|effect| stored(effect) == value).count()
}
