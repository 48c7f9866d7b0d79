//! The geometry that `conv2d` and its two gradients share, and the one loop nest of their references.

use super::check::{self, Checked};
use super::window::Window;
use super::{Attributes, Op, OpError};
use crate::graph::{Attribute, ElementType};

/// A two-dimensional convolution, specialised to its shapes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Convolution {
    /// N
    pub batch: usize,
    /// I, over all groups.
    pub channels: usize,
    /// O, over all groups.
    pub filters: usize,
    /// Filters of one group see the channels of that group alone.
    pub groups: usize,
    /// H and W of the input.
    pub input: [usize; 2],
    /// H and W of the output.
    pub output: [usize; 2],
    /// Kernel, stride, padding, dilation.
    pub window: Window,
}

/// The attributes of `conv2d`.
pub(super) const ATTRIBUTES: [&str; 4] = ["dilation", "groups", "pad", "stride"];

/// The attributes of its gradients.
pub(super) const GRADIENT_ATTRIBUTES: [&str; 5] = ["dilation", "dims", "groups", "pad", "stride"];

/// A stretch of multiply-adds along the output: `y[y + t] ~ w[w] x[x + t * step]` for `t` in `0..len`.
pub(super) struct Run {
    pub x: usize,
    pub w: usize,
    pub y: usize,
    pub len: usize,
    pub step: usize,
}

impl Convolution {
    /// The convolution of an input `x = [N,C,H,W]` by weights `w = [O,C/groups,Kh,Kw]`, both of rank 4.
    pub(super) fn new(op: &dyn Op, attributes: &Checked<'_>, x: &[usize], w: &[usize]) -> Result<Self, OpError> {
        let stride = attributes.pair("stride", 1)?;
        let pad = attributes.pair("pad", 0)?;
        let dilation = attributes.pair("dilation", 1)?;
        let groups = attributes.count("groups", 1)?;
        let name = op.name();
        let (x, w) = (rank4(op, x)?, rank4(op, w)?);
        let [batch, channels, height, width] = x;
        let [filters, depth, kernel_height, kernel_width] = w;
        if filters % groups != 0 || channels % groups != 0 {
            return Err(OpError::new(format!(
                "`{name}` in {groups} groups divides neither {channels} input channels nor {filters} filters evenly"
            )));
        }
        if depth != channels / groups {
            let of = if groups == 1 { String::new() } else { format!(" in {groups} groups") };
            return Err(OpError::new(format!(
                "`{name}` of an input {x:?} by weights {w:?}: the input has {channels} channels{of}, the weights take {depth}"
            )));
        }
        let window = Window { kernel: [kernel_height, kernel_width], stride, pad, dilation };
        let input = [height, width];
        let output = window.output(op, input)?;
        Ok(Convolution { batch, channels, filters, groups, input, output, window })
    }

    /// The convolution of checked attributes and shapes.
    pub fn of(attributes: &Attributes, x: &[usize], w: &[usize]) -> Self {
        let op = &super::conv2d::Conv2d;
        check::attributes(op, attributes, &GRADIENT_ATTRIBUTES)
            .and_then(|attributes| Self::new(op, &attributes, x, w))
            .expect("`infer` has checked the convolution")
    }

    /// `[N,O,H',W']`
    pub fn result(&self) -> Vec<usize> {
        vec![self.batch, self.filters, self.output[0], self.output[1]]
    }

    /// All multiply-adds, each once. Taps in the zero padding are left out.
    pub(super) fn visit(&self, mut visit: impl FnMut(Run)) {
        let window = &self.window;
        let [height, width] = self.input;
        let [rows, columns] = self.output;
        let [kernel_height, kernel_width] = window.kernel;
        let depth = self.channels / self.groups;
        let filters = self.filters / self.groups;
        for image in 0..self.batch {
            for filter in 0..self.filters {
                let first = filter / filters * depth;
                let y_plane = (image * self.filters + filter) * rows;
                for channel in 0..depth {
                    let x_plane = (image * self.channels + first + channel) * height;
                    let w_plane = (filter * depth + channel) * kernel_height;
                    for j in 0..kernel_width {
                        let inside = window.outputs(1, j, width, columns);
                        if inside.is_empty() {
                            continue;
                        }
                        let column = window.position(1, inside.start, j);
                        // Whole rows follow each other on both sides, and are one stretch.
                        if window.stride == [1, 1] && inside.len() == width && columns == width {
                            for i in 0..kernel_height {
                                let inside = window.outputs(0, i, height, rows);
                                if !inside.is_empty() {
                                    visit(Run {
                                        x: (x_plane + window.position(0, inside.start, i)) * width,
                                        w: (w_plane + i) * kernel_width + j,
                                        y: (y_plane + inside.start) * columns,
                                        len: inside.len() * columns,
                                        step: 1,
                                    });
                                }
                            }
                            continue;
                        }
                        for row in 0..rows {
                            for i in window.taps(0, row, height) {
                                visit(Run {
                                    x: (x_plane + window.position(0, row, i)) * width + column,
                                    w: (w_plane + i) * kernel_width + j,
                                    y: (y_plane + row) * columns + inside.start,
                                    len: inside.len(),
                                    step: window.stride[1],
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rank4(op: &dyn Op, dims: &[usize]) -> Result<[usize; 4], OpError> {
    <[usize; 4]>::try_from(dims)
        .map_err(|_| OpError::new(format!("`{}` needs four extents, here are {dims:?}", op.name())))
}

/// The attributes of a convolution with `dims` set: those of its gradients.
pub(super) fn with_dims(attributes: &Attributes, dims: &[usize]) -> Attributes {
    attributes.clone().with("dims", Attribute::extents(dims))
}

/// The attributes of a gradient without `dims`: those of the convolution.
pub(super) fn without_dims(attributes: &Attributes) -> Attributes {
    let mut attributes = attributes.clone();
    attributes.0.remove("dims");
    attributes
}

/// Shapes `(x, w)` and attributes to test the three ops on.
pub(super) fn samples(seed: u64) -> Vec<(Vec<usize>, Vec<usize>, Attributes)> {
    let mut random = super::samples::Random::new(seed);
    let mut cases = Vec::new();
    // The last one is depthwise.
    for groups in [1, 1, 2, 5] {
        let (batch, depth, filters) = (random.range(1, 2), random.range(1, 3), groups * random.range(1, 2));
        let depth = if groups == 5 { 1 } else { depth };
        let kernel = [random.range(1, 3), random.range(1, 3)];
        let dilation = [random.range(1, 2), random.range(1, 2)];
        let stride = [random.range(1, 2), random.range(1, 3)];
        let pad = [random.range(0, 2), random.range(0, 2)];
        let attributes = Attributes::new()
            .with("stride", Attribute::extents(&stride))
            .with("pad", Attribute::extents(&pad))
            .with("dilation", Attribute::extents(&dilation))
            .with("groups", Attribute::Int(groups as i64));
        let extents = [random.range(5, 7), random.range(5, 6)];
        cases.push((
            vec![batch, groups * depth, extents[0], extents[1]],
            vec![filters, depth, kernel[0], kernel[1]],
            attributes,
        ));
    }
    cases
}

/// The result type of a convolution op, once its extents are known.
pub(super) fn typed(op: &dyn Op, dims: Vec<usize>) -> Result<super::TensorType, OpError> {
    check::result(op, ElementType::F32, dims)
}
