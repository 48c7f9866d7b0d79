//! `rnet explain`: what a code of the diagnostics means, with an example and its remedy.

use super::{Failure, Outcome, print};
use rnet_compiler::diagnostic::{nearest, pages};

/// Explain a code of an error or warning, such as E201
#[derive(clap::Args)]
pub struct Arguments {
    /// The code; without one all are listed
    code: Option<String>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let Some(asked) = &arguments.code else {
        let title = |text: &str| text.lines().next().unwrap_or_default().trim_start_matches("# ").to_string();
        print(&pages::PAGES.iter().map(|(_, text)| format!("{}\n", title(text))).collect::<String>());
        return Ok(());
    };
    let code = asked.to_uppercase();
    match pages::PAGES.iter().find(|(known, _)| *known == code) {
        Some((_, text)) => {
            print(text);
            Ok(())
        }
        None => {
            let hint = match nearest(&code, pages::PAGES.iter().map(|(known, _)| *known)) {
                Some(known) => format!("; did you mean {known}?"),
                None => String::new(),
            };
            Err(Failure::new(format!("there is no code `{asked}`{hint} (`rnet explain` lists all)")))
        }
    }
}
