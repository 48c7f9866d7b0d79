//! `rnet data`, and what `train` and `eval` share: opening a data set, and holding it against the model.

mod fetch;
mod info;
mod list;
mod show;
mod source;

use super::{Failure, Outcome, model};
use rnet_compiler::elaborate::Elaborated;
use rnet_runtime::config::{DataConfig, Source};
use rnet_runtime::data::{Dataset, Pipeline};
use rnet_runtime::machine;
use rnet_runtime::program::{Program, Storage};
use std::path::Path;
use std::sync::Arc;

/// Look at data sets, and get known ones
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    List(list::Arguments),
    Info(info::Arguments),
    Show(show::Arguments),
    Fetch(fetch::Arguments),
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.verb {
        Verb::List(arguments) => list::run(arguments),
        Verb::Info(arguments) => info::run(arguments),
        Verb::Show(arguments) => show::run(arguments),
        Verb::Fetch(arguments) => fetch::run(arguments),
    }
}

/// A data set with its two pipelines.
pub struct Data {
    pub dataset: Arc<Dataset>,
    /// Of training images, and of test images.
    pub pipelines: [Pipeline; 2],
}

/// Opens the data set that the model file names; `directory` is what `--data` says.
pub fn open(model: &Elaborated, directory: Option<&Path>) -> Result<Data, Failure> {
    let config = model.data.as_ref().ok_or_else(|| {
        Failure::new(
            "the file has no data section\n  help: add one, for example `data digits { source = digits  train = normalize  \
             test = normalize }`",
        )
    })?;
    let DataConfig { source, train, test, holdout, views } = config;
    let dataset = Dataset::open(&located(source, directory)?, holdout.as_ref()).map_err(Failure::new)?;
    told(&dataset);
    let train = Pipeline::new(train, &dataset).map_err(Failure::new)?;
    let test = Pipeline::new(test, &dataset).map_err(Failure::new)?;
    let test = test.averaged(*views, &dataset.name).map_err(Failure::new)?;
    // Decoded pictures may take a quarter of the memory in all.
    let room = machine::memory_bytes() / 8;
    let (train, test) = (train.cached(&dataset.train, room), test.cached(&dataset.test, room));
    Ok(Data { dataset: Arc::new(dataset), pipelines: [train, test] })
}

/// Says which pictures were left out.
fn told(dataset: &Dataset) {
    if dataset.skipped.is_empty() {
        return;
    }
    eprintln!("warning: {} corrupt pictures of {} are left out:", dataset.skipped.len(), dataset.name);
    for error in &dataset.skipped {
        let text = error.to_string();
        eprintln!("  {}", text.lines().next().unwrap_or_default());
    }
}

/// The source under `--data DIR`: in DIR's subfolder of the path's own last name where there is one, else in DIR itself.
fn located(source: &Source, directory: Option<&Path>) -> Result<Source, Failure> {
    let Some(directory) = directory else { return Ok(source.clone()) };
    if !directory.is_dir() {
        return Err(Failure::new(format!("--data {}: there is no such directory", directory.display())));
    }
    // A file is looked for in the directory itself.
    let inner = |path: &str| Path::new(path).file_name().map(|name| directory.join(name)).filter(|path| path.exists());
    let within = |path: &str| inner(path).unwrap_or_else(|| directory.to_path_buf()).to_string_lossy().into_owned();
    Ok(match source {
        Source::Digits => return Err(Failure::new("--data: the digits are built in, there is nothing to look for")),
        Source::Cifar10(path) => Source::Cifar10(within(path)),
        Source::Cifar100(path) => Source::Cifar100(within(path)),
        Source::Mnist(path) => Source::Mnist(within(path)),
        Source::FashionMnist(path) => Source::FashionMnist(within(path)),
        Source::Folder { path, skip_corrupt } => Source::Folder { path: within(path), skip_corrupt: *skip_corrupt },
        Source::Arrays(path) => Source::Arrays(within(path)),
    })
}

/// Whether images and labels fit a program.
pub fn check(program: &Program, data: &Data) -> Result<(), Failure> {
    let image =
        program.buffers.iter().find(|buffer| matches!(&buffer.storage, Storage::Input(name) if name == "image"));
    let wanted = image.map_or(&[][..], |image| &image.dims[1..]);
    let name = &data.dataset.name;
    for (split, pipeline) in ["train", "test"].iter().zip(&data.pipelines) {
        let dims = pipeline.dims();
        if dims != wanted {
            let text = |dims: &[usize]| dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
            return Err(Failure::new(format!(
                "the model takes images of {} (channels, height, width), the {split} images of {name} have {}\n  \
                 help: change the model's `input`, or crop or pad in the data section",
                text(wanted),
                text(&dims)
            )));
        }
    }
    let logits = model::outputs(program).into_iter().find(|(name, _)| name == "logits");
    let outputs = logits.map_or(0, |(_, dims)| dims[1]);
    let classes = data.dataset.classes.len();
    if outputs != classes {
        return Err(Failure::new(format!(
            "the model tells {outputs} classes apart, {name} has {classes}\n  help: end the model with `dense({classes})`"
        )));
    }
    Ok(())
}
