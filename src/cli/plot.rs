//! `rnet plot`: the curves of runs, side by side.

use super::run::Run;
use super::{Failure, Outcome, print};
use crate::chart::{self, Chart, Curve, Over};
use rnet_runtime::durable;
use rnet_runtime::metrics::{Record, Split};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Draw the curves of one or several runs, in the terminal or into a picture
///
/// Thick curves are of the test images, thin ones of training.
#[derive(clap::Args)]
pub struct Arguments {
    /// Run directories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The picture to write, SVG or PNG by its ending [default: characters on standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What to draw
    #[arg(long, default_value = "error")]
    what: What,
    /// Smooth curves by a moving average that gives the past this weight, 0 to 0.999
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = weight)]
    smooth: f64,
    /// A logarithmic axis
    #[arg(long)]
    log: bool,
}

fn weight(text: &str) -> Result<f64, String> {
    let weight: f64 = text.parse().map_err(|_| "it should be a number".to_string())?;
    if (0.0..=0.999).contains(&weight) { Ok(weight) } else { Err("it lies between 0 and 0.999".to_string()) }
}

/// What curves show.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The share of images that are classified wrongly, in per cent.
    Error,
    /// The share of images that are classified rightly, in per cent.
    Accuracy,
    /// The mean loss.
    Loss,
    /// The learning rate.
    Lr,
    /// Images a second in training.
    Speed,
}

impl What {
    fn of(self, record: &Record) -> f64 {
        match self {
            What::Error => 100.0 * (1.0 - record.top1),
            What::Accuracy => 100.0 * record.top1,
            What::Loss => record.loss,
            What::Lr => record.lr,
            What::Speed => record.images_per_s,
        }
    }

    fn title(self) -> &'static str {
        match self {
            What::Error => "error, %",
            What::Accuracy => "accuracy, %",
            What::Loss => "loss",
            What::Lr => "learning rate",
            What::Speed => "images/s",
        }
    }

    /// What is measured of, with a word for it; of a learning rate there is only one.
    fn splits(self) -> &'static [(Split, &'static str)] {
        match self {
            What::Error | What::Accuracy | What::Loss => &[(Split::Train, "training"), (Split::Test, "test")],
            What::Lr | What::Speed => &[(Split::Train, "")],
        }
    }
}

/// The curves of runs. Those of one run share a colour; a name is told only where there are several to tell apart.
pub fn chart(runs: &[Run], what: What, smooth: f64, is_logarithmic: bool) -> Chart {
    let mut curves = Vec::new();
    for (color, run) in runs.iter().enumerate() {
        let splits = what.splits();
        for &(split, word) in splits {
            let points: Vec<(f64, f64)> = run.of(split).map(|record| (record.step as f64, what.of(record))).collect();
            let name = match (runs.len(), word) {
                (1, "") => what.title().to_string(),
                (1, word) => word.to_string(),
                (_, "") => run.name.clone(),
                (_, word) => format!("{}, {word}", run.name),
            };
            // A single run has colours to spare.
            let color = if runs.len() == 1 && split == Split::Train && splits.len() > 1 { 1 } else { color };
            let is_bold = split == Split::Test || splits.len() == 1;
            curves.push(Curve { name, color, is_bold, points: chart::smooth(&points, smooth) });
        }
    }
    Chart::new(what.title(), Over::Steps, curves, is_logarithmic)
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let format = arguments.out.as_deref().map(Format::of).transpose()?;
    let runs = arguments.runs.iter().map(|path| Run::read(path)).collect::<Result<Vec<Run>, Failure>>()?;
    if let Some(run) = runs.iter().find(|run| run.records.is_empty()) {
        return Err(Failure::new(format!("{}: there is no measurement in it yet", run.path.display())));
    }
    let chart = chart(&runs, arguments.what, arguments.smooth, arguments.log);
    if chart.is_empty() {
        return Err(Failure::new("there is nothing to draw: no value that a logarithmic axis could show"));
    }
    let (Some(out), Some(format)) = (&arguments.out, format) else {
        let (rows, columns) = console::Term::stdout().size();
        let rows = usize::from(rows).saturating_sub(6).clamp(10, 24);
        let is_colored = std::io::stdout().is_terminal() && console::colors_enabled();
        print(&chart::terminal::text(&chart, usize::from(columns).min(160), rows, is_colored));
        return Ok(());
    };
    let bytes = match format {
        Format::Svg => chart::svg::standalone(&chart).into_bytes(),
        Format::Png => chart::png(&chart),
    };
    durable::write(out, &bytes).map_err(Failure::new)?;
    print(&format!("{}\n", out.display()));
    Ok(())
}

/// A kind of picture.
#[derive(Clone, Copy)]
enum Format {
    Svg,
    Png,
}

impl Format {
    /// By a file's ending.
    fn of(path: &Path) -> Result<Format, Failure> {
        match path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).as_deref() {
            Some("svg") => Ok(Format::Svg),
            Some("png") => Ok(Format::Png),
            _ => Err(Failure::new(format!("--out {}: should end in .svg or .png", path.display()))),
        }
    }
}
