//! The texts that an editor has open, and the files around them.

use super::position;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Folders of a workspace that are looked into.
const MOST: usize = 2_000;

/// What names can be looked for in.
#[derive(Default)]
pub struct Workspace {
    /// Open texts by URI.
    pub texts: HashMap<String, String>,
    /// The folders that the editor works in.
    pub folders: Vec<PathBuf>,
}

impl Workspace {
    /// The paths of the texts that have `word` in them: open ones, those below the workspace's folders, and those beside `path`.
    pub fn paths_with(&self, word: &str, path: &str) -> BTreeSet<String> {
        let mut paths: BTreeSet<String> = self.texts.keys().map(|uri| position::path(uri)).collect();
        let (mut folders, mut seen) = (self.folders.clone(), 0);
        while let Some(folder) = folders.pop()
            && seen < MOST
        {
            seen += 1;
            files(&folder, &mut paths, Some(&mut folders));
        }
        if let Some(folder) = Path::new(path).parent() {
            files(folder, &mut paths, None);
        }
        paths.retain(|path| match self.texts.iter().find(|(uri, _)| position::path(uri) == *path) {
            Some((_, text)) => text.contains(word),
            None => std::fs::read_to_string(path).is_ok_and(|text| text.contains(word)),
        });
        paths
    }
}

/// Adds the `.rnet` files of a folder, and the folders in it, but for hidden ones and those that tools fill.
fn files(folder: &Path, paths: &mut BTreeSet<String>, mut folders: Option<&mut Vec<PathBuf>>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // A link may lead back.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
            if let Some(folders) = &mut folders {
                folders.push(path);
            }
        } else if !is_folder && name.ends_with(".rnet") {
            paths.insert(path.display().to_string());
        }
    }
}
