//! `rnet report`: a run as one HTML page that needs nothing beside it.

mod heatmap;
mod judged;
mod layers;
mod sessions;

use super::judgement::Judgement;
use super::plot::{self, What};
use super::run::{Run, duration};
use super::run_directory::RunDirectory;
use super::{Failure, Outcome, print, thousands};
use crate::chart::svg::{self, escape};
use rnet_runtime::durable;
use rnet_runtime::layers::LayersRecord;
use rnet_runtime::lines;
use rnet_runtime::stopping::Metric;
use std::fs;
use std::path::{Path, PathBuf};

/// Write a run's report: curves, confusion matrix, worst mistakes, layers, configuration, as one HTML file
///
/// The file needs nothing beside it, neither the run nor a network. `rnet train` writes one when it ends.
#[derive(clap::Args)]
pub struct Arguments {
    /// The run directory
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The file to write [default: report.html in the run directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let out = arguments.out.clone().unwrap_or_else(|| path(&arguments.run));
    write(&arguments.run, &out)?;
    print(&format!("{}\n", out.display()));
    Ok(())
}

/// Where `rnet train` puts a run's report.
pub fn path(run: &Path) -> PathBuf {
    run.join("report.html")
}

/// Writes the report of the run in a directory into a file.
pub fn write(directory: &Path, out: &Path) -> Outcome {
    let run = Run::read(directory)?;
    let judgement = Judgement::read(directory)?;
    let layers = directory.join("layers.jsonl");
    let layers: Vec<LayersRecord> = match layers.exists() {
        true => lines::read(&layers).map_err(Failure::new)?,
        false => Vec::new(),
    };
    let model = RunDirectory::model(directory);
    let model = match model.exists() {
        true => fs::read_to_string(&model).map_err(|error| Failure::new(format!("{}: {error}", model.display())))?,
        false => String::new(),
    };
    let page = page(&run, judgement.as_ref(), &layers, &model);
    durable::write(out, page.as_bytes()).map_err(Failure::new)
}

/// The page. Its policy forbids the browser to fetch anything.
fn page(run: &Run, judgement: Option<&Judgement>, layers: &[LayersRecord], model: &str) -> String {
    let mut sections = vec![section("Curves", "", curves(run))];
    if let Some(judgement) = judgement {
        let note = format!("Judged at the test after step {}.", thousands(judgement.step));
        sections.push(section("Classes", &note, judged::classes(judgement)));
        sections.push(section("Confusions", judged::CONFUSIONS_NOTE, judged::confusions(judgement)));
        sections.push(section("Worst mistakes", judged::MISTAKES_NOTE, judged::mistakes(judgement)));
    }
    if layers.iter().any(|record| !record.layers.is_empty()) {
        sections.push(section("Layers", layers::NOTE, layers::maps(layers)));
    }
    sections.push(section("Sessions", sessions::NOTE, sessions::table(run)));
    sections.push(section(
        "Configuration",
        "The model file, with every import and default written out.",
        listing(model),
    ));
    let sections: String = sections.into_iter().collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{style}</style>\n</head>\n<body>\n<main>\n{head}{sections}</main>\n<div id=\"tip\" hidden></div>\n\
         <script>\n{script}</script>\n</body>\n</html>\n",
        title = escape(&run.name),
        style = include_str!("page.css"),
        head = head(run),
        script = include_str!("page.js"),
    )
}

fn section(title: &str, note: &str, body: String) -> String {
    if body.is_empty() {
        return String::new();
    }
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>\n", escape(note)) };
    format!("<section>\n<h2>{}</h2>\n{note}{body}</section>\n", escape(title))
}

/// Name, state, and the figures that matter.
fn head(run: &Run) -> String {
    let percent = |share: f64| format!("{:.2}%", 100.0 * share);
    let mut figures = Vec::new();
    if let Some(best) = run.best_test() {
        let after = format!("after step {}", thousands(best.step));
        figures.push(match run.metric() {
            Metric::Accuracy => (percent(best.top1), format!("best test accuracy, {after}")),
            Metric::Loss => (format!("{:.4}", best.loss), format!("least test loss, {after}: {}", percent(best.top1))),
        });
    }
    if let Some(last) = run.last_test() {
        figures.push((percent(last.top1), format!("last test accuracy, loss {:.4}", last.loss)));
    }
    let mut about = Vec::new();
    match run.session() {
        Some(session) => {
            figures.push((
                thousands(run.step()),
                format!("of {} steps, {} images each", thousands(session.steps), session.batch),
            ));
            figures.push((duration(run.seconds()), "of training".to_string()));
            about.push(format!("<b>{}</b>", escape(&session.network)));
            about.push(format!("{} parameters", thousands(session.parameters)));
            about.push(escape(&session.data));
            about.push(format!("seed {}", session.seed));
        }
        None => figures.push((thousands(run.step()), "steps".to_string())),
    }
    let figures: String = figures
        .iter()
        .map(|(number, words)| format!("<div><strong>{number}</strong><span>{}</span></div>\n", escape(words)))
        .collect();
    let state = run.standing.word();
    let reason =
        run.reason().map_or_else(String::new, |reason| format!("<pre class=\"reason\">{}</pre>\n", escape(reason)));
    format!(
        "<header>\n<h1>{} <span class=\"state {state}\">{state}</span></h1>\n<p class=\"about\">{}</p>\n{reason}\
         <div class=\"figures\">\n{figures}</div>\n</header>\n",
        escape(&run.name),
        about.join(" · ")
    )
}

/// Loss, accuracy, learning rate and speed over the steps.
fn curves(run: &Run) -> String {
    let runs = std::slice::from_ref(run);
    let charts = [What::Loss, What::Accuracy, What::Lr, What::Speed].map(|what| plot::chart(runs, what, 0.0, false));
    let drawn: String = charts
        .iter()
        .filter(|chart| !chart.is_empty())
        .map(|chart| format!("<figure>\n{}</figure>\n", svg::inline(chart, 540.0, 300.0)))
        .collect();
    if drawn.is_empty() { drawn } else { format!("<div class=\"charts\">\n{drawn}</div>\n") }
}

/// The model file.
fn listing(model: &str) -> String {
    if model.is_empty() { String::new() } else { format!("<pre>{}</pre>\n", escape(model)) }
}
