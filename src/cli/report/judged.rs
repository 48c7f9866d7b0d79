//! How the network judges the test images: by class, by pairs of classes, and where it is most wrong.

use super::heatmap::Heatmap;
use super::{escape, thousands};
use crate::cli::judgement::Judgement;

/// Says how to read the confusions.
pub const CONFUSIONS_NOTE: &str = "A row for each class, a column for each class that its images were taken for.";
/// Says how to read the mistakes.
pub const MISTAKES_NOTE: &str = "The test images with the highest losses among those that were taken for another class: what they are, what \
                                 they were taken for, and with which probability.";

/// Up to so many classes the matrix is a table with its numbers; up to the second number a field of colours; above, there is none.
const NUMBERS: usize = 24;
const FIELD: usize = 200;

/// The most pairs of classes that are listed.
const PAIRS: usize = 12;

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_string() } else { format!("{:.1}%", 100.0 * share(part, whole)) }
}

/// For each class: how many images, how many of them were recognised, and how many of those taken for it are of it.
pub fn classes(judgement: &Judgement) -> String {
    let matrix = judgement.matrix();
    let rows: String = judgement
        .classes
        .iter()
        .enumerate()
        .map(|(class, name)| {
            let images: u64 = matrix[class].iter().sum();
            let taken: u64 = matrix.iter().map(|row| row[class]).sum();
            let right = matrix[class][class];
            format!(
                "<tr><th>{}</th><td class=\"bar\"><i style=\"width:{:.1}%\"></i></td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escape(name),
                100.0 * share(right, images),
                percent(right, images),
                percent(right, taken),
                thousands(images)
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\">\n<table class=\"classes\">\n<thead><tr><th>class</th><th></th><th>accuracy</th><th>precision</th>\
         <th>images</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

/// The confusion matrix, as far as it can be looked at, and the pairs that are confused most often.
pub fn confusions(judgement: &Judgement) -> String {
    let matrix = judgement.matrix();
    let drawn = match judgement.classes.len() {
        classes if classes <= NUMBERS => table(judgement, &matrix),
        classes if classes <= FIELD => field(judgement, &matrix),
        _ => String::new(),
    };
    format!("<div class=\"confusions\">\n{drawn}{}</div>\n", pairs(judgement, &matrix))
}

fn table(judgement: &Judgement, matrix: &[Vec<u64>]) -> String {
    let heads: String =
        judgement.classes.iter().map(|name| format!("<th><span>{}</span></th>", escape(name))).collect();
    let mut rows = String::new();
    for (label, (name, row)) in judgement.classes.iter().zip(matrix).enumerate() {
        let images: u64 = row.iter().sum();
        rows += &format!("<tr><th>{}</th>", escape(name));
        for (predicted, &count) in row.iter().enumerate() {
            let kind = if label == predicted { "right" } else { "wrong" };
            // A few confusions among many images are to be seen, so the colour rises steeply.
            let strength = share(count, images).sqrt();
            let shown = if count == 0 { String::new() } else { count.to_string() };
            rows += &format!("<td class=\"{kind}\" style=\"--s:{strength:.2}\">{shown}</td>");
        }
        rows += "</tr>\n";
    }
    format!(
        "<div class=\"scroll\">\n<table class=\"confusion\">\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table>\n</div>\n"
    )
}

fn field(judgement: &Judgement, matrix: &[Vec<u64>]) -> String {
    let value = |&count: &u64| (count > 0).then_some(count as f64);
    Heatmap {
        title: "images".to_string(),
        rows: judgement.classes.clone(),
        columns: judgement.classes.clone(),
        values: matrix.iter().map(|row| row.iter().map(value).collect()).collect(),
        is_logarithmic: true,
    }
    .html()
}

fn pairs(judgement: &Judgement, matrix: &[Vec<u64>]) -> String {
    let wrong = judgement.confusion.iter().filter(|[label, predicted, _]| label != predicted);
    let mut wrong: Vec<&[u64; 3]> = wrong.collect();
    wrong.sort_by_key(|[label, predicted, count]| (std::cmp::Reverse(*count), *label, *predicted));
    if wrong.is_empty() {
        return "<p>There is none: every image was recognised.</p>\n".to_string();
    }
    let rows: String = wrong
        .iter()
        .take(PAIRS)
        .map(|&&[label, predicted, count]| {
            let (label, predicted) = (label as usize, predicted as usize);
            format!(
                "<tr><th>{}</th><th>{}</th><td>{count}</td><td>{}</td></tr>\n",
                escape(&judgement.classes[label]),
                escape(&judgement.classes[predicted]),
                percent(count, matrix[label].iter().sum())
            )
        })
        .collect();
    format!(
        "<table class=\"pairs\">\n<thead><tr><th>class</th><th>taken for</th><th>images</th><th>of its class</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n"
    )
}

/// The worst mistakes with their pictures.
pub fn mistakes(judgement: &Judgement) -> String {
    let shown: String = judgement
        .mistakes
        .iter()
        .map(|mistake| {
            let [label, predicted] =
                [mistake.label, mistake.predicted].map(|class| escape(&judgement.classes[class]));
            let picture = mistake.png.as_ref().map_or_else(String::new, |png| {
                format!("<img alt=\"test image {}\" src=\"data:image/png;base64,{}\">\n", mistake.index, escape(png))
            });
            format!(
                "<figure>\n{picture}<figcaption><b>{label}</b> \
                 taken for <b>{predicted}</b><br>{probability:.1}%, loss {loss:.2}<br><span>image {index}</span></figcaption>\n</figure>\n",
                index = mistake.index,
                probability = 100.0 * mistake.probability,
                loss = mistake.loss,
            )
        })
        .collect();
    if shown.is_empty() { shown } else { format!("<div class=\"mistakes\">\n{shown}</div>\n") }
}
