//! The names that can stand at a place, and the arguments of the call that is being written.

use super::analysis::Analysis;
use super::context::{Context, Opened, Path};
use super::names::{self, Role, role, title};
use super::position;
use rnet_compiler::elaborate::vocabulary::{self, Argument, KEYWORDS, Place, vocabulary};
use rnet_compiler::syntax::ast::{Ast, Item, SectionKind};
use rnet_compiler::syntax::token::Token;
use serde_json::{Value, json};
use std::collections::BTreeMap;

// Kinds as the protocol numbers them.
const FUNCTION: i32 = 3;
const FIELD: i32 = 5;
const VARIABLE: i32 = 6;
const MODULE: i32 = 9;
const PROPERTY: i32 = 10;
const VALUE: i32 = 12;
const KEYWORD: i32 = 14;

/// What is offered for a word.
struct Offer {
    kind: i32,
    detail: String,
    doc: String,
    /// Written in the place of the word, where that is more than the word.
    written: Option<String>,
    /// Those of a lower rank come first.
    rank: u8,
}

/// Offers by word; the first offer of a word counts.
#[derive(Default)]
struct Offers(BTreeMap<String, Offer>);

impl Offers {
    fn add(&mut self, rank: u8, kind: i32, name: &str, detail: &str, doc: &str) {
        let offer = Offer { kind, detail: detail.to_string(), doc: doc.to_string(), written: None, rank };
        self.0.entry(name.to_string()).or_insert(offer);
    }

    /// A word that a value is given to.
    fn set(&mut self, kind: i32, name: &str, detail: &str, doc: &str) {
        let written = Some(format!("{name} = "));
        let offer = Offer { kind, detail: detail.to_string(), doc: doc.to_string(), written, rank: 0 };
        self.0.entry(name.to_string()).or_insert(offer);
    }

    fn words(&mut self, rank: u8, kind: i32, place: Place) {
        for word in vocabulary().iter().filter(|word| word.place == place) {
            self.add(rank, kind, &word.name, &word.form, &word.doc);
        }
    }

    fn items(&mut self, ast: &Ast, offered: impl Fn(Role) -> bool) {
        for item in ast.items.iter().filter(|item| offered(role(item))) {
            let Some(name) = title(item) else { continue };
            let kind = match role(item) {
                Role::Import => MODULE,
                Role::Let => VARIABLE,
                _ => FUNCTION,
            };
            let (form, doc) = super::hover::item(item);
            self.add(1, kind, &name.text, &form, &doc);
        }
    }

    fn arguments(&mut self, arguments: &[Argument]) {
        for argument in arguments {
            self.set(FIELD, &argument.name, &argument.form, &argument.takes);
        }
    }

    /// What an expression can name.
    fn expression(&mut self, analysis: &Analysis, context: &Context) {
        context.bound.iter().for_each(|name| self.add(0, VARIABLE, name, "", ""));
        self.items(&analysis.ast, |role| matches!(role, Role::Block | Role::Let | Role::Import));
        self.words(2, FUNCTION, Place::Expression);
        KEYWORDS.iter().for_each(|word| self.add(3, KEYWORD, word, "", ""));
    }

    fn into_json(self) -> Value {
        let item = |(label, offer): (String, Offer)| {
            let mut item = json!({"label": label, "kind": offer.kind, "detail": offer.detail,
                "sortText": format!("{}{label}", offer.rank)});
            if !offer.doc.is_empty() {
                item["documentation"] = json!({"kind": "markdown", "value": offer.doc});
            }
            if let Some(written) = offer.written {
                item["insertText"] = written.into();
            }
            item
        };
        self.0.into_iter().map(item).collect()
    }
}

/// The names that can stand at a place.
pub fn completion(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let byte = position::byte(text, place);
    let Some(context) = Context::at(analysis.file, text, byte) else { return json!([]) };
    let mut offers = Offers::default();
    let innermost = context.brackets.last();
    let opened = innermost.map(|bracket| &bracket.opened);
    match (&context.last, &context.before, opened) {
        (Some(Token::Dot), Some(Token::Name(alias)), _) => {
            if let Some(ast) = analysis.imports.get(alias) {
                let model = context.section().is_some_and(|(_, key)| key == "model");
                offers.items(ast, |role| match role {
                    Role::Model => model,
                    role => matches!(role, Role::Block | Role::Let),
                });
            }
        }
        (Some(Token::At), ..) => offers.words(0, PROPERTY, Place::Annotation),
        (Some(Token::Colon), _, Some(Opened::Parameters)) => offers.words(0, VALUE, Place::Kind),
        // A new parameter is a new name.
        (Some(Token::Open | Token::Comma), _, Some(Opened::Parameters)) => {}
        (_, _, Some(Opened::Annotation(name))) if name == "init" => offers.words(0, VALUE, Place::Initialiser),
        (_, _, Some(Opened::Section(kind, keys))) if context.begins => {
            let place = Place::Key(*kind);
            for word in vocabulary().iter().filter(|word| word.place == place && !keys.contains(&word.name)) {
                offers.set(PROPERTY, &word.name, &word.form, &word.doc);
            }
        }
        (_, _, Some(Opened::Section(..))) => value(&mut offers, analysis, &context),
        (last, _, Some(Opened::Call(path))) => {
            if matches!(last, Some(Token::Open | Token::Comma)) {
                offers.arguments(&callee(analysis, &context, path).map_or_else(Vec::new, |(_, _, known)| known));
            }
            match innermost.and_then(|bracket| bracket.keyword.as_deref()) {
                Some("optimizer") => offers.words(1, VALUE, Place::Value(SectionKind::Train, "optimizer")),
                // A model's arguments may be blocks.
                _ if context.section().is_some_and(|(_, key)| key != "model") => {
                    offers.items(&analysis.ast, |role| role == Role::Let);
                    functions(&mut offers);
                }
                _ => offers.expression(analysis, &context),
            }
        }
        _ if context.section().is_some() => value(&mut offers, analysis, &context),
        _ if context.brackets.is_empty() && context.begins => {
            for word in ["block", "data", "import", "let", "model", "train"] {
                offers.add(0, KEYWORD, word, "", "");
            }
        }
        _ => offers.expression(analysis, &context),
    }
    offers.into_json()
}

