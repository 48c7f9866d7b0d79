//! `rnet ckpt ls`: the checkpoints of a run.

use super::super::{Failure, Outcome, print, thousands};
use rnet_runtime::checkpoint::{Listed, list};
use rnet_runtime::metrics::{Record, Split};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// List the checkpoints of a run: steps, what was measured there, sizes, and whether each is whole
///
/// Every file is read and held against its checksum.
#[derive(clap::Args)]
pub struct Arguments {
    /// The run directory
    run: PathBuf,
    /// Print JSON: an array with an object for each checkpoint
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    // A run that is under way can be looked at: nothing is locked.
    let directory = arguments.run.join("checkpoints");
    let checkpoints =
        list(&directory).map_err(|error| Failure::new(format!("{}: cannot be read: {error}", directory.display())))?;
    let records = records(&arguments.run.join("metrics.jsonl"))?;
    let rows: Vec<Row> = checkpoints.into_iter().map(|listed| Row::new(listed, &records)).collect();
    print(&match arguments.json {
        true => format!("{:#}\n", Value::Array(rows.iter().map(Row::json).collect())),
        false if rows.is_empty() => format!("{}: no checkpoint\n", directory.display()),
        false => std::iter::once(HEADING.to_string()).chain(rows.iter().map(Row::line)).collect(),
    });
    Ok(())
}

/// The lines of a run's metrics; none where there is no file.
fn records(path: &Path) -> Result<Vec<Record>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::new(format!("{}: cannot be read: {error}", path.display()))),
    };
    let parse = |(at, line)| {
        serde_json::from_str(line).map_err(|error| Failure::new(format!("{}:{}: {error}", path.display(), at + 1)))
    };
    text.lines().enumerate().map(parse).collect()
}

/// A checkpoint, and the newest lines of the metrics that it can know.
struct Row {
    listed: Listed,
    train: Option<Record>,
    test: Option<Record>,
}

const HEADING: &str = "        step  train loss   test loss  test accuracy           bytes  state\n";

impl Row {
    fn new(listed: Listed, records: &[Record]) -> Row {
        let newest = |split: Split, exactly: bool| {
            let fits = |record: &&Record| {
                record.split == split && if exactly { record.step == listed.step } else { record.step <= listed.step }
            };
            records.iter().rev().find(fits).cloned()
        };
        let (train, test) = (newest(Split::Train, false), newest(Split::Test, true));
        Row { listed, train, test }
    }

    fn line(&self) -> String {
        let number = |value: Option<f64>| value.map_or("-".to_string(), |value| format!("{value:.4}"));
        let Listed { step, bytes, is_best, damage } = &self.listed;
        let state = match damage {
            Some(damage) => format!("damaged: {damage}"),
            None if *is_best => "whole, the best".to_string(),
            None => "whole".to_string(),
        };
        let accuracy = self.test.as_ref().map_or("-".to_string(), |test| format!("{:.2}%", 100.0 * test.top1));
        format!(
            "{:>12}  {:>10}  {:>10}  {accuracy:>13}  {:>14}  {state}\n",
            thousands(*step),
            number(self.train.as_ref().map(|record| record.loss)),
            number(self.test.as_ref().map(|record| record.loss)),
            thousands(*bytes),
        )
    }

    fn json(&self) -> Value {
        let Listed { step, bytes, is_best, damage } = &self.listed;
        json!({
            "step": step, "bytes": bytes, "best": is_best, "whole": damage.is_none(), "damage": damage,
            "train_loss": self.train.as_ref().map(|record| record.loss),
            "test_loss": self.test.as_ref().map(|record| record.loss),
            "test_top1": self.test.as_ref().map(|record| record.top1),
        })
    }
}
