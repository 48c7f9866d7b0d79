//! Files of JSON objects, one a line, that a run adds to as it goes.

use crate::durable::{self, Step, WriteError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file, open at its end.
pub struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Opens a file, and creates it where it is missing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn append(path: &Path) -> Result<Lines, WriteError> {
        let file = durable::attempt(path, Step::Append, || File::options().create(true).append(true).open(path))?;
        Ok(Lines { path: path.to_path_buf(), file })
    }

    /// The same, and takes out what is not wanted any more, and lines that are not whole. Returns what is left.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn filtered<T: DeserializeOwned>(
        path: &Path,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Lines, Vec<T>), WriteError> {
        let mut records = Vec::new();
        if path.exists() {
            let text = durable::attempt(path, Step::Append, || fs::read_to_string(path))?;
            let mut kept = String::new();
            for line in text.lines() {
                let Some(record) = serde_json::from_str(line).ok().filter(|record| wanted(record)) else { continue };
                records.push(record);
                kept += line;
                kept.push('\n');
            }
            if kept != text {
                durable::write(path, kept.as_bytes())?;
            }
        }
        Ok((Lines::append(path)?, records))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&mut self, record: &impl Serialize) -> Result<(), WriteError> {
        let line = serde_json::to_string(record);
        let line = line.unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        self.add_bytes(format!("{line}\n").as_bytes())
    }

    /// Adds bytes as they are.
    ///
    /// # Errors
    /// When the system refuses, or the file is no longer there: what is written to a file that somebody removed is lost.
    pub fn add_bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        durable::attempt(&self.path, Step::Append, || {
            self.file.write_all(bytes)?;
            fs::metadata(&self.path).map(|_| ())
        })
    }
}

/// Why a file of lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("{}: cannot be read: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a file, in which somebody may be writing: a last line without an end is passed over.
///
/// # Errors
/// When the system refuses, or another line is not what it should be.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, ReadError> {
    let text = fs::read_to_string(path).map_err(|source| ReadError::System { path: path.to_path_buf(), source })?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(at, line)| {
        let wrong = |error: serde_json::Error| ReadError::Line {
            path: path.to_path_buf(),
            line: at + 1,
            reason: error.to_string(),
        };
        serde_json::from_str(line).map_err(wrong)
    };
    whole.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_being_written_is_passed_over_and_a_wrong_one_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.jsonl");
        fs::write(&path, "1\n2\n3").unwrap();
        assert_eq!(read::<u32>(&path).unwrap(), [1, 2]);
        fs::write(&path, "1\n{\n3\n").unwrap();
        let error = read::<u32>(&path).unwrap_err().to_string();
        assert!(error.contains("file.jsonl:2: "), "{error}");
        assert!(read::<u32>(&directory.path().join("none")).is_err());
        let (mut lines, left) = Lines::filtered(&path, |&number: &u32| number > 1).unwrap();
        lines.add(&7).unwrap();
        assert_eq!((left, read::<u32>(&path).unwrap()), (vec![3], vec![3, 7]));
    }
}