/// What can stand behind a key of a section.
fn value(offers: &mut Offers, analysis: &Analysis, context: &Context) {
    let Some((kind, key)) = context.section() else { return };
    if let Some(place) = vocabulary::value_place(kind, key) {
        return offers.words(0, VALUE, place);
    }
    match (kind, key) {
        (SectionKind::Train, "model") => {
            offers.items(&analysis.ast, |role| matches!(role, Role::Model | Role::Import));
        }
        (SectionKind::Train, "data") => {
            let data = |item: &&Item| matches!(item, Item::Section(section) if section.kind == SectionKind::Data);
            for name in analysis.ast.items.iter().filter(data).filter_map(title) {
                offers.add(0, VARIABLE, &name.text, "data section", "");
            }
        }
        (SectionKind::Data, "average_flips") => {
            ["false", "true"].iter().for_each(|word| offers.add(0, KEYWORD, word, "", ""));
        }
        _ => {
            offers.items(&analysis.ast, |role| role == Role::Let);
            functions(offers);
        }
    }
}

/// Functions of numbers: what sections compute with.
fn functions(offers: &mut Offers) {
    for name in ["abs", "ceil", "floor", "len", "max", "min", "round", "sqrt", "sum"] {
        if let Some(word) = vocabulary::find(Place::Expression, name) {
            offers.add(2, FUNCTION, name, &word.form, &word.doc);
        }
    }
}

/// Form, documentation and arguments of what is called.
fn callee(analysis: &Analysis, context: &Context, path: &Path) -> Option<(String, String, Vec<Argument>)> {
    let word = |place| {
        let word = vocabulary::find(place, &path.name)?;
        Some((word.form.clone(), word.doc.clone(), word.arguments.clone()))
    };
    let item = |ast: &Ast| {
        let item = names::item(ast, &path.name)?;
        let (form, doc) = super::hover::item(item);
        Some((form, doc, names::parameters(item).iter().map(vocabulary::argument).collect()))
    };
    match &path.alias {
        Some(alias) => item(analysis.imports.get(alias)?),
        None => {
            let section = context.section().and_then(|(kind, key)| vocabulary::value_place(kind, key));
            // An optimizer may stand inside of a group of weights.
            let inner = section.map(|_| Place::Value(SectionKind::Train, "optimizer"));
            let own = section.and_then(word).or_else(|| inner.and_then(word)).or_else(|| item(&analysis.ast));
            own.or_else(|| word(Place::Expression))
        }
    }
}

/// The call that is being written, with the argument that stands at the place.
pub fn signature(analysis: &Analysis, place: &Value) -> Value {
    let text = analysis.text();
    let byte = position::byte(text, place);
    let Some(context) = Context::at(analysis.file, text, byte) else { return Value::Null };
    let call = context.brackets.iter().rev().find_map(|bracket| match &bracket.opened {
        Opened::Call(path) => Some((bracket, callee(analysis, &context, path)?)),
        Opened::Annotation(name) => {
            let word = vocabulary::find(Place::Annotation, name)?;
            Some((bracket, (word.form.clone(), word.doc.clone(), word.arguments.clone())))
        }
        _ => None,
    });
    let Some((bracket, (form, doc, arguments))) = call else { return Value::Null };
    let active = match &bracket.keyword {
        Some(keyword) => arguments.iter().position(|argument| argument.name == *keyword),
        None => Some(bracket.commas).filter(|&at| at < arguments.len()),
    };
    let parameters: Vec<Value> =
        arguments.iter().map(|argument| json!({"label": argument.form, "documentation": argument.takes})).collect();
    let documentation = json!({"kind": "markdown", "value": doc});
    let label = form.strip_prefix("block ").unwrap_or(&form);
    json!({
        "signatures": [{"label": label, "documentation": documentation, "parameters": parameters}],
        "activeSignature": 0,
        // One past the last marks none.
        "activeParameter": active.unwrap_or(arguments.len()),
    })
}
