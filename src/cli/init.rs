//! `rnet init`: the weights that a run begins with.

use super::{Failure, Outcome, model};
use rnet_runtime::program::Init;
use rnet_runtime::state::State;
use rnet_runtime::{tensors, weights};
use std::path::PathBuf;

/// Write a model's initial weights, with PyTorch's names and layouts
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// The seed [default: the file's]
    #[arg(long)]
    seed: Option<u64>,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let model = arguments.model.elaborate(model::Mode::Eval, None)?;
    let program = model::program(&model, model::Mode::Eval)?;
    if let Some(spec) = program.states.iter().find(|spec| matches!(spec.init, Init::Whitening(_))) {
        return Err(Failure::new(format!(
            "`{}` starts as `whitening` of training images, which `rnet train` looks at\n  help: `--set` another start, or take \
             the weights of a run",
            spec.name
        )));
    }
    let state = State::new(&program.states, arguments.seed.unwrap_or(model.train.seed));
    tensors::write(&arguments.out, &weights::tensors(&state, weights::Extent::Weights)).map_err(Failure::new)
}
