//! `rnet expand`: a file with everything resolved.

use super::{Outcome, model, print};

/// Print the file with imports, settings and defaults written out; it compiles to the same graph
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let model = arguments.model.elaborate(model::Mode::Train, None)?;
    print(&model.resolved);
    Ok(())
}
