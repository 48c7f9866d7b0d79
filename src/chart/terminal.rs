//! A chart in characters: Braille patterns, each of which has 2 x 4 dots.

use super::Chart;

/// Columns in front of the curves, for the numbers.
const LEFT: usize = 8;

/// The eight dots of a Braille pattern as bits of its code: by column, then by row.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// The terminal's colours for the colours of curves.
const COLORS: [u8; super::COLORS] = [34, 31, 32, 35, 33, 36];

/// Dots on a grid of characters.
struct Canvas {
    width: usize,
    height: usize,
    /// For each character its dots, and the colour of the newest.
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    fn dot(&mut self, x: usize, y: usize, color: usize) {
        let cell = &mut self.cells[y / 4 * self.width + x / 2];
        *cell = (cell.0 | DOTS[x % 2][y % 4], color);
    }

    /// A line between two places, given as shares of the whole: x from the left, y from below.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), color: usize) {
        let place = |(x, y): (f64, f64)| (x * (2 * self.width - 1) as f64, (1.0 - y) * (4 * self.height - 1) as f64);
        let ((x0, y0), (x1, y1)) = (place(from), place(to));
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0) as usize;
        for at in 0..=steps {
            let share = at as f64 / steps as f64;
            self.dot((x0 + share * (x1 - x0)).round() as usize, (y0 + share * (y1 - y0)).round() as usize, color);
        }
    }
}

/// A legend, `rows` rows of curves, and the axis of steps below them; no line is longer than `columns` characters. `is_colored`:
/// with the escape sequences of a terminal.
pub fn text(chart: &Chart, columns: usize, rows: usize, is_colored: bool) -> String {
    let (width, height) = (columns.saturating_sub(LEFT + 2).max(10), rows.max(4));
    let mut canvas = Canvas { width, height, cells: vec![(0, 0); width * height] };
    let (x, y) = (chart.x(), chart.y());
    let place = |&(step, value): &(f64, f64)| (x.share(step), y.share(value));
    // What matters is drawn last, over the others.
    let mut curves: Vec<_> = chart.curves.iter().collect();
    curves.sort_by_key(|curve| curve.is_bold);
    for curve in curves {
        let points: Vec<_> = curve.points.iter().map(place).collect();
        if let [only] = points[..] {
            canvas.line(only, only, curve.color);
        }
        points.windows(2).for_each(|pair| canvas.line(pair[0], pair[1], curve.color));
    }
    let paint = |text: &str, color: usize, is_bold: bool| match is_colored {
        true => format!("\u{1b}[{}{}m{text}\u{1b}[0m", if is_bold { "1;" } else { "" }, COLORS[color % super::COLORS]),
        false => text.to_string(),
    };
    let mut lines = legend(chart, columns, &paint);
    // The row of characters in which a value lies.
    let row = |value: f64| (((1.0 - y.share(value)) * (4 * height - 1) as f64).round() as usize) / 4;
    let marks = y.marks((height / 4).max(2));
    for at in 0..height {
        let mark = marks.iter().find(|(value, _)| row(*value) == at).map_or("", |(_, text)| text);
        let mut line = format!("{mark:>LEFT$} {}", if mark.is_empty() { '│' } else { '┤' });
        for &(dots, color) in &canvas.cells[at * width..][..width] {
            match dots {
                0 => line.push(' '),
                _ => {
                    let pattern = char::from_u32(0x2800 + u32::from(dots)).expect("a Braille pattern");
                    line += &paint(&pattern.to_string(), color, false);
                }
            }
        }
        lines.push(line.trim_end().to_string());
    }
    lines.push(format!("{:>LEFT$} └{}", "", "─".repeat(width)));
    lines.push(steps(&x, width));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The title and the names of the curves with their last values, wrapped.
fn legend(chart: &Chart, columns: usize, paint: &dyn Fn(&str, usize, bool) -> String) -> Vec<String> {
    let title = format!("{} by {}", chart.title, chart.over.title());
    let mut used = title.chars().count();
    let mut lines = vec![title];
    for curve in &chart.curves {
        let last = curve.points.last().map_or(String::new(), |(_, value)| format!(" {value:.4}"));
        let name = format!("{}{last}", curve.name);
        let sample = if curve.is_bold { "━━" } else { "──" };
        let needed = 5 + name.chars().count();
        if used + needed > columns {
            lines.push(String::new());
            used = 0;
        }
        let line = lines.last_mut().expect("there is a line");
        *line += &format!("  {} {name}", paint(sample, curve.color, curve.is_bold));
        used += needed;
    }
    lines
}

/// The numbers below the axis of steps.
fn steps(axis: &super::Axis, width: usize) -> String {
    let mut line = vec![' '; LEFT + 2 + width];
    for (value, text) in axis.marks((width / 12).max(2)) {
        let middle = LEFT + 2 + (axis.share(value) * (width - 1) as f64).round() as usize;
        let start =
            (middle.saturating_sub(text.chars().count() / 2)).min(line.len().saturating_sub(text.chars().count()));
        text.chars().enumerate().for_each(|(at, character)| line[start + at] = character);
    }
    line.iter().collect::<String>().trim_end().to_string()
}
