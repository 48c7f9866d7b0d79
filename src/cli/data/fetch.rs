//! `rnet data fetch`: gets a known data set.

use crate::cli::{Failure, Outcome, print};
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};
use rnet_runtime::data::fetch::{KNOWN, Received};
use std::path::PathBuf;

/// Get a known data set, or say that it is there; a download that broke off goes on
#[derive(clap::Args)]
pub struct Arguments {
    /// The data set
    #[arg(value_parser = PossibleValuesParser::new(KNOWN.iter().map(|known| known.name)))]
    name: String,
    /// Where its files come from: the address of a mirror, or a directory that has them, still packed [default: their publisher]
    #[arg(long, value_name = "URL|DIR")]
    from: Option<String>,
    /// The directory of data sets, in which this one gets its own
    #[arg(long, value_name = "DIR", default_value = "data")]
    to: PathBuf,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let known = KNOWN.iter().find(|known| known.name == arguments.name).expect("no other name is taken");
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}");
    // It draws on standard error, and nothing where that is no terminal.
    let bar = ProgressBar::new(0).with_style(style.expect("the template is well formed"));
    let outcome = known.fetch(arguments.from.as_deref(), &arguments.to, &mut |received| {
        let Received { file, bytes, total } = received;
        bar.set_message(file);
        bar.set_length(total);
        bar.set_position(bytes);
    });
    bar.finish_and_clear();
    let fetched = outcome.map_err(Failure::new)?;
    let already = if fetched.was_there { " already" } else { "" };
    print(&format!("{} is in {}{already}\n", known.name, fetched.directory.display()));
    Ok(())
}
