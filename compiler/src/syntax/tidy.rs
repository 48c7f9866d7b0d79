//! The layout that `rnet fmt` gives a text. The author breaks the lines; spaces, indentation and alignment follow from the tokens, so
//! the tree stays the same and every comment stays where it is.

use super::parse;
use super::token::Token;
use crate::diagnostic::{Diagnostic, FileId, Sources};
use logos::Logos;

/// Columns that a body or a line that goes on is set in.
const STEP: usize = 2;

/// A token as it stands in the text.
struct Piece<'t> {
    token: Token,
    text: &'t str,
    /// Line ends between the token before and this one.
    breaks: usize,
}

/// What is open at a place.
struct Frame {
    open: Option<Token>,
    /// The column of statements, arguments and elements.
    inner: usize,
    /// The column of the closing bracket where it begins a line.
    outer: usize,
    /// The column of the present statement's first arrow.
    arrow: Option<usize>,
    /// Whether the next token begins a statement.
    fresh: bool,
    /// The column of `=` behind the keys of a section.
    assign: Option<usize>,
}

impl Frame {
    /// The column of a line that begins with `token`.
    fn column(&self, token: &Token, begins: bool) -> usize {
        match token {
            _ if begins => self.inner,
            Token::Arrow => self.arrow.unwrap_or(self.inner + STEP),
            _ => self.inner + STEP,
        }
    }

    /// Whether `token`, the first of its line, begins a statement after `before`.
    fn begins(&self, before: Option<&Token>, token: &Token) -> bool {
        let word = matches!(token, Token::Model | Token::Data | Token::Train);
        self.fresh
            || match &self.open {
                None => word || matches!(token, Token::Import | Token::Block | Token::Let),
                Some(Token::BraceOpen) => {
                    word || *token == Token::Input || (before.is_some_and(Token::ends_value) && starts(token))
                }
                Some(_) => false,
            }
    }
}

fn starts(token: &Token) -> bool {
    token.starts_statement() || matches!(token, Token::Open | Token::ListOpen)
}

fn closes(token: &Token) -> bool {
    matches!(token, Token::Close | Token::ListClose | Token::BraceClose)
}

/// Lays a text out.
///
/// # Errors
/// What keeps the text from being parsed: only a correct text has a layout.
pub fn tidy(sources: &Sources, file: FileId) -> Result<String, Vec<Diagnostic>> {
    parse(sources, file)?;
    Ok(lay_out(sources.text(file)))
}

/// Lays out a text that parses.
pub(super) fn lay_out(text: &str) -> String {
    set(&pieces(text))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut end = 0;
    let cut = Token::lexer(text).spanned().filter_map(|(token, range)| {
        let breaks = text[end..range.start].matches('\n').count();
        end = range.end;
        Some(Piece { token: token.ok()?, text: text[range].trim_end(), breaks })
    });
    cut.collect()
}

struct Page {
    out: String,
    /// The column of the next character.
    column: usize,
    /// The indentation of the present line.
    indent: usize,
}

impl Page {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn pad(&mut self, column: usize) {
        while self.column < column {
            self.put(" ");
        }
    }

    fn line(&mut self, indent: usize, blank: bool) {
        if !self.out.is_empty() {
            self.out.push_str(if blank { "\n\n" } else { "\n" });
        }
        (self.column, self.indent) = (0, indent);
        self.pad(indent);
    }
}

