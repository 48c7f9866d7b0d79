//! Text to tokens.

use crate::diagnostic::{Diagnostic, FileId, Span};
use logos::Logos;
use std::collections::BTreeMap;

/// One token. Whitespace and `//` comments separate tokens; `///` and `//!` go to [`Tokens::docs`].
#[derive(Logos, Clone, PartialEq, Debug)]
#[logos(skip r"[ \t\r\n\f]+")]
#[logos(error = Malformed)]
#[allow(missing_docs)] // Each variant is its spelling.
pub enum Token {
    #[regex(r"//[^\n]*", |lexer| lexer.slice().to_string(), allow_greedy = true)]
    Comment(String),

    #[token("import")]
    Import,
    #[token("as")]
    As,
    #[token("block")]
    Block,
    #[token("model")]
    Model,
    #[token("input")]
    Input,
    #[token("data")]
    Data,
    #[token("train")]
    Train,
    #[token("let")]
    Let,
    #[token("assert")]
    Assert,
    #[token("if")]
    If,
    #[token("else")]
    Else,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("and")]
    And,
    #[token("or")]
    Or,
    #[token("not")]
    Not,

    #[token("->")]
    Arrow,
    #[token("=>")]
    FatArrow,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<=")]
    LessEqual,
    #[token(">=")]
    GreaterEqual,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("=")]
    Assign,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("@")]
    At,
    #[token(".")]
    Dot,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token(";")]
    Semicolon,
    #[token("(")]
    Open,
    /// A `(` that is the first token of its line: it opens a group, never the arguments of what stands above it.
    LineOpen,
    #[token(")")]
    Close,
    #[token("[")]
    ListOpen,
    /// A `[` that is the first token of its line: it opens a list, never an index.
    LineListOpen,
    #[token("]")]
    ListClose,
    #[token("{")]
    BraceOpen,
    #[token("}")]
    BraceClose,

    #[regex(r"[0-9][0-9_]*", |lexer| whole(lexer.slice()))]
    Int(i64),
    #[regex(r"[0-9][0-9_]*\.[0-9][0-9_]*([eE][+-]?[0-9]+)?", |lexer| real(lexer.slice()))]
    #[regex(r"[0-9][0-9_]*[eE][+-]?[0-9]+", |lexer| real(lexer.slice()))]
    Float(f64),
    #[regex(r#""([^"\\\n]|\\[^\n])*""#, |lexer| unquote(lexer.slice()))]
    Text(String),
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*", |lexer| lexer.slice().to_string())]
    Name(String),
}

impl Token {
    /// Whether a value may end with this token.
    pub(super) fn ends_value(&self) -> bool {
        matches!(
            self,
            Token::Close
                | Token::ListClose
                | Token::BraceClose
                | Token::True
                | Token::False
                | Token::Int(_)
                | Token::Float(_)
                | Token::Text(_)
                | Token::Name(_)
        )
    }

    /// Whether, as the first token of a line, this one begins something new instead of going on with the line above.
    pub(super) fn starts_statement(&self) -> bool {
        matches!(
            self,
            Token::Let
                | Token::Assert
                | Token::If
                | Token::Not
                | Token::LineOpen
                | Token::LineListOpen
                | Token::True
                | Token::False
                | Token::Int(_)
                | Token::Float(_)
                | Token::Text(_)
                | Token::Name(_)
        )
    }
}

/// Why a piece of text is no token.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Malformed {
    /// No token begins so.
    #[default]
    Unknown,
    /// A number that no i64 or finite f64 holds.
    OutOfRange,
    /// A backslash in a text before anything but `\`, `"` and `n`.
    Escape,
}

fn whole(text: &str) -> Result<i64, Malformed> {
    text.replace('_', "").parse().map_err(|_| Malformed::OutOfRange)
}

fn real(text: &str) -> Result<f64, Malformed> {
    let value: f64 = text.replace('_', "").parse().map_err(|_| Malformed::OutOfRange)?;
    if value.is_finite() { Ok(value) } else { Err(Malformed::OutOfRange) }
}

fn unquote(text: &str) -> Result<String, Malformed> {
    let mut out = String::new();
    let mut characters = text[1..text.len() - 1].chars();
    while let Some(character) = characters.next() {
        out.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(escaped @ ('\\' | '"')) => escaped,
                _ => return Err(Malformed::Escape),
            },
            other => other,
        });
    }
    Ok(out)
}

/// A token between its first byte and the one past its last.
pub type Spanned = (usize, Token, usize);

