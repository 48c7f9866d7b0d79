//! `rnet dump`: the text of any stage between the source and the machine code.

use super::{Failure, Outcome, model, print};
use std::path::PathBuf;

/// Print a model after any stage of the compiler
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::OptionalArguments,
    /// The stage after which to print (see --list)
    #[arg(long, default_value = "graph")]
    after: String,
    /// Print the training step, or the graph that evaluates
    #[arg(long, default_value = "train")]
    mode: model::Mode,
    /// Images a step [default: the file's]
    #[arg(long)]
    batch: Option<usize>,
    #[command(flatten)]
    precision: model::PrecisionArgument,
    /// List the stages
    #[arg(long)]
    list: bool,
    /// Write to this file instead of standard output
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let stages = model::stages();
    if arguments.list {
        let width = stages.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        print(&stages.iter().map(|(name, doc)| format!("{name:<width$}  {doc}\n")).collect::<String>());
        return Ok(());
    }
    if !stages.iter().any(|(name, _)| *name == arguments.after) {
        let names: Vec<&str> = stages.iter().map(|(name, _)| *name).collect();
        return Err(Failure::new(format!(
            "there is no stage called `{}`; the stages are {}",
            arguments.after,
            names.join(", ")
        )));
    }
    let file = arguments.model.required("rnet dump FILE --after STAGE")?;
    let text = model::stage(&file, arguments.mode, arguments.batch, arguments.precision.setting(), &arguments.after)?
        .ok_or_else(|| {
        Failure::new(format!("the stage `{}` is not part of a graph that evaluates", arguments.after))
    })?;
    match &arguments.out {
        None => print(&text),
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?
        }
    }
    Ok(())
}
