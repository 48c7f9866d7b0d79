//! `rnet eval`: a model's loss and accuracy over the test set.

use super::{Failure, Outcome, data, model, print, thousands, weights};
use rnet_runtime::state::State;
use rnet_runtime::train::{self, Batched, batch_sizes};
use rnet_runtime::workers::Workers;
use std::path::PathBuf;

/// Measure a model's loss and accuracy on the test set
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// The weights, as `train` and `init` write them
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    renaming: weights::Renaming,
    /// Where the data set is: its own directory, or the one above it [default: the path in the file]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Threads to compute with [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let model = arguments.model.elaborate(model::Mode::Eval, None)?;
    let data = data::open(&model, arguments.data.as_deref())?;
    let mut programs = Vec::new();
    for images in batch_sizes(data.dataset.test.len(), model.train.batch) {
        let model = arguments.model.elaborate(model::Mode::Eval, Some(images))?;
        programs.push((images, model::program(&model, model::Mode::Eval)?));
    }
    data::check(&programs[0].1, &data)?;
    let mut state = State::new(&programs[0].1.states, 0);
    arguments.renaming.load(&mut state, &arguments.weights)?;
    let mut evaluation = Batched::new(programs).map_err(Failure::new)?;
    let workers = Workers::new(model::threads(arguments.threads));
    let [_, test] = &data.pipelines;
    let tested = train::test(&data.dataset, test, model.train.batch, &mut evaluation, &workers, &mut state);
    let (meter, rate) = tested.map_err(Failure::new)?;
    let (loss, top1, images) = (meter.mean_loss(), meter.top1(), meter.images);
    print(&match arguments.json {
        true => {
            format!("{}\n", serde_json::json!({"loss": loss, "top1": top1, "images": images, "images_per_s": rate}))
        }
        false => format!(
            "test loss {loss:.4}, accuracy {:.2}% of {} images, {} images/s\n",
            100.0 * top1,
            thousands(images),
            thousands(rate as u64)
        ),
    });
    Ok(())
}
