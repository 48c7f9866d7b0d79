//! `rnet ckpt average`: one file of weights from several.

use super::super::{Failure, Outcome, print};
use rnet_runtime::average::{AverageError, average};
use rnet_runtime::tensors::{self, Tensors};
use rnet_runtime::weights;
use serde_json::json;
use std::path::PathBuf;

/// Write the mean of the weights of several checkpoints or files of weights
///
/// Sums are taken in double precision. What the optimizer remembers has no meaning in an average and is left out. The running statistics
/// of batch norm are averaged too, which is not the same as measuring them with the averaged weights.
#[derive(clap::Args)]
pub struct Arguments {
    /// The safetensors file to write
    out: PathBuf,
    /// The safetensors files to average
    #[arg(required = true, num_args = 2.., value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut files: Vec<Tensors> = Vec::new();
    for path in &arguments.inputs {
        let mut tensors = tensors::read(path).map_err(Failure::new)?;
        weights::remove_memory(&mut tensors);
        files.push(tensors);
    }
    let averaged = average(&files).map_err(|error| {
        let (AverageError::Missing { file, .. } | AverageError::Shape { file, .. } | AverageError::Whole { file, .. }) =
            &error;
        Failure::new(format!("{}: {error}", arguments.inputs[*file].display()))
    })?;
    tensors::write(&arguments.out, &averaged).map_err(Failure::new)?;
    let statistics = averaged.keys().filter(|name| weights::is_statistic(name)).count();
    let (out, tensors, files) = (&arguments.out, averaged.len(), files.len());
    if arguments.json {
        let object = json!({"out": out, "files": files, "tensors": tensors, "running_statistics": statistics});
        print(&format!("{object}\n"));
        return Ok(());
    }
    let note = match statistics {
        0 => String::new(),
        count => format!(
            "\n{count} of them are running statistics of batch norm: their mean stands in for those of the averaged weights"
        ),
    };
    print(&format!("{}: the mean of {files} files, {tensors} tensors{note}\n", out.display()));
    Ok(())
}
