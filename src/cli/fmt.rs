//! `rnet fmt`: the one layout of .rnet files.

use super::{Failure, Outcome, model};
use std::path::PathBuf;

/// Lay .rnet files out: spaces, indentation, alignment; lines and comments stay where they are
#[derive(clap::Args)]
pub struct Arguments {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Change nothing; fail where a file is not laid out
    #[arg(long)]
    check: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut untidy = Vec::new();
    for file in &arguments.files {
        let (text, tidied) = model::tidied(file)?;
        if text == tidied {
            continue;
        }
        if arguments.check {
            untidy.push(file.display().to_string());
        } else {
            std::fs::write(file, tidied).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        }
    }
    match untidy.len() {
        0 => Ok(()),
        _ => Err(Failure::new(format!("not laid out as `rnet fmt` would: {}", untidy.join(", ")))),
    }
}
