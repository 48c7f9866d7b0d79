//! Text to syntax tree and back.

pub mod ast;
pub mod format;
pub mod tidy;
pub mod token;

use crate::diagnostic::{Diagnostic, FileId, Sources, Span};
use ast::{Ast, Expr, ExprKind};
use lalrpop_util::ParseError;
use std::cell::RefCell;
use std::collections::BTreeMap;
use token::{Spanned, Token};

#[allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]
mod grammar {
    include!(concat!(env!("OUT_DIR"), "/syntax/grammar.rs"));
}

/// Levels of nesting that an expression may have. The program calls itself once a level or so; 100 levels fit any stack.
const DEEPEST: usize = 100;

/// Longest text that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// What the grammar's actions need besides the tokens.
pub struct Context {
    file: FileId,
    docs: RefCell<BTreeMap<usize, Vec<String>>>,
}

impl Context {
    fn span(&self, start: usize, end: usize) -> Span {
        // At an empty production the generated parser may hand out an end before the start.
        Span { file: self.file, start, end: end.max(start) }
    }

    fn docs(&self, start: usize) -> Vec<String> {
        self.docs.borrow_mut().remove(&start).unwrap_or_default()
    }

    fn expr(&self, kind: ExprKind, start: usize, end: usize) -> Result<Expr, GrammarError> {
        let expr = Expr::new(kind, self.span(start, end));
        if expr.depth <= DEEPEST {
            return Ok(expr);
        }
        let wrong = too_deep(expr.span);
        Err(ParseError::User { error: Box::new(wrong) })
    }
}

type GrammarError = ParseError<usize, Token, Box<Diagnostic>>;

fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("E003", span, format!("nested more than {DEEPEST} levels deep"))
        .hint("name a part of it with `let` or as a block of its own")
}

/// Parses one text.
///
/// # Errors
/// Every mistake that was found: the text is cut into items first, and each is parsed on its own.
pub fn parse(sources: &Sources, file: FileId) -> Result<Ast, Vec<Diagnostic>> {
    let Parsed { ast, wrong, .. } = parse_items(sources, file);
    if wrong.is_empty() { Ok(ast) } else { Err(wrong) }
}

/// As much of a text as parses.
pub struct Parsed {
    /// The items without mistakes.
    pub ast: Ast,
    /// From the first to the last token of each of these items.
    pub spans: Vec<Span>,
    /// Every mistake that was found.
    pub wrong: Vec<Diagnostic>,
}

/// Parses the items of a text, each on its own: those without mistakes are there whatever is wrong with the others.
pub fn parse_items(sources: &Sources, file: FileId) -> Parsed {
    let text = sources.text(file);
    if text.len() > LONGEST {
        let span = Span { file, start: 0, end: 0 };
        let message = format!("a text of {} bytes; the longest allowed has {LONGEST}", text.len());
        let ast = Ast { file, docs: Vec::new(), items: Vec::new() };
        return Parsed { ast, spans: Vec::new(), wrong: vec![Diagnostic::error("E003", span, message)] };
    }
    let (tokens, mut wrong) = token::tokenize(file, text);
    let context = Context { file, docs: RefCell::new(tokens.docs) };
    let parser = grammar::ItemParser::new();
    let (mut items, mut spans) = (Vec::new(), Vec::new());
    let slices = cut(&tokens.tokens);
    for (at, slice) in slices.iter().enumerate() {
        let reach = slices.get(at + 1).map_or(text.len(), |next| next[0].0);
        let span = context.span(slice[0].0, reach);
        let parsed = match deepest_bracket(slice) {
            Some((start, _, end)) => Err(too_deep(context.span(*start, *end))),
            None => parser.parse(&context, slice.iter().cloned()).map_err(|error| explain(error, slice, &context)),
        };
        match parsed {
            Ok(item) => {
                items.push(item);
                spans.push(context.span(slice[0].0, slice[slice.len() - 1].2));
            }
            // A token that could not be read has been told; what its absence does to the item would only confuse.
            Err(_)
                if wrong
                    .iter()
                    .filter_map(Diagnostic::span)
                    .any(|bad| span.start <= bad.start && bad.end <= span.end) => {}
            Err(diagnostic) => wrong.push(diagnostic),
        }
    }
    if tokens.tokens.is_empty() && wrong.is_empty() {
        let span = Span { file, start: 0, end: 0 };
        wrong.push(
            Diagnostic::error("E005", span, "an empty file")
                .here("nothing is defined here")
                .hint("define a block (`block f(c) = conv3x3(c) -> relu`) or a model (`model m { input image: f32[N, 3, 32, 32] .. }`)"),
        );
    }
    Parsed { ast: Ast { file, docs: tokens.file_docs, items }, spans, wrong }
}

