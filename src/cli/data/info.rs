//! `rnet data info`: what a data set holds.

use super::source;
use crate::cli::{Failure, Outcome, print, thousands};
use rnet_runtime::config::Source;
use rnet_runtime::data::{DataError, Dataset, Samples, sweep};

/// Count a data set's images, by class; their sizes, mean and deviation; and the pictures that are corrupt
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    source: source::Arguments,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What was found in one half.
struct Half {
    name: &'static str,
    /// Images of each class.
    classes: Vec<usize>,
    /// Height and width of each image, in order of their area.
    sizes: Vec<[usize; 2]>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut config = arguments.source.section()?;
    // What is corrupt is told with the rest.
    if let Source::Folder { skip_corrupt, .. } = &mut config.source {
        *skip_corrupt = true;
    }
    let dataset = match &config.holdout {
        Some(holdout) => Dataset::open(&config.source, Some(holdout)),
        None => Dataset::read(&config.source),
    };
    let dataset = dataset.map_err(Failure::new)?;
    let halves = [half("train", &dataset.train, &dataset)?, half("test", &dataset.test, &dataset)?];
    let statistics = dataset.statistics().map_err(Failure::new)?;
    print(&match arguments.json {
        true => format!("{}\n", json(&dataset, &halves, &statistics)),
        false => text(&dataset, &halves, &statistics),
    });
    Ok(())
}

fn half(name: &'static str, samples: &Samples, dataset: &Dataset) -> Result<Half, Failure> {
    let mut classes = vec![0; dataset.classes.len()];
    (0..samples.len()).for_each(|sample| classes[samples.label(sample)] += 1);
    let all: Vec<usize> = (0..samples.len()).collect();
    let sizes = sweep(&all, Vec::new, |sizes, sample| {
        let [_, height, width] = samples.image(sample)?.dims;
        sizes.push([height, width]);
        Ok(())
    });
    let mut sizes = sizes.map_err(Failure::new)?.concat();
    sizes.sort_unstable_by_key(|[height, width]| (height * width, *height));
    Ok(Half { name, classes, sizes })
}

type Statistics = (Vec<f64>, Vec<f64>);

fn json(dataset: &Dataset, halves: &[Half; 2], (mean, std): &Statistics) -> serde_json::Value {
    let half = |half: &Half| {
        serde_json::json!({
            "images": half.classes.iter().sum::<usize>(),
            "by_class": half.classes,
            "smallest": half.sizes.first(), "median": half.sizes.get(half.sizes.len() / 2), "greatest": half.sizes.last(),
        })
    };
    serde_json::json!({
        "name": dataset.name, "channels": dataset.channels, "classes": dataset.classes,
        "train": half(&halves[0]), "test": half(&halves[1]),
        "mean": mean, "std": std, "corrupt": dataset.skipped.iter().map(first_line).collect::<Vec<_>>(),
    })
}

fn text(dataset: &Dataset, halves: &[Half; 2], (mean, std): &Statistics) -> String {
    let mut text = format!("{}: {} classes\n", dataset.name, dataset.classes.len());
    for half in halves {
        let count = thousands(half.classes.iter().sum::<usize>() as u64);
        let size = |[height, width]: [usize; 2]| format!("{}x{height}x{width}", dataset.channels);
        let sizes = match (half.sizes.first(), half.sizes.last()) {
            (Some(&smallest), Some(&greatest)) if smallest == greatest => format!(" of {}", size(smallest)),
            (Some(&smallest), Some(&greatest)) => {
                let median = half.sizes[half.sizes.len() / 2];
                format!(" from {} over {} to {}", size(smallest), size(median), size(greatest))
            }
            _ => String::new(),
        };
        text += &format!("{:5}  {count} images{sizes}\n", half.name);
    }
    let list = |values: &[f64]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", ");
    text += &format!("mean   [{}]\nstd    [{}]\n", list(mean), list(std));
    let width = dataset.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max("class".len());
    text += &format!("\n{:width$}  {:>8}  {:>8}\n", "class", "train", "test");
    for (class, name) in dataset.classes.iter().enumerate() {
        let [train, test] = [0, 1].map(|half| thousands(halves[half].classes[class] as u64));
        text += &format!("{name:width$}  {train:>8}  {test:>8}\n");
    }
    if !dataset.skipped.is_empty() {
        text += &format!("\n{} corrupt pictures:\n", dataset.skipped.len());
        dataset.skipped.iter().for_each(|error| text += &format!("  {}\n", first_line(error)));
    }
    text
}

/// What is wrong, without the help.
fn first_line(error: &DataError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}
