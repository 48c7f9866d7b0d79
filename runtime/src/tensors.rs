//! Tensors in safetensors files: weights, batches, gradients.

use crate::durable::{self, WriteError};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A tensor in logical row-major order, as it is in a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// Extents, outermost first; empty for a scalar.
    pub dims: Vec<usize>,
    /// Its elements.
    pub elements: Elements,
}

/// The elements of a tensor, widened to what rnet computes with.
#[derive(Clone, PartialEq, Debug)]
pub enum Elements {
    /// Of files with F32, F64, F16 or BF16. F64 is rounded.
    Real(Vec<f32>),
    /// Of files with whole numbers of any width.
    Whole(Vec<i64>),
}

impl Tensor {
    /// A tensor of real numbers.
    pub fn real(dims: &[usize], elements: Vec<f32>) -> Tensor {
        Tensor { dims: dims.to_vec(), elements: Elements::Real(elements) }
    }
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Extents and elements by name, in double precision.
pub type DoubleTensors = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// Why a file of tensors cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("{}: cannot be read: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is something else, or damaged.
    #[error("{}: expected a safetensors file, but {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor's elements are of a kind that rnet does not know.
    #[error("{}: `{tensor}` has elements of type {found}, expected F32, F64, F16, BF16 or whole numbers", path.display())]
    Element {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
}

/// Reads all tensors of a file.
///
/// # Errors
/// When the file is missing, no safetensors file, damaged, or of unknown element types.
pub fn read(path: &Path) -> Result<Tensors, ReadError> {
    let bytes = fs::read(path).map_err(|source| ReadError::System { path: path.to_path_buf(), source })?;
    parse(path, &bytes)
}

/// `read` of bytes that are at hand; `path` is for messages.
///
/// # Errors
/// As `read`.
pub fn parse(path: &Path, bytes: &[u8]) -> Result<Tensors, ReadError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| ReadError::Format { path: path.to_path_buf(), reason: error.to_string() })?;
    let mut tensors = Tensors::new();
    for (name, view) in file.iter() {
        let elements = elements(&view).ok_or_else(|| ReadError::Element {
            path: path.to_path_buf(),
            tensor: name.to_string(),
            found: format!("{:?}", view.dtype()),
        })?;
        tensors.insert(name.to_string(), Tensor { dims: view.shape().to_vec(), elements });
    }
    Ok(tensors)
}

/// Splits into pieces of `N` bytes; a safetensors file that was parsed holds a whole number of them.
fn pieces<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|piece| convert(*piece)).collect()
}

fn elements(view: &TensorView) -> Option<Elements> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => Elements::Real(pieces(bytes, f32::from_le_bytes)),
        Dtype::F64 => Elements::Real(pieces(bytes, |piece| f64::from_le_bytes(piece) as f32)),
        Dtype::F16 => Elements::Real(pieces(bytes, |piece| f16::from_le_bytes(piece).to_f32())),
        Dtype::BF16 => Elements::Real(pieces(bytes, |piece| bf16::from_le_bytes(piece).to_f32())),
        Dtype::I64 => Elements::Whole(pieces(bytes, i64::from_le_bytes)),
        Dtype::I32 => Elements::Whole(pieces(bytes, |piece| i64::from(i32::from_le_bytes(piece)))),
        Dtype::I16 => Elements::Whole(pieces(bytes, |piece| i64::from(i16::from_le_bytes(piece)))),
        Dtype::I8 => Elements::Whole(bytes.iter().map(|&byte| i64::from(byte as i8)).collect()),
        Dtype::U8 | Dtype::BOOL => Elements::Whole(bytes.iter().map(|&byte| i64::from(byte)).collect()),
        _ => return None,
    })
}

