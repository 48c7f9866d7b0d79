//! `rnet predict`: the classes of pictures.

mod answer;
mod subject;

use super::{Failure, Outcome, data, model, note, print, weights};
use answer::Answer;
use rnet_compiler::elaborate::Elaborated;
use rnet_runtime::config::Views;
use rnet_runtime::executable::Executable;
use rnet_runtime::state::State;
use rnet_runtime::tensors::{self, Tensor, Tensors};
use rnet_runtime::train::batch_sizes;
use rnet_runtime::workers::Workers;
use std::path::PathBuf;

/// Tell what pictures show, by class and probability
///
/// A picture goes through the `test` pipeline of the file's data section, which also names the classes and may have views that answers
/// are averaged over. Where the data set's images have one size, a picture of another is scaled until it fills that size, and its
/// middle is taken.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// The weights, as `train` and `init` write them
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    renaming: weights::Renaming,
    /// PNG or JPEG pictures; or safetensors files with `image` (f32 N x C x H x W), which the model takes as they are
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Where the data set is: its own directory, or the one above it [default: the path in the file]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Classes to tell for each picture, the likeliest first
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    top: u64,
    /// Print JSON: an array with an object for each picture
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV: a line for each class of each picture
    #[arg(long)]
    csv: bool,
    /// Write the `logits` too, N x classes, into a safetensors file, if every picture could be read
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Threads to compute with [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
}

/// Pictures that are looked at together.
const BATCH: usize = 32;

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let model = elaborated(arguments, 1)?;
    let (dims, classes) = shapes(&model);
    let subjects = subject::subjects(&arguments.images, dims)?;
    let data = match data::open(&model, arguments.data.as_deref()) {
        Err(failure) if subjects[0].is_picture() => return Err(failure),
        Err(Failure(reason)) if model.data.is_some() => {
            note(&format!("warning: classes have numbers, for their names are not at hand\n{reason}"));
            None
        }
        Err(_) => None,
        Ok(data) => Some(data),
    };
    let mut programs = Vec::new();
    for images in batch_sizes(subjects.len(), BATCH) {
        let mut model = elaborated(arguments, images)?;
        model.graph.outputs.retain(|output| output.name == "logits");
        programs.push((images, model::program(&model, model::Mode::Eval)?));
    }
    let (_, program) = &programs[0];
    if let Some(data) = &data {
        data::check(program, data)?;
    }
    let mut state = State::new(&program.states, 0);
    arguments.renaming.load(&mut state, &arguments.weights)?;
    let workers = Workers::new(model::threads(arguments.threads));

    let link = |(images, program)| Ok((images, Executable::new(program).map_err(Failure::new)?));
    let mut executables = programs.into_iter().map(link).collect::<Result<Vec<_>, Failure>>()?;
    let views = match &data {
        Some(data) if subjects[0].is_picture() => data.pipelines[1].views().to_vec(),
        _ => Views::default().all(),
    };
    // For each subject its logits, the weighted mean over the views, or why it cannot be read.
    let mut logits: Vec<Result<Vec<f32>, String>> = Vec::new();
    for batch in subjects.chunks(BATCH) {
        let found = executables.iter_mut().find(|(images, _)| *images == batch.len());
        let (_, executable) = found.expect("a program for each size of batch");
        let mut images = vec![0.0; batch.len() * dims.iter().product::<usize>()];
        let targets = images.chunks_exact_mut(dims.iter().product());
        let outcomes: Vec<_> =
            batch.iter().zip(targets).map(|(subject, target)| subject.write(data.as_ref(), dims, target)).collect();
        let mut mean = vec![0.0; batch.len() * classes];
        for view in &views {
            view.write(&images, dims, executable.input_f32("image"));
            executable.run(&workers, &mut state);
            let seen = executable.output_logical("logits");
            mean.iter_mut().zip(seen).for_each(|(mean, logit)| *mean += view.weight * logit);
        }
        // The row of what could not be read is that of a blank image, and is dropped.
        logits.extend(outcomes.into_iter().zip(mean.chunks(classes)).map(|(read, row)| read.map(|()| row.to_vec())));
    }
    let name = |label: usize| match &data {
        Some(data) => data.dataset.classes[label].clone(),
        None => label.to_string(),
    };
    let (mut answers, mut unreadable) = (Vec::new(), Vec::new());
    for (subject, logits) in subjects.iter().zip(&logits) {
        match logits {
            Ok(logits) => answers.push(Answer::new(&subject.name, logits, arguments.top as usize, name)?),
            Err(reason) => unreadable.push(reason.as_str()),
        }
    }
    print(&match (arguments.json, arguments.csv) {
        (true, _) => answer::json(&answers),
        (_, true) => answer::csv(&answers),
        _ => answer::table(&answers),
    });
    if !unreadable.is_empty() {
        return Err(Failure::new(unreadable.join("\nerror: ")));
    }
    if let Some(path) = &arguments.logits {
        let values: Vec<f32> = logits.into_iter().flatten().flatten().collect();
        let tensor = Tensor::real(&[subjects.len(), classes], values);
        tensors::write(path, &Tensors::from([("logits".to_string(), tensor)])).map_err(Failure::new)?;
    }
    Ok(())
}

fn elaborated(arguments: &Arguments, images: usize) -> Result<Elaborated, Failure> {
    arguments.model.elaborate(model::Mode::Eval, Some(images))
}

/// The extents of an image (channels, height, width), and the number of classes.
fn shapes(model: &Elaborated) -> ([usize; 3], usize) {
    let graph = &model.graph;
    let is_image = |id: &_| graph[*id].op.name() == "input" && graph[*id].attributes.text("name") == "image";
    let image = graph.ids().into_iter().find(is_image).expect("a model has images");
    let dims = graph[image].ty.dims[1..].try_into().expect("elaboration has checked the input");
    (dims, graph[graph.result("logits").expect("a model has logits")].ty.dims[1])
}