/// Parses one expression: the value of `--set path=value`.
///
/// # Errors
/// The first mistake.
pub fn parse_value(sources: &Sources, file: FileId) -> Result<Expr, Vec<Diagnostic>> {
    let (tokens, wrong) = token::tokenize(file, sources.text(file));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let context = Context { file, docs: RefCell::default() };
    let slice = &tokens.tokens[..];
    if let Some((start, _, end)) = deepest_bracket(slice) {
        return Err(vec![too_deep(context.span(*start, *end))]);
    }
    let parsed = grammar::ValueParser::new().parse(&context, slice.iter().cloned());
    parsed.map_err(|error| vec![explain(error, slice, &context)])
}

/// Cuts tokens where items begin: at `block` and `import`, at `model`, `data` and `train` unless they are keys, and at `let`
/// outside all brackets. A word at the start of a line begins an item even inside brackets, for these may never be closed.
fn cut(tokens: &[Spanned]) -> Vec<&[Spanned]> {
    let mut slices = Vec::new();
    let mut start = 0;
    let mut open = 0usize;
    for at in 0..tokens.len() {
        let key = |at: usize| matches!(tokens.get(at + 1), Some((_, Token::Assign, _)));
        let typed = at > 0 && tokens[at - 1].1 == Token::Colon;
        let begins = match tokens[at].1 {
            Token::Block => !typed,
            Token::Import => true,
            Token::Model | Token::Data | Token::Train => !key(at) && (at == 0 || tokens[at - 1].1 != Token::Assign),
            Token::Let => open == 0,
            _ => false,
        };
        if begins && at > start {
            slices.push(&tokens[start..at]);
            start = at;
        }
        if begins {
            open = 0;
        }
        match tokens[at].1 {
            Token::Open | Token::LineOpen | Token::ListOpen | Token::LineListOpen | Token::BraceOpen => open += 1,
            Token::Close | Token::ListClose | Token::BraceClose => open = open.saturating_sub(1),
            _ => {}
        }
    }
    if start < tokens.len() {
        slices.push(&tokens[start..]);
    }
    slices
}

/// The bracket that opens one level too many.
fn deepest_bracket(tokens: &[Spanned]) -> Option<&Spanned> {
    let mut open = 0usize;
    tokens.iter().find(|(_, token, _)| {
        match token {
            Token::Open | Token::LineOpen | Token::ListOpen | Token::LineListOpen | Token::BraceOpen => open += 1,
            Token::Close | Token::ListClose | Token::BraceClose => open = open.saturating_sub(1),
            _ => {}
        }
        open > DEEPEST
    })
}

fn explain(error: GrammarError, slice: &[Spanned], context: &Context) -> Diagnostic {
    match error {
        ParseError::User { error } => *error,
        ParseError::InvalidToken { location } => {
            Diagnostic::error("E001", context.span(location, location), "this cannot be read")
        }
        ParseError::ExtraToken { token } => unexpected(&token, &[], slice, context),
        ParseError::UnrecognizedToken { token, expected } => unexpected(&token, &expected, slice, context),
        ParseError::UnrecognizedEof { expected, .. } => {
            let Some(last) = slice.last() else {
                return Diagnostic::error("E001", context.span(0, 0), "a value is missing");
            };
            if let Some(wrong) = dangling(last, &expected, context) {
                return with_open_bracket(wrong, slice, last.0, context);
            }
            let span = context.span(last.2, last.2);
            let wrong = Diagnostic::error("E001", span, format!("this ends too early: expected {}", wanted(&expected)));
            with_open_bracket(wrong.here("the rest is missing here"), slice, last.2, context)
        }
    }
}

