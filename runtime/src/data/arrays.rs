//! Arrays of images and labels in one file, NPZ (NumPy) or safetensors.

use super::{Bytes, DataError, Dataset, Part, Samples};
use safetensors::tensor::{Dtype, SafeTensors};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// The names of images and labels, of training and of testing: ours, and those that Keras gives its data sets. Where none of them is
/// there, `images` and `labels` are of training.
const NAMES: [[[&str; 2]; 2]; 2] = [
    [["train_images", "train_labels"], ["test_images", "test_labels"]],
    [["x_train", "y_train"], ["x_test", "y_test"]],
];
const ALONE: [&str; 2] = ["images", "labels"];

/// Channels that an image can have, so that their axis can be told from the others.
const MOST_CHANNELS: usize = 4;

/// Most classes.
const MOST_CLASSES: i64 = 1 << 20;

/// An array in row-major order.
struct Array {
    dims: Vec<usize>,
    elements: Elements,
}

enum Elements {
    Bytes(Vec<u8>),
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

/// Reads a file that ends in `.npz` or `.safetensors`.
pub(super) fn read(path: &Path) -> Result<Dataset, DataError> {
    if !path.is_file() {
        return Err(DataError::Missing { path: path.to_path_buf(), what: "a file of arrays", hint: hint() });
    }
    let mut arrays = match path.extension().and_then(|ending| ending.to_str()) {
        Some("npz") => npz(path)?,
        Some("safetensors") => safetensors(path)?,
        _ => return Err(wrong(path, "the name ends in neither .npz nor .safetensors")),
    };
    let found = || arrays.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let names = NAMES.iter().find(|[train, _]| train.iter().all(|name| arrays.contains_key(*name)));
    let (train_names, test_names) = match names {
        Some([train, test]) => (train, Some(test)),
        None if ALONE.iter().all(|name| arrays.contains_key(*name)) => (&ALONE, None),
        None => {
            return Err(wrong(
                path,
                &format!("it has neither `train_images` and `train_labels` nor `images` and `labels`, but {}", found()),
            ));
        }
    };
    let mut take = |names: &[&str; 2]| -> Result<Option<(Images, Vec<u32>)>, DataError> {
        match names.map(|name| arrays.remove(name)) {
            [Some(images), Some(labels)] => half(path, names, images, labels).map(Some),
            [None, None] => Ok(None),
            _ => Err(wrong(path, &format!("of `{}` and `{}` one is missing", names[0], names[1]))),
        }
    };
    let (images, labels) = take(train_names)?.expect("both are there");
    let test = match test_names {
        Some(names) => take(names)?,
        None => None,
    };
    let classes = labels.iter().max().map_or(0, |label| *label as usize + 1);
    let dims = images.dims;
    let train = images.samples(labels);
    let test = match test {
        Some((images, labels)) => {
            if images.dims != dims {
                let extents = |dims: [usize; 3]| dims.map(|extent| extent.to_string()).join("x");
                let words = format!(
                    "test images are {} (channels, height, width), training images {}",
                    extents(images.dims),
                    extents(dims)
                );
                return Err(wrong(path, &words));
            }
            if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
                return Err(wrong(path, &format!("a test label is {label}, training labels are 0 to {}", classes - 1)));
            }
            images.samples(labels)
        }
        None => Images { dims, planes: Vec::new() }.samples(Vec::new()),
    };
    let name = path.file_stem().map_or("arrays".into(), |name| name.to_string_lossy()).into_owned();
    let classes = (0..classes).map(|class| class.to_string()).collect();
    Ok(Dataset { name, channels: dims[0], white: 255, classes, train, test, skipped: Vec::new() })
}

fn hint() -> String {
    "a file of arrays ends in .npz or .safetensors; in it are `train_images`, `train_labels`, `test_images` and `test_labels`, or \
     `images` and `labels`: uint8 [N, height, width], [N, height, width, channels] or [N, channels, height, width], and whole numbers [N]"
        .to_string()
}

fn wrong(path: &Path, reason: &str) -> DataError {
    DataError::Arrays { path: path.to_path_buf(), reason: reason.to_string(), hint: hint() }
}

/// Planar images of one size.
struct Images {
    dims: [usize; 3],
    planes: Vec<u8>,
}

impl Images {
    fn samples(self, labels: Vec<u32>) -> Samples {
        let stride = self.dims.iter().product();
        let part = Part { bytes: Bytes::Owned(self.planes), offset: 0, stride, count: labels.len() };
        Samples::of_parts(vec![part], labels, self.dims, 255)
    }
}

