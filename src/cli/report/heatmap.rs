//! Numbers as a field of colours: a picture of one pixel a number, stretched, with the numbers for whoever points at it.

use crate::chart::svg::escape;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// The colours from low to high: those of matplotlib's viridis, which are read alike on light and dark and by any kind of colour
/// vision.
const COLORS: [[u8; 3]; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2d, 0x7b],
    [0x3b, 0x52, 0x8b],
    [0x2c, 0x72, 0x8e],
    [0x21, 0x91, 0x8c],
    [0x28, 0xae, 0x80],
    [0x5e, 0xc9, 0x62],
    [0xad, 0xdc, 0x30],
    [0xfd, 0xe7, 0x25],
];

/// Units that the field is wide and, about, high.
const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 420.0;

/// A table of numbers.
pub struct Heatmap {
    /// What is shown.
    pub title: String,
    /// A name for each row, from above.
    pub rows: Vec<String>,
    /// A name for each column, from the left.
    pub columns: Vec<String>,
    /// By row; `None` where there is no number.
    pub values: Vec<Vec<Option<f64>>>,
    /// Whether equal ratios, not equal differences, are equally far apart in colour.
    pub is_logarithmic: bool,
}

impl Heatmap {
    /// The range of the colours, if there is anything to show.
    fn range(&self) -> Option<(f64, f64)> {
        let values =
            || self.values.iter().flatten().flatten().copied().filter(|&value| value > 0.0 || !self.is_logarithmic);
        let low = values().reduce(f64::min)?;
        let high = values().reduce(f64::max)?;
        Some((low, high))
    }

    fn share(&self, value: f64, (low, high): (f64, f64)) -> f64 {
        let share = match self.is_logarithmic {
            _ if high <= low => 0.5,
            true if value <= 0.0 => 0.0,
            true => (value / low).ln() / (high / low).ln(),
            false => (value - low) / (high - low),
        };
        share.clamp(0.0, 1.0)
    }

    /// The element; empty where there is nothing to show.
    pub fn html(&self) -> String {
        let Some(range) = self.range() else { return String::new() };
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let height = (HEIGHT / rows as f64).clamp(3.0, 14.0) * rows as f64;
        let every = (rows as f64 * 11.0 / height).ceil() as usize;
        let longest = self.rows.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let left = 6.2 * longest as f64 + 10.0;
        let (width, total) = (left + WIDTH, height + 20.0);
        let mut labels = String::new();
        for (at, name) in self.rows.iter().enumerate().step_by(every) {
            let y = (at as f64 + 0.5) * height / rows as f64 + 3.5;
            labels +=
                &format!("<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>\n", left - 6.0, escape(name));
        }
        if let (Some(first), Some(last)) = (self.columns.first(), self.columns.last()) {
            let y = height + 14.0;
            labels += &format!("<text x=\"{left:.1}\" y=\"{y:.1}\">{}</text>\n", escape(first));
            if columns > 1 {
                labels += &format!("<text x=\"{width:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>\n", escape(last));
            }
        }
        let short = |value: &Option<f64>| value.map(|value| format!("{value:.3e}").parse::<f64>().unwrap_or(value));
        let values: Vec<Vec<_>> = self.values.iter().map(|row| row.iter().map(short).collect()).collect();
        let data = json!({"rows": self.rows, "columns": self.columns, "values": values});
        let (low, high) = range;
        format!(
            "<figure class=\"map\">\n<figcaption>{title} <span class=\"scale\">{low} <i></i> {high}</span></figcaption>\n\
             <svg class=\"field\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {width:.1} {total:.1}\" \
             data-field=\"{left:.1},0,{width:.1},{height:.1}\" data-values=\"{data}\">\n\
             <image x=\"{left:.1}\" y=\"0\" width=\"{WIDTH}\" height=\"{height:.1}\" preserveAspectRatio=\"none\" \
             href=\"data:image/png;base64,{image}\"/>\n{labels}</svg>\n</figure>\n",
            title = escape(&self.title),
            low = number(low),
            high = number(high),
            data = escape(&data.to_string()),
            image = STANDARD.encode(self.image(range)),
        )
    }

    /// One pixel a number; no number is transparent.
    fn image(&self, range: (f64, f64)) -> Vec<u8> {
        let pixel = |value: &Option<f64>| match value {
            Some(value) => {
                let [red, green, blue] = color(self.share(*value, range));
                [red, green, blue, 255]
            }
            None => [0; 4],
        };
        let pixels: Vec<u8> = self.values.iter().flatten().flat_map(pixel).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.columns.len() as u32, self.rows.len() as u32);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        written.unwrap_or_else(|error| panic!("a map of {} numbers: {error}", pixels.len() / 4));
        bytes
    }
}

/// The colour at a share of the way from low to high.
fn color(share: f64) -> [u8; 3] {
    let place = share * (COLORS.len() - 1) as f64;
    let at = (place as usize).min(COLORS.len() - 2);
    let part = place - at as f64;
    std::array::from_fn(|channel| {
        let (from, to) = (f64::from(COLORS[at][channel]), f64::from(COLORS[at + 1][channel]));
        (from + part * (to - from)).round() as u8
    })
}

/// Three significant digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        0.001..1000.0 => {
            let digits = (2.0 - value.abs().log10().floor()).max(0.0) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.2e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: Vec<Vec<Option<f64>>>, is_logarithmic: bool) -> Heatmap {
        let names = |count: usize| (0..count).map(|at| format!("<{at}>")).collect::<Vec<_>>();
        Heatmap {
            title: "t".to_string(),
            rows: names(values.len()),
            columns: names(values[0].len()),
            values,
            is_logarithmic,
        }
    }

    #[test]
    fn colours_go_from_the_least_to_the_greatest() {
        let map = map(vec![vec![Some(0.01), Some(1.0)], vec![None, Some(100.0)]], true);
        let range = map.range().expect("there are numbers");
        assert_eq!(range, (0.01, 100.0));
        assert_eq!([0.01, 1.0, 100.0, 0.0].map(|value| map.share(value, range)), [0.0, 0.5, 1.0, 0.0]);
        assert_eq!((color(0.0), color(1.0)), (COLORS[0], COLORS[8]));
        let html = map.html();
        assert!(html.contains("&lt;1&gt;") && !html.contains("<1>"), "{html}");
        assert!(html.contains("0.0100 <i></i> 100"), "{html}");
    }

    #[test]
    fn equal_numbers_have_a_colour_and_none_at_all_have_no_map() {
        let equal = map(vec![vec![Some(2.0), Some(2.0)]], false);
        assert_eq!(equal.share(2.0, (2.0, 2.0)), 0.5);
        assert_eq!(map(vec![vec![None, None]], false).html(), "");
        assert_eq!(map(vec![vec![Some(0.0)]], true).html(), "");
    }

    #[test]
    fn numbers_have_three_digits() {
        let cases =
            [(0.0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (123.4, "123"), (1e-7, "1.00e-7"), (54321.0, "5.43e4")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
