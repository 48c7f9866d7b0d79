//! `rnet plot`: the curves of runs, side by side.

use super::{Failure, Outcome, print};
use plotters::prelude::*;
use rnet_runtime::durable;
use rnet_runtime::metrics::{Record, Split};
use std::fs;
use std::path::{Path, PathBuf};

/// Draw the curves of one or several runs into one SVG picture
#[derive(clap::Args)]
pub struct Arguments {
    /// Run directories
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The picture to write
    #[arg(long, value_name = "FILE", default_value = "curves.svg")]
    out: PathBuf,
    /// What to draw
    #[arg(long, default_value = "error")]
    what: What,
}

/// What a curve shows.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The share of images that are classified wrongly, in per cent.
    Error,
    /// The mean loss.
    Loss,
}

impl What {
    fn of(self, record: &Record) -> f64 {
        match self {
            What::Error => 100.0 * (1.0 - record.top1),
            What::Loss => record.loss,
        }
    }

    fn title(self) -> &'static str {
        match self {
            What::Error => "error, %",
            What::Loss => "loss",
        }
    }
}

/// A run's lines of metrics.
struct Run {
    name: String,
    records: Vec<Record>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let runs = arguments.runs.iter().map(|path| read(path)).collect::<Result<Vec<Run>, Failure>>()?;
    let mut picture = String::new();
    draw(&mut picture, &runs, arguments.what).map_err(|error| Failure::new(format!("cannot draw: {error}")))?;
    durable::write(&arguments.out, picture.as_bytes()).map_err(Failure::new)?;
    print(&format!("{}\n", arguments.out.display()));
    Ok(())
}

fn read(path: &Path) -> Result<Run, Failure> {
    let file = path.join("metrics.jsonl");
    let text = fs::read_to_string(&file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let mut records = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let record = serde_json::from_str(line);
        records.push(record.map_err(|error| Failure::new(format!("{}:{}: {error}", file.display(), number + 1)))?);
    }
    if records.is_empty() {
        return Err(Failure::new(format!("{}: there is no measurement in it yet", file.display())));
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Run { name, records })
}

/// The hue of a run, spread over the circle of colours.
fn color(at: usize, runs: usize) -> HSLColor {
    HSLColor(0.6 + at as f64 / runs as f64, 0.75, 0.42)
}

/// A test curve is a thick line, a training curve a thin one.
fn draw(picture: &mut String, runs: &[Run], what: What) -> Result<(), Box<dyn std::error::Error>> {
    let records = || runs.iter().flat_map(|run| &run.records);
    let steps = records().map(|record| record.step).max().unwrap_or(1) as f64;
    // A first loss that is far above all others would press the curves against the floor.
    let mut values: Vec<f64> = records().map(|record| what.of(record)).collect();
    values.sort_by(f64::total_cmp);
    let most = values[(values.len() - 1) * 98 / 100] * 1.05;
    let area = SVGBackend::with_string(picture, (860, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..steps, 0.0..most.max(1e-9))?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("step")
        .y_desc(what.title())
        .x_label_formatter(&|step| format!("{step:.0}"))
        .draw()?;
    for (at, run) in runs.iter().enumerate() {
        let color = color(at, runs.len());
        for (split, width, word) in [(Split::Train, 1, "training"), (Split::Test, 3, "test")] {
            let points: Vec<(f64, f64)> = run
                .records
                .iter()
                .filter(|record| record.split == split)
                .map(|record| (record.step as f64, what.of(record).min(most)))
                .collect();
            let style = color.stroke_width(width);
            chart
                .draw_series(LineSeries::new(points, style))?
                .label(format!("{}, {word}", run.name))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    area.present()?;
    Ok(())
}
