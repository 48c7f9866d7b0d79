//! `metrics.jsonl`: what a run has measured, one JSON object a line; and `metrics.csv`, the same as a table.

use crate::durable::{self, WriteError};
use crate::lines::Lines;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What was measured on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Training images, augmented, while the weights move.
    Train,
    /// All test images.
    Test,
}

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What was measured on.
    pub split: Split,
    /// The epoch, from 1, that the newest step belongs to.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Mean over the images: of a `train` line over those since the line before.
    pub loss: f64,
    /// The share of images whose class was the most likely one, 0 to 1.
    pub top1: f64,
    /// Images a second, from wall-clock time.
    pub images_per_s: f64,
    /// The learning rate of the newest step.
    pub lr: f64,
    /// When it was written, in seconds since 1970; 0 where that is not known.
    #[serde(default)]
    pub time: f64,
    /// Of a `train` line, the share of the time of its steps that they waited for their images, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<f64>,
}

/// Loss and hits, added up over batches. Its bits depend on the batches alone.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Meter {
    /// Losses times images.
    pub loss: f64,
    /// Images whose class was the most likely one.
    pub correct: f64,
    /// Images.
    pub images: u64,
}

impl Meter {
    /// Adds a batch of which the mean loss is known.
    pub fn add(&mut self, loss: f32, correct: f32, images: usize) {
        self.loss += f64::from(loss) * images as f64;
        self.correct += f64::from(correct);
        self.images += images as u64;
    }

    /// The mean loss.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// The share of hits.
    pub fn top1(&self) -> f64 {
        self.correct / self.images.max(1) as f64
    }
}

/// Both files, open at their ends.
pub struct MetricsLog {
    lines: Lines,
    table: Lines,
}

impl MetricsLog {
    /// Opens the file of a run that has done `steps` steps, and the table beside it: lines of later steps, and one that was
    /// cut off, go. Creates what is missing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Path, steps: u64) -> Result<MetricsLog, WriteError> {
        let (lines, records) = Lines::filtered(path, |record: &Record| record.step <= steps)?;
        // The table holds nothing that the lines do not, so it is made from them, whatever became of it.
        let rows: String = records.iter().map(row).collect();
        let table = path.with_extension("csv");
        durable::write(&table, format!("{HEADING}{rows}").as_bytes())?;
        Ok(MetricsLog { lines, table: Lines::append(&table)? })
    }

    /// Adds a line to each.
    ///
    /// # Errors
    /// When the system refuses, or the file is no longer there: what is written to a file that somebody removed is lost.
    pub fn add(&mut self, record: &Record) -> Result<(), WriteError> {
        // The line, which counts, comes last: where the row cannot be written it is not there either.
        self.table.add_bytes(row(record).as_bytes())?;
        self.lines.add(record)
    }
}

/// The table's first row.
const HEADING: &str = "split,epoch,step,loss,top1,images_per_s,lr,time,waited\n";

/// A row of the table. No field needs quotes.
fn row(record: &Record) -> String {
    let Record { split, epoch, step, loss, top1, images_per_s, lr, time, waited } = record;
    let waited = waited.map_or_else(String::new, |waited| waited.to_string());
    let split = match split {
        Split::Train => "train",
        Split::Test => "test",
    };
    format!("{split},{epoch},{step},{loss},{top1},{images_per_s},{lr},{time},{waited}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn record(step: u64) -> Record {
        let (split, waited) = (Split::Train, (step > 1).then_some(0.125));
        Record { split, epoch: 1, step, loss: 2.5, top1: 0.25, images_per_s: 10.0, lr: 0.1, time: 0.5, waited }
    }

    #[test]
    fn a_resumed_log_forgets_what_comes_again_and_what_was_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(&path, 0).unwrap();
        (1..=4).for_each(|step| log.add(&record(step)).unwrap());
        drop(log);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        // Whatever the table has become, the lines say what belongs into it.
        let table = path.with_extension("csv");
        fs::write(&table, "split,epoch\ntra").unwrap();
        let mut log = MetricsLog::open(&path, 2).unwrap();
        log.add(&record(3)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let steps: Vec<u64> = text.lines().map(|line| serde_json::from_str::<Record>(line).unwrap().step).collect();
        assert_eq!(steps, [1, 2, 3]);
        assert!(text.starts_with(r#"{"split":"train","epoch":1,"step":1,"loss":2.5,"top1":0.25,"images_per_s":10.0"#));
        let row = |step: u64, waited: &str| format!("train,1,{step},2.5,0.25,10,0.1,0.5,{waited}\n");
        let rows = [row(1, ""), row(2, "0.125"), row(3, "0.125")].concat();
        assert_eq!(fs::read_to_string(&table).unwrap(), format!("{HEADING}{rows}"));
    }

    #[test]
    fn a_line_of_an_earlier_version_lacks_some_fields() {
        let line = r#"{"split":"test","epoch":1,"step":2,"loss":1.0,"top1":0.5,"images_per_s":3.0,"lr":0.1}"#;
        let Record { time, waited, .. } = serde_json::from_str(line).unwrap();
        assert_eq!((time, waited), (0.0, None));
    }

    #[test]
    fn a_line_that_would_be_lost_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(&path, 0).unwrap();
        log.add(&record(1)).unwrap();
        fs::remove_file(&path).unwrap();
        let told = log.add(&record(2)).unwrap_err().to_string();
        assert!(told.contains("metrics.jsonl: cannot be added to"), "{told}");
    }

    #[test]
    fn a_meter_weighs_batches_by_their_images() {
        let mut meter = Meter::default();
        meter.add(1.0, 2.0, 3);
        meter.add(5.0, 1.0, 1);
        assert_eq!((meter.mean_loss(), meter.top1(), meter.images), (2.0, 0.75, 4));
    }
}
