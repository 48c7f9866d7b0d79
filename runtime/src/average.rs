//! The average of several files of weights.

use crate::tensors::{Elements, Tensor, Tensors};
use crate::weights::COUNTER;

/// Why files cannot be averaged. Files are numbered from 0.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AverageError {
    /// A tensor is not in every file.
    #[error("`{name}` is not in every file")]
    Missing {
        /// The tensor.
        name: String,
        /// A file without it.
        file: usize,
    },
    /// A tensor has not the same extents everywhere, or is of real numbers here and whole ones there.
    #[error("`{name}` is not of one shape and kind")]
    Shape {
        /// The tensor.
        name: String,
        /// A file where it is otherwise than in the first.
        file: usize,
    },
    /// A tensor of whole numbers is not the same everywhere.
    #[error("`{name}` holds whole numbers, which have no average, and they differ")]
    Whole {
        /// The tensor.
        name: String,
        /// A file where it is otherwise than in the first.
        file: usize,
    },
}

/// The mean of each tensor over the files, added up in double precision. Whole numbers have to be the same in each file; but of
/// PyTorch's `num_batches_tracked` the greatest is taken.
///
/// # Errors
/// When the files do not hold the same tensors.
///
/// # Panics
/// When there is no file.
pub fn average(files: &[Tensors]) -> Result<Tensors, AverageError> {
    let first = &files[0];
    for (file, tensors) in files.iter().enumerate() {
        if let Some(name) = first.keys().find(|name| !tensors.contains_key(*name)) {
            return Err(AverageError::Missing { name: name.clone(), file });
        }
        if let Some(name) = tensors.keys().find(|name| !first.contains_key(*name)) {
            return Err(AverageError::Missing { name: name.clone(), file: 0 });
        }
    }
    let mean = |(name, tensor): (&String, &Tensor)| {
        let tensors: Vec<&Tensor> = files.iter().map(|tensors| &tensors[name]).collect();
        Ok((name.clone(), mean(name, tensor, &tensors)?))
    };
    first.iter().map(mean).collect()
}

fn mean(name: &str, first: &Tensor, tensors: &[&Tensor]) -> Result<Tensor, AverageError> {
    let name = || name.to_string();
    if let Some(file) = tensors.iter().position(|tensor| tensor.dims != first.dims) {
        return Err(AverageError::Shape { name: name(), file });
    }
    let elements = match &first.elements {
        Elements::Real(values) => {
            let mut sums = vec![0.0f64; values.len()];
            for (file, tensor) in tensors.iter().enumerate() {
                let Elements::Real(values) = &tensor.elements else {
                    return Err(AverageError::Shape { name: name(), file });
                };
                sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            Elements::Real(sums.into_iter().map(|sum| (sum / tensors.len() as f64) as f32).collect())
        }
        Elements::Whole(values) => {
            let mut greatest = values.clone();
            for (file, tensor) in tensors.iter().enumerate() {
                let Elements::Whole(others) = &tensor.elements else {
                    return Err(AverageError::Shape { name: name(), file });
                };
                if others != values && name().rsplit('.').next() != Some(COUNTER) {
                    return Err(AverageError::Whole { name: name(), file });
                }
                greatest.iter_mut().zip(others).for_each(|(to, &other)| *to = (*to).max(other));
            }
            Elements::Whole(greatest)
        }
    };
    Ok(Tensor { dims: first.dims.clone(), elements })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(weight: &[f32], count: i64) -> Tensors {
        let count = Tensor { dims: vec![], elements: Elements::Whole(vec![count]) };
        Tensors::from([
            ("w".to_string(), Tensor::real(&[weight.len()], weight.to_vec())),
            ("bn.num_batches_tracked".to_string(), count),
        ])
    }

    #[test]
    fn real_numbers_are_averaged_in_double_precision() {
        let files = [file(&[1.0, 1e8], 3), file(&[2.0, 1.0], 7), file(&[6.0, -1e8], 5)];
        assert_eq!(average(&files).unwrap(), file(&[3.0, (1.0f64 / 3.0) as f32], 7));
        assert_eq!(average(&files[..1]).unwrap(), files[0]);
    }

    #[test]
    fn files_of_other_tensors_are_refused() {
        let other = |change: &dyn Fn(&mut Tensors)| {
            let mut other = file(&[1.0], 1);
            change(&mut other);
            [average(&[file(&[1.0], 1), other.clone()]), average(&[other, file(&[1.0], 1)])].map(Result::unwrap_err)
        };
        let whole = |value| Tensor { dims: vec![1], elements: Elements::Whole(vec![value]) };
        let name = || "w".to_string();
        assert_eq!(
            other(&|tensors| drop(tensors.remove("w"))),
            [AverageError::Missing { name: name(), file: 1 }, AverageError::Missing { name: name(), file: 0 }]
        );
        let shape = AverageError::Shape { name: name(), file: 1 };
        assert_eq!(other(&|tensors| tensors.extend(file(&[1.0, 2.0], 1))), [shape.clone(), shape.clone()]);
        assert_eq!(other(&|tensors| drop(tensors.insert(name(), whole(1)))), [shape.clone(), shape]);
        let ones = Tensors::from([(name(), whole(1))]);
        let error = average(&[ones.clone(), ones, Tensors::from([(name(), whole(2))])]).unwrap_err();
        assert_eq!(error, AverageError::Whole { name: name(), file: 2 });
    }
}
