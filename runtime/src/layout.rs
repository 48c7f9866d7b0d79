//! Layouts: the same tensor in its logical and in its physical order.

use crate::program::Layout;

/// For each element in physical order, its index in logical row-major order.
fn logical_indices(dims: &[usize], layout: &Layout) -> impl Iterator<Item = usize> {
    assert_eq!(dims.len(), layout.len(), "layout {layout:?} does not fit dims {dims:?}");
    let stride = |axis: usize| dims[axis + 1..].iter().product::<usize>();
    let axes: Vec<(usize, usize)> = layout.iter().map(|&axis| (dims[axis], stride(axis))).collect();
    let len = dims.iter().product();
    let mut position = vec![0; axes.len()];
    let mut index = 0;
    (0..len).map(move |_| {
        let here = index;
        for (place, &(extent, stride)) in position.iter_mut().zip(&axes).rev() {
            *place += 1;
            index += stride;
            if *place < extent {
                break;
            }
            index -= stride * extent;
            *place = 0;
        }
        here
    })
}

/// Writes a tensor in logical row-major order to memory in physical order.
///
/// # Panics
/// When the lengths differ or the layout does not fit the dims.
pub fn to_physical<T: Copy>(dims: &[usize], layout: &Layout, logical: &[T], physical: &mut [T]) {
    assert_eq!(logical.len(), physical.len());
    for (to, from) in physical.iter_mut().zip(logical_indices(dims, layout)) {
        *to = logical[from];
    }
}

/// Reads a tensor in physical order into logical row-major order.
///
/// # Panics
/// When the layout does not fit the dims, or there are fewer elements than the dims say.
pub fn to_logical<T: Copy + Default>(dims: &[usize], layout: &Layout, physical: &[T]) -> Vec<T> {
    let mut logical = vec![T::default(); dims.iter().product()];
    for (&from, to) in physical.iter().zip(logical_indices(dims, layout)) {
        logical[to] = from;
    }
    logical
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_last_and_back() {
        let dims = [2, 3, 2, 2];
        let layout = vec![0, 2, 3, 1];
        let logical: Vec<i32> = (0..24).collect();
        let mut physical = vec![0; 24];
        to_physical(&dims, &layout, &logical, &mut physical);
        assert_eq!(physical[..6], [0, 4, 8, 1, 5, 9]);
        assert_eq!(to_logical(&dims, &layout, &physical), logical);
    }

    #[test]
    fn a_scalar_is_one_element() {
        let mut physical = [0.0];
        to_physical(&[], &vec![], &[2.5], &mut physical);
        assert_eq!(physical, [2.5]);
    }
}
