//! When and on what machine the run was trained.

use super::{duration, escape, thousands};
use crate::cli::logbook::{Ending, Entry};
use crate::cli::run::Run;
use std::time::{Duration, UNIX_EPOCH};

/// What the table shows.
pub const NOTE: &str = "Each time that the run was worked on. The seed alone determines the weights: neither threads nor interruptions do.";

/// A moment, in universal time.
fn moment(time: f64) -> String {
    let text =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs_f64(time.clamp(0.0, 1e11))).to_string();
    text.replace('T', " ").replace('Z', " UTC")
}

/// A row for each session.
pub fn table(run: &Run) -> String {
    let mut rows = String::new();
    for (at, entry) in run.entries.iter().enumerate() {
        let Entry::Began(session) = entry else { continue };
        let end = match run.entries.get(at + 1) {
            Some(Entry::Ended(ended)) => {
                let word = match ended.outcome {
                    Ending::Finished => "finished",
                    Ending::Stopped => "stopped",
                    Ending::Failed => "failed",
                };
                format!("{word} at step {} after {}", thousands(ended.step), duration(ended.time - session.time))
            }
            Some(Entry::Began(_)) => "killed".to_string(),
            None => run.standing.word().to_string(),
        };
        let threads =
            if session.threads == 1 { "1 thread".to_string() } else { format!("{} threads", session.threads) };
        rows += &format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}, {threads}, {}</td><td>{}</td><td>{}</td></tr>\n",
            moment(session.time),
            thousands(session.step),
            escape(&end),
            escape(&session.cpu),
            escape(&session.kernel),
            escape(&session.system),
            escape(&session.version),
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<div class=\"scroll\">\n<table class=\"sessions\">\n<thead><tr><th>began</th><th>from step</th><th>end</th><th>machine</th>\
         <th>system</th><th>rnet</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_universal_time() {
        assert_eq!(moment(1_000_000_000.7), "2001-09-09 01:46:40 UTC");
        assert_eq!(moment(-1.0), "1970-01-01 00:00:00 UTC");
    }
}
