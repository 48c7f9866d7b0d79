//! `rnet check`: parse, elaborate, verify, and say what the model is made of.

use super::{Failure, Outcome, model, print, summary};
use rnet_compiler::graph;

/// Check a model file and print its layers: shapes, parameters, multiply-adds
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let (_, outcome) = arguments.model.warned(&[])?;
    let model = outcome?;
    graph::verify(&model.graph).map_err(Failure::new)?;
    print(&summary::table(&model.layers));
    print(&format!("\n{}: {}\n", model.model, summary::totals(&model.layers)));
    Ok(())
}