fn unexpected(token: &Spanned, expected: &[String], slice: &[Spanned], context: &Context) -> Diagnostic {
    let (start, found, end) = token;
    let span = context.span(*start, *end);
    let at = slice.iter().position(|(other, ..)| other == start).unwrap_or(0);
    let before = at.checked_sub(1).map(|at| &slice[at].1);
    if let Some(wrong) = at.checked_sub(1).and_then(|at| dangling(&slice[at], expected, context)) {
        return match found {
            Token::BraceClose => wrong,
            _ => with_open_bracket(wrong, slice, *start, context),
        };
    }
    if at == 0 && *start == slice[0].0 {
        let wrong = Diagnostic::error("E001", span, format!("expected a definition, found {}", spelling(found)));
        return wrong
            .here("no definition begins so")
            .hint("a file holds `import`, `let`, `block`, `model`, `data` and `train`");
    }
    let wrong = Diagnostic::error("E001", span, format!("expected {}, found {}", wanted(expected), spelling(found)));
    let wrong = match (before, found) {
        (Some(Token::Name(_)), Token::Colon) => wrong.hint("a label stands before a layer: `-> name: layer`"),
        (_, Token::FatArrow) => {
            wrong.hint("`->` passes a tensor on; `name => expression` stands in parentheses or as an argument")
        }
        (Some(Token::Int(_)), Token::Name(_)) => wrong.hint("a name cannot begin with a digit"),
        (_, Token::Int(_)) if wanted(expected) == "a name" => wrong.hint("a name cannot begin with a digit"),
        (_, Token::Assign) => wrong.hint("`==` compares; `=` gives a value to a parameter, a key or a `let`"),
        (Some(Token::Name(_) | Token::Close | Token::ListClose), Token::Name(_) | Token::LineOpen) => {
            wrong.hint("`->` passes a tensor on to the next layer, a comma parts arguments")
        }
        (Some(Token::Data), Token::BraceOpen) => wrong.hint("a data section has a name: `data digits { .. }`"),
        (
            _,
            Token::Import
            | Token::As
            | Token::Block
            | Token::Model
            | Token::Input
            | Token::Data
            | Token::Train
            | Token::Let
            | Token::Assert,
        ) => wrong.hint("this word is a keyword and names nothing else"),
        _ => wrong,
    };
    with_open_bracket(wrong, slice, *start, context)
}

/// An arrow, a label or an operator that nothing follows: the mistake is there, not in what comes after it.
fn dangling(last: &Spanned, expected: &[String], context: &Context) -> Option<Diagnostic> {
    if !expected.iter().any(|name| name == "\"whole number\"") {
        return None;
    }
    let (start, token, end) = last;
    let (words, hint) = match token {
        Token::Arrow => ("`->` passes a tensor on to nothing", "a layer follows `->`, as in `-> relu`"),
        Token::Colon => ("a label without its layer", "a label stands before what it names: `-> fc: dense(10)`"),
        Token::Assign => ("`=` without a value", "an expression follows `=`"),
        _ => return None,
    };
    let wrong = Diagnostic::error("E001", context.span(*start, *end), words);
    Some(wrong.here("something is missing behind this").hint(hint))
}

