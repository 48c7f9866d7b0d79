//! `rnet lr`: looks for a learning rate.

use super::{Failure, Outcome, model, print, session};
use crate::chart::{Chart, Curve, Over, svg};
use rnet_runtime::durable;
use rnet_runtime::sweep::{Point, Sweep, rates};
use std::path::PathBuf;

/// Look for a learning rate: train a few steps while the rate grows from tiny to too large, and watch the loss
///
/// Prints the curve and a rate on its steepest slope; writes the curve as JSON and as a picture. The network's weights are
/// initial ones, and nothing else is written. The same file gives the same curve.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// Where the data set is [default: the path in the file]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The first rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-6)]
    from: f64,
    /// The last rate, if the loss does not blow up before
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    to: f64,
    /// Steps from the first rate to the last
    #[arg(long, value_name = "N", default_value_t = 140, value_parser = clap::value_parser!(u64).range(20..=100_000))]
    steps: u64,
    /// The files to write: NAME.json and NAME.svg
    #[arg(long, value_name = "NAME", default_value = "lr")]
    out: PathBuf,
    /// Threads to compute with; their number changes no bit of the result [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
}

/// Rows of the curve in the terminal.
const ROWS: usize = 12;

/// Columns of it.
const COLUMNS: usize = 72;

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let (from, to) = (arguments.from, arguments.to);
    if !(from > 0.0 && from < to && to.is_finite()) {
        return Err(Failure::new(format!("--from {from} --to {to}: the rates should grow from above 0")));
    }
    // A curve that nobody can write down would be time lost.
    let folder = arguments.out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Failure::new(format!(
            "--out {}: there is no directory {}",
            arguments.out.display(),
            folder.display()
        )));
    }
    let (model, mut trainer) = session::prepare(&arguments.model, &[], arguments.data.as_deref(), arguments.threads)?;
    let mut sweep = Sweep::default();
    let rates = rates(from, to, arguments.steps as usize);
    trainer.sweep(&rates, &mut |lr, loss| sweep.add(lr, loss)).map_err(Failure::new)?;
    let (suggestion, least) = (sweep.suggestion(), sweep.least());
    let with = |end: &str| {
        let mut path = arguments.out.clone().into_os_string();
        path.push(end);
        PathBuf::from(path)
    };
    let object = serde_json::json!({
        "model": model.model, "batch": model.train.batch, "seed": model.train.seed,
        "suggestion": suggestion, "least": least.map(|point| point.lr), "points": sweep.points,
    });
    durable::write(&with(".json"), format!("{object}\n").as_bytes()).map_err(Failure::new)?;
    let picture = draw(&sweep.points, suggestion);
    durable::write(&with(".svg"), picture.as_bytes()).map_err(Failure::new)?;
    let mut text = curve(&sweep.points, suggestion);
    text += &match (suggestion, least) {
        (Some(suggestion), Some(least)) => format!(
            "the loss falls fastest at a learning rate of {suggestion:.2e} (>), and is least at {:.2e}\n\
             try --set train.optimizer.lr={suggestion:.2e}\n",
            least.lr
        ),
        _ => format!("the loss falls at no rate from {from:e} to {to:e}\n"),
    };
    print(&format!("{text}{}\n{}\n", with(".json").display(), with(".svg").display()));
    Ok(())
}

/// The smoothed loss in characters: rates from left to right by their logarithm.
fn curve(points: &[Point], suggestion: Option<f64>) -> String {
    let shown = shown(points);
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else { return String::new() };
    let [low, high] = bounds(shown);
    let mut rows = vec![[' '; COLUMNS]; ROWS];
    for point in shown {
        let across = (point.lr / first.lr).ln() / (last.lr / first.lr).ln().max(f64::MIN_POSITIVE);
        let down = (high - point.smoothed) / (high - low).max(f64::MIN_POSITIVE);
        let (row, column) = ((down * (ROWS - 1) as f64).round(), (across * (COLUMNS - 1) as f64).round());
        let mark = &mut rows[row as usize][column as usize];
        *mark = if suggestion == Some(point.lr) || *mark == '>' { '>' } else { '*' };
    }
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let label = match at {
            0 => format!("{high:.3}"),
            at if at == ROWS - 1 => format!("{low:.3}"),
            _ => String::new(),
        };
        text += format!("{label:>9} |{}", row.iter().collect::<String>()).trim_end();
        text.push('\n');
    }
    let (left, right) = (format!("{:.1e}", first.lr), format!("{:.1e}", last.lr));
    text + &format!(
        "{:>9} +{}\n{:>11}{left}{right:>width$}\n",
        "loss",
        "-".repeat(COLUMNS),
        "",
        width = COLUMNS - left.len()
    )
}

/// The points up to where the loss blows up, which would press all else flat.
fn shown(points: &[Point]) -> &[Point] {
    let Some(first) = points.first() else { return points };
    let end = points.iter().position(|point| point.smoothed > 1.5 * first.smoothed).unwrap_or(points.len());
    &points[..end]
}

/// The least and the greatest smoothed loss.
fn bounds(points: &[Point]) -> [f64; 2] {
    let smoothed = || points.iter().map(|point| point.smoothed);
    [smoothed().fold(f64::INFINITY, f64::min), smoothed().fold(f64::NEG_INFINITY, f64::max)]
}

/// The curve as an SVG picture, with a dot at the suggestion.
fn draw(points: &[Point], suggestion: Option<f64>) -> String {
    let shown = shown(points);
    let curve = |name: &str, color, is_bold, points| Curve { name: name.to_string(), color, is_bold, points };
    let by = |of: fn(&Point) -> f64| shown.iter().map(|point| (point.lr, of(point))).collect();
    let mut curves =
        vec![curve("loss", 5, false, by(|point| point.loss)), curve("smoothed", 0, true, by(|point| point.smoothed))];
    if let Some(point) = shown.iter().find(|point| suggestion == Some(point.lr)) {
        curves.push(curve("suggestion", 1, true, vec![(point.lr, point.smoothed)]));
    }
    svg::standalone(&Chart::new("loss", Over::Rates, curves, false))
}
