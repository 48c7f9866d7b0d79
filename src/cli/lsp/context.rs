//! What an unfinished text asks for at a place. Read from the tokens before it alone, since a text that is being written seldom parses.

use super::names::is_letter;
use rnet_compiler::diagnostic::FileId;
use rnet_compiler::syntax::ast::SectionKind;
use rnet_compiler::syntax::token::{Spanned, Token, tokenize};

/// A name with the import that it is reached by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    pub alias: Option<String>,
    pub name: String,
}

/// What an open bracket belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// With the keys that are set already; the last one is being set unless a new line begins.
    Section(SectionKind, Vec<String>),
    Call(Path),
    Annotation(String),
    /// The parameters of a definition.
    Parameters,
    /// Braces of a body, a list, a group.
    Other,
}

/// An open bracket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bracket {
    pub opened: Opened,
    /// Commas that stand directly inside of it.
    pub commas: usize,
    /// The keyword of the argument that is being written.
    pub keyword: Option<String>,
}

/// What the word at a place, written or still to be, goes on with.
#[derive(Debug)]
pub struct Context {
    /// Brackets that are open, innermost last.
    pub brackets: Vec<Bracket>,
    /// The last token before the word.
    pub last: Option<Token>,
    /// The token before that.
    pub before: Option<Token>,
    /// Whether the word begins a statement or an entry.
    pub begins: bool,
    /// Names that the definition around has bound so far.
    pub bound: Vec<String>,
}

impl Context {
    /// What is asked for at a byte, or `None` in comments and texts.
    pub fn at(file: FileId, text: &str, byte: usize) -> Option<Context> {
        let start = text[..byte].trim_end_matches(is_letter).len();
        let prefix = &text[..start];
        let line = &prefix[prefix.rfind('\n').map_or(0, |at| at + 1)..];
        if is_silent(line) {
            return None;
        }
        let (tokens, _) = tokenize(file, prefix);
        let tokens: Vec<Spanned> = tokens.tokens;
        let mut brackets: Vec<Bracket> = Vec::new();
        let mut bound = Vec::new();
        for at in 0..tokens.len() {
            let token = |back: usize| at.checked_sub(back).map(|at| &tokens[at].1);
            let name = |back: usize| match token(back) {
                Some(Token::Name(name)) => Some(name.clone()),
                _ => None,
            };
            match &tokens[at].1 {
                // At the start of a line these words begin an item, whatever has not been closed before.
                Token::Block | Token::Model | Token::Data | Token::Train | Token::Import
                    if tokens[at].0 == 0 || prefix[..tokens[at].0].ends_with('\n') =>
                {
                    brackets.clear();
                    bound.clear();
                }
                Token::Open => brackets.push(Bracket::new(called(&name, token(2), name(3)))),
                Token::BraceOpen => brackets.push(Bracket::new(braced(token(1), token(2)))),
                Token::LineOpen | Token::ListOpen | Token::LineListOpen => brackets.push(Bracket::new(Opened::Other)),
                Token::Close | Token::ListClose | Token::BraceClose => drop(brackets.pop()),
                Token::Comma => {
                    if let Some(bracket) = brackets.last_mut() {
                        bracket.commas += 1;
                        bracket.keyword = None;
                    }
                }
                Token::Assign => assigned(brackets.last_mut(), token(1)),
                Token::FatArrow => bound.extend(name(1)),
                Token::Name(name) => {
                    let parameter = brackets.last().is_some_and(|bracket| bracket.opened == Opened::Parameters)
                        && matches!(token(1), Some(Token::Open | Token::Comma));
                    if parameter || matches!(token(1), Some(Token::Let | Token::Input)) && !brackets.is_empty() {
                        bound.push(name.clone());
                    }
                }
                _ => {}
            }
        }
        let mut ends = tokens.into_iter().rev().map(|(_, token, end)| (token, end));
        let (last, end) = ends.next().map_or((None, 0), |(token, end)| (Some(token), end));
        let begins = match &last {
            None | Some(Token::BraceOpen | Token::BraceClose | Token::Semicolon) => true,
            Some(
                Token::Close
                | Token::ListClose
                | Token::Name(_)
                | Token::Int(_)
                | Token::Float(_)
                | Token::Text(_)
                | Token::True
                | Token::False,
            ) => prefix[end..].contains('\n'),
            _ => false,
        };
        Some(Context { brackets, last, before: ends.next().map(|(token, _)| token), begins, bound })
    }

    /// The section around, with the key that is being set.
    pub fn section(&self) -> Option<(SectionKind, &str)> {
        self.brackets.iter().find_map(|bracket| match &bracket.opened {
            Opened::Section(kind, keys) => Some((*kind, keys.last().map_or("", String::as_str))),
            _ => None,
        })
    }
}

impl Bracket {
    fn new(opened: Opened) -> Self {
        Bracket { opened, commas: 0, keyword: None }
    }
}

/// Whether the beginning of a line ends in a comment or a text.
fn is_silent(line: &str) -> bool {
    let mut text = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => text = !text,
            '\\' if text => drop(characters.next()),
            '/' if !text && characters.peek() == Some(&'/') => return true,
            _ => {}
        }
    }
    text
}

/// What a `(` belongs to: the name before it, what stands before that, and the name before a dot.
fn called(name: &dyn Fn(usize) -> Option<String>, before: Option<&Token>, alias: Option<String>) -> Opened {
    let Some(word) = name(1) else { return Opened::Other };
    match before {
        Some(Token::Block | Token::Model) => Opened::Parameters,
        Some(Token::At) => Opened::Annotation(word),
        Some(Token::Dot) => Opened::Call(Path { alias, name: word }),
        _ => Opened::Call(Path { alias: None, name: word }),
    }
}

fn braced(last: Option<&Token>, before: Option<&Token>) -> Opened {
    match (before, last) {
        (_, Some(Token::Train)) | (Some(Token::Train), Some(Token::Name(_))) => {
            Opened::Section(SectionKind::Train, Vec::new())
        }
        (Some(Token::Data), Some(Token::Name(_))) => Opened::Section(SectionKind::Data, Vec::new()),
        _ => Opened::Other,
    }
}

/// Notes the key or keyword before a `=`.
fn assigned(bracket: Option<&mut Bracket>, before: Option<&Token>) {
    let word = match before {
        Some(Token::Name(name)) => name.clone(),
        Some(Token::Model) => "model".to_string(),
        Some(Token::Data) => "data".to_string(),
        Some(Token::Train) => "train".to_string(),
        _ => return,
    };
    match bracket {
        Some(Bracket { opened: Opened::Section(_, keys), .. }) => keys.push(word),
        Some(bracket) => bracket.keyword = Some(word),
        None => {}
    }
}
