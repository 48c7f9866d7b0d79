//! A chart as PNG.

use super::Chart;
use super::figure::{Anchor, Figure, Item, Look};
use super::svg::PALETTE;
use tiny_skia::{Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};
use ttf_parser::{Face, OutlineBuilder};

/// A part of DejaVu Sans: see `NOTICE` beside it. All text is set in it, so the pixels are the same on every machine.
const FONT: &[u8] = include_bytes!("DejaVuSans.ttf");

/// Units of a line of text.
const TEXT: f32 = 12.0;

/// Pixels for each unit.
const SCALE: f32 = 2.0;

/// Draws a chart, on white.
pub fn png(chart: &Chart) -> Vec<u8> {
    let figure = Figure::new(chart, 860.0, 420.0);
    let extent = |units: f64| (units as f32 * SCALE) as u32;
    let mut pixels = Pixmap::new(extent(figure.width), extent(figure.height)).expect("a chart has pixels");
    pixels.fill(Color::WHITE);
    let font = Face::parse(FONT, 0).expect("the font is whole");
    for item in &figure.items {
        match item {
            Item::Line { points, look, .. } => {
                let mut path = PathBuilder::new();
                for (at, &(x, y)) in points.iter().enumerate() {
                    match at {
                        0 => path.move_to(x as f32, y as f32),
                        _ => path.line_to(x as f32, y as f32),
                    }
                }
                let stroke = Stroke { width: width(*look), line_join: LineJoin::Round, ..Stroke::default() };
                if let Some(path) = path.finish() {
                    pixels.stroke_path(&path, &paint(color(*look)), &stroke, Transform::from_scale(SCALE, SCALE), None);
                }
            }
            Item::Dot { at: (x, y), look, .. } => {
                if let Some(path) = PathBuilder::from_circle(*x as f32, *y as f32, 3.0) {
                    fill(&mut pixels, &path, color(*look));
                }
            }
            Item::Text { at: (x, y), anchor, text } => {
                if let Some(path) = outline(&font, text, *x as f32, *y as f32, *anchor) {
                    fill(&mut pixels, &path, "#222222");
                }
            }
        }
    }
    pixels.encode_png().expect("pixels can be written to memory")
}

fn fill(pixels: &mut Pixmap, path: &Path, color: &str) {
    pixels.fill_path(path, &paint(color), FillRule::Winding, Transform::from_scale(SCALE, SCALE), None);
}

fn color(look: Look) -> &'static str {
    match look {
        Look::Axis => "#444444",
        Look::Grid => "#e4e4e4",
        Look::Curve { color, .. } => PALETTE[color],
    }
}

fn width(look: Look) -> f32 {
    match look {
        Look::Curve { is_bold: true, .. } => 2.6,
        _ => 1.0,
    }
}

/// The paint of a colour `#rrggbb`.
fn paint(color: &str) -> Paint<'static> {
    let part = |at: usize| u8::from_str_radix(&color[at..at + 2], 16).expect("a colour has six hexadecimal digits");
    let mut paint = Paint::default();
    paint.set_color_rgba8(part(1), part(3), part(5), 255);
    paint
}

/// The outline of a text; `None` where nothing of it can be seen.
fn outline(font: &Face, text: &str, x: f32, y: f32, anchor: Anchor) -> Option<Path> {
    let scale = TEXT / f32::from(font.units_per_em());
    // Glyph 0 is the box of a character that the font does not know.
    let glyphs: Vec<_> = text.chars().map(|character| font.glyph_index(character).unwrap_or_default()).collect();
    let advance = |glyph| scale * f32::from(font.glyph_hor_advance(glyph).unwrap_or(0));
    let width: f32 = glyphs.iter().map(|&glyph| advance(glyph)).sum();
    let start = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - width / 2.0,
        Anchor::End => x - width,
    };
    let mut pen = Pen { path: PathBuilder::new(), x: start, y, scale };
    for glyph in glyphs {
        font.outline_glyph(glyph, &mut pen);
        pen.x += advance(glyph);
    }
    pen.path.finish()
}

/// Draws glyphs, whose y grows upwards, from a point of the base line on.
struct Pen {
    path: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + self.scale * x, self.y - self.scale * y)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
