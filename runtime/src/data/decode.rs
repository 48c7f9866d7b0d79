//! Pictures in files: JPEG and PNG.

use super::{DataError, Image};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// The endings of picture files.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Whether a file is a picture, by its ending. Names that begin with a dot are not.
pub(super) fn is_picture(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    !is_hidden && ending.is_some_and(|ending| ENDINGS.contains(&&ending[..]))
}

/// Reads a picture in red, green and blue, upright as its file says. Grey becomes three equal channels; transparency is left out.
///
/// # Errors
/// When the file cannot be read; [`DataError::Picture`] when it is no picture, or damaged.
pub fn read_picture(path: &Path) -> Result<Image<'static>, DataError> {
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    let picture = decode(&bytes).map_err(|reason| DataError::Picture { path: path.to_path_buf(), reason })?;
    let picture = picture.into_rgb8();
    let dims = [3, picture.height() as usize, picture.width() as usize];
    Ok(Image { dims, white: 255, planes: planar(&picture, 3).collect() })
}

/// The picture that a file holds, upright as the file says; or what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<DynamicImage, String> {
    if is_cut_off(bytes) {
        return Err("the file is cut off".to_string());
    }
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        _ => return Err("the file is neither PNG nor JPEG".to_string()),
    };
    let decoded = || -> Result<DynamicImage, ImageError> {
        let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    };
    decoded().map_err(|error| error.to_string())
}

/// Whether a JPEG has no end behind its last scan. Decoders fill up what is missing with grey.
fn is_cut_off(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    bytes.starts_with(&[0xff, 0xd8]) && last([0xff, 0xd9]) < last([0xff, 0xda])
}

/// Pixels of so many channels, brought from channels last to planes.
pub(super) fn planar(pixels: &[u8], channels: usize) -> impl Iterator<Item = u8> {
    (0..channels).flat_map(move |channel| pixels[channel..].iter().step_by(channels).copied())
}

/// Writes an image of one or three channels as PNG.
///
/// # Errors
/// When it is too large to be encoded.
///
/// # Panics
/// When it has other channels.
pub fn encode_png(image: &Image) -> Result<Vec<u8>, ImageError> {
    let mut png = Cursor::new(Vec::new());
    rgb(image).write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}

/// An image of one or three channels, scaled to a white of 255.
pub(super) fn rgb(image: &Image) -> RgbImage {
    let [channels, height, width] = image.dims;
    assert!(channels == 1 || channels == 3, "a picture of {channels} channels");
    let scale = |value: u8| (u32::from(value) * 255 / u32::from(image.white)).min(255) as u8;
    let area = height * width;
    let pixel = |pixel: usize| (0..3).map(move |channel| channel.min(channels - 1) * area + pixel);
    let bytes = (0..area).flat_map(pixel).map(|at| scale(image.planes[at])).collect();
    RgbImage::from_raw(width as u32, height as u32, bytes).expect("as many bytes as the extents ask for")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[test]
    fn a_picture_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        let image = Image { dims: [3, 2, 3], white: 255, planes: Cow::Owned((0..18).collect()) };
        fs::write(&path, encode_png(&image).unwrap()).unwrap();
        assert_eq!(read_picture(&path).unwrap(), image);
        let grey = Image { dims: [1, 1, 2], white: 5, planes: Cow::Borrowed(&[0, 5]) };
        fs::write(&path, encode_png(&grey).unwrap()).unwrap();
        assert_eq!(read_picture(&path).unwrap().planes[..], [0, 255, 0, 255, 0, 255]);
    }

    #[test]
    fn a_damaged_picture_is_told_apart_from_one_that_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jpg");
        assert!(matches!(read_picture(&path), Err(DataError::Read { .. })));
        let picture = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * y) as u8, x as u8, (x ^ y) as u8]));
        let mut jpeg = Vec::new();
        picture.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).unwrap();
        fs::write(&path, &jpeg).unwrap();
        assert_eq!(read_picture(&path).unwrap().dims, [3, 64, 64]);
        for len in [0, 1, 10, 300, jpeg.len() / 2, jpeg.len() - 2] {
            fs::write(&path, &jpeg[..len]).unwrap();
            let text = read_picture(&path).unwrap_err().to_string();
            assert!(text.contains("a.jpg: the picture is damaged"), "{len} of {} bytes: {text}", jpeg.len());
        }
        let mut png = Vec::new();
        picture.write_to(&mut Cursor::new(&mut png), ImageFormat::Png).unwrap();
        for len in [7, 40, png.len() / 2, png.len() - 20] {
            fs::write(&path, &png[..len]).unwrap();
            assert!(matches!(read_picture(&path), Err(DataError::Picture { .. })), "{len} of {} bytes", png.len());
        }
        fs::write(&path, "no picture at all").unwrap();
        assert!(matches!(read_picture(&path), Err(DataError::Picture { .. })));
    }

    #[test]
    fn pictures_are_known_by_their_endings() {
        for (name, expected) in
            [("a.jpg", true), ("a.JPEG", true), ("a.png", true), ("a.txt", false), ("jpg", false), (".a.jpg", false)]
        {
            assert_eq!(is_picture(Path::new(name)), expected, "{name}");
        }
    }
}
