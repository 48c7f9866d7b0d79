//! `evaluation.json`: how the network judged the test images at the newest test, with pictures of its worst mistakes, so that a
//! report needs no data set.

use super::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rnet_runtime::data::Dataset;
use rnet_runtime::durable::{self, WriteError};
use rnet_runtime::evaluation::Evaluation;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest side of a picture that is kept; larger ones are made smaller.
const SIDE: usize = 112;

/// The file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Judgement {
    /// The epoch, from 1, of the test.
    pub epoch: u64,
    /// The steps that were done.
    pub step: u64,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// [label, class that it was taken for, how often], where that is not zero.
    pub confusion: Vec<[u64; 3]>,
    /// The worst mistakes, the worst first.
    pub mistakes: Vec<Mistake>,
}

/// A test image that was taken for one of another class.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mistake {
    /// Its position in the test set.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The class that it was taken for.
    pub predicted: usize,
    /// The probability that was given to that one.
    pub probability: f64,
    /// The cross-entropy of its own class.
    pub loss: f64,
    /// The picture: PNG in base64; `None` where it could not be read again.
    pub png: Option<String>,
}

impl Judgement {
    /// What a test found out, with the pictures.
    pub fn new(epoch: u64, step: u64, evaluation: &Evaluation, dataset: &Dataset) -> Judgement {
        let mistake = |mistake: &rnet_runtime::evaluation::Mistake| Mistake {
            index: mistake.index,
            label: mistake.label,
            predicted: mistake.predicted,
            probability: mistake.probability,
            loss: mistake.loss,
            // An image that could be judged a moment ago can be read; if it cannot, it is not worth the run.
            png: dataset
                .test
                .image(mistake.index)
                .ok()
                .map(|image| STANDARD.encode(png(&reduced(&image.planes, image.dims), image.white))),
        };
        let confusion = evaluation.confusion.iter();
        Judgement {
            epoch,
            step,
            classes: dataset.classes.clone(),
            confusion: confusion.map(|(&(label, predicted), &count)| [label as u64, predicted as u64, count]).collect(),
            mistakes: evaluation.mistakes.iter().map(mistake).collect(),
        }
    }

    fn path(run: &Path) -> PathBuf {
        run.join("evaluation.json")
    }

    /// Writes it into a run directory, in the place of the one before.
    pub fn write(&self, run: &Path) -> Result<(), WriteError> {
        let json = serde_json::to_string(self).unwrap_or_else(|error| panic!("evaluation: {error}"));
        durable::write(&Judgement::path(run), format!("{json}\n").as_bytes())
    }

    /// That of a run directory, if it has one.
    pub fn read(run: &Path) -> Result<Option<Judgement>, Failure> {
        let path = Judgement::path(run);
        if !path.exists() {
            return Ok(None);
        }
        let wrong = |reason: &dyn std::fmt::Display| Failure::new(format!("{}: {reason}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let judgement: Judgement = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        let known = judgement.classes.len() as u64;
        let pairs = judgement.confusion.iter().map(|&[label, predicted, _]| (label, predicted));
        let pairs =
            pairs.chain(judgement.mistakes.iter().map(|mistake| (mistake.label as u64, mistake.predicted as u64)));
        if pairs.into_iter().any(|(label, predicted)| label >= known || predicted >= known) {
            return Err(wrong(&"it tells of a class that it has no name for"));
        }
        Ok(Some(judgement))
    }

    /// How many images of a class were taken for a class, as a matrix.
    pub fn matrix(&self) -> Vec<Vec<u64>> {
        let classes = self.classes.len();
        let mut matrix = vec![vec![0; classes]; classes];
        self.confusion
            .iter()
            .for_each(|&[label, predicted, count]| matrix[label as usize][predicted as usize] += count);
        matrix
    }
}

/// Bytes as [channels, height, width].
struct Picture {
    planes: Vec<u8>,
    dims: [usize; 3],
}

/// A picture whose sides are at most `SIDE`: each pixel is the mean of a square.
fn reduced(planes: &[u8], [channels, height, width]: [usize; 3]) -> Picture {
    let by = height.max(width).div_ceil(SIDE).max(1);
    let (rows, columns) = ((height / by).max(1), (width / by).max(1));
    let mut reduced = Vec::with_capacity(channels * rows * columns);
    for plane in planes.chunks_exact(height * width) {
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let (bottom, right) = ((y * by + by).min(height), (x * by + by).min(width));
            let square = (y * by..bottom).flat_map(|row| &plane[row * width..][x * by..right]);
            let (sum, count) = square.fold((0, 0), |(sum, count), &byte| (sum + u32::from(byte), count + 1));
            reduced.push(((sum + count / 2) / count) as u8);
        }
    }
    Picture { planes: reduced, dims: [channels, rows, columns] }
}

/// A PNG file: three channels as colours, else the first one as grey.
fn png(picture: &Picture, white: u8) -> Vec<u8> {
    let [channels, height, width] = picture.dims;
    let planes: Vec<&[u8]> = picture.planes.chunks_exact(height * width).collect();
    let (shown, color) = if channels == 3 { (3, png::ColorType::Rgb) } else { (1, png::ColorType::Grayscale) };
    let scaled = |byte: u8| (u32::from(byte) * 255 / u32::from(white.max(1))).min(255) as u8;
    let pixels: Vec<u8> =
        (0..height * width).flat_map(|at| planes[..shown].iter().map(move |plane| scaled(plane[at]))).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.unwrap_or_else(|error| panic!("a picture of {width}x{height}: {error}"));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG file");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a whole picture");
        pixels.truncate(info.buffer_size());
        (info.width, info.height, pixels)
    }

    #[test]
    fn pictures_keep_their_colours_and_their_white() {
        let small = reduced(&[0, 16, 8, 4], [1, 2, 2]);
        assert_eq!(decoded(&png(&small, 16)), (2, 2, vec![0, 255, 127, 63]));
        let planes = [1, 2, 3, 4, 5, 6];
        assert_eq!(decoded(&png(&reduced(&planes, [3, 1, 2]), 255)), (2, 1, vec![1, 3, 5, 2, 4, 6]));
    }

    #[test]
    fn large_pictures_are_made_smaller_by_means() {
        let planes: Vec<u8> = (0..3 * 200 * 300).map(|at| if at % 3 == 0 { 30 } else { 60 }).collect();
        let picture = reduced(&planes, [3, 200, 300]);
        assert_eq!(picture.dims, [3, 66, 100]);
        assert!(picture.planes.iter().all(|&byte| byte == 50), "rows of 300 have every third pixel darker");
    }
}
