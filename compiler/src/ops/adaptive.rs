//! What the pools share whose windows divide the input among a given number of results.

use super::samples::{self, Random};
use super::{Attributes, Op, OpError, TensorType, check};
use crate::graph::{Attribute, ElementType};

/// Up to this many taps a window is gone through in one sweep; above, one axis and then the other is less work.
pub(super) const LARGEST_WINDOW: usize = 16;

/// f32[N,C,H',W'] of f32[N,C,H,W], where `out` is [H', W'].
pub(super) fn infer(op: &dyn Op, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
    let [height, width] = check::attributes(op, attributes, &["out"])?.pair("out", 1)?;
    let [x] = check::operands(op, operands)?;
    check::rank(op, "input", x, 4)?;
    check::result(op, ElementType::F32, vec![x.dims[0], x.dims[1], height, width])
}

/// The attributes of a pool with windows of that extent that do not meet.
pub(super) fn apart(kernel: [usize; 2]) -> Attributes {
    Attributes::new()
        .with("kernel", Attribute::extents(&kernel))
        .with("stride", Attribute::extents(&kernel))
        .with("pad", Attribute::extents(&[0, 0]))
}

/// Each pool with `out` results over `by` times as many elements, or any number of them where that is 0.
pub(super) fn samples(seed: u64, pools: &[([usize; 2], usize)]) -> samples::Samples {
    let mut random = Random::new(seed);
    let mut sample = |&(out, by): &([usize; 2], usize)| {
        let dims = [2, 3].map(|most| random.range(1, most));
        let plane = out.map(|out| if by == 0 { random.range(1, 8) } else { by * out });
        let attributes = Attributes::new().with("out", Attribute::extents(&out));
        samples::case(&[&[dims[0], dims[1], plane[0], plane[1]]], attributes)
    };
    pools.iter().map(&mut sample).collect()
}
