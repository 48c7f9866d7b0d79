//! Products of bf16 operands: both are rounded and packed in pairs along the sum, and tiles add up a pair at a time in f32.
//!
//! A pair is as large as an f32, so a product of pairs is a product of half the depth, and its tiles differ from those of
//! floats in one instruction. Packed, A has its rows or its columns together, B its rows.

use super::plan::{self, Panel};
use super::{ELEMENT, Job, PairCode};
use crate::program::GemmShape;
use std::cell::RefCell;

/// Rounds floats to bf16, to nearest with ties to even, and packs them in pairs; the first of a pair is in the low half. What is
/// missing for the last pair is 0.
#[derive(Clone, Copy)]
pub(super) struct Packers {
    /// Pairs of neighbours: of `rows` rows, `row_step` bytes apart, the `len` elements that follow each other; results are
    /// rows of `len / 2` pairs (rounded up), `to_step` pairs apart.
    ///
    /// # Safety
    /// Those elements must be readable, those pairs writable, and they must not overlap.
    pub along: unsafe fn(from: *const f32, rows: usize, row_step: isize, len: usize, to: *mut u32, to_step: usize),
    /// Pairs of rows: of `rows` rows, `row_step` bytes apart, `len` elements each; results are `rows / 2` (rounded up) rows
    /// of `len` pairs, `to_step` pairs apart.
    ///
    /// # Safety
    /// As for `along`.
    pub across: unsafe fn(from: *const f32, rows: usize, row_step: isize, len: usize, to: *mut u32, to_step: usize),
}

/// Pairs of a packed row of B that a part of the sum has at most, times its columns: 256 KiB.
const PART: usize = 64 << 10;

/// Most pairs of packed A: an eighth of a second-level cache of 1 MiB.
const ROWS: usize = 32 << 10;

/// A product of bf16 operands, ready to run.
pub(super) struct Rounded {
    parts: Box<[Part]>,
    strips: Box<[Strip]>,
    packers: Packers,
    n: usize,
    a_m: isize,
    a_k: isize,
    b_k: isize,
    c_m: isize,
    /// Whether the elements of a column of A follow each other, and those of a row do not.
    by_columns: bool,
    accumulate: bool,
    /// Pairs that all of a part's packed A and packed B take.
    memory: [usize; 2],
}

/// A part of the sum.
struct Part {
    /// The offsets of (A_i, B_i) in bytes.
    entries: Box<[(isize, isize)]>,
    /// Steps of k in each, before they are paired.
    k: usize,
    /// Pairs from one row of packed A to the next, and from one column.
    steps: [usize; 2],
    /// Where packed A_i and B_i are, in bytes.
    packed: Box<[(isize, isize)]>,
}

/// Rows of C that are packed together.
struct Strip {
    first: usize,
    rows: usize,
    panels: Box<[Panel]>,
}

/// Cache lines, so that packed rows start on one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; 16]);

