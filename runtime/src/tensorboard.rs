//! TensorBoard's event files: a run's metrics as its scalars.
//!
//! A file is a sequence of records: length (u64), masked CRC-32C of the length, a message `Event` of
//! tensorflow/core/util/event.proto, masked CRC-32C of the message; all numbers little-endian
//! (tensorflow/core/lib/io/record_writer.h).

use crate::durable::{self, Step, WriteError};
use crate::metrics::{Record, Split};
use prost::Message;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the first event of every file says of its format.
const FILE_VERSION: &str = "brain.Event:2";

/// `SessionLog.START`: what came before, of this step and later ones, no longer holds.
const START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// In a oneof of the original: a zero has to be written too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// An event file, open at its end.
pub struct EventLog {
    path: PathBuf,
    file: File,
}

impl EventLog {
    /// Begins a new file in a directory, which is made where it is missing, for a run that has done `steps` steps. Events of
    /// later steps in files that are there already are superseded: TensorBoard forgets them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(directory: &Path, steps: u64) -> Result<EventLog, WriteError> {
        durable::make_directory(directory)?;
        // Files are read in the order of their names.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("events.out.tfevents.{:010}.{:09}.rnet", now.as_secs(), now.subsec_nanos());
        let path = directory.join(name);
        let file = durable::attempt(&path, Step::Create, || File::options().create_new(true).append(true).open(&path))?;
        let mut log = EventLog { path, file };
        let wall_time = now.as_secs_f64();
        log.write(wall_time, 0, What::FileVersion(FILE_VERSION.to_string()))?;
        if steps > 0 {
            log.write(wall_time, steps + 1, What::SessionLog(SessionLog { status: START }))?;
        }
        Ok(log)
    }

    /// Adds a line of the metrics; what training and test have in common shares its part before the slash, so that TensorBoard
    /// shows it in one place.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&mut self, record: &Record) -> Result<(), WriteError> {
        let split = match record.split {
            Split::Train => "train",
            Split::Test => "test",
        };
        let measured = [("loss", record.loss), ("accuracy", record.top1), ("images_per_s", record.images_per_s)];
        let mut scalars: Vec<(String, f64)> =
            measured.iter().map(|&(name, value)| (format!("{name}/{split}"), value)).collect();
        if record.split == Split::Train {
            scalars.push(("lr".to_string(), record.lr));
            scalars.extend(record.waited.map(|waited| ("waited".to_string(), waited)));
        }
        self.scalars(record.step, record.time, scalars)
    }

    /// Adds numbers by their tags; `time` is in seconds since 1970.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn scalars(
        &mut self,
        step: u64,
        time: f64,
        scalars: impl IntoIterator<Item = (String, f64)>,
    ) -> Result<(), WriteError> {
        let value = scalars.into_iter().map(|(tag, value)| Value { tag, simple_value: Some(value as f32) });
        self.write(time, step, What::Summary(Summary { value: value.collect() }))
    }

    fn write(&mut self, wall_time: f64, step: u64, what: What) -> Result<(), WriteError> {
        let event = Event { wall_time, step: step as i64, what: Some(what) };
        let record = framed(&event.encode_to_vec());
        durable::attempt(&self.path, Step::Append, || self.file.write_all(&record))
    }
}

/// The checksum of a record: rotated and shifted, so that one of data that holds checksums is not weak.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// A message as a record.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), message, &masked(message)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    /// The events of a file, checksums verified, up to a record that is cut off.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        let (mut rest, mut events) = (&bytes[..], Vec::new());
        while rest.len() >= 12 {
            let (head, tail) = rest.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
            assert_eq!(masked(&head[..8]), head[8..]);
            let Some(message) = tail.get(..length).filter(|_| tail.len() >= length + 4) else { break };
            assert_eq!(masked(message), tail[length..length + 4]);
            events.push(Event::decode(message).unwrap());
            rest = &tail[length + 4..];
        }
        events
    }

    /// What TensorBoard makes of a directory: for each tag the value of each step.
    fn scalars(directory: &Path) -> BTreeMap<String, Vec<(i64, f32)>> {
        let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let mut scalars: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
        for event in paths.iter().flat_map(|path| read(path)) {
            match event.what.expect("every event says something") {
                What::FileVersion(version) => assert_eq!(version, FILE_VERSION),
                What::SessionLog(SessionLog { status }) => {
                    assert_eq!(status, START);
                    scalars.values_mut().for_each(|values| values.retain(|&(step, _)| step < event.step));
                }
                What::Summary(Summary { value }) => {
                    for Value { tag, simple_value } in value {
                        scalars.entry(tag).or_default().push((event.step, simple_value.expect("a scalar")));
                    }
                }
            }
        }
        scalars
    }

    fn record(split: Split, step: u64, loss: f64) -> Record {
        let waited = Some(0.25);
        Record { split, epoch: 1, step, loss, top1: 0.0, images_per_s: 10.0, lr: 0.5, time: step as f64, waited }
    }

    /// The examples of RFC 3720, B.4, and a record as TensorFlow's own writer gives it.
    #[test]
    fn records_are_those_of_tensorflow() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
        let event = Event { wall_time: 0.0, step: 0, what: Some(What::FileVersion(FILE_VERSION.to_string())) };
        let message = event.encode_to_vec();
        assert_eq!(message, b"\x1a\x0dbrain.Event:2");
        let framed = framed(&message);
        assert_eq!(framed.len(), 8 + 4 + 15 + 4);
        assert_eq!(framed[..8], [15, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn scalars_read_back_and_zeros_are_among_them() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("run/tensorboard");
        let mut log = EventLog::create(&folder, 0).unwrap();
        log.add(&record(Split::Train, 5, 2.5)).unwrap();
        log.add(&record(Split::Test, 5, 1.5)).unwrap();
        let found = scalars(&folder);
        let tags: Vec<&str> = found.keys().map(String::as_str).collect();
        let both = ["accuracy/test", "accuracy/train", "images_per_s/test", "images_per_s/train"];
        assert_eq!(tags, [&both[..], &["loss/test", "loss/train", "lr", "waited"]].concat());
        assert_eq!((&found["loss/test"], &found["accuracy/train"]), (&vec![(5, 1.5)], &vec![(5, 0.0)]));
    }

    /// A run that was killed has events of steps that come again, and a record that is cut off.
    #[test]
    fn a_resumed_run_supersedes_the_steps_that_come_again() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = EventLog::create(directory.path(), 0).unwrap();
        (1..=6).for_each(|step| log.add(&record(Split::Train, step, 1.0)).unwrap());
        let bytes = fs::read(&log.path).unwrap();
        fs::write(&log.path, &bytes[..bytes.len() - 3]).unwrap();
        let mut log = EventLog::create(directory.path(), 3).unwrap();
        (4..=5).for_each(|step| log.add(&record(Split::Train, step, 2.0)).unwrap());
        let expected = vec![(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0)];
        assert_eq!(scalars(directory.path())["loss/train"], expected);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