/// Marks the innermost bracket that is still open at a place.
fn with_open_bracket(wrong: Diagnostic, slice: &[Spanned], place: usize, context: &Context) -> Diagnostic {
    let (mut open, mut braces) = (Vec::new(), Vec::new());
    for (start, token, end) in slice.iter().take_while(|(start, ..)| *start < place) {
        if *token == Token::BraceOpen {
            braces.push(*start);
        }
        match token {
            Token::Open | Token::LineOpen | Token::ListOpen | Token::LineListOpen | Token::BraceOpen => {
                open.push((*start, *end))
            }
            Token::Close | Token::ListClose | Token::BraceClose => {
                open.pop();
            }
            _ => {}
        }
    }
    match open.last() {
        // That a mistake in a body stands between its braces goes without saying.
        Some(&(start, _)) if braces.contains(&start) && wrong.span().is_some_and(|span| span.start < span.end) => wrong,
        Some(&(start, end)) => wrong.and(context.span(start, end), "inside what begins here"),
        None => wrong,
    }
}

/// The grammar's terminals as a reader would say them.
fn wanted(expected: &[String]) -> String {
    let mut names: Vec<&str> = expected.iter().map(|name| name.trim_matches('"')).collect();
    // Where a number may stand, any expression may.
    if names.contains(&"whole number") {
        let expression = [
            "whole number",
            "real number",
            "text",
            "name",
            "true",
            "false",
            "if",
            "not",
            "-",
            "(",
            "line (",
            "[",
            "line [",
            "{",
        ];
        names.retain(|name| !expression.contains(name));
        names.insert(0, "an expression");
    }
    names.retain(|name| !matches!(*name, "line (" | "line [" | ";"));
    // Operators are always possible after an expression; they matter less than what ends it.
    let operators = ["->", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "@", ".", "and", "or", "=>"];
    if names.iter().any(|name| !operators.contains(name)) && names.len() > 4 {
        names.retain(|name| !operators.contains(name) || *name == "->");
    }
    let quoted: Vec<String> = names
        .iter()
        .map(|name| match *name {
            "an expression" => (*name).to_string(),
            "name" => "a name".to_string(),
            "text" => "a text in quotes".to_string(),
            other => format!("`{other}`"),
        })
        .collect();
    match quoted.split_last() {
        None => "the end of the definition".to_string(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

fn spelling(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Int(value) => format!("the number {value}"),
        Token::Float(value) => format!("the number {value:?}"),
        Token::Text(_) => "a text".to_string(),
        Token::Comment(_) => "a comment".to_string(),
        Token::LineOpen => "`(` at the start of a line".to_string(),
        Token::LineListOpen => "`[` at the start of a line".to_string(),
        other => format!("`{}`", fixed_spelling(other)),
    }
}

fn fixed_spelling(token: &Token) -> &'static str {
    match token {
        Token::Import => "import",
        Token::As => "as",
        Token::Block => "block",
        Token::Model => "model",
        Token::Input => "input",
        Token::Data => "data",
        Token::Train => "train",
        Token::Let => "let",
        Token::Assert => "assert",
        Token::If => "if",
        Token::Else => "else",
        Token::True => "true",
        Token::False => "false",
        Token::And => "and",
        Token::Or => "or",
        Token::Not => "not",
        Token::Arrow => "->",
        Token::FatArrow => "=>",
        Token::Equal => "==",
        Token::NotEqual => "!=",
        Token::LessEqual => "<=",
        Token::GreaterEqual => ">=",
        Token::Less => "<",
        Token::Greater => ">",
        Token::Assign => "=",
        Token::Plus => "+",
        Token::Minus => "-",
        Token::Star => "*",
        Token::Slash => "/",
        Token::Percent => "%",
        Token::At => "@",
        Token::Dot => ".",
        Token::Comma => ",",
        Token::Colon => ":",
        Token::Semicolon => ";",
        Token::Open | Token::LineOpen => "(",
        Token::Close => ")",
        Token::ListOpen | Token::LineListOpen => "[",
        Token::ListClose => "]",
        Token::BraceOpen => "{",
        Token::BraceClose => "}",
        Token::Comment(_) | Token::Int(_) | Token::Float(_) | Token::Text(_) | Token::Name(_) => "",
    }
}

#[cfg(test)]
mod tests;
