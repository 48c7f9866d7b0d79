//! Folders of pictures: a folder a class, whose name is the folder's.
//!
//! Under `train` and `test` (or `val`) where there are such folders, else directly.

use super::decode::is_picture;
use super::fetch::Known;
use super::{DataError, Dataset, Samples, sweep};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the folder of training pictures.
const TRAIN: &str = "train";

/// Names of the folder of test pictures; the first that is there counts.
const TEST: [&str; 2] = ["test", "val"];

/// Lists the pictures of a folder. None of them is read.
pub(super) fn read(root: &Path) -> Result<Dataset, DataError> {
    if !root.is_dir() {
        let fetch = |known: &Known| format!("`rnet data fetch {}` gets it", known.name);
        let hint = Known::in_directory(root).map_or_else(hint, fetch);
        return Err(DataError::Missing { path: root.to_path_buf(), what: "a folder of pictures", hint });
    }
    let train = root.join(TRAIN);
    let (train, test) = match train.is_dir() {
        true => (train, TEST.iter().map(|name| root.join(name)).find(|path| path.is_dir())),
        false => (root.to_path_buf(), None),
    };
    let classes = classes(&train)?;
    if classes.len() < 2 {
        let (expected, found) = ("at least two folders, one for each class".to_string(), classes.len().to_string());
        return Err(DataError::Folder { path: train, expected, found, hint: hint() });
    }
    let samples = |root: &Path| samples(root, &classes);
    let train = samples(&train)?;
    let test = match &test {
        Some(test) => {
            if let Some(other) = self::classes(test)?.into_iter().find(|class| !classes.contains(class)) {
                let expected = "classes of the training pictures".to_string();
                return Err(DataError::Folder {
                    path: test.join(other),
                    expected,
                    found: "another".to_string(),
                    hint: hint(),
                });
            }
            samples(test)?
        }
        None => Samples::of_pictures(Vec::new(), Vec::new()),
    };
    let name = root.file_name().map_or("the folder".into(), |name| name.to_string_lossy()).into_owned();
    Ok(Dataset { name, channels: 3, white: 255, classes, train, test, skipped: Vec::new() })
}

/// Leaves out the pictures that cannot be decoded; each is looked at.
pub(super) fn without_corrupt(dataset: Dataset) -> Result<Dataset, DataError> {
    let mut skipped = Vec::new();
    let mut whole = |samples: &Samples| -> Result<Samples, DataError> {
        let all: Vec<usize> = (0..samples.len()).collect();
        let found = sweep(&all, Vec::new, |corrupt, sample| match samples.image(sample) {
            Ok(_) => Ok(()),
            Err(error @ DataError::Picture { .. }) => {
                corrupt.push((sample, error));
                Ok(())
            }
            Err(error) => Err(error),
        })?;
        let mut corrupt: Vec<(usize, DataError)> = found.into_iter().flatten().collect();
        corrupt.sort_by_key(|(sample, _)| *sample);
        let is_corrupt: HashSet<usize> = corrupt.iter().map(|(sample, _)| *sample).collect();
        skipped.extend(corrupt.into_iter().map(|(_, error)| error));
        Ok(samples.part(&all.into_iter().filter(|sample| !is_corrupt.contains(sample)).collect::<Vec<_>>()))
    };
    let (train, test) = (whole(&dataset.train)?, whole(&dataset.test)?);
    // Of pictures all of which are damaged the first says why.
    if train.is_empty() {
        return Err(skipped.swap_remove(0));
    }
    Ok(Dataset { train, test, skipped, ..dataset })
}

fn hint() -> String {
    "a folder of pictures holds a folder a class with JPEG or PNG files in it, under `train` and `test` or `val`, or directly"
        .to_string()
}

/// What a folder holds, by name; names that begin with a dot are left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let failed = |source| DataError::Read { path: folder.to_path_buf(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    Ok(paths)
}

