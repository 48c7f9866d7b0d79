//! rnet: an autodiff compiler for neural networks. Models are written in `.rnet` files, compiled to native code, and trained
//! from the command line.

mod chart;
mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
