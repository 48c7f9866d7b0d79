//! Why a data set could not be fetched.

use crate::durable::WriteError;
use std::io;
use std::path::PathBuf;

/// Why a data set could not be fetched. Nothing that is not whole has its name.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A server cannot be reached.
    #[error(
        "{url}: cannot be reached: {reason}\n  help: is there a network? A mirror's address goes after `--from`\n  {by_hand}"
    )]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
        /// How to go on without it.
        by_hand: String,
    },
    /// A connection ended before the file did.
    #[error(
        "{url}: the connection broke off after {bytes} of {total} bytes: {reason}\n  help: say the same again: it goes on from there"
    )]
    Broken {
        /// The address.
        url: String,
        /// Bytes that are there.
        bytes: u64,
        /// All of the file's.
        total: u64,
        /// What went wrong.
        reason: String,
    },
    /// A server does not give the file.
    #[error(
        "{url}: expected the file, the server answers {status}\n  help: a mirror's address goes after `--from`\n  {by_hand}"
    )]
    Status {
        /// The address.
        url: String,
        /// Its answer.
        status: String,
        /// How to go on without it.
        by_hand: String,
    },
    /// A server gives a file of another length.
    #[error(
        "{url}: expected a file of {expected} bytes, found {found}\n  help: that is another file than was published; a mirror's address goes after `--from`"
    )]
    Length {
        /// The address.
        url: String,
        /// Bytes of the published file.
        expected: u64,
        /// What the server says or sends.
        found: String,
    },
    /// A file is another than was published.
    #[error(
        "{origin}: expected the SHA-256 {expected}, found {found}\n  help: it is damaged or another file than was published; {outcome}"
    )]
    Checksum {
        /// Where it came from.
        origin: String,
        /// As published.
        expected: &'static str,
        /// As it is.
        found: String,
        /// What becomes of it.
        outcome: &'static str,
    },
    /// Files are to come from something that is neither address nor directory.
    #[error("--from {from}: expected a directory, or an address that begins with http:// or https://")]
    Origin {
        /// What was said.
        from: String,
    },
    /// The directory that files are to come from lacks one.
    #[error("{}: is not there\n  \
             help: `--from` takes a directory that has the files as they were published, still packed", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses to read a file.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refuses to write a file.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An archive is not what it should be.
    #[error("{}: cannot be unpacked: {reason}", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else has the data set's place.
    #[error("{} is there, but is not {name}: {reason}\n  \
             help: remove it or give it another name, and say the same again", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
        /// The data set.
        name: &'static str,
        /// Why it cannot be it.
        reason: String,
    },
    /// Another process fetches the same.
    #[error("{}: another process is working in it\n  help: wait for its end", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
}