fn set(pieces: &[Piece]) -> String {
    let mut page = Page { out: String::new(), column: 0, indent: 0 };
    let outermost = Frame { open: None, inner: 0, outer: 0, arrow: None, fresh: true, assign: None };
    let mut frames = vec![outermost];
    // The last token that is no comment, and whether it was a sign.
    let mut before: Option<&Token> = None;
    let mut sign = false;
    let mut section = false;
    for (at, piece) in pieces.iter().enumerate() {
        let token = &piece.token;
        let comment = matches!(token, Token::Comment(_));
        let first = at == 0 || piece.breaks > 0;
        if closes(token) && frames.len() > 1 {
            let closed = frames.pop().expect("there are two or more");
            if first {
                page.line(closed.outer, false);
            } else if *token == Token::BraceClose && before != Some(&Token::BraceOpen) {
                page.put(" ");
            }
            page.put(piece.text);
            (before, sign) = (Some(token), false);
            continue;
        }
        let frame = frames.last_mut().expect("the outermost frame stays");
        if first {
            // A comment stands where what it precedes will stand.
            let next = pieces[at..].iter().map(|next| &next.token).find(|next| !matches!(next, Token::Comment(_)));
            let column = match next {
                Some(next) if !closes(next) => frame.column(next, frame.begins(before, next)),
                _ => frame.inner,
            };
            let opened = before.is_none_or(|before| matches!(before, Token::BraceOpen | Token::Open | Token::ListOpen));
            let after_comment = at > 0 && matches!(pieces[at - 1].token, Token::Comment(_));
            page.line(column, piece.breaks > 1 && (!opened || after_comment));
        } else if comment {
            page.put("  ");
        } else if spaced(before, sign, token) {
            page.put(" ");
        }
        if comment {
            page.put(piece.text);
            continue;
        }
        if (first && frame.begins(before, token)) || frame.fresh {
            (frame.fresh, frame.arrow) = (false, None);
        }
        match token {
            Token::Arrow if frame.arrow.is_none() => frame.arrow = Some(page.column),
            Token::Comma if frame.open != Some(Token::BraceOpen) => frame.fresh = true,
            Token::Semicolon => frame.fresh = true,
            Token::Assign => {
                let key = at.checked_sub(1).map(|key| &pieces[key]);
                if let (Some(column), true) = (frame.assign, key.is_some_and(|key| key.breaks > 0)) {
                    page.pad(column);
                }
            }
            _ => {}
        }
        if frames.len() == 1 && first {
            section = matches!(token, Token::Data | Token::Train);
        }
        page.put(piece.text);
        if matches!(token, Token::Open | Token::ListOpen | Token::BraceOpen) {
            let hanging =
                pieces.get(at + 1).is_some_and(|next| next.breaks > 0 || matches!(next.token, Token::Comment(_)));
            let space = usize::from(*token == Token::BraceOpen);
            let inner = if hanging { page.indent + STEP } else { page.column + space };
            let assign = if section && frames.len() == 1 {
                keys(&pieces[at + 1..]).map(|widest| inner + widest + 1)
            } else {
                None
            };
            let outer = page.indent;
            frames.push(Frame { open: Some(token.clone()), inner, outer, arrow: None, fresh: true, assign });
        }
        sign = *token == Token::Minus && !before.is_some_and(Token::ends_value);
        before = Some(token);
    }
    page.out.push('\n');
    page.out
}

/// The width of the widest key of a section, whose tokens begin behind its brace.
fn keys(pieces: &[Piece]) -> Option<usize> {
    let mut depth = 0usize;
    let mut widest = None;
    for (at, piece) in pieces.iter().enumerate() {
        match piece.token {
            Token::Open | Token::ListOpen | Token::BraceOpen => depth += 1,
            Token::Close | Token::ListClose | Token::BraceClose if depth == 0 => break,
            Token::Close | Token::ListClose | Token::BraceClose => depth -= 1,
            Token::Assign if depth == 0 && at > 0 && pieces[at - 1].breaks > 0 => {
                widest = widest.max(Some(pieces[at - 1].text.chars().count()));
            }
            _ => {}
        }
    }
    widest
}

