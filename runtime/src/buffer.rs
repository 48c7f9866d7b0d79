//! Memory for tensors: aligned, zeroed, and returned to the system when dropped.

use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Floats in one cache line.
const LINE: usize = 16;

/// From this many elements on, memory comes straight from the system: pages are zeroed only when they are touched, and
/// huge pages are asked for.
const MAPPED: usize = 1 << 18;

/// One cache line, which is also the alignment of every buffer.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

enum Memory {
    Lines(Box<[Line]>),
    Mapped(MmapMut),
}

/// Zeroed floats whose first element is 64-byte aligned.
pub struct Buffer {
    memory: Memory,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    ///
    /// # Panics
    /// When the system has no memory left, as every allocation does.
    pub fn zeroed(len: usize) -> Buffer {
        let memory = if len < MAPPED {
            Memory::Lines(vec![Line([0.0; LINE]); len.div_ceil(LINE)].into_boxed_slice())
        } else {
            let map = MmapMut::map_anon(len * size_of::<f32>())
                .unwrap_or_else(|error| panic!("no memory for {len} elements: {error}"));
            // Only a wish: where the system has no huge pages, small ones do.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            Memory::Mapped(map)
        };
        Buffer { memory, len }
    }

    /// The address of the first element. Valid for reads and writes of `len` elements as long as the buffer lives,
    /// also across moves of the buffer itself.
    pub fn pointer(&mut self) -> *mut f32 {
        match &mut self.memory {
            Memory::Lines(lines) => lines.as_mut_ptr().cast(),
            Memory::Mapped(map) => map.as_mut_ptr().cast(),
        }
    }

    /// The same memory as i32.
    pub fn as_i32(&mut self) -> &mut [i32] {
        let (pointer, len) = (self.pointer().cast(), self.len);
        // SAFETY: the memory is as in `deref_mut`; i32 has the size and alignment of f32 and no invalid values.
        unsafe { std::slice::from_raw_parts_mut(pointer, len) }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let pointer = match &self.memory {
            Memory::Lines(lines) => lines.as_ptr().cast(),
            Memory::Mapped(map) => map.as_ptr().cast(),
        };
        // SAFETY: `zeroed` allocated at least `len` elements, initialised to zero, aligned to 64 bytes or to a page;
        // the borrow of `self` keeps them alive and unwritten.
        unsafe { std::slice::from_raw_parts(pointer, self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let (pointer, len) = (self.pointer(), self.len);
        // SAFETY: as in `deref`, and `&mut self` makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(pointer, len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_writable() {
        for len in [0, 1, 15, 16, 17, 1000, MAPPED - 1, MAPPED, MAPPED + 5] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&x| x == 0.0));
            assert_eq!(buffer.pointer() as usize % 64, 0);
            if let Some(last) = buffer.last_mut() {
                *last = 1.0;
                assert_eq!(buffer.as_i32()[len - 1], 0x3f80_0000);
            }
        }
    }
}
