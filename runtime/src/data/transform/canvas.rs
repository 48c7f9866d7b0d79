//! An image on its way through a pipeline: its bytes, and which pixel of the result shows which of them.

use crate::data::Image;
use std::borrow::Cow;
use std::ops::Range;

/// An image of which pixels have been moved. Moving changes the two axes alone; what needs the pixels themselves asks for
/// [`Canvas::planes`].
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    /// [channels, height, width]
    planes: Cow<'a, [u8]>,
    dims: [usize; 3],
    /// The byte that stands for 1.0.
    pub white: u8,
    /// For each row of the result the row that it shows; none is black.
    rows: Vec<Option<u32>>,
    /// The same for columns.
    columns: Vec<Option<u32>>,
    /// Whether the axes are anything but the image as it is.
    is_moved: bool,
    /// Rows and columns that are 0 in the result.
    erased: Vec<[Range<usize>; 2]>,
}

fn whole(len: usize) -> Vec<Option<u32>> {
    (0..len as u32).map(Some).collect()
}

impl<'a> Canvas<'a> {
    /// The image as it is.
    pub fn new(image: &'a Image) -> Canvas<'a> {
        let [_, height, width] = image.dims;
        Canvas {
            planes: Cow::Borrowed(&image.planes),
            dims: image.dims,
            white: image.white,
            rows: whole(height),
            columns: whole(width),
            is_moved: false,
            erased: Vec::new(),
        }
    }

    /// Extents of the result: height and width.
    pub fn extents(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// Channels.
    pub fn channels(&self) -> usize {
        self.dims[0]
    }

    /// The axes, to move pixels.
    pub fn axes(&mut self) -> [&mut Vec<Option<u32>>; 2] {
        self.is_moved = true;
        [&mut self.rows, &mut self.columns]
    }

    /// Makes rows and columns of the result 0.
    pub fn erase(&mut self, rows: Range<usize>, columns: Range<usize>) {
        self.erased.push([rows, columns]);
    }

    /// The result so far as an image of its own, [channels, height, width].
    pub fn planes(&mut self) -> &[u8] {
        if self.is_moved {
            let [channels, height, width] = self.dims;
            let mut moved = Vec::with_capacity(channels * self.rows.len() * self.columns.len());
            for plane in self.planes.chunks_exact(height * width) {
                for row in &self.rows {
                    let line = row.map(|row| &plane[row as usize * width..][..width]);
                    moved.extend(self.columns.iter().map(|column| match (line, column) {
                        (Some(line), Some(column)) => line[*column as usize],
                        _ => 0,
                    }));
                }
            }
            let [height, width] = self.extents();
            self.replace(moved, [height, width]);
        }
        &self.planes
    }

    /// The result so far, to be changed in place.
    pub fn planes_mut(&mut self) -> &mut [u8] {
        self.planes();
        self.planes.to_mut()
    }

    /// Puts an image of those extents into the place of the result so far.
    pub fn replace(&mut self, planes: Vec<u8>, [height, width]: [usize; 2]) {
        assert_eq!(planes.len(), self.dims[0] * height * width, "the image has other extents");
        self.planes = Cow::Owned(planes);
        self.dims = [self.dims[0], height, width];
        (self.rows, self.columns) = (whole(height), whole(width));
        self.is_moved = false;
    }

    /// Writes the result as [height, width, channels], each byte as its channel's table says.
    pub fn write(&self, values: &[[f32; 256]], target: &mut [f32]) {
        let [channels, height, width] = self.dims;
        let row_len = self.columns.len() * channels;
        for (row, line) in self.rows.iter().zip(target.chunks_exact_mut(row_len)) {
            for (channel, values) in values.iter().enumerate() {
                let pixels = line[channel..].iter_mut().step_by(channels);
                let Some(row) = row else {
                    pixels.for_each(|pixel| *pixel = values[0]);
                    continue;
                };
                let source = &self.planes[(channel * height + *row as usize) * width..][..width];
                for (pixel, column) in pixels.zip(&self.columns) {
                    *pixel = values[column.map_or(0, |column| usize::from(source[column as usize]))];
                }
            }
        }
        for [rows, columns] in &self.erased {
            for row in rows.clone() {
                target[row * row_len..][columns.start * channels..columns.end * channels].fill(0.0);
            }
        }
    }

    /// The result as an image; what is erased is black.
    pub fn into_image(mut self) -> Image<'static> {
        let erased = std::mem::take(&mut self.erased);
        let [height, width] = self.extents();
        for plane in self.planes_mut().chunks_exact_mut(height * width) {
            for [rows, columns] in &erased {
                rows.clone().for_each(|row| plane[row * width..][columns.clone()].fill(0));
            }
        }
        Image { dims: self.dims, white: self.white, planes: Cow::Owned(self.planes.into_owned()) }
    }
}
