//! Unpacking: archives (`.tar.gz`, `.zip`) and single files (`.gz`).
//!
//! Only files and directories come out; links and devices are left out, and a name that leads elsewhere is a mistake.

use super::FetchError;
use crate::durable::{self, Step, attempt};
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use zip::ZipArchive;

/// Unpacks a file into a directory, which is made.
///
/// # Panics
/// When the file's ending says none of these.
pub(super) fn unpack(path: &Path, into: &Path) -> Result<(), FetchError> {
    let file = File::open(path).map_err(|source| FetchError::Read { path: path.to_path_buf(), source })?;
    let packed = Packed { path, into };
    let name = path.file_name().map_or("".into(), |name| name.to_string_lossy());
    if name.ends_with(".tar.gz") {
        packed.tar(file)
    } else if name.ends_with(".zip") {
        packed.zip(file)
    } else {
        let name = name.strip_suffix(".gz").unwrap_or_else(|| panic!("unpack: {name} has another ending"));
        packed.store(&mut GzDecoder::new(file), Path::new(name))
    }
}

/// A packed file, and where its contents go.
struct Packed<'a> {
    path: &'a Path,
    into: &'a Path,
}

impl Packed<'_> {
    fn tar(&self, file: File) -> Result<(), FetchError> {
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        for entry in archive.entries().map_err(|error| self.damaged(error))? {
            let mut entry = entry.map_err(|error| self.damaged(error))?;
            let name = entry.path().map_err(|error| self.damaged(error))?.into_owned();
            if entry.header().entry_type().is_file() {
                self.store(&mut entry, &name)?;
            }
        }
        Ok(())
    }

    fn zip(&self, file: File) -> Result<(), FetchError> {
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| self.damaged(error))?;
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).map_err(|error| self.damaged(error))?;
            let name = PathBuf::from(&*entry.name().map_err(|error| self.damaged(error))?);
            if entry.is_file() {
                self.store(&mut entry, &name)?;
            }
        }
        Ok(())
    }

    /// Writes what is read to a file of that name, and to the disk.
    fn store(&self, contents: &mut dyn Read, name: &Path) -> Result<(), FetchError> {
        if name.components().any(|component| !matches!(component, Component::Normal(_) | Component::CurDir)) {
            return Err(self.damaged(format!("the name `{}` leads out of it", name.display())));
        }
        let path = self.into.join(name);
        durable::make_directory(path.parent().unwrap_or(self.into))?;
        let mut file = attempt(&path, Step::Create, || File::create(&path))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match contents.read(&mut buffer).map_err(|error| self.damaged(error))? {
                0 => return Ok(attempt(&path, Step::Sync, || file.sync_all())?),
                len => attempt(&path, Step::Write, || file.write_all(&buffer[..len]))?,
            }
        }
    }

    fn damaged(&self, reason: impl ToString) -> FetchError {
        FetchError::Archive { path: self.path.to_path_buf(), reason: reason.to_string() }
    }
}