/// Images and labels that fit each other.
fn half(path: &Path, names: &[&str; 2], images: Array, labels: Array) -> Result<(Images, Vec<u32>), DataError> {
    let wrong = |reason: String| wrong(path, &reason);
    let bytes = match images.elements {
        Elements::Bytes(bytes) => bytes,
        Elements::Whole(_) => {
            return Err(wrong(format!("`{}` holds whole numbers of more than a byte, expected uint8", names[0])));
        }
        Elements::Real(values) => shades(&values).ok_or_else(|| {
            wrong(format!("`{}` holds numbers that are no multiples of 1/255 from 0 to 1; store uint8", names[0]))
        })?,
    };
    let (dims, channels_last) = match images.dims[..] {
        [_, height, width] => ([1, height, width], false),
        [_, a, b, c] => match (a <= MOST_CHANNELS, c <= MOST_CHANNELS) {
            (false, true) => ([c, a, b], true),
            (true, false) => ([a, b, c], false),
            _ => {
                return Err(wrong(format!(
                    "which axis of `{}` is channels cannot be told from its extents {:?}",
                    names[0], images.dims
                )));
            }
        },
        _ => return Err(wrong(format!("`{}` has extents {:?}, expected three or four", names[0], images.dims))),
    };
    if bytes.is_empty() {
        return Err(wrong(format!("`{}` is empty", names[0])));
    }
    let count = images.dims[0];
    // Keras keeps labels as a column.
    let is_column = labels.dims == [count] || labels.dims == [count, 1];
    let classes: Vec<i64> = match labels.elements {
        Elements::Whole(classes) if is_column => classes,
        Elements::Bytes(classes) if is_column => classes.into_iter().map(i64::from).collect(),
        Elements::Real(_) => return Err(wrong(format!("`{}` should hold whole numbers", names[1]))),
        _ => {
            return Err(wrong(format!(
                "`{}` has extents {:?}, expected [{count}], as many as images",
                names[1], labels.dims
            )));
        }
    };
    if let Some(sample) = classes.iter().position(|class| !(0..MOST_CLASSES).contains(class)) {
        return Err(wrong(format!(
            "label {sample} of `{}` is {}, expected 0 to {}",
            names[1],
            classes[sample],
            MOST_CLASSES - 1
        )));
    }
    let planes = if channels_last { planar(&bytes, dims) } else { bytes };
    Ok((Images { dims, planes }, classes.into_iter().map(|class| class as u32).collect()))
}

/// Numbers from 0 to 1 as bytes, if nothing is lost by that.
fn shades(values: &[f64]) -> Option<Vec<u8>> {
    let shade = |&value: &f64| {
        let shade = (value * 255.0).round();
        // As exact as f32 holds it.
        let is_exact = (0.0..=255.0).contains(&shade) && (value * 255.0 - shade).abs() < 1e-4;
        is_exact.then_some(shade as u8)
    };
    values.iter().map(shade).collect()
}

