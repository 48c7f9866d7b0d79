//! Mistakes in a `.rnet` file, told with file, line, column, a picture of the source and, where there is a likely
//! remedy, a hint. Also the texts they point into.

pub mod pages;

use std::fmt::Write as _;

/// Names one text of a [`Sources`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FileId(u32);

/// A range of bytes in one text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Span {
    /// The text.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From the start of `self` to the end of `last`, both in one text.
    pub fn to(self, last: Span) -> Span {
        Span { file: self.file, start: self.start, end: last.end }
    }
}

/// Gives the text of an imported file, or why it cannot.
pub type Loader = Box<dyn Fn(&str) -> Result<String, String>>;

struct Text {
    name: String,
    text: String,
}

/// The texts of one compilation by name, and the way to get more of them.
///
/// The compiler itself opens no file: an import asks the [`Loader`], whose argument is the import's path joined to the
/// directory of the importing file's name.
pub struct Sources {
    texts: Vec<Text>,
    loader: Loader,
}

impl Sources {
    /// No texts yet; imports ask `loader`.
    pub fn new(loader: Loader) -> Self {
        Sources { texts: Vec::new(), loader }
    }

    /// For texts without imports: every import fails.
    pub fn without_imports() -> Self {
        Self::new(Box::new(|_| Err("nothing can be imported here".to_string())))
    }

    /// Adds a text under a name, which diagnostics and places show.
    pub fn add(&mut self, name: &str, text: &str) -> FileId {
        self.texts.push(Text { name: name.to_string(), text: text.to_string() });
        FileId(self.texts.len() as u32 - 1)
    }

    /// The text called `path`, asked of the loader unless it is known already.
    ///
    /// # Errors
    /// The loader's own words.
    pub fn load(&mut self, path: &str) -> Result<FileId, String> {
        if let Some(known) = self.texts.iter().position(|text| text.name == path) {
            return Ok(FileId(known as u32));
        }
        let text = (self.loader)(path)?;
        Ok(self.add(path, &text))
    }

    /// The name under which a text was added.
    pub fn name(&self, file: FileId) -> &str {
        &self.texts[file.0 as usize].name
    }

    /// The names of all texts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.name.as_str())
    }

    /// The text itself.
    pub fn text(&self, file: FileId) -> &str {
        &self.texts[file.0 as usize].text
    }

    /// Line and column, both from 1, of a span's first byte; columns count characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.file);
        let before = &text.as_bytes()[..span.start.min(text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        // Bytes of the form 10xxxxxx continue a character.
        let column = before[start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count() + 1;
        (line, column)
    }

    /// `file:line:column` of a span's first byte.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.position(span);
        format!("{}:{line}:{column}", self.name(span.file))
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Nothing is compiled.
    Error,
    /// Worth a look; compilation goes on.
    Warning,
}

/// A marked range of source, with words to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// What is marked.
    pub span: Span,
    /// What is said of it; may be empty.
    pub text: String,
}

