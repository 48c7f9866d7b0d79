//! `rnet ckpt`: looking into checkpoints and files of weights, and making new ones of them.

mod average;
mod convert;
mod diff;
mod ls;

use super::Failure;
use clap::Subcommand;
use std::process::ExitCode;

/// List a run's checkpoints; compare, average and convert files of weights
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Ls(ls::Arguments),
    Diff(diff::Arguments),
    Average(average::Arguments),
    Convert(convert::Arguments),
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let done = |()| ExitCode::SUCCESS;
    match &arguments.verb {
        Verb::Ls(arguments) => ls::run(arguments).map(done),
        Verb::Diff(arguments) => diff::run(arguments),
        Verb::Average(arguments) => average::run(arguments).map(done),
        Verb::Convert(arguments) => convert::run(arguments).map(done),
    }
}
