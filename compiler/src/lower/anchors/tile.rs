//! Tiles: the part of an operand that a block of work reads, computed into scratch memory with its halo, so that the
//! micro-kernel meets neither edges nor unevaluated expressions.

use super::window::{Window, sweep};
use crate::graph::NodeId;
use crate::lower::loops::{Address, Affine, Statement};
use crate::lower::nest::{MapBuilder, NestBuilder, further};

/// What a tile covers of an operand of extents [images, channels, height, width].
#[derive(Clone)]
pub struct Region {
    /// The first row, which may lie above the operand.
    pub row: Affine,
    /// From one row of the tile to the next in the operand.
    pub row_step: usize,
    /// Rows of the tile.
    pub rows: usize,
    /// The first column, which may lie left of the operand.
    pub column: i64,
    /// From one column of the tile to the next in the operand.
    pub column_step: usize,
    /// Columns of the tile.
    pub columns: usize,
    /// What stands where the operand has no element.
    pub outside: f32,
}

/// Rows and columns of an operand, whatever its rank: a matrix is one image with one column.
pub fn plane(dims: &[usize]) -> (usize, usize, usize) {
    match *dims {
        [n, c] => (n, 1, c),
        [_, c, h, w] => (h, w, c),
        _ => panic!("lower: a tile of a value of rank {}", dims.len()),
    }
}

/// Fills `tile` (rows x columns x channels) with the operand's values at image `image`.
pub fn fill(
    nest: &mut NestBuilder,
    operand: NodeId,
    image: &Affine,
    region: &Region,
    tile: &Address,
) -> Vec<Statement> {
    let (_, _, channels) = plane(nest.kernel.dims(operand));
    fill_channels(nest, operand, image, (&Affine::default(), channels), region, tile)
}

/// The same with some of the operand's channels alone: from one on, and how many.
pub fn fill_channels(
    nest: &mut NestBuilder,
    operand: NodeId,
    image: &Affine,
    (first, channels): (&Affine, usize),
    region: &Region,
    tile: &Address,
) -> Vec<Statement> {
    let dims = nest.kernel.dims(operand);
    let (height, width, _) = plane(dims);
    let row_len = (region.columns * channels) as i64;
    // Columns of the tile that lie inside the operand: [left, right).
    let step = region.column_step as i64;
    let left = (-region.column).max(0).div_euclid(step) + i64::from((-region.column).max(0) % step != 0);
    let right = ((width as i64 - region.column + step - 1).div_euclid(step)).clamp(left, region.columns as i64);
    let never_outside = region.row.terms.is_empty()
        && region.row.constant >= 0
        && (height as i64) > region.row.constant + ((region.rows - 1) * region.row_step) as i64;
    let whole_rows =
        region.row_step == 1 && step == 1 && left == 0 && right == region.columns as i64 && region.columns == width;
    let map = |nest: &mut NestBuilder, row: Affine, at: Address, pixels: usize| {
        let column = Affine::constant(region.column + left * step);
        let mut sweep = sweep(dims, image.clone(), row, column, step);
        sweep.start[1] = first.clone();
        let mut map = MapBuilder::new(nest, pixels, channels);
        let value = map.value(operand, &sweep);
        map.store(value, at, channels as i64, 1);
        map.finish()
    };
    if whole_rows && (never_outside || region.outside_never(height)) {
        return map(nest, region.row.clone(), tile.clone(), region.rows * region.columns);
    }
    nest.each(region.rows, |nest, r| {
        let row = region.row.plus(&r.times(region.row_step as i64));
        let at = further(tile, &r.times(row_len));
        let blank = |from: i64, to: i64| {
            let address = further(&at, &Affine::constant(from * channels as i64));
            (to > from).then(|| Statement::Fill {
                address,
                len: (to - from) as usize * channels,
                value: region.outside,
            })
        };
        let mut inside: Vec<Statement> = Vec::new();
        inside.extend(blank(0, left));
        if right > left {
            inside.extend(map(
                nest,
                row.clone(),
                further(&at, &Affine::constant(left * channels as i64)),
                (right - left) as usize,
            ));
        }
        inside.extend(blank(right, region.columns as i64));
        if never_outside || region.outside_never(height) {
            return inside;
        }
        vec![Statement::If {
            value: row,
            low: 0,
            high: height as i64,
            then: inside,
            otherwise: blank(0, region.columns as i64).into_iter().collect(),
        }]
    })
}

impl Region {
    /// The input under `rows` full rows of windows, from the output's row `first` on.
    pub fn under(window: &Window, first: &Affine, rows: usize, outside: f32) -> Self {
        Region {
            row: first.times(window.stride[0] as i64).offset(-(window.pad[0] as i64)),
            row_step: 1,
            rows: window.tile_rows(rows),
            column: -(window.pad[1] as i64),
            column_step: 1,
            columns: window.tile_width(),
            outside,
        }
    }

    /// What a convolution reads for `rows` full rows, from the output's row `first` on: the input under the windows, but of sampled
    /// ones the pixels that are read alone.
    pub fn read(window: &Window, first: &Affine, rows: usize) -> Self {
        let under = Region::under(window, first, rows, 0.0);
        if !window.is_sampled() {
            return under;
        }
        let [row_step, column_step] = window.stride;
        Region { row_step, rows, column_step, columns: window.columns, ..under }
    }

    /// Whether no row can fall outside: rows start at a multiple of the block and the blocks cover the operand exactly.
    fn outside_never(&self, height: usize) -> bool {
        self.row.constant == 0
            && self.row_step == 1
            && !self.row.terms.is_empty()
            && height.is_multiple_of(self.rows)
            && self.row.terms.iter().all(|&(_, coefficient)| (coefficient as usize).is_multiple_of(self.rows))
    }
}
