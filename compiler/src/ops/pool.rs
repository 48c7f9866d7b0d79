//! What the pools and their gradients share: windows over `f32[N,C,H,W]`, and test samples.

use super::check::Checked;
use super::samples::Random;
use super::window::Window;
use super::{Attributes, Op, OpError, TensorType, check};
use crate::graph::{Attribute, ElementType};

/// The attributes of a pool.
pub(super) const ATTRIBUTES: [&str; 3] = ["kernel", "pad", "stride"];

/// The type of the pool of an input of these extents.
pub(super) fn result(op: &dyn Op, attributes: &Checked<'_>, x: &[usize]) -> Result<TensorType, OpError> {
    let window = Window::of_pool(op, attributes)?;
    let [height, width] = window.output(op, [x[2], x[3]])?;
    check::result(op, ElementType::F32, vec![x[0], x[1], height, width])
}

/// The window of checked attributes.
pub fn window(attributes: &Attributes) -> Window {
    let extents = |name| <[usize; 2]>::try_from(attributes.extents(name)).expect("`infer` has checked the window");
    Window { kernel: extents("kernel"), stride: extents("stride"), pad: extents("pad"), dilation: [1, 1] }
}

/// Calls `visit(input offset, output offset)` for each tap of each window.
pub(super) fn visit(attributes: &Attributes, x: &[usize], y: &[usize], visit: impl FnMut(usize, usize)) {
    window(attributes).visit(x[0] * x[1], [x[2], x[3]], [y[2], y[3]], visit);
}

/// Shapes `(x, y)` and attributes to test the pools on.
pub(super) fn samples(op: &dyn Op, seed: u64) -> Vec<(Vec<usize>, Vec<usize>, Attributes)> {
    let mut random = Random::new(seed);
    let mut sample = || {
        let x = vec![random.range(1, 2), random.range(1, 3), random.range(4, 7), random.range(4, 6)];
        let kernel = [random.range(1, 3), random.range(2, 4)];
        let stride = [random.range(1, 3), random.range(1, 3)];
        let pad = [random.range(0, kernel[0] / 2), random.range(0, kernel[1] / 2)];
        let attributes = Attributes::new()
            .with("kernel", Attribute::extents(&kernel))
            .with("stride", Attribute::extents(&stride))
            .with("pad", Attribute::extents(&pad));
        let y = check::attributes(op, &attributes, &ATTRIBUTES)
            .and_then(|attributes| result(op, &attributes, &x))
            .expect("the sample's window fits");
        (x, y.dims, attributes)
    };
    vec![sample(), sample()]
}
