//! `rnet diff`: what differs between two model files, by meaning.

use super::{Outcome, model, print, summary};
use rnet_compiler::elaborate::difference::difference;
use std::path::PathBuf;

/// Tell what differs between two networks and their training, by meaning: - removed, + added, ~ changed, = renamed
#[derive(clap::Args)]
pub struct Arguments {
    /// The first model file
    first: PathBuf,
    /// The second model file
    second: PathBuf,
}

/// Images a step for the comparison, so that another batch size is one difference and not one for each layer.
const BATCH: usize = 2;

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let elaborate = |file: &PathBuf| model::Arguments::of(file).elaborate(model::Mode::Train, Some(BATCH));
    let (first, second) = (elaborate(&arguments.first)?, elaborate(&arguments.second)?);
    let found = difference(&first, &second);
    let mut text: String = found.iter().map(|difference| format!("{difference}\n")).collect();
    if found.is_empty() {
        text = "no difference\n".to_string();
    } else if summary::totals(&first.layers) != summary::totals(&second.layers) {
        text += &format!("\n- {}\n+ {}\n", summary::totals(&first.layers), summary::totals(&second.layers));
    }
    print(&text);
    Ok(())
}
