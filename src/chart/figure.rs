//! Where everything of a chart goes. What is drawn is told in words (classes) that a picture turns into colours and widths.

use super::{COLORS, Chart};

/// Units around the curves: left for the numbers, below for steps.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const BELOW: f64 = 44.0;
/// Above them, for one row of the legend, and for each further row.
const ABOVE: f64 = 40.0;
const ROW: f64 = 18.0;
/// What a character of the legend takes, on average.
const CHARACTER: f64 = 6.4;
/// The length of a legend's sample, with its distance to the text.
const SAMPLE: f64 = 26.0;

/// How an item looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// An axis.
    Axis,
    /// A line across the plot at a mark.
    Grid,
    /// A curve of that colour, thick or thin.
    Curve {
        /// Below [`COLORS`].
        color: usize,
        /// Thick.
        is_bold: bool,
    },
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// One thing to draw; y grows downwards.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// A line through points.
    Line {
        /// Two or more.
        points: Vec<(f64, f64)>,
        /// How.
        look: Look,
        /// Which of the chart's curves it is, if it is one.
        curve: Option<usize>,
    },
    /// A dot: a curve of one point.
    Dot {
        /// Its middle.
        at: (f64, f64),
        /// How.
        look: Look,
        /// Which of the chart's curves it is.
        curve: usize,
    },
    /// A line of text.
    Text {
        /// On its base line.
        at: (f64, f64),
        /// Where it stands relative to that.
        anchor: Anchor,
        /// What it says.
        text: String,
    },
}

/// A chart, laid out.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// Units across.
    pub width: f64,
    /// Units down.
    pub height: f64,
    /// The corners of the plot: left, top, right, bottom.
    pub plot: [f64; 4],
    /// What to draw, in order.
    pub items: Vec<Item>,
}

impl Figure {
    /// Lays a chart out.
    pub fn new(chart: &Chart, width: f64, height: f64) -> Figure {
        let mut items = Vec::new();
        let rows = legend(chart, width, &mut items);
        let top = ABOVE + ROW * rows.saturating_sub(1) as f64;
        let (right, bottom) = (width - RIGHT, height - BELOW);
        let (x_axis, y_axis) = (chart.x(), chart.y());
        let x = |value: f64| LEFT + x_axis.share(value) * (right - LEFT);
        let y = |value: f64| bottom - y_axis.share(value) * (bottom - top);
        let line = |from, to, look| Item::Line { points: vec![from, to], look, curve: None };
        let text = |at, anchor, text: &str| Item::Text { at, anchor, text: text.to_string() };
        for (value, label) in y_axis.marks(((bottom - top) / 38.0) as usize) {
            items.push(line((LEFT, y(value)), (right, y(value)), Look::Grid));
            items.push(text((LEFT - 7.0, y(value) + 4.0), Anchor::End, &label));
        }
        for (value, label) in x_axis.marks(((right - LEFT) / 90.0) as usize) {
            items.push(line((x(value), bottom), (x(value), bottom + 4.0), Look::Axis));
            items.push(text((x(value), bottom + 17.0), Anchor::Middle, &label));
        }
        items.push(Item::Line {
            points: vec![(LEFT, top), (LEFT, bottom), (right, bottom)],
            look: Look::Axis,
            curve: None,
        });
        items.push(text((f64::midpoint(LEFT, right), height - 8.0), Anchor::Middle, chart.over.title()));
        items.push(text((10.0, 17.0), Anchor::Start, &chart.title));
        for (at, curve) in chart.curves.iter().enumerate() {
            let look = Look::Curve { color: curve.color % COLORS, is_bold: curve.is_bold };
            let points: Vec<_> = curve.points.iter().map(|&(step, value)| (x(step), y(value))).collect();
            match points[..] {
                [] => {}
                [only] => items.push(Item::Dot { at: only, look, curve: at }),
                _ => items.push(Item::Line { points, look, curve: Some(at) }),
            }
        }
        Figure { width, height, plot: [LEFT, top, right, bottom], items }
    }
}

/// Sets the names of the curves beside samples of them, in as many rows as they need, which it returns.
fn legend(chart: &Chart, width: f64, items: &mut Vec<Item>) -> usize {
    let first = 24.0 + CHARACTER * (chart.title.chars().count().max(5)) as f64;
    let (mut x, mut row) = (first, 0);
    // What is called as the chart itself needs no name.
    for curve in chart.curves.iter().filter(|curve| curve.name != chart.title) {
        let needed = SAMPLE + CHARACTER * curve.name.chars().count() as f64 + 14.0;
        if x + needed > width && x > first {
            (x, row) = (first, row + 1);
        }
        let y = 13.0 + ROW * row as f64;
        let look = Look::Curve { color: curve.color % COLORS, is_bold: curve.is_bold };
        items.push(Item::Line { points: vec![(x, y), (x + SAMPLE - 6.0, y)], look, curve: None });
        items.push(Item::Text { at: (x + SAMPLE, y + 4.0), anchor: Anchor::Start, text: curve.name.clone() });
        x += needed;
    }
    row + 1
}
