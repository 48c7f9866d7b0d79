//! The command line: one file a verb. The only place that prints or exits.

mod bench;
mod check;
mod ckpt;
mod data;
mod diff;
mod divergence;
mod dry_run;
mod dump;
mod eval;
mod expand;
mod explain;
mod export;
mod fmt;
mod grad;
mod init;
mod journal;
mod judgement;
mod logbook;
mod lr;
mod lsp;
mod model;
mod overfit_batch;
mod plot;
mod predict;
mod profile;
mod report;
mod rescue;
mod run;
mod run_directory;
mod runs;
mod session;
mod summary;
mod train;
mod weights;

use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// The command line.
#[derive(Parser)]
#[command(name = "rnet", version, about = "Compile, train and inspect neural networks written as .rnet files", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  rnet train lang-examples/digits.rnet                 train a small residual network on the built-in digits
  rnet summary lang-examples/resnet20.rnet             shapes, parameters and multiply-adds, layer by layer
  rnet dump lang-examples/digits.rnet --after fuse     the training step as IR, after fusion
  rnet train lang-examples/resnet20.rnet --data data --epochs 3 --set train.optimizer.lr=0.05";

#[derive(Subcommand)]
enum Verb {
    Train(train::Arguments),
    Eval(eval::Arguments),
    Check(check::Arguments),
    Ckpt(ckpt::Arguments),
    Summary(summary::Arguments),
    Fmt(fmt::Arguments),
    Expand(expand::Arguments),
    Explain(explain::Arguments),
    Export(export::Arguments),
    Diff(diff::Arguments),
    Lsp(lsp::Arguments),
    Dump(dump::Arguments),
    Init(init::Arguments),
    Grad(grad::Arguments),
    Lr(lr::Arguments),
    Bench(bench::Arguments),
    Runs(runs::Arguments),
    Plot(plot::Arguments),
    Predict(predict::Arguments),
    Report(report::Arguments),
    Data(data::Arguments),
    Profile(profile::Arguments),
}

/// A mistake of the user's, in words for the user. Ends the program with exit code 2.
pub struct Failure(String);

impl Failure {
    /// A failure with that message; `error: ` is put before it unless it is a rendered diagnostic.
    pub fn new(message: impl Display) -> Self {
        Failure(format!("error: {message}"))
    }

    /// A failure whose text is already complete.
    pub fn rendered(text: String) -> Self {
        Failure(text)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.strip_prefix("error: ").unwrap_or(&self.0))
    }
}

/// What a verb comes to.
pub type Outcome = Result<(), Failure>;

/// Runs the verb that the command line names.
pub fn run() -> ExitCode {
    let done = |()| ExitCode::SUCCESS;
    let outcome = match Cli::parse().verb {
        Verb::Train(arguments) => train::run(&arguments),
        Verb::Eval(arguments) => eval::run(&arguments).map(done),
        Verb::Init(arguments) => init::run(&arguments).map(done),
        Verb::Grad(arguments) => grad::run(&arguments).map(done),
        Verb::Check(arguments) => check::run(&arguments).map(done),
        Verb::Ckpt(arguments) => ckpt::run(&arguments),
        Verb::Dump(arguments) => dump::run(&arguments).map(done),
        Verb::Lr(arguments) => lr::run(&arguments).map(done),
        Verb::Bench(arguments) => bench::run(&arguments).map(done),
        Verb::Runs(arguments) => runs::run(&arguments).map(done),
        Verb::Data(arguments) => data::run(&arguments).map(done),
        Verb::Plot(arguments) => plot::run(&arguments).map(done),
        Verb::Predict(arguments) => predict::run(&arguments).map(done),
        Verb::Report(arguments) => report::run(&arguments).map(done),
        Verb::Profile(arguments) => profile::run(&arguments).map(done),
        Verb::Summary(arguments) => summary::run(&arguments).map(done),
        Verb::Fmt(arguments) => fmt::run(&arguments).map(done),
        Verb::Expand(arguments) => expand::run(&arguments).map(done),
        Verb::Export(arguments) => export::run(&arguments).map(done),
        Verb::Explain(arguments) => explain::run(&arguments).map(done),
        Verb::Diff(arguments) => diff::run(&arguments).map(done),
        Verb::Lsp(arguments) => lsp::run(&arguments).map(done),
    };
    match outcome {
        Ok(code) => code,
        Err(Failure(message)) => {
            note(message.trim_end());
            ExitCode::from(2)
        }
    }
}

/// Prints to standard output. A reader that has gone away (`rnet dump F | head`) ends the program quietly.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            note(&format!("error: standard output: {error}"));
            std::process::exit(2)
        }
    }
}

/// Tells on standard output how a run goes. It goes on whether or not anybody hears it: a terminal that is closed and a full disk
/// under the log are no reason to lose work.
pub fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A line on standard error, whether or not anybody hears it.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `12345678` as `12,345,678`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