fn planar(bytes: &[u8], [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let mut planes = Vec::with_capacity(bytes.len());
    for image in bytes.chunks_exact(channels * height * width) {
        for channel in 0..channels {
            planes.extend(image[channel..].iter().step_by(channels));
        }
    }
    planes
}

fn npz(path: &Path) -> Result<BTreeMap<String, Array>, DataError> {
    let file = File::open(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    let mut archive = ZipArchive::new(file).map_err(|error| wrong(path, &format!("it is no NPZ file: {error}")))?;
    let names: Result<Vec<String>, _> = archive.file_names().map(|name| name.map(Cow::into_owned)).collect();
    let names = names.map_err(|error| wrong(path, &format!("it is no NPZ file: {error}")))?;
    let mut arrays = BTreeMap::new();
    for name in names {
        let Some(stem) = name.strip_suffix(".npy").filter(|stem| is_known(stem)) else { continue };
        let failed = |reason: &dyn std::fmt::Display| wrong(path, &format!("`{stem}` cannot be read: {reason}"));
        let entry = archive.by_name(&name).map_err(|error| failed(&error))?;
        let array = npy(entry).map_err(|reason| failed(&reason))?;
        arrays.insert(stem.to_string(), array);
    }
    Ok(arrays)
}

fn is_known(name: &str) -> bool {
    NAMES.iter().flatten().flatten().chain(&ALONE).any(|known| *known == name)
}

/// NumPy's format: a magic number, the version, the length of the header, the header, the elements.
///
/// The header is a dictionary as Python writes it, of which the three entries and their forms are laid down:
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn npy(mut entry: impl Read) -> Result<Array, String> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it does not begin as a NumPy array does")?;
    let (start, len) = match *rest {
        [1, _, low, high, ..] => (4, usize::from(u16::from_le_bytes([low, high]))),
        [2 | 3, _, a, b, c, d, ..] => (6, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => return Err("it is of a version of NumPy's format that is not known".to_string()),
    };
    let header = rest.get(start..start + len).and_then(|header| std::str::from_utf8(header).ok());
    let header = header.ok_or("its header is cut off")?;
    let data = &rest[start + len..];
    let value = |key: &str| -> Result<&str, String> {
        let (_, value) = header.split_once(&format!("'{key}':")).ok_or(format!("its header has no `{key}`"))?;
        Ok(value.trim_start())
    };
    if !value("fortran_order")?.starts_with("False") {
        return Err("it is in Fortran order".to_string());
    }
    let kind = value("descr")?.strip_prefix('\'').and_then(|kind| kind.split('\'').next());
    let kind = kind.ok_or("it is an array of records")?;
    let shape = value("shape")?.strip_prefix('(').and_then(|shape| shape.split(')').next()).unwrap_or("none");
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let dims = extents.map(|extent| extent.parse::<usize>()).collect::<Result<Vec<_>, _>>();
    let dims = dims.map_err(|_| format!("its shape is `{shape}`"))?;
    let kind = match kind {
        "|u1" => Dtype::U8,
        "|i1" => Dtype::I8,
        "<u2" => Dtype::U16,
        "<i2" => Dtype::I16,
        "<u4" => Dtype::U32,
        "<i4" => Dtype::I32,
        "<i8" => Dtype::I64,
        "<f4" => Dtype::F32,
        "<f8" => Dtype::F64,
        other => return Err(format!("its elements are of type {other}")),
    };
    let count = dims.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
    if count.and_then(|count| count.checked_mul(kind.bitsize() / 8)) != Some(data.len()) {
        return Err(format!("it has {} bytes of elements, which do not fit its extents {dims:?}", data.len()));
    }
    Ok(Array { elements: elements(kind, data).expect("the types above are known"), dims })
}

fn safetensors(path: &Path) -> Result<BTreeMap<String, Array>, DataError> {
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    let file = SafeTensors::deserialize(&bytes);
    let file = file.map_err(|error| wrong(path, &format!("it is no safetensors file: {error}")))?;
    let mut arrays = BTreeMap::new();
    for (name, view) in file.iter().filter(|(name, _)| is_known(name)) {
        let elements = elements(view.dtype(), view.data())
            .ok_or_else(|| wrong(path, &format!("`{name}` has elements of type {:?}", view.dtype())))?;
        arrays.insert(name.to_string(), Array { dims: view.shape().to_vec(), elements });
    }
    Ok(arrays)
}

/// Little-endian elements; `None` of a type that images and labels do not have.
fn elements(kind: Dtype, data: &[u8]) -> Option<Elements> {
    fn words<const N: usize, T>(data: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
        data.chunks_exact(N).map(|word| read(word.try_into().expect("a chunk is N bytes"))).collect()
    }
    Some(match kind {
        Dtype::U8 => Elements::Bytes(data.to_vec()),
        Dtype::I8 => Elements::Whole(words(data, |[byte]| i64::from(byte as i8))),
        Dtype::U16 => Elements::Whole(words(data, |word| i64::from(u16::from_le_bytes(word)))),
        Dtype::I16 => Elements::Whole(words(data, |word| i64::from(i16::from_le_bytes(word)))),
        Dtype::U32 => Elements::Whole(words(data, |word| i64::from(u32::from_le_bytes(word)))),
        Dtype::I32 => Elements::Whole(words(data, |word| i64::from(i32::from_le_bytes(word)))),
        Dtype::I64 => Elements::Whole(words(data, i64::from_le_bytes)),
        Dtype::F32 => Elements::Real(words(data, |word| f64::from(f32::from_le_bytes(word)))),
        Dtype::F64 => Elements::Real(words(data, f64::from_le_bytes)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    /// Version 1 of NumPy's format: magic, length of the header, a dictionary, elements.
    fn npy(kind: &str, dims: &[usize], data: &[u8]) -> Vec<u8> {
        let dims: String = dims.iter().map(|extent| format!("{extent}, ")).collect();
        let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({dims}), }}");
        header += &" ".repeat(63 - (header.len() + 10) % 64);
        header.push('\n');
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    fn npz(path: &Path, arrays: &[(&str, &str, &[usize], &[u8])]) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, kind, dims, data) in arrays {
            archive.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            archive.write_all(&npy(kind, dims, data)).unwrap();
        }
        archive.finish().unwrap();
    }

    fn words(values: &[i64]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn seen(samples: &Samples) -> Vec<(usize, [usize; 3], Vec<u8>)> {
        let one = |index| {
            let image = samples.image(index).unwrap();
            (samples.label(index), image.dims, image.planes.to_vec())
        };
        (0..samples.len()).map(one).collect()
    }

    #[test]
    fn arrays_of_every_layout_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tiny.npz");
        let bytes: Vec<u8> = (0..50).collect();
        // Channels last, as images of NumPy are.
        npz(&path, &[("images", "|u1", &[1, 5, 5, 2], &bytes), ("labels", "<i8", &[1], &words(&[3]))]);
        let data = read(&path).unwrap();
        let planes: Vec<u8> = (0..50).step_by(2).chain((1..50).step_by(2)).collect();
        assert_eq!(seen(&data.train), [(3, [2, 5, 5], planes)]);
        assert_eq!((data.test.len(), data.classes.len(), data.channels, &data.name[..]), (0, 4, 2, "tiny"));
        // Keras's names, grey images, labels in a column of bytes; and something that is not asked for.
        npz(
            &path,
            &[
                ("x_train", "|u1", &[2, 5, 5], &bytes),
                ("y_train", "|u1", &[2, 1], &[1, 0]),
                ("x_test", "|u1", &[1, 5, 5], &bytes[25..]),
                ("y_test", "<i4", &[1], &1i32.to_le_bytes()),
                ("history", "<f8", &[0], &[]),
            ],
        );
        let data = read(&path).unwrap();
        assert_eq!(seen(&data.train), [(1, [1, 5, 5], bytes[..25].to_vec()), (0, [1, 5, 5], bytes[25..].to_vec())]);
        assert_eq!(seen(&data.test), [(1, [1, 5, 5], bytes[25..].to_vec())]);
        // Real numbers that are shades of grey; channels first, in safetensors.
        let reals: Vec<u8> = bytes.iter().flat_map(|&byte| (f32::from(byte) / 255.0).to_le_bytes()).collect();
        let labels = words(&[0]);
        let views = [
            ("train_images", TensorView::new(Dtype::F32, vec![1, 2, 5, 5], &reals).unwrap()),
            ("train_labels", TensorView::new(Dtype::I64, vec![1], &labels).unwrap()),
        ];
        let path = directory.path().join("tiny.safetensors");
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        assert_eq!(seen(&read(&path).unwrap().train), [(0, [2, 5, 5], bytes)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.npz");
        let check = |arrays: &[(&str, &str, &[usize], &[u8])], expected: &str| {
            npz(&path, arrays);
            let text = read(&path).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        };
        let one = words(&[1]);
        check(&[("images", "|u1", &[1, 5, 5], &[0; 25])], "it has neither `train_images` and `train_labels` nor");
        check(
            &[("images", "|u1", &[2, 5, 5], &[0; 50]), ("labels", "<i8", &[1], &one)],
            "expected [2], as many as images",
        );
        check(
            &[("images", "|u1", &[1, 5, 5], &[0; 25]), ("labels", "<i8", &[1], &words(&[-1]))],
            "label 0 of `labels` is -1",
        );
        check(
            &[("images", "|u1", &[1, 3, 5, 3], &[0; 45]), ("labels", "<i8", &[1], &one)],
            "which axis of `images` is channels",
        );
        check(
            &[("images", "|u1", &[25], &[0; 25]), ("labels", "<i8", &[25], &words(&[0; 25]))],
            "expected three or four",
        );
        let reals: Vec<u8> = [0.3f64; 25].iter().flat_map(|value| value.to_le_bytes()).collect();
        check(&[("images", "<f8", &[1, 5, 5], &reals), ("labels", "<i8", &[1], &one)], "no multiples of 1/255");
        check(
            &[("images", "|u1", &[1, 5, 5], &[0; 20]), ("labels", "<i8", &[1], &one)],
            "`images` cannot be read: it has 20 bytes of elements",
        );
        let halves: [(&str, &str, &[usize], &[u8]); 2] =
            [("x_train", "|u1", &[1, 5, 5], &[0; 25]), ("y_train", "<i8", &[1], &one)];
        check(
            &[&halves[..], &[("x_test", "|u1", &[1, 5, 5], &[0; 25])]].concat(),
            "of `x_test` and `y_test` one is missing",
        );
        check(
            &[&halves[..], &[("x_test", "|u1", &[1, 4, 5], &[0; 20]), ("y_test", "<i8", &[1], &one)]].concat(),
            "test images are 1x4x5 (channels, height, width), training images 1x5x5",
        );
        check(
            &[&halves[..], &[("x_test", "|u1", &[1, 5, 5], &[0; 25]), ("y_test", "<i8", &[1], &words(&[2]))]].concat(),
            "a test label is 2, training labels are 0 to 1",
        );
        fs::write(&path, "junk").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("it is no NPZ file"));
        let text = read(&directory.path().join("b.npz")).unwrap_err().to_string();
        assert!(text.contains("b.npz: a file of arrays is not there"), "{text}");
        let path = directory.path().join("a.bin");
        fs::write(&path, "junk").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("ends in neither .npz nor .safetensors"));
    }
}
