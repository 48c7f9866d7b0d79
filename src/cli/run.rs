//! A run as its directory tells of it, for the verbs that look at runs.

use super::Failure;
use super::logbook::{self, Ending, Entry, Session};
use super::run_directory::RunDirectory;
use rnet_runtime::lines;
use rnet_runtime::metrics::{Record, Split};
use rnet_runtime::stopping::Metric;
use std::path::{Path, PathBuf};

/// How a run stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A process is training it.
    Running,
    /// It has come to its end.
    Finished,
    /// It was stopped or killed, and can go on.
    Interrupted,
    /// It could not go on.
    Failed,
}

impl Standing {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Running => "running",
            Standing::Finished => "finished",
            Standing::Interrupted => "interrupted",
            Standing::Failed => "failed",
        }
    }
}

/// What a run directory holds of its history.
pub struct Run {
    /// The directory.
    pub path: PathBuf,
    /// Its last part, for people.
    pub name: String,
    /// Lines of the metrics, in order.
    pub records: Vec<Record>,
    /// Sessions and their endings, in order. Empty where an early version made the run.
    pub entries: Vec<Entry>,
    /// How it stands.
    pub standing: Standing,
}

impl Run {
    /// Whether a directory is one of a run.
    pub fn is_at(path: &Path) -> bool {
        path.join("run.json").is_file()
    }

    /// Reads what there is.
    pub fn read(path: &Path) -> Result<Run, Failure> {
        if !path.is_dir() {
            let words = if path.exists() { "is a file, not a run directory" } else { "there is no such directory" };
            return Err(Failure::new(format!("{}: {words}", path.display())));
        }
        let metrics = path.join("metrics.jsonl");
        if !Run::is_at(path) && !metrics.is_file() {
            return Err(Failure::new(format!(
                "{}: no run is in it: there are neither run.json nor metrics.jsonl",
                path.display()
            )));
        }
        let records = read(&metrics)?;
        let entries = read(&logbook::path(path))?;
        let standing = match entries.last() {
            Some(Entry::Ended(ended)) => match ended.outcome {
                Ending::Finished => Standing::Finished,
                Ending::Stopped => Standing::Interrupted,
                Ending::Failed => Standing::Failed,
            },
            _ if RunDirectory::is_locked(path) => Standing::Running,
            Some(Entry::Began(_)) => Standing::Interrupted,
            // Of a run without a logbook the weights tell that it has ended.
            None if path.join("weights.safetensors").is_file() => Standing::Finished,
            None => Standing::Interrupted,
        };
        // A path such as `.` has no name of its own.
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let name = whole.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Run { path: path.to_path_buf(), name, records, entries, standing })
    }

    /// The newest session.
    pub fn session(&self) -> Option<&Session> {
        self.sessions().last()
    }

    /// All sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Began(session) => Some(session),
            Entry::Ended(_) => None,
        })
    }

    /// The lines about one half of the data.
    pub fn of(&self, split: Split) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.iter().filter(move |record| record.split == split)
    }

    /// The newest test.
    pub fn last_test(&self) -> Option<&Record> {
        self.of(Split::Test).next_back()
    }

    /// What the best test is the best by.
    pub fn metric(&self) -> Metric {
        self.session().map_or(Metric::default(), |session| session.metric)
    }

    /// The best test, whose checkpoint is kept; of equal ones the first.
    pub fn best_test(&self) -> Option<&Record> {
        let metric = self.metric();
        let value = |record: &Record| metric.of(record.top1, record.loss);
        let better = |best, record| if metric.is_better(value(record), value(best), 0.0) { record } else { best };
        self.of(Split::Test).reduce(better)
    }

    /// Why it could not go on, where it could not.
    pub fn reason(&self) -> Option<&str> {
        match self.entries.last()? {
            Entry::Ended(ended) => ended.reason.as_deref(),
            Entry::Began(_) => None,
        }
    }

    /// Steps that are known to be done.
    pub fn step(&self) -> u64 {
        let ended = self.entries.iter().filter_map(|entry| match entry {
            Entry::Ended(ended) => Some(ended.step),
            Entry::Began(_) => None,
        });
        ended.chain(self.records.iter().map(|record| record.step)).max().unwrap_or(0)
    }

    /// When it last gave a sign of life, in seconds since 1970.
    pub fn last_sign(&self) -> Option<f64> {
        let entries = self.entries.iter().map(|entry| match entry {
            Entry::Began(session) => session.time,
            Entry::Ended(ended) => ended.time,
        });
        entries.chain(self.records.iter().map(|record| record.time)).filter(|&time| time > 0.0).reduce(f64::max)
    }

    /// Seconds that were spent on it: from the beginning of each session to its end, to its last line of the metrics where it was
    /// killed, and to now where it runs.
    pub fn seconds(&self) -> f64 {
        let mut seconds = 0.0;
        for (at, entry) in self.entries.iter().enumerate() {
            let Entry::Began(session) = entry else { continue };
            let next = self.entries.get(at + 1);
            let end = match next {
                Some(Entry::Ended(ended)) => ended.time,
                None if self.standing == Standing::Running => logbook::now(),
                _ => {
                    let before = |time: f64| match next {
                        Some(Entry::Began(next)) => time < next.time,
                        _ => true,
                    };
                    let times = self.records.iter().map(|record| record.time).filter(|&time| before(time));
                    times.fold(session.time, f64::max)
                }
            };
            seconds += (end - session.time).max(0.0);
        }
        seconds
    }
}

/// The lines of a file; none where it is not there.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    match path.exists() {
        true => lines::read(path).map_err(Failure::new),
        false => Ok(Vec::new()),
    }
}

/// A length of time for people: `47 s`, `12 min`, `3 h 20 min`, `5 d 2 h`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    match seconds.round() as u64 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_at_a_glance() {
        let cases = [
            (0.31, "0.3 s"),
            (9.96, "10 s"),
            (119.4, "119 s"),
            (3599.0, "59 min"),
            (12_000.0, "3 h 20 min"),
            (439_300.0, "5 d 2 h"),
        ];
        for (seconds, words) in cases {
            assert_eq!(duration(seconds), words, "{seconds}");
        }
    }
}
