//! The window that convolutions and pools slide over height and width.

use super::check::Checked;
use super::{Op, OpError};
use std::ops::Range;

/// Extents, step, zero padding and spacing of a sliding window; each for `[height, width]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Input positions from one output position to the next.
    pub stride: [usize; 2],
    /// Rows and columns added on either side.
    pub pad: [usize; 2],
    /// Input positions from one tap to the next.
    pub dilation: [usize; 2],
}

impl Window {
    /// The window of a pool, from the attributes `kernel`, `stride`, `pad` and, if it is there, `dilation`.
    pub(super) fn of_pool(op: &dyn Op, attributes: &Checked<'_>) -> Result<Self, OpError> {
        let kernel = attributes.pair("kernel", 1)?;
        let stride = attributes.pair("stride", 1)?;
        let pad = attributes.pair("pad", 0)?;
        let dilation = if attributes.has("dilation") { attributes.pair("dilation", 1)? } else { [1, 1] };
        let window = Window { kernel, stride, pad, dilation };
        // Otherwise a window could lie in the padding entirely, and a maximum over it would be empty.
        if (0..2).any(|axis| 2 * pad[axis] > window.reach(axis)) {
            return Err(OpError::new(format!(
                "`{}` pads {pad:?} around a window of {kernel:?}: at most half the window",
                op.name()
            )));
        }
        Ok(window)
    }

    /// Input positions from the first tap to the last, both counted.
    pub fn reach(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The extents of the output over an input of these extents: `floor((in + 2 pad - reach) / stride) + 1`.
    pub fn output(&self, op: &dyn Op, input: [usize; 2]) -> Result<[usize; 2], OpError> {
        self.output_over(op, input, [0, 0])
    }

    /// As [`Window::output`], for windows that may stand out `over` rows and columns beyond the padding.
    pub(super) fn output_over(&self, op: &dyn Op, input: [usize; 2], over: [usize; 2]) -> Result<[usize; 2], OpError> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let reach = self.reach(axis);
            let padded = input[axis] + 2 * self.pad[axis];
            let Some(room) = (padded + over[axis]).checked_sub(reach) else {
                let [height, width] = input;
                return Err(OpError::new(format!(
                    "`{}` slides a window that reaches over {reach} {} of an input of {height}x{width}, {padded} with padding",
                    op.name(),
                    ["rows", "columns"][axis]
                ))
                .hint("use a smaller kernel or dilation, or more padding"));
            };
            output[axis] = room / self.stride[axis] + 1;
        }
        Ok(output)
    }

    /// The taps of the window at `output` that lie inside an input of that extent.
    pub fn taps(&self, axis: usize, output: usize, extent: usize) -> Range<usize> {
        let start = output * self.stride[axis];
        let pad = self.pad[axis];
        let dilation = self.dilation[axis];
        let first = pad.saturating_sub(start).div_ceil(dilation);
        let end = (extent + pad).saturating_sub(start).div_ceil(dilation);
        first..end.min(self.kernel[axis]).max(first)
    }

    /// The output positions at which `tap` lies inside an input of that extent.
    pub fn outputs(&self, axis: usize, tap: usize, extent: usize, outputs: usize) -> Range<usize> {
        let reach = tap * self.dilation[axis];
        let pad = self.pad[axis];
        let stride = self.stride[axis];
        let first = pad.saturating_sub(reach).div_ceil(stride);
        let end = (extent + pad).saturating_sub(reach).div_ceil(stride);
        first..end.min(outputs).max(first)
    }

    /// The input position under `tap` at `output`, for a tap that [`Window::taps`] gave.
    pub fn position(&self, axis: usize, output: usize, tap: usize) -> usize {
        output * self.stride[axis] + tap * self.dilation[axis] - self.pad[axis]
    }

    /// Calls `visit(input offset, output offset)` for each tap inside the input, over `planes` planes of `input`
    /// extents and of `output` extents: planes, then output positions, then taps, each in row-major order.
    pub(super) fn visit(
        &self,
        planes: usize,
        input: [usize; 2],
        output: [usize; 2],
        mut visit: impl FnMut(usize, usize),
    ) {
        for plane in 0..planes {
            for row in 0..output[0] {
                for column in 0..output[1] {
                    let to = (plane * output[0] + row) * output[1] + column;
                    for i in self.taps(0, row, input[0]) {
                        let from = (plane * input[0] + self.position(0, row, i)) * input[1];
                        for j in self.taps(1, column, input[1]) {
                            visit(from + self.position(1, column, j), to);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_and_outputs_are_the_ones_inside() {
        for (kernel, stride, pad, dilation, extent) in
            [(3, 1, 1, 1, 5), (3, 2, 1, 2, 7), (1, 2, 0, 1, 4), (5, 3, 4, 1, 6)]
        {
            let window = Window { kernel: [kernel; 2], stride: [stride; 2], pad: [pad; 2], dilation: [dilation; 2] };
            let outputs = window.output(&crate::ops::conv2d::Conv2d, [extent; 2]).unwrap()[0];
            for output in 0..outputs {
                for tap in 0..kernel {
                    let position = (output * stride + tap * dilation) as i64 - pad as i64;
                    let inside = (0..extent as i64).contains(&position);
                    assert_eq!(window.taps(0, output, extent).contains(&tap), inside);
                    assert_eq!(window.outputs(0, tap, extent, outputs).contains(&output), inside);
                    if inside {
                        assert_eq!(window.position(0, output, tap) as i64, position);
                    }
                }
            }
        }
    }
}
