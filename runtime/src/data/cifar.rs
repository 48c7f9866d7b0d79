//! CIFAR-10 and CIFAR-100 in their binary form: records of one label byte (of CIFAR-100 two, of which the second counts) and
//! 3x32x32 pixels, planar.
//!
//! A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

use super::{Bytes, DataError, Dataset, Part, Samples, fetch, owned};
use std::fs::File;
use std::path::Path;

const IMAGE: usize = 3 * 32 * 32;

/// What sets one of the two apart from the other.
pub(super) struct Family {
    name: &'static str,
    classes: &'static [&'static str],
    /// Bytes of labels in front of an image; the last is the class.
    labels: usize,
    train: &'static [&'static str],
    test: &'static [&'static str],
}

impl Family {
    fn hint(&self) -> String {
        fetch::hint(self.name)
    }
}

/// Ten classes.
pub(super) const CIFAR10: Family = Family {
    name: "cifar10",
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    labels: 1,
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: &["test_batch.bin"],
};

/// A hundred classes; the twenty coarse ones are not used.
pub(super) const CIFAR100: Family = Family {
    name: "cifar100",
    classes: &[
        "apple",
        "aquarium_fish",
        "baby",
        "bear",
        "beaver",
        "bed",
        "bee",
        "beetle",
        "bicycle",
        "bottle",
        "bowl",
        "boy",
        "bridge",
        "bus",
        "butterfly",
        "camel",
        "can",
        "castle",
        "caterpillar",
        "cattle",
        "chair",
        "chimpanzee",
        "clock",
        "cloud",
        "cockroach",
        "couch",
        "crab",
        "crocodile",
        "cup",
        "dinosaur",
        "dolphin",
        "elephant",
        "flatfish",
        "forest",
        "fox",
        "girl",
        "hamster",
        "house",
        "kangaroo",
        "keyboard",
        "lamp",
        "lawn_mower",
        "leopard",
        "lion",
        "lizard",
        "lobster",
        "man",
        "maple_tree",
        "motorcycle",
        "mountain",
        "mouse",
        "mushroom",
        "oak_tree",
        "orange",
        "orchid",
        "otter",
        "palm_tree",
        "pear",
        "pickup_truck",
        "pine_tree",
        "plain",
        "plate",
        "poppy",
        "porcupine",
        "possum",
        "rabbit",
        "raccoon",
        "ray",
        "road",
        "rocket",
        "rose",
        "sea",
        "seal",
        "shark",
        "shrew",
        "skunk",
        "skyscraper",
        "snail",
        "snake",
        "spider",
        "squirrel",
        "streetcar",
        "sunflower",
        "sweet_pepper",
        "table",
        "tank",
        "telephone",
        "television",
        "tiger",
        "tractor",
        "train",
        "trout",
        "tulip",
        "turtle",
        "wardrobe",
        "whale",
        "willow_tree",
        "wolf",
        "woman",
        "worm",
    ],
    labels: 2,
    train: &["train.bin"],
    test: &["test.bin"],
};

/// Reads the files of a directory. They may hold any whole number of records.
pub(super) fn read(directory: &Path, family: &Family) -> Result<Dataset, DataError> {
    Ok(Dataset {
        name: family.name.to_string(),
        channels: 3,
        white: 255,
        classes: owned(family.classes),
        train: samples(directory, family, family.train)?,
        test: samples(directory, family, family.test)?,
        skipped: Vec::new(),
    })
}

fn samples(directory: &Path, family: &Family, files: &[&str]) -> Result<Samples, DataError> {
    let (hint, classes) = (|| family.hint(), family.classes.len());
    let length = family.labels + IMAGE;
    let (mut parts, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let path = directory.join(file);
        let bytes = match File::open(&path).and_then(|file| Bytes::map(&file)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DataError::Missing { path, what: "a batch of CIFAR images", hint: hint() });
            }
            Err(source) => return Err(DataError::Read { path, source }),
        };
        if bytes.is_empty() || bytes.len() % length != 0 {
            let expected = format!("a whole number of records of {length} bytes");
            return Err(DataError::Length { path, expected, found: bytes.len(), hint: hint() });
        }
        for (sample, record) in bytes.chunks_exact(length).enumerate() {
            let label = record[family.labels - 1];
            if usize::from(label) >= classes {
                return Err(DataError::Label { path, sample, label, classes, hint: hint() });
            }
            labels.push(u32::from(label));
        }
        let count = bytes.len() / length;
        parts.push(Part { bytes, offset: family.labels, stride: length, count });
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
        for (file, name) in CIFAR10.train.iter().chain(CIFAR10.test).enumerate() {
            let record = |index: usize| {
                let mut record = vec![(file * 16 + index) as u8; 1 + IMAGE];
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
        let data = read(directory.path(), &CIFAR10).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (10, 2));
        assert_eq!(data.train.image(3).unwrap().planes[..], [17; IMAGE]);
        assert_eq!(data.train.label(3), 1);
        assert_eq!(data.test.image(0).unwrap().planes[..], [80; IMAGE]);
        let (mean, std) = data.statistics().unwrap();
        assert_eq!(mean, [32.5 / 255.0; 3]);
        assert!((std[2] - (512.25f64).sqrt() / 255.0).abs() < 1e-12, "{std:?}");
    }

    #[test]
    fn of_a_hundred_classes_the_second_label_counts() {
        let directory = tempfile::tempdir().unwrap();
        let record = |coarse: u8, fine: u8| [&[coarse, fine][..], &[fine; IMAGE]].concat();
        fs::write(directory.path().join("train.bin"), [record(19, 99), record(0, 3)].concat()).unwrap();
        fs::write(directory.path().join("test.bin"), record(7, 98)).unwrap();
        let data = read(directory.path(), &CIFAR100).unwrap();
        assert_eq!((data.train.label(0), data.train.label(1), data.test.label(0)), (99, 3, 98));
        assert_eq!(data.train.image(1).unwrap().planes[..], [3; IMAGE]);
        assert_eq!((data.classes.len(), &data.classes[99][..], &data.classes[8][..]), (100, "worm", "bicycle"));
        fs::write(directory.path().join("test.bin"), record(0, 100)).unwrap();
        let text = read(directory.path(), &CIFAR100).unwrap_err().to_string();
        assert!(text.contains("sample 0 has label 100, expected 0 to 99"), "{text}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let directory = directory(1);
        let path = directory.path().join("data_batch_3.bin");
        let message = || read(directory.path(), &CIFAR10).unwrap_err().to_string();
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
        assert!(text.contains("data_batch_3.bin: a batch of CIFAR images is not there"), "{text}");
        assert!(text.contains("`rnet data fetch cifar10`"), "{text}");
    }
}
