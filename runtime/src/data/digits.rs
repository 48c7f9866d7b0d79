//! UCI digits: 1,797 handwritten digits of 8x8 pixels, small enough to be part of the binary.
//!
//! "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998,
//! <https://doi.org/10.24432/C50P49>, CC BY 4.0; see `data/NOTICE`.

use super::{Bytes, Dataset, Part, Samples, owned};
use flate2::read::GzDecoder;
use std::io::Read;

/// One row an image: 64 grey values from 0 to 16 and the label.
const ROWS: &[u8] = include_bytes!("../../data/digits.csv.gz");

/// The greatest grey value.
const WHITE: u8 = 16;

/// Every fifth sample is for testing.
const TEST_EVERY: usize = 5;

/// Unpacks the data set.
///
/// # Panics
/// Never: the bytes are part of the program, and a test reads them.
pub(super) fn read() -> Dataset {
    let mut text = String::new();
    GzDecoder::new(ROWS).read_to_string(&mut text).expect("the embedded digits unpack");
    let (mut train, mut test) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for (index, row) in text.lines().enumerate() {
        let (pixels, labels) = if index % TEST_EVERY == TEST_EVERY - 1 { &mut test } else { &mut train };
        pixels.extend(row.split(',').map(|value| value.parse::<u8>().expect("an embedded digit is a number")));
        labels.push(u32::from(pixels.pop().expect("a row ends with the label")));
    }
    let samples = |(pixels, labels): (Vec<u8>, Vec<u32>)| {
        let part = Part { bytes: Bytes::Owned(pixels), offset: 0, stride: 64, count: labels.len() };
        Samples::of_parts(vec![part], labels, [1, 8, 8], WHITE)
    };
    Dataset {
        name: "digits".to_string(),
        channels: 1,
        white: WHITE,
        classes: owned(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
        train: samples(train),
        test: samples(test),
        skipped: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_digits_are_whole() {
        let digits = read();
        assert_eq!((digits.train.len(), digits.test.len()), (1438, 359));
        for samples in [&digits.train, &digits.test] {
            for index in 0..samples.len() {
                assert!(samples.image(index).unwrap().planes.iter().all(|&value| value <= 16));
                assert!(samples.label(index) < 10);
            }
        }
        assert_eq!(digits.train.image(0).unwrap().planes[..8], [0, 0, 5, 13, 9, 1, 0, 0]);
        assert_eq!((0..6).map(|index| digits.train.label(index)).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6]);
        assert_eq!(digits.test.label(0), 4);
        let (mean, std) = digits.statistics().unwrap();
        assert!((mean[0] - 0.305).abs() < 0.01 && (std[0] - 0.376).abs() < 0.01, "{mean:?} {std:?}");
    }
}
