//! Files that are there whole or not at all.

#[cfg(test)]
pub(crate) mod faults;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What temporary files end with; what a run that was killed left of them may be removed.
pub const TEMPORARY: &str = ".part";

/// What the system is asked to do for a file that is to last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Make a directory.
    MakeDirectory,
    /// Make the temporary file.
    Create,
    /// Fill it.
    Write,
    /// Bring its bytes to the disk.
    Sync,
    /// Give it its name.
    Rename,
    /// Bring the name to the disk.
    SyncDirectory,
    /// Add to the end of a file that is there.
    Append,
    /// Remove a file.
    Remove,
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Step::MakeDirectory => "cannot be made",
            Step::Create | Step::Write => "cannot be written",
            Step::Sync => "cannot be brought to the disk",
            Step::Rename => "cannot be given its name",
            Step::SyncDirectory => "its name cannot be brought to the disk",
            Step::Append => "cannot be added to",
            Step::Remove => "cannot be removed",
        }
    }
}

/// Why a file could not be written. What it held before is untouched.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}: {source}{}", path.display(), step.words(), remedy(source))]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system refused to do.
    pub step: Step,
    /// The system's reason.
    pub source: io::Error,
}

impl WriteError {
    /// A refusal.
    pub fn new(path: &Path, step: Step, source: io::Error) -> WriteError {
        WriteError { path: path.to_path_buf(), step, source }
    }
}

/// What can be done about the system's reason.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "\n  help: make room on that file system",
        io::ErrorKind::ReadOnlyFilesystem => "\n  help: the file system takes no writes; mount it for writing again",
        io::ErrorKind::PermissionDenied => "\n  help: the directory has to be one that you may write to",
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            "\n  help: the directory that it lies in has to be there"
        }
        io::ErrorKind::FileTooLarge => "\n  help: a limit on the size of files stands against it (`ulimit -f`)",
        _ => "",
    }
}

/// Has the system do one step. Tests let any of them fail.
pub(crate) fn attempt<T>(path: &Path, step: Step, act: impl FnOnce() -> io::Result<T>) -> Result<T, WriteError> {
    #[cfg(test)]
    faults::strike(step).map_err(|source| WriteError::new(path, step, source))?;
    act().map_err(|source| WriteError::new(path, step, source))
}

/// Makes a directory and those above it, where they are missing.
///
/// # Errors
/// When the system refuses.
pub fn make_directory(path: &Path) -> Result<(), WriteError> {
    attempt(path, Step::MakeDirectory, || fs::create_dir_all(path))
}

/// Removes a file that is no longer wanted. One that cannot be removed stays: that costs space, no work.
pub fn remove(path: &Path) {
    let _ = attempt(path, Step::Remove, || fs::remove_file(path));
}

/// Writes a file under a temporary name beside its place, syncs it, renames it, and syncs the directory: after a crash at
/// any moment there is the old file or the new one, whole.
///
/// # Errors
/// When the system refuses a step; the temporary file is removed.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!("{name}{TEMPORARY}"));
    let outcome = (|| {
        let mut file = attempt(path, Step::Create, || File::create(&temporary))?;
        let filled = attempt(path, Step::Write, || file.write_all(bytes));
        #[cfg(test)]
        faults::tear(filled.is_err(), &mut file, bytes);
        filled?;
        attempt(path, Step::Sync, || file.sync_all())?;
        rename(&temporary, path)
    })();
    // Whether or not there is something to remove, the first error is the one to tell.
    outcome.inspect_err(|_| remove(&temporary))
}

/// Gives what is whole its name, in a way that lasts.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), WriteError> {
    attempt(to, Step::Rename, || fs::rename(from, to))?;
    attempt(to, Step::SyncDirectory, || sync_directory(to))
}

/// Makes the names in the file's directory last.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    // Elsewhere directories cannot be opened as files.
    if cfg!(unix) {
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_nothing_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("none/file");
        let error = write(&missing, b"one").unwrap_err();
        assert!(error.to_string().contains("none/file: cannot be written"), "{error}");
        assert!(error.to_string().contains("help: the directory that it lies in has to be there"), "{error}");
        // A directory in the way of the rename.
        let taken = directory.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), b"kept").unwrap();
        assert!(write(&taken, b"one").is_err());
        assert_eq!(fs::read(taken.join("inside")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
