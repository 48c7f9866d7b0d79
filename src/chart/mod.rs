//! Curves over steps: as SVG, as PNG, and in characters for the terminal.

mod figure;
mod png;
mod scale;
mod smooth;
pub mod svg;
pub mod terminal;

pub use png::png;
pub use scale::Axis;
pub use smooth::smooth;

/// How many colours curves have; see the classes `c0`, `c1`, .. in `svg.rs`.
pub const COLORS: usize = 6;

/// A curve.
#[derive(Clone, PartialEq, Debug)]
pub struct Curve {
    /// For the legend.
    pub name: String,
    /// Which colour: curves that belong together share one.
    pub color: usize,
    /// Drawn thick, as what matters; else thin.
    pub is_bold: bool,
    /// (x, y), x increasing.
    pub points: Vec<(f64, f64)>,
}

/// The horizontal axis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// Steps, from 0.
    Steps,
    /// Learning rates, by their logarithm.
    Rates,
}

impl Over {
    /// What is written beside the axis.
    fn title(self) -> &'static str {
        match self {
            Over::Steps => "step",
            Over::Rates => "learning rate",
        }
    }
}

/// Curves over common axes.
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    /// What is measured, with its unit.
    pub title: String,
    /// What they are drawn over.
    pub over: Over,
    /// The curves; points that cannot be shown (no finite number; not above zero on a logarithmic axis) are left out, and curves without any.
    pub curves: Vec<Curve>,
    /// Whether the vertical axis is logarithmic.
    pub is_logarithmic: bool,
}

impl Chart {
    /// A chart of what can be shown.
    pub fn new(title: &str, over: Over, mut curves: Vec<Curve>, is_logarithmic: bool) -> Chart {
        for curve in &mut curves {
            let can_be_shown = |&(x, y): &(f64, f64)| {
                x.is_finite() && y.is_finite() && (y > 0.0 || !is_logarithmic) && (x > 0.0 || over == Over::Steps)
            };
            curve.points.retain(can_be_shown);
        }
        // A name in the legend promises a curve.
        curves.retain(|curve| !curve.points.is_empty());
        Chart { title: title.to_string(), over, curves, is_logarithmic }
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.curves.is_empty()
    }

    /// The horizontal axis.
    fn x(&self) -> Axis {
        let points = || self.curves.iter().flat_map(|curve| &curve.points).map(|&(x, _)| x);
        match (self.over, points().reduce(f64::min)) {
            (Over::Rates, Some(least)) => Axis::logarithmic(least, points().fold(least, f64::max)),
            _ => Axis::linear(0.0, points().fold(0.0, f64::max)),
        }
    }

    /// The axis of values: from zero, or over all decades that occur. A first loss that is far above all others would press the
    /// curves against the floor; so the highest values are drawn at the upper edge.
    fn y(&self) -> Axis {
        let points = self.curves.iter().flat_map(|curve| &curve.points);
        let mut values: Vec<f64> = points.map(|&(_, y)| y).collect();
        values.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (values.first(), values.last()) else { return Axis::linear(0.0, 1.0) };
        if self.is_logarithmic {
            return Axis::logarithmic(least, most);
        }
        let common = values[(values.len() - 1) * 98 / 100];
        // Where nothing sticks out, everything is shown.
        let high = if most > 1.5 * common { common } else { most };
        Axis::linear(least.min(0.0), 1.05 * high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        Curve { name: "a <b>".to_string(), color: 0, is_bold: true, points: points.to_vec() }
    }

    #[test]
    fn what_cannot_be_shown_is_left_out() {
        let points = [(1.0, f64::NAN), (2.0, 0.0), (3.0, 4.0), (4.0, f64::INFINITY)];
        let linear = Chart::new("loss", Over::Steps, vec![curve(&points)], false);
        assert_eq!(linear.curves[0].points, [(2.0, 0.0), (3.0, 4.0)]);
        let logarithmic = Chart::new("loss", Over::Steps, vec![curve(&points)], true);
        assert_eq!(logarithmic.curves[0].points, [(3.0, 4.0)]);
        assert!(Chart::new("loss", Over::Steps, vec![curve(&points[..1])], false).is_empty());
        assert_eq!(Chart::new("loss", Over::Steps, vec![curve(&points[..1]), curve(&points)], false).curves.len(), 1);
    }

    #[test]
    fn a_value_that_sticks_out_does_not_press_the_others_down() {
        let mut points: Vec<(f64, f64)> = (1..100).map(|x| (f64::from(x), 1.0)).collect();
        let y = |points: &[(f64, f64)]| Chart::new("loss", Over::Steps, vec![curve(points)], false).y().high;
        assert_eq!(y(&points), 1.05);
        points[0].1 = 1000.0;
        assert_eq!(y(&points), 1.05);
        points[0].1 = 1.2;
        assert_eq!(y(&points), 1.05 * 1.2);
    }

    #[test]
    fn the_picture_holds_every_curve_and_is_well_formed() {
        let chart =
            Chart::new("loss", Over::Steps, vec![curve(&[(0.0, 2.0), (100.0, 1.0)]), curve(&[(50.0, 0.5)])], false);
        let picture = svg::standalone(&chart);
        // A curve of one point is a dot.
        assert_eq!((picture.matches("<path class=\"curve").count(), picture.matches("<circle").count()), (1, 1));
        assert!(
            picture.contains("a &lt;b&gt;") && picture.contains(">step<") && picture.contains(">loss<"),
            "{picture}"
        );
    }

    /// The same picture in pixels: as large as it should be, mostly white, with the curve's colour and the text's in it.
    #[test]
    fn pixels_show_curve_and_text() {
        let chart = Chart::new("loss", Over::Steps, vec![curve(&[(0.0, 2.0), (100.0, 1.0)])], false);
        let bytes = png(&chart);
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().expect("a PNG file");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a whole picture");
        assert_eq!((info.width, info.height, info.color_type), (1720, 840, ::png::ColorType::Rgba));
        let count = |color: [u8; 3]| pixels.chunks_exact(4).filter(|pixel| pixel[..3] == color).count();
        assert!(count([255; 3]) > 1_000_000);
        assert!(count([0x00, 0x72, 0xb2]) > 1000, "{}", count([0x00, 0x72, 0xb2]));
        assert!(count([0x22; 3]) > 300, "{}", count([0x22; 3]));
    }

    /// A straight line from corner to corner touches both, and its legend is there.
    #[test]
    fn characters_show_the_curve() {
        let chart = Chart::new("loss", Over::Steps, vec![curve(&[(0.0, 0.0), (100.0, 100.0)])], false);
        let text = terminal::text(&chart, 60, 10, false);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[0].contains("loss") && rows[0].contains("a <b>"), "{text}");
        let dots = |row: &str| row.chars().filter(|character| ('\u{2801}'..='\u{28ff}').contains(character)).count();
        assert!(rows[1..=10].iter().filter(|row| dots(row) > 0).count() >= 9, "{text}");
        assert!(rows.iter().all(|row| row.chars().count() <= 60), "{text}");
        assert!(text.contains("100") && !text.contains('\u{1b}'), "{text}");
        assert!(terminal::text(&chart, 60, 10, true).contains("\u{1b}["));
    }
}
