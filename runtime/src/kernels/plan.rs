//! How a product is cut: into column panels, row tiles and blocks of the sum.

use super::{TileCode, Tiles};
use crate::program::GemmShape;

/// Some columns of C, a few vectors wide.
pub(super) struct Panel {
    /// The first.
    pub column: usize,
    /// Columns in the last vector.
    pub tail: usize,
    /// Its rows, cut into tiles.
    pub tiles: Box<[Tile]>,
}

/// Some rows of a panel.
pub(super) struct Tile {
    /// The first.
    pub row: usize,
    /// What computes it.
    pub code: TileCode,
}

/// A part of the sum: for each batch entry its offsets in bytes, and how many steps of k.
pub(super) struct Block {
    pub batch: Box<[(isize, isize)]>,
    pub k: usize,
}

/// The part of a panel of B that is kept while the rows of C go by: half of a second-level cache of 1 MiB.
const PANEL_BYTES: usize = 1 << 19;

/// A first-level cache: lines whose addresses agree modulo `ALIAS` compete for `WAYS` places.
const ALIAS: usize = 4096;
const WAYS: usize = 8;

/// Cuts a product. `bytes` converts element counts.
pub(super) fn plan(shape: &GemmShape, tiles: &Tiles, bytes: impl Fn(i64) -> isize) -> (Box<[Panel]>, Box<[Block]>) {
    let panels = panels(shape, tiles);
    let ends = panels.iter().skip(1).map(|panel| panel.column).chain([shape.n]);
    let widest = panels.iter().zip(ends).map(|(panel, end)| end - panel.column).max().unwrap_or(1);
    (panels, blocks(shape, widest.next_multiple_of(tiles.lanes), bytes))
}

/// Cuts the rows and columns of C.
pub(super) fn panels(shape: &GemmShape, tiles: &Tiles) -> Box<[Panel]> {
    let vectors = shape.n.div_ceil(tiles.lanes);
    let widths = (1..=tiles.rows.len()).map(|width| panel_widths(vectors, width));
    let best = widths.min_by(|left, right| cost(shape, tiles, left).total_cmp(&cost(shape, tiles, right)));
    let widths = best.unwrap_or_default();
    let mut column = 0;
    let mut panels = Vec::new();
    for width in widths {
        let columns = (width * tiles.lanes).min(shape.n - column);
        let mut row = 0;
        let mut cut = Vec::new();
        for rows in row_tiles(shape, tiles, width) {
            cut.push(Tile { row, code: (tiles.code)(rows, width) });
            row += rows;
        }
        panels.push(Panel { column, tail: columns - (width - 1) * tiles.lanes, tiles: cut.into() });
        column += columns;
    }
    panels.into()
}

/// All panels `width` wide but the last.
fn panel_widths(vectors: usize, width: usize) -> Vec<usize> {
    let mut widths = vec![width; vectors / width];
    widths.extend(Some(vectors % width).filter(|&rest| rest > 0));
    widths
}

/// The fewest tiles, of nearly equal height.
fn row_tiles(shape: &GemmShape, tiles: &Tiles, width: usize) -> impl Iterator<Item = usize> {
    let highest = tiles.rows[width - 1];
    let count = shape.m.div_ceil(highest);
    (0..count).map(move |tile| shape.m * (tile + 1) / count - shape.m * tile / count)
}

/// An estimate of the cycles that a cut takes, for a machine with two multiply-adds and two loads a cycle.
fn cost(shape: &GemmShape, tiles: &Tiles, widths: &[usize]) -> f64 {
    let steps = (shape.k * shape.batch.len()) as f64;
    let mut cycles = 0.0;
    for &width in widths {
        for rows in row_tiles(shape, tiles, width) {
            let multiply = (rows * width) as f64 / 2.0;
            // The cache line after the last row's is usually touched too, hence the small surcharge on loads.
            let load = (rows + width) as f64 / 2.0 + 0.25;
            // A sum waits four cycles for its predecessor.
            let step = multiply.max(load).max(4.0);
            let conflict = if conflicting_rows(shape, rows) > WAYS - 2 { rows as f64 } else { 0.0 };
            let start_and_end = 12.0 + 1.5 * (rows * width) as f64;
            cycles += steps * (step + conflict) + start_and_end;
        }
    }
    cycles
}

/// How many of a tile's rows of A compete for the same place in the first-level cache.
fn conflicting_rows(shape: &GemmShape, rows: usize) -> usize {
    let stride = shape.a_m.unsigned_abs() as usize * 4;
    if stride < 64 || !stride.is_multiple_of(64) {
        return 1;
    }
    // The stride visits ALIAS / gcd different places in turn.
    let common = 1 << stride.trailing_zeros().min(ALIAS.trailing_zeros());
    rows.div_ceil(ALIAS / common)
}

/// Blocks whose part of a B panel fits the cache, if more than one tile reads it.
fn blocks(shape: &GemmShape, columns: usize, bytes: impl Fn(i64) -> isize) -> Box<[Block]> {
    let entry = |&(a, b): &(i64, i64), k: usize| (bytes(a + k as i64 * shape.a_k), bytes(b + k as i64 * shape.b_k));
    let limit = (PANEL_BYTES / (4 * columns)).max(1);
    let whole = || Block { batch: shape.batch.iter().map(|offsets| entry(offsets, 0)).collect(), k: shape.k };
    if shape.k * shape.batch.len() <= limit || shape.m <= 16 {
        return Box::new([whole()]);
    }
    if shape.k <= limit {
        let entries = shape.batch.chunks((limit / shape.k).max(1));
        return entries
            .map(|batch| Block { batch: batch.iter().map(|offsets| entry(offsets, 0)).collect(), k: shape.k })
            .collect();
    }
    let parts = shape.k.div_ceil(limit);
    let cut = |part: usize| shape.k * part / parts;
    let ranges = shape.batch.iter().flat_map(|offsets| (0..parts).map(move |part| (offsets, part)));
    ranges
        .map(|(offsets, part)| Block { batch: Box::new([entry(offsets, cut(part))]), k: cut(part + 1) - cut(part) })
        .collect()
}
