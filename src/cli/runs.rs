//! `rnet runs`: what runs there are, and how they stand.

use super::run::{Run, Standing, duration};
use super::{Failure, Outcome, logbook, print, thousands};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// List the runs in a directory: network, progress, accuracy, time
#[derive(clap::Args)]
pub struct Arguments {
    /// The directory whose subdirectories are runs, or one run
    #[arg(value_name = "DIR", default_value = "runs")]
    directory: PathBuf,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut runs = found(&arguments.directory)?.iter().map(|path| Run::read(path)).collect::<Result<Vec<_>, _>>()?;
    // The newest comes last, next to where people look.
    let key = |run: &Run| run.last_sign().unwrap_or(0.0);
    runs.sort_by(|a, b| key(a).total_cmp(&key(b)).then_with(|| a.name.cmp(&b.name)));
    if arguments.json {
        let runs: Vec<_> = runs.iter().map(to_json).collect();
        print(&format!("{:#}\n", serde_json::Value::from(runs)));
    } else if runs.is_empty() {
        print(&format!("{}: there is no run in it\n", arguments.directory.display()));
    } else {
        print(&table(&runs));
    }
    Ok(())
}

/// The directories of runs: the one that is named, or those in it.
fn found(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    if Run::is_at(directory) {
        return Ok(vec![directory.to_path_buf()]);
    }
    let failed = |error| {
        let help = "runs are in `runs` unless `rnet train --out` says otherwise; `rnet runs DIR` looks elsewhere";
        Failure::new(format!("{}: cannot be read: {error}\n  help: {help}", directory.display()))
    };
    let mut runs = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if Run::is_at(&path) {
            runs.push(path);
        }
    }
    Ok(runs)
}

fn to_json(run: &Run) -> serde_json::Value {
    let test = |record: Option<&rnet_runtime::metrics::Record>| {
        record.map(|record| json!({"step": record.step, "loss": record.loss, "top1": record.top1}))
    };
    json!({
        "name": run.name,
        "path": run.path,
        "network": run.session().map(|session| &session.network),
        "parameters": run.session().map(|session| session.parameters),
        "data": run.session().map(|session| &session.data),
        "state": run.standing.word(),
        "reason": run.reason(),
        "step": run.step(),
        "steps": run.session().map(|session| session.steps),
        "best": test(run.best_test()),
        "last": test(run.last_test()),
        "seconds": run.session().map(|_| run.seconds()),
        "last_sign": run.last_sign(),
    })
}

/// One row a run, below a heading.
fn table(runs: &[Run]) -> String {
    const HEADING: [&str; 9] = ["run", "network", "parameters", "state", "step", "best", "last", "time", "age"];
    let rows: Vec<[String; 9]> = runs.iter().map(row).collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0).max(HEADING[column].len())
    };
    let line = |cells: [&str; 9]| {
        let padded = cells.iter().enumerate().map(|(column, cell)| match column {
            0 | 1 | 3 => format!("{cell:<width$}", width = width(column)),
            _ => format!("{cell:>width$}", width = width(column)),
        });
        let text: Vec<String> = padded.collect();
        format!("{}\n", text.join("  ").trim_end())
    };
    let mut text = line(HEADING);
    rows.iter().for_each(|row| text += &line(row.each_ref().map(String::as_str)));
    text
}

fn row(run: &Run) -> [String; 9] {
    let unknown = || "-".to_string();
    let accuracy = |record: Option<&rnet_runtime::metrics::Record>| {
        record.map_or_else(unknown, |record| format!("{:.2}%", 100.0 * record.top1))
    };
    let session = run.session();
    let step = match session {
        Some(session) => format!("{}/{}", thousands(run.step()), thousands(session.steps)),
        None => thousands(run.step()),
    };
    let age = match (run.standing, run.last_sign()) {
        (Standing::Running, _) => "now".to_string(),
        (_, Some(time)) => duration(logbook::now() - time),
        (_, None) => unknown(),
    };
    [
        run.name.clone(),
        session.map_or_else(unknown, |session| session.network.clone()),
        session.map_or_else(unknown, |session| thousands(session.parameters)),
        run.standing.word().to_string(),
        step,
        accuracy(run.best_test()),
        accuracy(run.last_test()),
        session.map_or_else(unknown, |_| duration(run.seconds())),
        age,
    ]
}
