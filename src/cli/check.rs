//! `rnet check`: parse, elaborate, verify, and say in two lines what that comes to.

use super::{Failure, Outcome, model, print, summary};
use rnet_compiler::graph;

/// Check a model file: mistakes and warnings, else the totals of its layers
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let (layers, outcome) = arguments.model.warned(&[])?;
    let model = outcome?;
    graph::verify(&model.graph).map_err(Failure::new)?;
    let warnings = match model.warnings.len() {
        0 => "no warnings".to_string(),
        1 => "1 warning".to_string(),
        count => format!("{count} warnings"),
    };
    print(&format!("{}: correct, {warnings}\n{}\n", model.model, summary::totals(&layers)));
    Ok(())
}
