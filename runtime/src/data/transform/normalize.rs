//! `normalize(mean, std)`: a table from byte to value for each channel.

use crate::data::{DataError, Dataset};

/// The value of each byte: `(byte / white - mean) / std`.
pub(super) fn raw(white: u8, mean: f64, std: f64) -> [f32; 256] {
    std::array::from_fn(|byte| ((byte as f64 / f64::from(white) - mean) / std) as f32)
}

/// The tables of `normalize(mean, std)`; where both are empty, the training set's own.
pub(super) fn table(dataset: &Dataset, mean: &[f64], std: &[f64]) -> Result<Vec<[f32; 256]>, DataError> {
    let name = || dataset.name.clone();
    let expected = dataset.channels;
    let own = if mean.is_empty() || std.is_empty() { Some(dataset.statistics()?) } else { None };
    let choose = |argument: &'static str, given: &[f64], own: Option<&Vec<f64>>| match own {
        Some(own) if given.is_empty() => Ok(own.clone()),
        _ if given.len() != expected => {
            Err(DataError::Channels { argument, expected, found: given.len(), name: name() })
        }
        _ => Ok(given.to_vec()),
    };
    let mean = choose("mean", mean, own.as_ref().map(|(mean, _)| mean))?;
    let std = choose("std", std, own.as_ref().map(|(_, std)| std))?;
    if let Some(channel) = std.iter().position(|&value| !(value > 0.0 && value.is_finite())) {
        return Err(DataError::Deviation { channel, value: std[channel], name: name() });
    }
    Ok(mean.iter().zip(&std).map(|(&mean, &std)| raw(dataset.white, mean, std)).collect())
}
