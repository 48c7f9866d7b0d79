//! Getting the files of known data sets: from their publishers, from a mirror, or from a directory.
//!
//! A file counts when it has the length and the SHA-256 that are known beforehand. All work is done in a directory beside the data
//! set's own, which gets its name when it is whole and has been read; what is there of an earlier attempt is gone on with.

mod download;
mod error;
mod unpack;

pub use error::FetchError;

use super::{DataError, Dataset};
use crate::checksum;
use crate::config::Source;
use crate::durable::{self, Step, TEMPORARY, attempt};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A data set whose files are known.
#[derive(Debug)]
pub struct Known {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// As a data section names it where it lies in the usual place.
    pub form: &'static str,
    /// Its directory, below the one of all data sets.
    pub directory: &'static str,
    /// The address that the files' names follow.
    from: &'static str,
    files: &'static [Published],
    /// The directory in an archive that becomes the set's; empty where the files are none.
    root: &'static str,
    source: fn(String) -> Source,
}

/// A file as it is published.
#[derive(Debug)]
struct Published {
    /// Says by its ending how it is packed.
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
}

const fn file(name: &'static str, bytes: u64, sha256: &'static str) -> Published {
    Published { name, bytes, sha256 }
}

/// The data sets that can be fetched, from the addresses that their publishers name. Lengths and checksums are those that
/// TensorFlow Datasets keeps for the same files, and PyTorch's tutorials for the last.
pub const KNOWN: [Known; 5] = [
    Known {
        name: "cifar10",
        about: "60,000 photographs of 3x32x32 in 10 classes",
        form: "cifar10(path = \"data/cifar-10-batches-bin\")",
        directory: "cifar-10-batches-bin",
        from: "https://www.cs.toronto.edu/~kriz/",
        files: &[file(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        )],
        root: "cifar-10-batches-bin",
        source: Source::Cifar10,
    },
    Known {
        name: "cifar100",
        about: "60,000 photographs of 3x32x32 in 100 classes",
        form: "cifar100(path = \"data/cifar-100-binary\")",
        directory: "cifar-100-binary",
        from: "https://www.cs.toronto.edu/~kriz/",
        files: &[file(
            "cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        )],
        root: "cifar-100-binary",
        source: Source::Cifar100,
    },
    Known {
        name: "mnist",
        about: "70,000 handwritten digits of 1x28x28",
        form: "mnist(path = \"data/mnist\")",
        directory: "mnist",
        from: "https://ossci-datasets.s3.amazonaws.com/mnist/",
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ],
        root: "",
        source: Source::Mnist,
    },
    Known {
        name: "fashion_mnist",
        about: "70,000 articles of clothing of 1x28x28 in 10 classes",
        form: "fashion_mnist(path = \"data/fashion-mnist\")",
        directory: "fashion-mnist",
        from: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ],
        root: "",
        source: Source::FashionMnist,
    },
    Known {
        name: "hymenoptera",
        about: "397 photographs of ants and bees, of any size",
        form: "folder(\"data/hymenoptera\")",
        directory: "hymenoptera",
        from: "https://download.pytorch.org/tutorial/",
        files: &[file(
            "hymenoptera_data.zip",
            47_286_322,
            "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209",
        )],
        root: "hymenoptera_data",
        source: |path| Source::Folder { path, skip_corrupt: false },
    },
];

/// Where a data set is, once it is there.
#[derive(PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Its directory.
    pub directory: PathBuf,
    /// Whether it was there before.
    pub was_there: bool,
}

/// How far a download is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// The file's name.
    pub file: &'static str,
    /// Bytes of it that are there.
    pub bytes: u64,
    /// All its bytes.
    pub total: u64,
}

