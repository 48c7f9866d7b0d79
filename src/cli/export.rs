//! `rnet export`: the inference graph for other runtimes.

use super::weights::Renaming;
use super::{Failure, Outcome, model, print, thousands};
use rnet_compiler::onnx;
use rnet_runtime::state::State;
use rnet_runtime::{durable, weights};
use std::path::PathBuf;

/// Write the inference graph as an ONNX file
///
/// Its input is `image`, N x channels x height x width, as the data section's pipeline leaves it; its result is `logits`, N x classes.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// The ONNX file to write
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
    /// The weights, as `train` and `init` write them [default: those that training would begin with]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    renaming: Renaming,
    /// Keep every batch norm a node of its own; else it goes into the convolution in front of it
    #[arg(long)]
    no_fold: bool,
    /// Images a run: a number, or `dynamic` for any
    #[arg(long, value_name = "N|dynamic", default_value = "dynamic", value_parser = images)]
    batch: Images,
}

/// How many images a run of the graph takes.
#[derive(Clone, Copy)]
enum Images {
    Any,
    Fixed(usize),
}

fn images(text: &str) -> Result<Images, String> {
    match text.parse() {
        _ if text == "dynamic" => Ok(Images::Any),
        Ok(number @ 1..) => Ok(Images::Fixed(number)),
        _ => Err("should be a whole number above 0, or `dynamic`".to_string()),
    }
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let (batch, extent) = match arguments.batch {
        Images::Any => (1, "N".to_string()),
        Images::Fixed(images) => (images, images.to_string()),
    };
    let model = arguments.model.elaborate(model::Mode::Eval, Some(batch))?;
    let program = model::program(&model, model::Mode::Eval)?;
    let mut state = State::new(&program.states, model.train.seed);
    match &arguments.weights {
        Some(path) => arguments.renaming.load(&mut state, path)?,
        None => arguments.renaming.refuse("--weights")?,
    }
    let tensors = weights::tensors(&state, weights::Extent::Weights);
    let dynamic = matches!(arguments.batch, Images::Any);
    let options = onnx::Options { name: model.model.clone(), fold: !arguments.no_fold, dynamic };
    let exported = onnx::export(&model.graph, &tensors, &options).map_err(Failure::new)?;
    durable::write(&arguments.onnx, &exported.bytes).map_err(Failure::new)?;
    let of = if arguments.weights.is_some() { "" } else { ", with initial weights" };
    print(&format!(
        "{}: {} operators for batches of {extent}{of}, {} bytes\n",
        arguments.onnx.display(),
        exported.nodes,
        thousands(exported.bytes.len() as u64),
    ));
    Ok(())
}
