//! A chart as SVG.

use super::figure::{Anchor, Figure, Item, Look};
use super::{Axis, Chart};
use std::fmt::Write;

/// The colours of curves on white: those of Okabe and Ito (2008), which people with any kind of colour vision tell apart.
pub const PALETTE: [&str; super::COLORS] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Text that means itself in XML and HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // No XML can hold these.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}')
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A picture that stands alone, on white.
pub fn standalone(chart: &Chart) -> String {
    let figure = Figure::new(chart, 860.0, 420.0);
    let Figure { width, height, .. } = figure;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n<style>\n\
         text {{ font: 12px 'DejaVu Sans', Verdana, sans-serif; fill: #222 }}\n\
         path, line {{ fill: none }}\n.axis {{ stroke: #444 }}\n.grid {{ stroke: #e4e4e4 }}\n\
         .line {{ stroke-width: 1; stroke-linejoin: round }}\n.bold {{ stroke-width: 2.6 }}\n"
    );
    for (at, color) in PALETTE.iter().enumerate() {
        writeln!(svg, ".c{at} {{ stroke: {color} }} circle.c{at} {{ fill: {color} }}")
            .expect("writing to a string succeeds");
    }
    svg += "</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
    svg += &items(&figure, |_| String::new());
    svg + "</svg>\n"
}

/// A picture within a page, whose style gives colours to the classes. It carries its numbers, for whoever points at it.
pub fn inline(chart: &Chart, width: f64, height: f64) -> String {
    let figure = Figure::new(chart, width, height);
    let [left, top, right, bottom] = figure.plot;
    let (x, y) = (chart.x(), chart.y());
    let kind = if y.is_logarithmic { "log" } else { "linear" };
    let points = |at: usize| {
        let curve = &chart.curves[at];
        let points = curve.points.iter().map(|(step, value)| format!("[{step},{}]", significant(*value)));
        let points: Vec<String> = points.collect();
        format!(" data-name=\"{}\" data-points=\"[{}]\"", escape(&curve.name), points.join(","))
    };
    let ends = |axis: Axis| format!("{},{}", axis.low, axis.high);
    format!(
        "<svg class=\"chart\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {width} {height}\" data-plot=\"{left},{top},{right},{bottom}\" \
         data-x=\"{}\" data-y=\"{}\" data-scale=\"{kind}\">\n{}</svg>\n",
        escape(&chart.title),
        ends(x),
        ends(y),
        items(&figure, points)
    )
}

/// Five significant digits: more than a picture shows, and short.
fn significant(value: f64) -> f64 {
    format!("{value:.4e}").parse().expect("a number's text is a number")
}

/// The elements; `extra` is what a curve's element carries beside its shape.
fn items(figure: &Figure, extra: impl Fn(usize) -> String) -> String {
    let mut svg = String::new();
    for item in &figure.items {
        match item {
            Item::Line { points, look, curve } => {
                let mut path = String::new();
                for (at, (x, y)) in points.iter().enumerate() {
                    let command = if at == 0 { 'M' } else { 'L' };
                    write!(path, "{command}{x:.1} {y:.1}").expect("writing to a string succeeds");
                }
                // The legend's samples look as the curves do and are none.
                let kind = if curve.is_some() { "curve " } else { "" };
                let extra = curve.map_or_else(String::new, &extra);
                writeln!(svg, "<path class=\"{kind}{}\" d=\"{path}\"{extra}/>", class(*look))
            }
            Item::Dot { at: (x, y), look, curve } => {
                writeln!(
                    svg,
                    "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"{}/>",
                    class(*look),
                    extra(*curve)
                )
            }
            Item::Text { at: (x, y), anchor, text } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(text))
            }
        }
        .expect("writing to a string succeeds");
    }
    svg
}

fn class(look: Look) -> String {
    match look {
        Look::Axis => "axis".to_string(),
        Look::Grid => "grid".to_string(),
        Look::Curve { color, is_bold } => format!("line c{color}{}", if is_bold { " bold" } else { "" }),
    }
}
