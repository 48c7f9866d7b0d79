//! Depthwise convolutions: each input channel has filters of its own, so that nothing is summed over channels. With channels last all
//! three directions are elementwise maps over pixels and channels whose loads are the taps; a matrix product for each channel would
//! leave most of a vector empty.
//!
//! With a multiplier m the output channels of input channel c are m c .. m c + m - 1. Maps run over the input's channels, and meet what
//! has the output's with a stride of m.

mod convolution;
mod input_grad;
mod weight_grad;

pub use convolution::lower;
pub use input_grad::lower as lower_input_grad;
pub use weight_grad::lower as lower_weight_grad;

use super::window::Window;

/// Most taps of a window that is unrolled.
const MOST_TAPS: usize = 81;

/// Whether a convolution is to be done this way.
pub fn fits(window: &Window) -> bool {
    window.groups > 1 && window.group_input() == 1 && window.kernel[0] * window.kernel[1] <= MOST_TAPS
}
