//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What temporary files end with; what a run that was killed left of them may be removed.
pub const TEMPORARY: &str = ".part";

/// Why a file could not be written. What it held before is untouched.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be written: {source}", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The system's reason.
    pub source: io::Error,
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
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory(path)
    })();
    outcome.map_err(|source| {
        // Whether or not there is something to remove, the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        WriteError { path: path.to_path_buf(), source }
    })
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
        // A directory in the way of the rename.
        let taken = directory.path().join("taken");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("inside"), b"kept").unwrap();
        assert!(write(&taken, b"one").is_err());
        assert_eq!(fs::read(taken.join("inside")).unwrap(), b"kept");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