/// One mistake. The first label is the place of the mistake itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// `E...` or `W...`, explained in docs/errors.
    pub code: &'static str,
    /// One line.
    pub message: String,
    /// Marked ranges.
    pub labels: Vec<Label>,
    /// Further facts, such as the way the program came here.
    pub notes: Vec<String>,
    /// A likely remedy.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: vec![Label { span, text: String::new() }],
            notes: Vec::new(),
            hint: None,
        }
    }

    /// An error without a place, such as a wrong `--set`.
    pub fn placeless(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            hint: None,
        }
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// The same, with words at the place of the mistake.
    pub fn here(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// The same, with a second place marked.
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// The same, with a further fact.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same, with a remedy.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with a remedy if there is one.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// The name that the hint offers for the one at the place of the mistake.
    pub fn meant(&self) -> Option<&str> {
        self.hint.as_deref()?.strip_prefix(MEANT.0)?.strip_suffix(MEANT.1)
    }

    /// The place of the mistake.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// Several lines for the terminal: message, picture, notes and hint.
    pub fn render(&self, sources: &Sources, color: bool) -> String {
        if self.labels.is_empty() {
            return self.render_without_place();
        }
        // Clamped, because a picture of a place that is not there would be a panic inside the drawing crate.
        let range = |span: Span| {
            let text = sources.text(span.file);
            let start = floor_char_boundary(text, span.start);
            let end = floor_char_boundary(text, span.end).max(start);
            (sources.name(span.file).to_string(), start..end)
        };
        let (kind, tint) = match self.severity {
            Severity::Error => (ariadne::ReportKind::Error, ariadne::Color::Red),
            Severity::Warning => (ariadne::ReportKind::Warning, ariadne::Color::Yellow),
        };
        let config = ariadne::Config::default().with_color(color).with_index_type(ariadne::IndexType::Byte);
        let mut report = ariadne::Report::build(kind, range(self.labels[0].span))
            .with_config(config)
            .with_code(self.code)
            .with_message(&self.message);
        // In the order of the text, so that one file is one picture; the file of the mistake comes first.
        let mut drawn: Vec<usize> = (0..self.labels.len()).collect();
        drawn.sort_by_key(|&rank| {
            let span = self.labels[rank].span;
            (span.file != self.labels[0].span.file, span.file, span.start)
        });
        for (order, rank) in drawn.into_iter().enumerate() {
            let label = &self.labels[rank];
            let drawn = ariadne::Label::new(range(label.span)).with_order(order as i32);
            let text = if label.text.is_empty() { "here" } else { &label.text };
            let drawn = drawn.with_message(text);
            report.add_label(if rank == 0 { drawn.with_color(tint) } else { drawn.with_color(ariadne::Color::Blue) });
        }
        for note in &self.notes {
            report.add_note(note);
        }
        if let Some(hint) = &self.hint {
            report.add_help(hint);
        }
        let mut files: Vec<FileId> = self.labels.iter().map(|label| label.span.file).collect();
        files.sort_unstable();
        files.dedup();
        let texts: Vec<(String, String)> =
            files.into_iter().map(|file| (sources.name(file).to_string(), sources.text(file).to_string())).collect();
        let mut out = Vec::new();
        match report.finish().write(ariadne::sources(texts), &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).lines().map(|line| format!("{}\n", line.trim_end())).collect(),
            Err(_) => self.render_without_place(),
        }
    }

    fn render_without_place(&self) -> String {
        let kind = match self.severity {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
        };
        let mut out = format!("[{}] {kind}: {}\n", self.code, self.message);
        for note in &self.notes {
            let _ = writeln!(out, "  Note: {note}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "  Help: {hint}");
        }
        out
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The known name that is nearest to `wrong`, if one is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (edit_distance(wrong, name), name))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// What stands around the name in the hint of [`suggestion`].
const MEANT: (&str, &str) = ("did you mean `", "`?");

/// `did you mean ...?` for the nearest known name, else a list of all of them where they are few.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(wrong, known.iter().copied()) {
        return Some(format!("{}{name}{}", MEANT.0, MEANT.1));
    }
    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    (1..=16).contains(&list.len()).then(|| format!("known here: {}", list.join(", ")))
}

/// The number of insertions, deletions, substitutions and swaps of neighbours that turn one word into the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitute = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = substitute.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("rleu", ["relu", "bn"]), Some("relu"));
        assert_eq!(nearest("strid", ["stride", "pad"]), Some("stride"));
        assert_eq!(nearest("batchnorm", ["relu", "bn"]), None);
        assert_eq!(suggestion("zzz", ["a", "b"]).as_deref(), Some("known here: `a`, `b`"));
        let mut sources = Sources::without_imports();
        let span = Span { file: sources.add("f.rnet", "rleu"), start: 0, end: 4 };
        let wrong = |hint| Diagnostic::error("E100", span, "wrong").maybe_hint(hint);
        assert_eq!(wrong(suggestion("rleu", ["relu", "bn"])).meant(), Some("relu"));
        assert_eq!(wrong(suggestion("zzz", ["a", "b"])).meant(), None);
    }

    #[test]
    fn positions_count_characters_from_one() {
        let mut sources = Sources::without_imports();
        let file = sources.add("f.rnet", "a\n\u{e9}x");
        let at = sources.text(file).find('x').unwrap();
        assert_eq!(sources.position(Span { file, start: at, end: at + 1 }), (2, 2));
    }

    #[test]
    fn a_picture_shows_place_message_and_hint_even_past_the_end() {
        let mut sources = Sources::without_imports();
        let file = sources.add("f.rnet", "");
        let wrong = Diagnostic::error("E000", Span { file, start: 5, end: 9 }, "wrong").hint("mend it");
        let text = wrong.render(&sources, false);
        assert!(text.contains("f.rnet:1:1") && text.contains("wrong") && text.contains("mend it"), "{text}");
    }
}