/// Whether a space parts two tokens of one line.
fn spaced(before: Option<&Token>, sign: bool, token: &Token) -> bool {
    let Some(before) = before else { return false };
    let tight = |token: &Token| matches!(token, Token::Star | Token::Dot);
    let after_nothing = sign || tight(before) || matches!(before, Token::Open | Token::ListOpen | Token::At);
    let no_space_before = tight(token) || matches!(token, Token::Comma | Token::Semicolon | Token::Colon);
    let call = matches!(token, Token::Open | Token::ListOpen) && before.ends_value() && *before != Token::BraceClose;
    !(after_nothing || no_space_before || call)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::format::format;
    use std::fs;
    use std::path::Path;

    fn tidied(text: &str) -> String {
        let mut sources = Sources::without_imports();
        let file = sources.add("test.rnet", text);
        tidy(&sources, file).unwrap_or_else(|wrong| panic!("{text}\n{:?}", wrong[0]))
    }

    fn canonical(text: &str) -> String {
        let mut sources = Sources::without_imports();
        let file = sources.add("test.rnet", text);
        format(&parse(&sources, file).unwrap_or_else(|wrong| panic!("{text}\n{:?}", wrong[0])))
    }

    fn comments(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.find("//").map(|at| line[at..].trim_end())).collect()
    }

    #[test]
    fn layouts() {
        let table = [
            ("let  a=1+2 * -3\n", "let a = 1 + 2*-3\n"),
            ("let a = - ( 1-b )[ 0 ]", "let a = -(1 - b)[0]\n"),
            ("block f( c:int=3 )=conv3x3( c )->bn @ lr( 2 )\n", "block f(c: int = 3) = conv3x3(c) -> bn @lr(2)\n"),
            ("\n\n\nlet a = 1\n\n\n\nlet b = 2   // two\n\n", "let a = 1\n\nlet b = 2  // two\n"),
            (
                "train{\nbatch=64 // small\n\n// The rest.\nmodel = m\n}",
                "train {\n  batch = 64  // small\n\n  // The rest.\n  model = m\n}\n",
            ),
            (
                "model m{\ninput image:f32[N,3,8,8]\nlet a=image->conv3x3(4)\n->bn\na->f: dense(10)\n}",
                "model m {\n  input image: f32[N, 3, 8, 8]\n  let a = image -> conv3x3(4)\n                -> bn\n  a -> f: dense(10)\n}\n",
            ),
            (
                "block f(c)=\nresidual(conv3x3(c)->bn,\nshortcut=id // none\n)\n->relu",
                "block f(c) =\n  residual(conv3x3(c) -> bn,\n           shortcut = id  // none\n  )\n  -> relu\n",
            ),
            (
                "block f(c)=concat(\n// One.\nconv3x3(c)\n->relu,\nid,\n)",
                "block f(c) = concat(\n  // One.\n  conv3x3(c)\n    -> relu,\n  id,\n)\n",
            ),
            (
                "block f(s)=if s==1{\nid\n}else if s>2{relu}else{\nsubsample(s)\n}",
                "block f(s) = if s == 1 {\n  id\n} else if s > 2 { relu } else {\n  subsample(s)\n}\n",
            ),
            (
                "/// Doc.\nblock f=(x=>{let a=x->relu;add(a,x)})",
                "/// Doc.\nblock f = (x => { let a = x -> relu; add(a, x) })\n",
            ),
        ];
        for (text, wanted) in table {
            assert_eq!(tidied(text), wanted, "{text}");
        }
    }

    #[test]
    fn every_example_keeps_its_tree_and_its_comments() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut tried = 0;
        for directory in ["lang-examples", "tests/errors", "tests/golden", "compiler/src"] {
            for entry in fs::read_dir(root.join(directory)).expect("the directory is there") {
                let path = entry.expect("it can be read").path();
                if path.extension().is_none_or(|extension| extension != "rnet") {
                    continue;
                }
                let text = fs::read_to_string(&path).expect("a text");
                let mut sources = Sources::without_imports();
                let file = sources.add("test.rnet", &text);
                let Ok(once) = tidy(&sources, file) else { continue };
                let shown = path.display();
                assert_eq!(tidied(&once), once, "{shown} settles at once");
                assert_eq!(canonical(&once), canonical(&text), "{shown} keeps its tree");
                assert_eq!(comments(&once), comments(&text), "{shown} keeps its comments");
                // The layout comes from the tokens and the line ends alone.
                let flush: String = text.lines().map(|line| format!("{}\n", line.trim())).collect();
                assert_eq!(tidied(&flush), once, "{shown} without its indentation");
                assert!(directory == "tests/errors" || once == text, "{shown} is not laid out:\n{once}");
                tried += 1;
            }
        }
        assert!(tried > 50, "only {tried} files");
    }
}