thread_local! {
    /// Packed operands of the product that this thread is at.
    static MEMORY: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

impl Rounded {
    pub(super) fn new(shape: &GemmShape, code: &PairCode, bytes: impl Fn(i64) -> isize) -> Rounded {
        let by_columns = shape.a_m == 1 && shape.a_k != 1;
        let ranges = ranges(shape);
        let depth = ranges.iter().map(|(entries, _, k)| entries.len() * k.div_ceil(2)).max().unwrap_or(0).max(1);
        let count = shape.m.div_ceil((ROWS / depth).max(32));
        let cut = |strip: usize| shape.m * strip / count;
        let strips: Box<[Strip]> = (0..count)
            .map(|strip| {
                let (first, rows) = (cut(strip), cut(strip + 1) - cut(strip));
                // The same product as the tiles see it, of pairs.
                let packed = GemmShape { m: rows, k: shape.k.div_ceil(2), a_m: 1, ..shape.clone() };
                Strip { first, rows, panels: plan::panels(&packed, &code.tiles) }
            })
            .collect();
        let highest = strips.iter().map(|strip| strip.rows).max().unwrap_or(0);
        let mut memory = [0; 2];
        let mut part = |entries: &[(i64, i64)], first: usize, k: usize| {
            let at = |&(a, b): &(i64, i64)| (bytes(a + first as i64 * shape.a_k), bytes(b + first as i64 * shape.b_k));
            let pairs = k.div_ceil(2);
            // An odd number of cache lines to a row, so that rows do not compete for the same places.
            let pitch = if pairs < 16 { pairs } else { (pairs.div_ceil(16) | 1) * 16 };
            let (steps, a_len) =
                if by_columns { ([1, highest], pairs * highest) } else { ([pitch, 1], highest * pitch) };
            let lens = [a_len, pairs * shape.n].map(|len| len.next_multiple_of(16));
            for (memory, len) in memory.iter_mut().zip(lens) {
                *memory = (*memory).max(len * entries.len());
            }
            let place = |entry: usize| ((entry * lens[0]) as isize * ELEMENT, (entry * lens[1]) as isize * ELEMENT);
            let (packed, entries) = ((0..entries.len()).map(place).collect(), entries.iter().map(at).collect());
            Part { entries, k, steps, packed }
        };
        Rounded {
            parts: ranges.into_iter().map(|(entries, first, k)| part(entries, first, k)).collect(),
            strips,
            packers: code.packers,
            n: shape.n,
            a_m: bytes(shape.a_m),
            a_k: bytes(shape.a_k),
            b_k: bytes(shape.b_k),
            c_m: bytes(shape.c_m),
            by_columns,
            accumulate: shape.accumulate,
            memory,
        }
    }

    /// Runs the product.
    ///
    /// # Safety
    /// As for `Gemm::run`.
    pub(super) unsafe fn run(&self, a: *const f32, b: *const f32, c: *mut f32) {
        MEMORY.with_borrow_mut(|memory| {
            let lines = (self.memory[0] + self.memory[1]).div_ceil(16);
            if memory.len() < lines {
                memory.resize(lines, Line([0; 16]));
            }
            let packed_a = memory.as_mut_ptr().cast::<u32>();
            // SAFETY: the memory has room for both packed operands, of lengths `memory`, and belongs to this thread alone; the
            // rest is the caller's promise.
            unsafe { self.run_in(packed_a, packed_a.add(self.memory[0]), [a, b], c) }
        });
    }

    /// # Safety
    /// As for `run`; `packed_a` and `packed_b` must have the lengths of `memory` and be touched by nobody else.
    unsafe fn run_in(&self, packed_a: *mut u32, packed_b: *mut u32, [a, b]: [*const f32; 2], c: *mut f32) {
        for (number, part) in self.parts.iter().enumerate() {
            for (&(_, from), &(_, to)) in part.entries.iter().zip(&part.packed) {
                // SAFETY: B_i has `k` readable rows of `n` elements, and its share of packed B has room for half as many.
                unsafe {
                    let (from, to) = (b.byte_offset(from), packed_b.byte_offset(to));
                    (self.packers.across)(from, part.k, self.b_k, self.n, to, self.n);
                }
            }
            for strip in &self.strips {
                for (&(from, _), &(to, _)) in part.entries.iter().zip(&part.packed) {
                    // SAFETY: A_i has those rows and `k` columns of readable elements, and its share of packed A has room
                    // for them.
                    unsafe {
                        let from = a.byte_offset(from).byte_offset(strip.first as isize * self.a_m);
                        self.pack_rows(from, strip.rows, part, packed_a.byte_offset(to));
                    }
                }
                let [row, column] = part.steps.map(|step| step as isize * ELEMENT);
                for panel in &strip.panels {
                    let job = Job {
                        batch: &part.packed,
                        k: part.k.div_ceil(2),
                        a_m: row,
                        a_k: column,
                        b_k: self.n as isize * ELEMENT,
                        c_m: self.c_m,
                        tail: panel.tail,
                        accumulate: self.accumulate || number > 0,
                    };
                    for tile in &panel.tiles {
                        // SAFETY: panels and tiles partition the columns and rows of the strip, strips those of C, and parts
                        // the sum; packed A and B were just filled with all that this part of the sum reads.
                        unsafe {
                            (tile.code)(
                                &job,
                                packed_a.cast::<f32>().byte_offset(tile.row as isize * row),
                                packed_b.cast::<f32>().add(panel.column),
                                c.byte_offset((strip.first + tile.row) as isize * self.c_m).add(panel.column),
                            );
                        }
                    }
                }
            }
        }
    }

    /// Packs rows of an A_i.
    ///
    /// # Safety
    /// `rows` rows of `part.k` elements must be readable at `from`, and memory for them writable at `to`.
    unsafe fn pack_rows(&self, from: *const f32, rows: usize, part: &Part, to: *mut u32) {
        let [pitch, columns] = part.steps;
        // SAFETY: the caller's promise; where all rows follow each other, before and after, they are one long row.
        unsafe {
            if self.by_columns {
                (self.packers.across)(from, part.k, self.a_k, rows, to, columns);
            } else if self.a_k != ELEMENT {
                strided(from, [rows, part.k], [self.a_m, self.a_k], to, pitch);
            } else if self.a_m == part.k as isize * ELEMENT && part.k == 2 * pitch {
                (self.packers.along)(from, 1, 0, rows * part.k, to, 0);
            } else {
                (self.packers.along)(from, rows, self.a_m, part.k, to, pitch);
            }
        }
    }
}

/// A part of the sum before it has its place: entries of the batch, the first step of k and how many.
type Range<'s> = (&'s [(i64, i64)], usize, usize);

