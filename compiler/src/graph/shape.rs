//! Element types, tensor types, and the one-line forms in which the IR text spells them.

use std::fmt;

/// What one element of a tensor is. Every element occupies four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum ElementType {
    /// IEEE 754 binary32.
    F32,
    /// 32-bit signed integer: class labels and seeds. Never differentiated.
    I32,
}

/// The type of a value: element type and logical dimensions.
///
/// Dimensions are always in PyTorch's logical order: activations `[N, C, H, W]`, convolution weights `[O, I, Kh, Kw]`,
/// dense weights `[out, in]`. How a value lies in memory is decided by the plan alone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TensorType {
    /// Type of each element.
    pub element: ElementType,
    /// Extents, outermost first; empty for a scalar.
    pub dims: Vec<usize>,
}

impl TensorType {
    /// An f32 tensor of the given extents.
    pub fn f32(dims: &[usize]) -> Self {
        TensorType { element: ElementType::F32, dims: dims.to_vec() }
    }

    /// An i32 tensor of the given extents.
    pub fn i32(dims: &[usize]) -> Self {
        TensorType { element: ElementType::I32, dims: dims.to_vec() }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Number of elements (1 for a scalar). Elaboration has checked that it does not overflow.
    pub fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether any extent is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ElementType::F32 => "f32",
            ElementType::I32 => "i32",
        })
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(usize::to_string).collect();
        write!(f, "{}[{}]", self.element, dims.join(","))
    }
}