/// The tokens of one text.
#[derive(Default, Debug)]
pub struct Tokens {
    /// In order, without comments.
    pub tokens: Vec<Spanned>,
    /// Lines of `///` by the first byte of the token that they precede.
    pub docs: BTreeMap<usize, Vec<String>>,
    /// Lines of `//!`.
    pub file_docs: Vec<String>,
}

/// Cuts a text into tokens. A semicolon of no width is put where a line ends a value and the next one begins something new, outside
/// parentheses and lists. What is no token is left out and told in the second result.
pub fn tokenize(file: FileId, text: &str) -> (Tokens, Vec<Diagnostic>) {
    let mut out = Tokens::default();
    let mut malformed_pieces: Vec<(Malformed, std::ops::Range<usize>)> = Vec::new();
    let mut docs = Vec::new();
    let mut brackets = Vec::new();
    let mut line_start = 0;
    for (token, range) in Token::lexer(text).spanned() {
        let first_of_line = out.tokens.is_empty() || text[line_start..range.start].contains('\n');
        match token {
            Ok(Token::Comment(comment)) => match comment.strip_prefix("//!") {
                Some(line) => out.file_docs.push(doc_line(line)),
                // Four slashes make a rule across the page, not documentation.
                None if comment.starts_with("///") && !comment.starts_with("////") => {
                    docs.push(doc_line(&comment[3..]))
                }
                None => {}
            },
            Ok(token) => {
                let token = match token {
                    Token::Open if first_of_line => Token::LineOpen,
                    Token::ListOpen if first_of_line => Token::LineListOpen,
                    other => other,
                };
                // A `let` outside all brackets begins an item; `syntax::parse` cuts there.
                let goes_on = match brackets.last() {
                    None => token != Token::Let,
                    Some(open) => *open == Token::BraceOpen,
                };
                if first_of_line
                    && goes_on
                    && out.tokens.last().is_some_and(|(_, last, _)| last.ends_value())
                    && token.starts_statement()
                {
                    out.tokens.push((line_start, Token::Semicolon, line_start));
                }
                match token {
                    Token::Open | Token::LineOpen | Token::ListOpen | Token::LineListOpen | Token::BraceOpen => {
                        brackets.push(token.clone());
                    }
                    Token::Close | Token::ListClose | Token::BraceClose => drop(brackets.pop()),
                    _ => {}
                }
                if !docs.is_empty() {
                    out.docs.insert(range.start, std::mem::take(&mut docs));
                }
                line_start = range.end;
                out.tokens.push((range.start, token, range.end));
            }
            Err(malformed) => match malformed_pieces.last_mut() {
                // `&&` is one mistake.
                Some((Malformed::Unknown, last)) if malformed == Malformed::Unknown && last.end == range.start => {
                    last.end = range.end;
                }
                _ => malformed_pieces.push((malformed, range)),
            },
        }
    }
    let problems = malformed_pieces.into_iter().map(|(malformed, range)| {
        let span = Span { file, start: range.start, end: range.end };
        explain(malformed, &text[range], span)
    });
    (out, problems.collect())
}

fn doc_line(line: &str) -> String {
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_string()
}

fn explain(malformed: Malformed, piece: &str, span: Span) -> Diagnostic {
    match malformed {
        Malformed::OutOfRange => Diagnostic::error("E004", span, format!("the number {piece} is out of range"))
            .note("whole numbers have 64 bits with sign, others are IEEE 754 binary64")
            .hint("write a smaller number; `1e20` is a real one"),
        Malformed::Escape => Diagnostic::error("E002", span, "unknown escape in a text")
            .hint("a text knows the escapes \\\\, \\\" and \\n"),
        Malformed::Unknown if piece.starts_with('"') => Diagnostic::error("E002", span, "a text without its end")
            .here("this quote is never closed")
            .hint("a text ends on the line on which it begins"),
        Malformed::Unknown => {
            let wrong =
                Diagnostic::error("E002", span, format!("`{}` is no token of the language", piece.escape_debug()));
            match piece.chars().next() {
                Some('&') => wrong.hint("write `and`"),
                Some('|') => wrong.hint("write `or` for a condition, `->` to pass a tensor on"),
                Some('!') => wrong.hint("write `not`"),
                Some('\'') => wrong.hint("texts stand in double quotes"),
                Some('#') => wrong.hint("comments begin with `//`"),
                _ => wrong,
            }
        }
    }
}
