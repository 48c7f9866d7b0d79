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
        let len = dims.iter().product();
        let mut index = vec![0; dims.len()];
        let mut data = Vec::with_capacity(len);
        for _ in 0..len {
            data.push(f(&index));
            for axis in (0..dims.len()).rev() {
                index[axis] += 1;
                if index[axis] < dims[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Tensor {
            dims: dims.to_vec(),
            data,
        }
    }

    /// A tensor of `dims` filled with `value`.
    pub fn full(dims: &[usize], value: f64) -> Self {
        Tensor {
            dims: dims.to_vec(),
            data: vec![value; dims.iter().product()],
        }
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

    fn offset(&self, index: &[usize]) -> usize {
        debug_assert_eq!(index.len(), self.dims.len());
        index
            .iter()
            .zip(&self.dims)
            .fold(0, |offset, (&i, &extent)| {
                debug_assert!(i < extent);
                offset * extent + i
            })
    }
}
