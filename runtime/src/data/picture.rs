//! Pictures that come by themselves rather than in a data set: PNG and JPEG files of any size.

use super::decode::{decode, planar};
use super::{Dataset, Draws, Extents, Image, Pipeline};
use image::DynamicImage;
use image::imageops::FilterType;
use std::fs;
use std::path::{Path, PathBuf};

/// Why a picture cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct PictureError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a picture, and transforms it into `target` as the pipeline transforms images of that data set. Where these have one size, a
/// picture of another one is scaled until it fills that size, and its middle is taken.
///
/// # Errors
/// When the file cannot be read, is no PNG or JPEG, is damaged, or the data set's images have neither one channel nor three.
pub fn transformed(
    path: &Path,
    dataset: &Dataset,
    pipeline: &Pipeline,
    target: &mut [f32],
) -> Result<(), PictureError> {
    let image = read(path, dataset.channels, dataset.test.extents(), dataset.white)?;
    pipeline.apply(&image, Draws::none(), target);
    Ok(())
}

/// A picture as an image with the byte `white` for 1.0, of those extents where they are exact.
fn read(path: &Path, channels: usize, extents: Extents, white: u8) -> Result<Image<'static>, PictureError> {
    let failed = |reason: String| PictureError { path: path.to_path_buf(), reason };
    let bytes = fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    let picture = decode(&bytes).map_err(failed)?;
    let Extents { height, width, is_exact } = extents;
    let picture = match is_exact && (picture.height() as usize, picture.width() as usize) != (height, width) {
        true => picture.resize_to_fill(width as u32, height as u32, FilterType::Triangle),
        false => picture,
    };
    let dims = [channels, picture.height() as usize, picture.width() as usize];
    let pixels = match channels {
        1 => DynamicImage::into_luma8(picture).into_raw(),
        3 => DynamicImage::into_rgb8(picture).into_raw(),
        _ => return Err(failed(format!("a picture has 1 channel or 3, the model's images have {channels}"))),
    };
    let scaled = |byte: u8| ((u32::from(byte) * u32::from(white) + 127) / 255) as u8;
    Ok(Image { dims, white, planes: planar(&pixels, channels).map(scaled).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageFormat, RgbImage};

    const fn exactly(height: usize, width: usize) -> Extents {
        Extents { height, width, is_exact: true }
    }

    #[test]
    fn a_picture_of_the_right_size_keeps_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.png");
        RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, 10 + y as u8, 200])).save(&path).unwrap();
        let image = read(&path, 3, exactly(2, 3), 255).unwrap();
        assert_eq!(image.dims, [3, 2, 3]);
        assert_eq!(image.planes[..], [0, 1, 2, 0, 1, 2, 10, 10, 10, 11, 11, 11, 200, 200, 200, 200, 200, 200]);
        assert_eq!(read(&path, 3, exactly(2, 3), 16).unwrap().planes[12..], [13; 6]);
        let any = Extents { height: 1, width: 1, is_exact: false };
        assert_eq!(read(&path, 3, any, 255).unwrap(), image);
    }

    #[test]
    fn another_size_is_scaled_and_cut_in_the_middle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.png");
        // Black and white at the sides of a grey square and of the pixels beside it that scaling looks at.
        let grey = |x: u32| {
            if x < 16 {
                0
            } else if x < 64 {
                100
            } else {
                255
            }
        };
        RgbImage::from_fn(80, 40, |x, _| image::Rgb([grey(x); 3])).save(&path).unwrap();
        assert_eq!(read(&path, 1, exactly(10, 10), 255).unwrap().planes[..], [100; 100]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.png");
        let message = |channels| read(&path, channels, exactly(2, 2), 255).unwrap_err().to_string();
        assert!(message(3).contains("p.png: cannot be read"));
        fs::write(&path, "no picture").unwrap();
        assert!(message(3).ends_with("p.png: the file is neither PNG nor JPEG"));
        RgbImage::new(2, 2).save(&path).unwrap();
        assert!(message(4).contains("1 channel or 3, the model's images have 4"));
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(!message(3).contains("neither"));
        let mut jpeg = std::io::Cursor::new(Vec::new());
        RgbImage::new(64, 64).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        fs::write(&path, &jpeg.get_ref()[..jpeg.get_ref().len() - 2]).unwrap();
        assert!(message(3).ends_with("p.png: the file is cut off"));
    }
}
