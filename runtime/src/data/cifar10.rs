//! CIFAR-10 in its binary form: records of one label byte and 3x32x32 pixels, planar.
//!
//! A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

use super::{Bytes, DataError, Dataset, Part, Samples, owned};
use std::fs::File;
use std::path::Path;

const IMAGE: usize = 3 * 32 * 32;
const RECORD: usize = 1 + IMAGE;
const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: [&str; 1] = ["test_batch.bin"];
const CLASSES: &[&str] = &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Reads the six files of a directory. They may hold any whole number of records.
pub(super) fn read(directory: &Path) -> Result<Dataset, DataError> {
    Ok(Dataset {
        name: "cifar10".to_string(),
        channels: 3,
        white: 255,
        classes: owned(CLASSES),
        train: samples(directory, &TRAIN)?,
        test: samples(directory, &TEST)?,
    })
}

fn hint() -> String {
    "get https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, unpack it, and name its directory \
     `cifar-10-batches-bin` in the data section or with --data"
        .to_string()
}

fn samples(directory: &Path, files: &[&str]) -> Result<Samples, DataError> {
    let (mut parts, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let path = directory.join(file);
        let bytes = match File::open(&path).and_then(|file| Bytes::map(&file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DataError::Missing { path, what: "a batch of CIFAR-10", hint: hint() });
            }
            Err(source) => return Err(DataError::Read { path, source }),
        };
        if bytes.is_empty() || bytes.len() % RECORD != 0 {
            let expected = format!("a whole number of records of {RECORD} bytes");
            return Err(DataError::Length { path, expected, found: bytes.len(), hint: hint() });
        }
        for (sample, record) in bytes.chunks_exact(RECORD).enumerate() {
            if usize::from(record[0]) >= CLASSES.len() {
                return Err(DataError::Label { path, sample, label: record[0], classes: CLASSES.len(), hint: hint() });
            }
            labels.push(u32::from(record[0]));
        }
        let count = bytes.len() / RECORD;
        parts.push(Part { bytes, offset: 1, stride: RECORD, count });
    }
    Ok(Samples::of_parts(parts, labels, [3, 32, 32], 255))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A directory with `records` records a file; pixel p of record r of file f is f * 16 + r, its label r.
    fn directory(records: usize) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (file, name) in TRAIN.iter().chain(&TEST).enumerate() {
            let record = |index: usize| {
                let mut record = vec![(file * 16 + index) as u8; RECORD];
                record[0] = index as u8;
                record
            };
            fs::write(directory.path().join(name), (0..records).flat_map(record).collect::<Vec<u8>>()).unwrap();
        }
        directory
    }

    #[test]
    fn records_of_all_files_follow_each_other() {
        let directory = directory(2);
        let data = read(directory.path()).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (10, 2));
        assert_eq!(data.train.image(3).unwrap().planes[..], [17; IMAGE]);
        assert_eq!(data.train.label(3), 1);
        assert_eq!(data.test.image(0).unwrap().planes[..], [80; IMAGE]);
        let (mean, std) = data.statistics().unwrap();
        assert_eq!(mean, [32.5 / 255.0; 3]);
        assert!((std[2] - (512.25f64).sqrt() / 255.0).abs() < 1e-12, "{std:?}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let directory = directory(1);
        let path = directory.path().join("data_batch_3.bin");
        let message = || read(directory.path()).unwrap_err().to_string();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..3000]).unwrap();
        let text = message();
        assert!(
            text.contains("data_batch_3.bin: expected a whole number of records of 3073 bytes, found 3000"),
            "{text}"
        );
        fs::write(&path, []).unwrap();
        assert!(message().contains("found 0 bytes"));
        let mut wrong = whole;
        wrong[0] = 10;
        fs::write(&path, wrong).unwrap();
        assert!(message().contains("sample 0 has label 10, expected 0 to 9"));
        fs::remove_file(&path).unwrap();
        let text = message();
        assert!(text.contains("data_batch_3.bin: a batch of CIFAR-10 is not there"), "{text}");
        assert!(text.contains("cifar-10-binary.tar.gz"), "{text}");
    }
}
