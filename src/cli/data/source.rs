//! What the verbs of `rnet data` are told to look at.

use super::located;
use crate::cli::{Failure, model};
use rnet_compiler::diagnostic::Sources;
use rnet_compiler::elaborate;
use rnet_runtime::config::{DataConfig, Source, Views};
use std::path::{Path, PathBuf};

/// What to look at.
#[derive(clap::Args)]
pub struct Arguments {
    /// A model file, whose data section counts; a source such as cifar10 or 'folder("photos")'; a folder of pictures; or a file of
    /// arrays
    source: String,
    /// Where the data set is: its own directory, or the one above it [default: the path that the source says]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Arguments {
    /// The data section of the file; a bare source is one without transforms. Its paths are looked for under `--data`.
    pub fn section(&self) -> Result<DataConfig, Failure> {
        let path = Path::new(&self.source);
        let is = |ending: &str| path.extension().is_some_and(|found| found == ending);
        let config = if is("rnet") {
            let model = model::Arguments::of(path).elaborate(model::Mode::Eval, Some(1))?;
            let missing = || Failure::new(format!("{}: the file has no data section", path.display()));
            model.data.ok_or_else(missing)?
        } else {
            let source = if path.is_dir() {
                Source::Folder { path: self.source.clone(), skip_corrupt: false }
            } else if is("npz") || is("safetensors") {
                Source::Arrays(self.source.clone())
            } else {
                let mut sources = Sources::without_imports();
                let source = elaborate::source(&mut sources, &self.source);
                source.map_err(|found| model::rendered(&sources, &found))?
            };
            DataConfig { source, train: Vec::new(), test: Vec::new(), holdout: None, views: Views::default() }
        };
        let source = located(&config.source, self.data.as_deref())?;
        Ok(DataConfig { source, ..config })
    }
}
