//! The IDX files of MNIST and its like, plain or gzipped, under either of the usual names.
//!
//! A file is a magic number (0, 0, element type, number of extents), the extents as big-endian 32-bit numbers, and bytes.

use super::{Bytes, DataError, Dataset, Part, Samples, fetch, owned};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What sets one such data set apart from the others.
pub(super) struct Family {
    name: &'static str,
    classes: &'static [&'static str],
}

impl Family {
    fn hint(&self) -> String {
        fetch::hint(self.name)
    }
}

/// Y. LeCun, C. Cortes, C. Burges: handwritten digits.
pub(super) const MNIST: Family = Family { name: "mnist", classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] };

/// H. Xiao, K. Rasul, R. Vollgraf: articles of clothing.
pub(super) const FASHION_MNIST: Family = Family {
    name: "fashion_mnist",
    classes: &[
        "T-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ],
};

/// Reads the four files of a directory.
pub(super) fn read(directory: &Path, family: &Family) -> Result<Dataset, DataError> {
    let (train_path, train_dims, train) = half(directory, "train", family)?;
    let (path, test_dims, test) = half(directory, "t10k", family)?;
    if test_dims != train_dims {
        return Err(DataError::Mismatch {
            path,
            other: train_path,
            expected: format!("images of {}x{}", train_dims[1], train_dims[2]),
            found: format!("images of {}x{}", test_dims[1], test_dims[2]),
            hint: family.hint(),
        });
    }
    let (name, classes) = (family.name.to_string(), owned(family.classes));
    Ok(Dataset { name, channels: 1, white: 255, classes, train, test, skipped: Vec::new() })
}

/// The images and labels of `train` or `t10k`, the images' file and their extents.
fn half(directory: &Path, prefix: &str, family: &Family) -> Result<(PathBuf, [usize; 3], Samples), DataError> {
    let images = Idx::open(directory, prefix, "images", 3, family)?;
    let labels = Idx::open(directory, prefix, "labels", 1, family)?;
    let [count, height, width] = images.dims[..] else { unreachable!("the number of extents was checked") };
    if labels.dims[0] != count {
        return Err(DataError::Mismatch {
            path: labels.path,
            other: images.path,
            expected: format!("{count} images"),
            found: format!("{} labels", labels.dims[0]),
            hint: family.hint(),
        });
    }
    let classes = family.classes.len();
    let label = labels.bytes[labels.offset..].to_vec();
    if let Some(sample) = label.iter().position(|&label| usize::from(label) >= classes) {
        let (path, label) = (labels.path, label[sample]);
        return Err(DataError::Label { path, sample, label, classes, hint: family.hint() });
    }
    let part = Part { bytes: images.bytes, offset: images.offset, stride: height * width, count };
    let (dims, labels) = ([1, height, width], label.into_iter().map(u32::from).collect());
    Ok((images.path, dims, Samples::of_parts(vec![part], labels, dims, 255)))
}

/// One file whose header and length are right.
struct Idx {
    path: PathBuf,
    bytes: Bytes,
    dims: Vec<usize>,
    /// Where the elements start.
    offset: usize,
}

impl Idx {
    /// Finds and reads the file of `images` or `labels`, with `rank` extents.
    fn open(
        directory: &Path,
        prefix: &str,
        what: &'static str,
        rank: usize,
        family: &Family,
    ) -> Result<Idx, DataError> {
        let hint = || family.hint();
        let usual = format!("{prefix}-{what}-idx{rank}-ubyte");
        let names = [usual.clone(), format!("{prefix}-{what}.idx{rank}-ubyte")];
        let mut paths = names.iter().flat_map(|name| [directory.join(name), directory.join(format!("{name}.gz"))]);
        let Some(path) = paths.find(|path| path.exists()) else {
            let what =
                if what == "images" { "a file of images (plain or .gz)" } else { "a file of labels (plain or .gz)" };
            return Err(DataError::Missing { path: directory.join(usual), what, hint: hint() });
        };
        let file = File::open(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
        let bytes = if path.extension().is_some_and(|extension| extension == "gz") {
            let mut bytes = Vec::new();
            match GzDecoder::new(file).read_to_end(&mut bytes) {
                Ok(_) => Bytes::Owned(bytes),
                Err(source) => return Err(DataError::Unpack { path, source, hint: hint() }),
            }
        } else {
            Bytes::map(&file).map_err(|source| DataError::Read { path: path.clone(), source })?
        };

        // 8 is the code of unsigned bytes.
        let magic = [0, 0, 8, rank as u8];
        let offset = 4 + 4 * rank;
        if !bytes.starts_with(&magic) {
            return Err(DataError::Magic {
                path,
                expected: format!("an IDX file of {what}, which starts with the bytes {magic:?}"),
                found: format!("{:?}", &bytes[..bytes.len().min(4)]),
                hint: hint(),
            });
        }
        let too_short = |path: PathBuf, expected: String, found: usize| {
            Err(DataError::Length { path, expected, found, hint: hint() })
        };
        if bytes.len() < offset {
            return too_short(path, format!("a header of {offset} bytes"), bytes.len());
        }
        let dims: Vec<usize> = bytes[4..offset]
            .chunks_exact(4)
            .map(|extent| u32::from_be_bytes([extent[0], extent[1], extent[2], extent[3]]) as usize)
            .collect();
        let elements = dims.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        if elements.and_then(|elements| elements.checked_add(offset)) != Some(bytes.len()) {
            let extents: Vec<String> = dims.iter().map(usize::to_string).collect();
            return too_short(
                path,
                format!("{} values after a header of {offset} bytes", extents.join("x")),
                bytes.len(),
            );
        }
        if elements == Some(0) {
            return too_short(path, format!("at least one of the {what}"), bytes.len());
        }
        Ok(Idx { path, bytes, dims, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::fs;
    use std::io::Write;

    fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|extent| extent.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Three training images and two test images of 2x3 pixels, in both spellings, partly gzipped.
    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| fs::write(directory.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte", idx(&[3, 2, 3], &(0..18).collect::<Vec<u8>>()));
        write("train-labels.idx1-ubyte.gz", gzip(&idx(&[3], &[7, 0, 9])));
        write("t10k-images.idx3-ubyte.gz", gzip(&idx(&[2, 2, 3], &[5; 12])));
        write("t10k-labels-idx1-ubyte", idx(&[2], &[1, 2]));
        directory
    }

    #[test]
    fn both_spellings_plain_or_gzipped() {
        let directory = directory();
        let data = read(directory.path(), &MNIST).unwrap();
        assert_eq!(data.train.image(0).unwrap().dims, [1, 2, 3]);
        assert_eq!((data.train.len(), data.test.len()), (3, 2));
        assert_eq!(data.train.image(1).unwrap().planes[..], [6, 7, 8, 9, 10, 11]);
        assert_eq!(data.train.label(2), 9);
        assert_eq!(data.test.image(1).unwrap().planes[..], [5; 6]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |name: &str, bytes: Vec<u8>, expected: &str| {
            let directory = directory();
            fs::write(directory.path().join(name), bytes).unwrap();
            let text = read(directory.path(), &MNIST).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
            assert!(text.contains("help: "), "{text}");
        };
        let images = "train-images-idx3-ubyte";
        check(images, idx(&[3, 2, 3], &[0; 17]), "expected 3x2x3 values after a header of 16 bytes, found 33 bytes");
        check(images, vec![0, 0, 8, 3, 0, 0], "expected a header of 16 bytes, found 6 bytes");
        check(images, idx(&[18], &[0; 18]), "which starts with the bytes [0, 0, 8, 3], found [0, 0, 8, 1]");
        check(images, Vec::new(), "found []");
        check(images, idx(&[0, 2, 3], &[]), "at least one");
        check(images, idx(&[u32::MAX, u32::MAX, u32::MAX], &[]), "found 16 bytes");
        check(images, idx(&[2, 2, 3], &[0; 12]), "3 labels, but ");
        check("t10k-labels-idx1-ubyte", idx(&[2], &[1, 10]), "sample 1 has label 10, expected 0 to 9");
        check("train-labels.idx1-ubyte.gz", gzip(&idx(&[3], &[7, 0, 9]))[..20].to_vec(), "cannot unpack");
        check("t10k-images.idx3-ubyte.gz", gzip(&idx(&[2, 3, 2], &[5; 12])), "images of 3x2, but ");
    }

    #[test]
    fn a_missing_file_is_named() {
        let directory = directory();
        fs::remove_file(directory.path().join("t10k-labels-idx1-ubyte")).unwrap();
        let text = read(directory.path(), &FASHION_MNIST).unwrap_err().to_string();
        assert!(text.contains("t10k-labels-idx1-ubyte: a file of labels (plain or .gz) is not there"), "{text}");
        assert!(text.contains("`rnet data fetch fashion_mnist`"), "{text}");
    }
}