/// The bytes of a file: real numbers as F32, whole ones as I64.
///
/// # Panics
/// When a tensor has another number of elements than its extents say.
pub fn serialize(tensors: &Tensors) -> Vec<u8> {
    let bytes = |tensor: &Tensor| match &tensor.elements {
        Elements::Real(values) => {
            (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
        }
        Elements::Whole(values) => (Dtype::I64, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
    };
    encoded(tensors.iter().map(|(name, tensor)| (name.as_str(), &tensor.dims[..], bytes(tensor))))
}

/// The bytes of a file, of names, extents, and elements as they lie in it.
fn encoded<'t>(tensors: impl Iterator<Item = (&'t str, &'t [usize], (Dtype, Vec<u8>))>) -> Vec<u8> {
    let tensors: Vec<_> = tensors.collect();
    let views = tensors.iter().map(|(name, dims, (dtype, bytes))| {
        let view = TensorView::new(*dtype, dims.to_vec(), bytes);
        (*name, view.unwrap_or_else(|error| panic!("tensors: `{name}`: {error}")))
    });
    safetensors::serialize(views, None).unwrap_or_else(|error| panic!("tensors: {error}"))
}

/// Writes a file, whole or not at all.
///
/// # Errors
/// When the system refuses.
pub fn write(path: &Path, tensors: &Tensors) -> Result<(), WriteError> {
    durable::write(path, &serialize(tensors))
}

/// Writes a file of F64. (`read` rounds them.)
///
/// # Errors
/// When the system refuses.
///
/// # Panics
/// As `serialize`.
pub fn write_double(path: &Path, tensors: &DoubleTensors) -> Result<(), WriteError> {
    let bytes = |values: &[f64]| (Dtype::F64, values.iter().flat_map(|value| value.to_le_bytes()).collect());
    let bytes = encoded(tensors.iter().map(|(name, (dims, values))| (name.as_str(), &dims[..], bytes(values))));
    durable::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.safetensors");
        let whole = Tensor { dims: vec![3], elements: Elements::Whole(vec![-1, 0, i64::MAX]) };
        let tensors = Tensors::from([
            ("a.weight".to_string(), Tensor::real(&[2, 1], vec![1.5, -0.0])),
            ("scalar".to_string(), Tensor::real(&[], vec![f32::MIN_POSITIVE])),
            ("label".to_string(), whole),
        ]);
        write(&path, &tensors).unwrap();
        assert_eq!(read(&path).unwrap(), tensors);
    }

    #[test]
    fn double_precision_is_written_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.safetensors");
        let values = vec![1.0 / 3.0, -1e-300];
        write_double(&path, &BTreeMap::from([("a".to_string(), (vec![1, 2], values.clone()))])).unwrap();
        let bytes = fs::read(&path).unwrap();
        let view = SafeTensors::deserialize(&bytes).unwrap().tensor("a").unwrap();
        assert_eq!((view.dtype(), view.shape()), (Dtype::F64, &[1, 2][..]));
        assert_eq!(pieces(view.data(), f64::from_le_bytes), values);
        assert_eq!(read(&path).unwrap()["a"], Tensor::real(&[1, 2], vec![1.0 / 3.0, -0.0]));
    }

    #[test]
    fn narrow_and_wide_elements_are_converted() {
        let half: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        let brain: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        let double: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for (dtype, bytes) in [(Dtype::F16, half), (Dtype::BF16, brain), (Dtype::F64, double)] {
            let view = TensorView::new(dtype, vec![2], &bytes).unwrap();
            let file = safetensors::serialize([("x", view)], None).unwrap();
            let read = parse(Path::new("x"), &file).unwrap();
            assert_eq!(read["x"], Tensor::real(&[2], vec![1.5, -2.0]), "{dtype:?}");
        }
    }

    #[test]
    fn what_is_no_safetensors_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.safetensors");
        assert!(read(&path).unwrap_err().to_string().contains("t.safetensors: cannot be read"));
        fs::write(&path, b"PK\x03\x04 something else").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("t.safetensors: expected a safetensors file"));
        let whole = serialize(&Tensors::from([("a".to_string(), Tensor::real(&[2], vec![1.0, 2.0]))]));
        for cut in 0..whole.len() {
            assert!(parse(&path, &whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
