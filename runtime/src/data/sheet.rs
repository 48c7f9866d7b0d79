//! Contact sheets: small images in rows, with captions, as one PNG.

use super::Image;
use font8x8::legacy::BASIC_LEGACY;
use image::imageops::{self, FilterType};
use image::{ImageError, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

/// Pixels of the square that an image is fitted into.
const SIDE: u32 = 96;

/// Pixels around a cell.
const MARGIN: u32 = 4;

/// Pixels of a letter, either way.
const LETTER: u32 = 8;

const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const INK: Rgb<u8> = Rgb([32, 32, 32]);

/// An image of a sheet, with its caption.
pub struct Cell {
    picture: RgbImage,
    caption: String,
}

impl Cell {
    /// Fits an image of one or three channels into its square: larger ones are made smaller, pixels of smaller ones larger.
    ///
    /// # Panics
    /// When the image has other channels.
    pub fn new(image: &Image, caption: &str) -> Cell {
        let picture = super::decode::rgb(image);
        let (width, height) = picture.dimensions();
        let longer = width.max(height);
        let picture = if longer > SIDE {
            let fitted = |side: u32| (side * SIDE / longer).max(1);
            imageops::resize(&picture, fitted(width), fitted(height), FilterType::Triangle)
        } else {
            let times = SIDE / longer;
            imageops::resize(&picture, width * times, height * times, FilterType::Nearest)
        };
        Cell { picture, caption: caption.to_string() }
    }
}

/// The sheet, as PNG. Captions are cut off where they are wider than an image; letters outside of ASCII are shown as `?`.
///
/// # Errors
/// When it is too large to be encoded.
pub fn sheet(cells: &[Cell], columns: usize) -> Result<Vec<u8>, ImageError> {
    let columns = columns.min(cells.len()).max(1);
    let (across, down) = (SIDE + MARGIN, SIDE + LETTER + 2 * MARGIN);
    let (width, height) = (columns as u32 * across, cells.len().div_ceil(columns) as u32 * down);
    let mut sheet = RgbImage::from_pixel(width + MARGIN, height + MARGIN, PAPER);
    for (at, cell) in cells.iter().enumerate() {
        let left = MARGIN + (at % columns) as u32 * across;
        let top = MARGIN + (at / columns) as u32 * down;
        let (width, height) = cell.picture.dimensions();
        let (x, y) = (left + (SIDE - width) / 2, top + (SIDE - height) / 2);
        imageops::replace(&mut sheet, &cell.picture, i64::from(x), i64::from(y));
        for (place, letter) in cell.caption.chars().take((SIDE / LETTER) as usize).enumerate() {
            write(&mut sheet, letter, left + place as u32 * LETTER, top + SIDE + MARGIN / 2);
        }
    }
    let mut png = Cursor::new(Vec::new());
    sheet.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

fn write(sheet: &mut RgbImage, letter: char, left: u32, top: u32) {
    let glyph = BASIC_LEGACY.get(letter as usize).unwrap_or(&BASIC_LEGACY['?' as usize]);
    for (y, row) in glyph.iter().enumerate() {
        // The lowest bit is the leftmost pixel.
        for x in (0..LETTER).filter(|x| row >> x & 1 == 1) {
            sheet.put_pixel(left + x, top + y as u32, INK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn images_are_fitted_and_named() {
        let image = |height: usize, width: usize, value: u8| Image {
            dims: [1, height, width],
            white: 255,
            planes: Cow::Owned(vec![value; height * width]),
        };
        let cells = [
            Cell::new(&image(28, 28, 200), "bee"),
            Cell::new(&image(300, 150, 100), "a caption that is far too long"),
            Cell::new(&image(1, 1, 50), ""),
        ];
        let png = sheet(&cells, 2).unwrap();
        let drawn = image::load_from_memory(&png).unwrap().into_rgb8();
        assert_eq!(drawn.dimensions(), (2 * 100 + 4, 2 * 112 + 4));
        let count = |value: u8| drawn.pixels().filter(|pixel| pixel.0 == [value; 3]).count();
        assert_eq!((count(200), count(100), count(50)), (84 * 84, 96 * 48, 96 * 96));
        // The ink of a caption is below its own image alone.
        let inked = |left: u32| {
            let below = (100..112).flat_map(|y| (left..left + 96).map(move |x| (x, y)));
            below.filter(|&(x, y)| *drawn.get_pixel(x, y) == INK).count()
        };
        assert!((20..192).contains(&inked(4)) && inked(104) > inked(4), "{} {}", inked(4), inked(104));
    }
}