/// Cuts the sum so that packed B stays near.
fn ranges(shape: &GemmShape) -> Vec<Range<'_>> {
    let most = (PART / shape.n.max(1)).max(64);
    let pairs = shape.k.div_ceil(2);
    if pairs <= most {
        let together = (most / pairs.max(1)).max(1);
        return shape.batch.chunks(together).map(|entries| (entries, 0, shape.k)).collect();
    }
    // Cuts are even, so that only the last pair can lack its second half.
    let count = pairs.div_ceil(most);
    let cut = |number: usize| (2 * (pairs * number / count)).min(shape.k);
    let entries = shape.batch.chunks(1).flat_map(|entry| (0..count).map(move |number| (entry, number)));
    entries.map(|(entry, number)| (entry, cut(number), cut(number + 1) - cut(number))).collect()
}

/// Packs A by rows whose elements do not follow each other.
///
/// # Safety
/// As for [`Packers::along`], with `steps` bytes from one row and from one element to the next.
unsafe fn strided(from: *const f32, [rows, len]: [usize; 2], steps: [isize; 2], to: *mut u32, to_step: usize) {
    for row in 0..rows {
        for pair in 0..len.div_ceil(2) {
            let element = |at: usize| {
                // SAFETY: the caller's promise, where `at` is below `len`.
                let value = |at: usize| unsafe { *from.byte_offset(row as isize * steps[0] + at as isize * steps[1]) };
                if at < len { round(value(at)) } else { 0 }
            };
            let both = u32::from(element(2 * pair)) | u32::from(element(2 * pair + 1)) << 16;
            // SAFETY: the caller's promise.
            unsafe { *to.add(row * to_step + pair) = both };
        }
    }
}

/// The nearest bf16, of two equally near the one whose last bit is 0; NaN stays NaN.
pub(super) fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// See [`super::PackCode`].
///
/// # Safety
/// As there.
pub(super) unsafe extern "C" fn pack(
    rows: usize,
    row_step: usize,
    len: usize,
    to_step: usize,
    from: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe { (PLAIN.across)(from, rows, row_step as isize * ELEMENT, len, to.cast(), to_step) }
}

/// See [`super::RoundCode`].
///
/// # Safety
/// As there.
pub(super) unsafe extern "C" fn round_neighbours(len: usize, from: *const f32, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe { (PLAIN.along)(from, 1, 0, len, to.cast(), 0) }
}

/// The packers in plain Rust.
pub(super) const PLAIN: Packers = {
    unsafe fn along(from: *const f32, rows: usize, row_step: isize, len: usize, to: *mut u32, to_step: usize) {
        // SAFETY: the caller's promise.
        unsafe { strided(from, [rows, len], [row_step, ELEMENT], to, to_step) }
    }
    unsafe fn across(from: *const f32, rows: usize, row_step: isize, len: usize, to: *mut u32, to_step: usize) {
        for pair in 0..rows.div_ceil(2) {
            // SAFETY: each column of two rows (or of the last one) is such a row of two (or one) elements; pairs follow each other.
            unsafe {
                let upper = from.byte_offset(2 * pair as isize * row_step);
                let there = (rows - 2 * pair).min(2);
                strided(upper, [len, there], [ELEMENT, row_step], to.add(pair * to_step), 1);
            }
        }
    }
    Packers { along, across }
};