/// Where files come from.
enum Origin<'a> {
    /// An address that their names follow.
    Address(&'a str),
    /// A directory that has them.
    Directory(&'a Path),
}

impl<'a> Origin<'a> {
    fn new(from: &'a str) -> Result<Origin<'a>, FetchError> {
        let is_address = ["http://", "https://"].iter().any(|scheme| from.starts_with(scheme));
        match is_address {
            true => Ok(Origin::Address(from)),
            false if Path::new(from).is_dir() => Ok(Origin::Directory(Path::new(from))),
            false => Err(FetchError::Origin { from: from.to_string() }),
        }
    }
}

impl Known {
    /// The data set that lies in a directory of that name, if one does.
    pub fn in_directory(path: &Path) -> Option<&'static Known> {
        KNOWN.iter().find(|known| path.file_name().is_some_and(|name| name == known.directory))
    }

    /// Gets the data set into its own directory below `to`: from its publisher, or `from` the address of a mirror or a directory that
    /// has the published files. Where it is there already, nothing is done. `watch` is told how a download goes.
    ///
    /// # Errors
    /// When a file cannot be had or is another than was published; when the system refuses to write; when something else has the
    /// directory's name.
    pub fn fetch(&self, from: Option<&str>, to: &Path, watch: &mut dyn FnMut(Received)) -> Result<Fetched, FetchError> {
        let directory = to.join(self.directory);
        if directory.exists() {
            let other =
                |error| FetchError::Occupied { path: directory.clone(), name: self.name, reason: first_line(&error) };
            Dataset::read(&self.source(&directory)).map_err(other)?;
            return Ok(Fetched { directory, was_there: true });
        }
        let origin = Origin::new(from.unwrap_or(self.from))?;
        let place = to.join(format!("{}{TEMPORARY}", self.directory));
        durable::make_directory(&place)?;
        let _lock = lock(&place)?;
        let unpacked = place.join("unpacked");
        let outcome =
            self.assemble(&origin, &place, &unpacked, watch).and_then(|whole| Ok(durable::rename(&whole, &directory)?));
        // Downloads stay for the next attempt where this one has failed. What cannot be removed costs space, no work.
        let _ = fs::remove_dir_all(if outcome.is_ok() { &place } else { &unpacked });
        let _ = fs::remove_dir(&place);
        outcome.map(|()| Fetched { directory, was_there: false })
    }

    /// Has the files at hand, downloaded ones in `place`, and unpacks them. Returns the directory that is to be the set's.
    fn assemble(
        &self,
        origin: &Origin,
        place: &Path,
        unpacked: &Path,
        watch: &mut dyn FnMut(Received),
    ) -> Result<PathBuf, FetchError> {
        let packed = self.files.iter().map(|file| match origin {
            Origin::Address(address) => file.download(address, place, self, watch),
            Origin::Directory(directory) => file.found(directory),
        });
        let packed = packed.collect::<Result<Vec<PathBuf>, FetchError>>()?;
        // What an attempt that was killed has left.
        if unpacked.exists() {
            attempt(unpacked, Step::Remove, || fs::remove_dir_all(unpacked))?;
        }
        packed.iter().try_for_each(|file| unpack::unpack(file, unpacked))?;
        let whole = if self.root.is_empty() { unpacked.to_path_buf() } else { unpacked.join(self.root) };
        let other = |error| FetchError::Archive { path: packed[0].clone(), reason: first_line(&error) };
        Dataset::read(&self.source(&whole)).map_err(other)?;
        Ok(whole)
    }

    /// The set as the source of a data section, where it lies in that directory.
    pub fn source(&self, directory: &Path) -> Source {
        (self.source)(directory.to_string_lossy().into_owned())
    }

    /// How to go on where there is no network.
    fn by_hand(&self) -> String {
        let names: Vec<&str> = self.files.iter().map(|file| file.name).collect();
        let (names, from, name) = (names.join(", "), self.from, self.name);
        format!(
            "without a network: bring {names} from {from} in a directory, and say `rnet data fetch {name} --from DIR`"
        )
    }
}

impl Published {
    /// The file in a directory of the user's, which stays as it is.
    fn found(&self, directory: &Path) -> Result<PathBuf, FetchError> {
        let path = directory.join(self.name);
        let found = match checksum::of_file(&path) {
            Ok(found) => found,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Err(FetchError::Absent { path }),
            Err(source) => return Err(FetchError::Read { path, source }),
        };
        match found == self.sha256 {
            true => Ok(path),
            false => {
                let origin = path.display().to_string();
                Err(FetchError::Checksum { origin, expected: self.sha256, found, outcome: "it is not used" })
            }
        }
    }

    /// Downloads the file into `place`, unless it is there from an earlier attempt.
    fn download(
        &self,
        address: &str,
        place: &Path,
        known: &Known,
        watch: &mut dyn FnMut(Received),
    ) -> Result<PathBuf, FetchError> {
        let (path, part) = (place.join(self.name), place.join(format!("{}{TEMPORARY}", self.name)));
        let url = format!("{}/{}", address.trim_end_matches('/'), self.name);
        if path.exists() {
            return Ok(path);
        }
        download::download(&url, &part, self, known, watch)?;
        let found = checksum::of_file(&part).map_err(|source| FetchError::Read { path: part.clone(), source })?;
        if found != self.sha256 {
            attempt(&part, Step::Remove, || fs::remove_file(&part))?;
            let (expected, outcome) = (self.sha256, "it has been removed");
            return Err(FetchError::Checksum { origin: url, expected, found, outcome });
        }
        attempt(&path, Step::Rename, || fs::rename(&part, &path))?;
        Ok(path)
    }
}

/// Keeps others from working in a directory for as long as what it returns lives. Where the system knows no such locks, nothing does.
fn lock(place: &Path) -> Result<Option<File>, FetchError> {
    let Ok(directory) = File::open(place) else { return Ok(None) };
    match directory.try_lock() {
        Err(TryLockError::WouldBlock) => Err(FetchError::Busy { path: place.to_path_buf() }),
        _ => Ok(Some(directory)),
    }
}

/// What helps where files of the data set of that name are missing or damaged.
pub(super) fn hint(name: &str) -> String {
    format!(
        "`rnet data fetch {name}` gets its files; where they are elsewhere, name their directory in the data section or with --data"
    )
}

/// What is wrong with data, without the help.
fn first_line(error: &DataError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests;
