//! `rnet ckpt convert`: the tensors of a file under other names.

use super::super::weights::{Renamed, Renaming};
use super::super::{Failure, Outcome, print};
use rnet_runtime::{tensors, weights};
use std::path::PathBuf;

/// Write a file's tensors under other names, for another program or for another model
///
/// Both files are safetensors. Layouts are PyTorch's and stay so; real numbers are written as F32, whole ones as I64.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to read
    input: PathBuf,
    /// The file to write
    output: PathBuf,
    #[command(flatten)]
    renaming: Renaming,
    /// Leave out what the optimizer remembers, so that weights alone are left of a checkpoint
    #[arg(long)]
    only_weights: bool,
    /// Put a `num_batches_tracked` of 0 beside each running mean, as PyTorch's batch norm has it and `load_state_dict` wants it
    #[arg(long)]
    batches_tracked: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let Renamed { mut tensors, rules } = arguments.renaming.read(&arguments.input)?;
    let mut text: String = rules.iter().map(|(rule, count)| format!("--rename '{rule}': {count} names\n")).collect();
    if arguments.only_weights {
        let removed = weights::remove_memory(&mut tensors);
        text += &format!("--only-weights: {removed} tensors left out\n");
    }
    if arguments.batches_tracked {
        let added = weights::add_counters(&mut tensors);
        text += &format!("--batches-tracked: {added} tensors added\n");
    }
    tensors::write(&arguments.output, &tensors).map_err(Failure::new)?;
    print(&format!("{text}{} tensors are in {}\n", tensors.len(), arguments.output.display()));
    Ok(())
}