/// The names of the folders in a folder.
fn classes(folder: &Path) -> Result<Vec<String>, DataError> {
    let folders = entries(folder)?.into_iter().filter(|path| path.is_dir());
    Ok(folders.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
}

/// The pictures of the classes, class by class in the order of their names.
fn samples(root: &Path, classes: &[String]) -> Result<Samples, DataError> {
    let (mut files, mut labels) = (Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        let folder = root.join(class);
        let before = files.len();
        if folder.is_dir() {
            files.extend(entries(&folder)?.into_iter().filter(|path| is_picture(path)));
        }
        if files.len() == before {
            let (expected, found) = ("pictures (.jpg, .jpeg, .png)".to_string(), "none".to_string());
            return Err(DataError::Folder { path: folder, expected, found, hint: hint() });
        }
        labels.resize(files.len(), label as u32);
    }
    Ok(Samples::of_pictures(files, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Image, encode_png};
    use std::borrow::Cow;

    /// Makes a picture whose pixels have all that value, of so many rows and columns.
    fn picture(path: &Path, value: u8, [height, width]: [usize; 2]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let planes = Cow::Owned(vec![value; 3 * height * width]);
        fs::write(path, encode_png(&Image { dims: [3, height, width], white: 255, planes }).unwrap()).unwrap();
    }

    #[test]
    fn classes_are_folders_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("insects");
        for (at, name) in ["train/bee/2.png", "train/bee/10.png", "train/ant/1.PNG", "val/bee/5.png", "val/ant/6.png"]
            .into_iter()
            .enumerate()
        {
            picture(&root.join(name), at as u8, [2, 3 + at]);
        }
        fs::write(root.join("train/ant/notes.txt"), "not a picture").unwrap();
        fs::write(root.join("train/.hidden"), "").unwrap();
        let data = read(&root).unwrap();
        assert_eq!((&data.name[..], &data.classes[..]), ("insects", &["ant".to_string(), "bee".to_string()][..]));
        let seen = |samples: &Samples| -> Vec<(usize, u8, [usize; 3])> {
            let one = |index| {
                let image = samples.image(index).unwrap();
                (samples.label(index), image.planes[0], image.dims)
            };
            (0..samples.len()).map(one).collect()
        };
        assert_eq!(seen(&data.train), [(0, 2, [3, 2, 5]), (1, 1, [3, 2, 4]), (1, 0, [3, 2, 3])]);
        assert_eq!(seen(&data.test), [(0, 4, [3, 2, 7]), (1, 3, [3, 2, 6])]);
        // Without `train` the classes stand in the folder itself, and nothing is there for testing.
        let data = read(&root.join("train")).unwrap();
        assert_eq!((data.train.len(), data.test.len()), (3, 0));
    }

    #[test]
    fn corrupt_pictures_are_left_out_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["train/ant/1.png", "train/ant/2.png", "train/bee/1.png", "test/ant/1.png", "test/bee/1.png"] {
            picture(&root.join(name), 9, [4, 4]);
        }
        for name in ["train/ant/0.jpg", "train/bee/2.png", "test/ant/2.png"] {
            fs::write(root.join(name), "junk").unwrap();
        }
        let data = without_corrupt(read(root).unwrap()).unwrap();
        let named: Vec<String> = data.skipped.iter().map(|error| error.to_string()).collect();
        assert_eq!((data.train.len(), data.test.len(), named.len()), (3, 2, 3));
        for (text, name) in named.iter().zip(["train/ant/0.jpg", "train/bee/2.png", "test/ant/2.png"]) {
            assert!(text.contains(name), "{text}");
        }
        assert_eq!((0..3).map(|sample| data.train.label(sample)).collect::<Vec<_>>(), [0, 0, 1]);
        assert!((0..3).all(|sample| data.train.image(sample).is_ok()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let message = |root: &Path| read(root).unwrap_err().to_string();
        assert!(message(&root.join("nowhere")).contains("nowhere: a folder of pictures is not there"));
        assert!(message(&root.join("hymenoptera")).contains("`rnet data fetch hymenoptera`"));
        assert!(message(root).contains("expected at least two folders, one for each class, found 0"));
        picture(&root.join("train/ant/1.png"), 0, [1, 1]);
        fs::create_dir_all(root.join("train/bee")).unwrap();
        let text = message(root);
        assert!(text.contains("bee: expected pictures (.jpg, .jpeg, .png), found none"), "{text}");
        picture(&root.join("train/bee/1.png"), 0, [1, 1]);
        picture(&root.join("test/cow/1.png"), 0, [1, 1]);
        let text = message(root);
        assert!(text.contains("cow: expected classes of the training pictures, found another"), "{text}");
    }
}
