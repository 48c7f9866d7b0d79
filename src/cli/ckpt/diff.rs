//! `rnet ckpt diff`: what differs between two files of tensors.

use super::super::{Failure, print};
use rnet_runtime::difference::{Difference, differences};
use rnet_runtime::tensors::{self, Tensor, Tensors};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Tell which tensors of two files differ, and by how much; the exit code is 1 where any does
///
/// Elements are compared by their bits. The relative difference of two elements is `|a - b| / max(|a|, |b|)`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The first safetensors file
    first: PathBuf,
    /// The second safetensors file
    second: PathBuf,
    /// Print JSON: an object with the tensors that differ
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let first = tensors::read(&arguments.first).map_err(Failure::new)?;
    let second = tensors::read(&arguments.second).map_err(Failure::new)?;
    let all = differences(&first, &second);
    let (total, equal) = (all.len(), all.iter().filter(|(_, difference)| difference.is_none()).count());
    let found: Vec<(&str, Difference)> =
        all.into_iter().filter_map(|(name, difference)| Some((name, difference?))).collect();
    print(&match arguments.json {
        true => {
            let rows: Vec<Value> = found.iter().map(|(name, how)| object(name, how, &first, &second)).collect();
            format!("{:#}\n", json!({"tensors": total, "equal": equal, "different": rows}))
        }
        false if found.is_empty() => format!("all {total} tensors are equal to the bit\n"),
        false => format!("{}{} of {total} tensors differ\n", table(&found, &first, &second), found.len()),
    });
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}

fn extents(tensor: &Tensor) -> String {
    format!("{:?}", tensor.dims)
}

/// A row a tensor, below a heading.
fn table(found: &[(&str, Difference)], first: &Tensors, second: &Tensors) -> String {
    let rows: Vec<[String; 3]> = found
        .iter()
        .map(|(name, difference)| {
            let tensor = first.get(*name).or(second.get(*name)).expect("it is in one of them");
            let how = match difference {
                Difference::OnlyInFirst => "in the first file alone".to_string(),
                Difference::OnlyInSecond => "in the second file alone".to_string(),
                Difference::Extents => format!("has extents {} in the second file", extents(&second[*name])),
                Difference::Kind => "real numbers in one file, whole ones in the other".to_string(),
                Difference::Elements { count, absolute, relative } => {
                    format!("{count:>12}  {absolute:>12.3e}  {relative:>12.3e}")
                }
            };
            [name.to_string(), extents(tensor), how]
        })
        .collect();
    let width = |column: usize, heading: &str| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(heading.len())
    };
    let (name, shape) = (width(0, "tensor"), width(1, "extents"));
    let heading = format!("{:>12}  {:>12}  {:>12}", "elements", "absolute", "relative");
    let heading = ["tensor".to_string(), "extents".to_string(), heading];
    std::iter::once(&heading).chain(&rows).map(|[a, b, c]| format!("{a:<name$}  {b:<shape$}  {c}\n")).collect()
}

fn object(name: &str, difference: &Difference, first: &Tensors, second: &Tensors) -> Value {
    let dims = |file: &Tensors| file.get(name).map(|tensor| tensor.dims.clone());
    // JSON has no infinity and no NaN; they become null.
    let (count, absolute, relative) = match difference {
        Difference::Elements { count, absolute, relative } => (Some(count), Some(absolute), Some(relative)),
        _ => (None, None, None),
    };
    json!({
        "tensor": name, "first": dims(first), "second": dims(second),
        "elements": count, "absolute": absolute, "relative": relative,
    })
}
