//! What the pools and their gradients share: windows over `f32[N,C,H,W]`, and test samples.

use super::check::Checked;
use super::samples::Random;
use super::window::Window;
use super::{Attributes, Op, OpError, TensorType, check};
use crate::graph::{Attribute, ElementType};

/// The attributes of a pool.
pub(super) const ATTRIBUTES: [&str; 5] = ["ceil", "dilation", "kernel", "pad", "stride"];

/// The type of the pool of an input of these extents.
pub(super) fn result(op: &dyn Op, attributes: &Checked<'_>, x: &[usize]) -> Result<TensorType, OpError> {
    let window = Window::of_pool(op, attributes)?;
    let input = [x[2], x[3]];
    // From the first tap in the padding it is less than a dilation to the first row or column inside.
    if let Some(axis) = (0..2).find(|&axis| window.dilation[axis] > input[axis]) {
        return Err(OpError::new(format!(
            "`{}` with a dilation of {:?} over an input of {}x{}: a window could miss the input",
            op.name(),
            window.dilation,
            input[0],
            input[1],
        ))
        .hint(format!("a dilation of at most {} along this axis", input[axis])));
    }
    let ceil = attributes.flag("ceil")?;
    let mut output = window.output_over(op, input, window.stride.map(|stride| if ceil { stride - 1 } else { 0 }))?;
    for axis in 0..2 {
        // The last window begins inside: one that lay in the padding behind would be empty.
        if ceil && (output[axis] - 1) * window.stride[axis] >= input[axis] + window.pad[axis] {
            output[axis] -= 1;
        }
    }
    check::result(op, ElementType::F32, vec![x[0], x[1], output[0], output[1]])
}

/// The window of checked attributes.
pub fn window(attributes: &Attributes) -> Window {
    let extents = |name| <[usize; 2]>::try_from(attributes.extents(name)).expect("`infer` has checked the window");
    let dilation = attributes.get("dilation").map_or([1, 1], |_| extents("dilation"));
    Window { kernel: extents("kernel"), stride: extents("stride"), pad: extents("pad"), dilation }
}

/// How many taps of the window at `output` a mean counts: those over the input and its padding, not those that stand out beyond.
pub fn counted(window: &Window, axis: usize, output: usize, extent: usize) -> usize {
    let room = extent + 2 * window.pad[axis] - output * window.stride[axis];
    room.div_ceil(window.dilation[axis]).min(window.kernel[axis])
}

/// The number of elements that the mean at each output position counts, for outputs of `y` extents in row-major order.
pub fn areas(attributes: &Attributes, x: &[usize], y: &[usize]) -> Vec<f64> {
    let window = window(attributes);
    let count = |axis: usize, output: usize| counted(&window, axis, output, x[2 + axis]) as f64;
    (0..y[2])
        .flat_map(|row| (0..y[3]).map(move |column| (row, column)))
        .map(|(row, column)| count(0, row) * count(1, column))
        .collect()
}

/// Calls `visit(input offset, output offset)` for each tap of each window.
pub(super) fn visit(attributes: &Attributes, x: &[usize], y: &[usize], visit: impl FnMut(usize, usize)) {
    window(attributes).visit(x[0] * x[1], [x[2], x[3]], [y[2], y[3]], visit);
}

/// Shapes `(x, y)` and attributes to test the pools on: plain windows, windows that stand out, dilated ones.
pub(super) fn samples(op: &dyn Op, seed: u64) -> Vec<(Vec<usize>, Vec<usize>, Attributes)> {
    let mut random = Random::new(seed);
    let mut sample = |ceil: bool, dilated: bool| {
        let x = vec![random.range(1, 2), random.range(1, 3), random.range(4, 7), random.range(4, 6)];
        let kernel = [random.range(1, 3), random.range(2, 4)];
        let stride = [random.range(1, 3), random.range(1, 3)];
        let pad = [random.range(0, kernel[0] / 2), random.range(0, kernel[1] / 2)];
        let mut attributes = Attributes::new()
            .with("kernel", Attribute::extents(&kernel))
            .with("stride", Attribute::extents(&stride))
            .with("pad", Attribute::extents(&pad));
        if ceil {
            attributes = attributes.with("ceil", Attribute::Bool(true));
        }
        if dilated {
            // A window may reach over at most the four rows and columns of the least sample.
            let dilation = kernel.map(|taps| if taps <= 2 { random.range(1, 3) } else { 1 });
            attributes = attributes.with("dilation", Attribute::extents(&dilation));
        }
        let y = check::attributes(op, &attributes, &ATTRIBUTES)
            .and_then(|attributes| result(op, &attributes, &x))
            .expect("the sample's window fits");
        (x, y.dims, attributes)
    };
    vec![sample(false, false), sample(false, false), sample(true, false), sample(false, true), sample(true, true)]
}
