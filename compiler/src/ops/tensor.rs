//! The reference evaluator's tensor: f64 elements in row-major logical order.

/// A dense tensor in f64 (labels and seeds too: they are exact), in logical row-major order (NCHW, OIHW).
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// Extents, outermost first.
    pub dims: Vec<usize>,
    /// Elements, `dims.iter().product()` of them.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of `dims` whose element at each multi-index is `f(index)`.
    pub fn from_fn(dims: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Self {
        let mut data = Vec::with_capacity(dims.iter().product());
        each_index(dims, |index| data.push(f(index)));
        Tensor { dims: dims.to_vec(), data }
    }

    /// A tensor of `dims` filled with `value`.
    pub fn full(dims: &[usize], value: f64) -> Self {
        Tensor { dims: dims.to_vec(), data: vec![value; dims.iter().product()] }
    }

    /// The element at `index`.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.data[self.offset(index)]
    }

    /// The element at `index`, to change.
    pub fn at_mut(&mut self, index: &[usize]) -> &mut f64 {
        let offset = self.offset(index);
        &mut self.data[offset]
    }

    /// `f` of every element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Tensor { dims: self.dims.clone(), data: self.data.iter().map(|&x| f(x)).collect() }
    }

    /// `f` of the elements of two tensors of one shape.
    pub fn zip(&self, other: &Tensor, f: impl Fn(f64, f64) -> f64) -> Self {
        debug_assert_eq!(self.dims, other.dims);
        let data = self.data.iter().zip(&other.data).map(|(&a, &b)| f(a, b)).collect();
        Tensor { dims: self.dims.clone(), data }
    }

    fn offset(&self, index: &[usize]) -> usize {
        debug_assert_eq!(index.len(), self.dims.len());
        index.iter().zip(&self.dims).fold(0, |offset, (&i, &extent)| {
            debug_assert!(i < extent);
            offset * extent + i
        })
    }
}

/// The greater of two numbers, NaN if either is NaN: `Expression::Max` in f64. (`f64::max` drops NaNs.)
pub fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Calls `visit` with every multi-index below `dims`, in row-major order.
pub fn each_index(dims: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut index = vec![0; dims.len()];
    for _ in 0..dims.iter().product() {
        visit(&index);
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            if index[axis] < dims[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}
