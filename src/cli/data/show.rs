//! `rnet data show`: images of a data set on one sheet.

use super::source;
use crate::cli::{Failure, Outcome, print};
use rnet_runtime::data::sheet::{Cell, sheet};
use rnet_runtime::data::{Dataset, Draws, Pipeline};
use rnet_runtime::durable;
use std::path::PathBuf;

/// Draw images of a data set, with their classes, on one sheet: a PNG file
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    source: source::Arguments,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "sheet.png")]
    out: PathBuf,
    /// Images to show, evenly spread over the data set
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    images: u64,
    /// Show each image and what its first seven epochs of training make of it; mixing apart
    #[arg(long)]
    augmented: bool,
    /// Determines the augmentation
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Show test images
    #[arg(long, conflicts_with = "augmented")]
    test: bool,
}

/// Images in a row.
const COLUMNS: usize = 8;

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let config = arguments.source.section()?;
    let dataset = match &config.holdout {
        Some(holdout) => Dataset::open(&config.source, Some(holdout)),
        None => Dataset::read(&config.source),
    };
    let dataset = dataset.map_err(Failure::new)?;
    let (samples, half) = if arguments.test { (&dataset.test, "test") } else { (&dataset.train, "training") };
    if samples.is_empty() {
        return Err(Failure::new(format!("{} has no {half} images", dataset.name)));
    }
    if dataset.channels != 1 && dataset.channels != 3 {
        return Err(Failure::new(format!("images of {} channels cannot be drawn", dataset.channels)));
    }
    let pipeline = match (arguments.augmented, config.train.is_empty()) {
        (false, _) => None,
        (true, false) => Some(Pipeline::new(&config.train, &dataset).map_err(Failure::new)?),
        (true, true) => {
            let words = "--augmented: nothing happens to the training images\n  \
                         help: name a model file whose data section has a `train = ..`";
            return Err(Failure::new(words));
        }
    };
    let count = samples.len().min(arguments.images as usize);
    let mut cells = Vec::new();
    for sample in (0..count).map(|at| at * samples.len() / count) {
        let image = samples.image(sample).map_err(Failure::new)?;
        let caption = &dataset.classes[samples.label(sample)];
        cells.push(Cell::new(&image, caption));
        for epoch in (0..COLUMNS as u64 - 1).filter(|_| pipeline.is_some()) {
            let pipeline = pipeline.as_ref().expect("there is one");
            let shown = pipeline.picture(&image, Draws::train(arguments.seed, epoch, sample));
            cells.push(Cell::new(&shown, &format!("epoch {}", epoch + 1)));
        }
    }
    let png = sheet(&cells, COLUMNS).map_err(Failure::new)?;
    durable::write(&arguments.out, &png).map_err(Failure::new)?;
    print(&format!("{count} {half} images of {} are on {}\n", dataset.name, arguments.out.display()));
    Ok(())
}
