//! The geometry of convolutions, dense layers and pools.

use crate::graph::NodeId;
use crate::lower::layout::{Domain, default_layout};
use crate::lower::loops::Affine;
use crate::lower::nest::{Kernel, Sweep};

/// A window sliding over an input. A dense layer over [N, I] is a 1x1 convolution over one image of N rows and one column.
#[derive(Clone, Debug)]
pub struct Window {
    pub images: usize,
    /// Input rows, columns, channels.
    pub height: usize,
    pub width: usize,
    pub input: usize,
    /// Output rows, columns, channels.
    pub rows: usize,
    pub columns: usize,
    pub output: usize,
    /// [vertical, horizontal]
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pad: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

fn pair(values: &[i64]) -> [usize; 2] {
    [values[0] as usize, values[1] as usize]
}

impl Window {
    /// Of an op whose input has `x` extents, whose result (or incoming gradient) has `y`, with `kernel` = [Kh, Kw].
    pub fn new(kernel: &Kernel, anchor: NodeId, x: &[usize], y: &[usize], extent: [usize; 2]) -> Self {
        if let ([n, i], [_, o]) = (x, y) {
            return Window {
                images: 1,
                height: *n,
                width: 1,
                input: *i,
                rows: *n,
                columns: 1,
                output: *o,
                kernel: [1, 1],
                stride: [1, 1],
                pad: [0, 0],
                dilation: [1, 1],
                groups: 1,
            };
        }
        let attributes = &kernel.graph[anchor].attributes;
        let dilation = attributes.get("dilation").map_or([1, 1], |_| pair(attributes.ints("dilation")));
        let groups = attributes.get("groups").map_or(1, |_| attributes.int("groups") as usize);
        Window {
            images: x[0],
            height: x[2],
            width: x[3],
            input: x[1],
            rows: y[2],
            columns: y[3],
            output: y[1],
            kernel: extent,
            stride: pair(attributes.ints("stride")),
            pad: pair(attributes.ints("pad")),
            dilation,
            groups,
        }
    }

    /// Input channels of one group.
    pub fn group_input(&self) -> usize {
        self.input / self.groups
    }

    /// Output channels of one group.
    pub fn group_output(&self) -> usize {
        self.output / self.groups
    }

    /// 1x1 without padding: every output pixel reads one input pixel.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.pad == [0, 0]
    }

    /// Pointwise without stride: pixels of a block of rows follow each other on both sides.
    pub fn is_flat(&self) -> bool {
        self.is_pointwise() && self.stride == [1, 1]
    }

    /// Pointwise with a stride: pixels are left out, and those that are read are gathered, so that they follow each other.
    pub fn is_sampled(&self) -> bool {
        self.is_pointwise() && !self.is_flat()
    }

    /// Columns under a full row of windows.
    pub fn tile_width(&self) -> usize {
        (self.columns - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1] + 1
    }

    /// Rows under `rows` rows of windows.
    pub fn tile_rows(&self, rows: usize) -> usize {
        (rows - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
    }
}

/// A sweep over pixels along a row of a value of the canonical walk: activations [N, C, H, W] and matrices [N, C] (rows are N).
pub fn sweep(dims: &[usize], image: Affine, row: Affine, column: Affine, step: i64) -> Sweep {
    Sweep::new(&Domain::new(dims, &default_layout(dims.len())), [image, row, column, Affine::default()], step)
}

/// Rounds towards minus infinity.
pub fn floor_div(a: i64, b: i64) -> i64 {
    a.div_euclid(b)
}
