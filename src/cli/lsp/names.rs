//! What every name of a text stands for: a definition of this text or of an import, or a word of the language.

use rnet_compiler::diagnostic::{FileId, Span};
use rnet_compiler::elaborate::vocabulary::{self, Place, Word};
use rnet_compiler::syntax::ast::{
    self, Argument, Ast, Body, Expr, ExprKind, Item, Name, Section, SectionKind, Statement,
};
use std::collections::HashMap;

/// What kind of thing a text defines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The alias of an import.
    Import,
    /// The imported file itself.
    File,
    Let,
    Block,
    Model,
    Parameter,
    Input,
    Section,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// What is defined at that place, in this text or in an imported one.
    Defined(Span, Role),
    Word(&'static Word),
    /// An argument of a word, by its rank.
    Argument(&'static Word, usize),
}

/// A name at a place.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence {
    pub span: Span,
    pub meaning: Meaning,
}

/// Whether names are made of such characters.
pub fn is_letter(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The word that a section begins with.
pub fn section_word(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Data => "data",
        SectionKind::Train => "train",
    }
}

/// The name of an item.
pub fn title(item: &Item) -> Option<&Name> {
    match item {
        Item::Import(import) => Some(&import.alias),
        Item::Let(binding) => Some(&binding.name),
        Item::Block(block) => Some(&block.name),
        Item::Model(model) => Some(&model.name),
        Item::Section(section) => section.name.as_ref(),
    }
}

/// The role of an item.
pub fn role(item: &Item) -> Role {
    match item {
        Item::Import(_) => Role::Import,
        Item::Let(_) => Role::Let,
        Item::Block(_) => Role::Block,
        Item::Model(_) => Role::Model,
        Item::Section(_) => Role::Section,
    }
}

/// The item of that name.
pub fn item<'a>(ast: &'a Ast, name: &str) -> Option<&'a Item> {
    ast.items.iter().find(|item| title(item).is_some_and(|title| title.text == name))
}

/// The parameters of a block or model.
pub fn parameters(item: &Item) -> &[ast::Parameter] {
    match item {
        Item::Block(block) => &block.parameters,
        Item::Model(model) => &model.parameters,
        _ => &[],
    }
}

/// Every name of a text that stands for something, definitions included, in the order of the text.
pub fn occurrences(ast: &Ast, imports: &HashMap<String, Ast>) -> Vec<Occurrence> {
    let mut walk = Walk { ast, imports, locals: Vec::new(), found: Vec::new() };
    ast.items.iter().for_each(|item| walk.item(item));
    walk.found.sort_by_key(|occurrence| occurrence.span);
    walk.found
}

/// What a call is made to.
enum Callee<'a> {
    Item(&'a Item),
    Word(&'static Word),
}

struct Walk<'a> {
    ast: &'a Ast,
    imports: &'a HashMap<String, Ast>,
    /// Parameters, inputs and `let`s in sight, innermost last.
    locals: Vec<(&'a Name, Role)>,
    found: Vec<Occurrence>,
}

impl<'a> Walk<'a> {
    fn means(&mut self, span: Span, meaning: Meaning) {
        self.found.push(Occurrence { span, meaning });
    }

    fn defines(&mut self, name: &Name, role: Role) {
        self.means(name.span, Meaning::Defined(name.span, role));
    }

    fn binds(&mut self, name: &'a Name, role: Role) {
        self.defines(name, role);
        self.locals.push((name, role));
    }

    fn word(&mut self, span: Span, place: Place, name: &str) -> Option<&'static Word> {
        let word = vocabulary::find(place, name)?;
        self.means(span, Meaning::Word(word));
        Some(word)
    }

    fn item(&mut self, item: &'a Item) {
        if let Some(name) = title(item) {
            self.defines(name, role(item));
        }
        match item {
            Item::Import(import) => {
                if let Some(imported) = self.imports.get(&import.alias.text) {
                    self.means(import.path_span, Meaning::Defined(beginning(imported.file), Role::File));
                }
            }
            Item::Let(binding) => self.expr(&binding.value),
            Item::Block(block) => {
                self.parameters(&block.parameters);
                self.expr(&block.body);
            }
            Item::Model(model) => {
                self.parameters(&model.parameters);
                for input in &model.inputs {
                    input.dims.iter().for_each(|dim| self.expr(dim));
                    self.binds(&input.name, Role::Input);
                }
                self.body(&model.body);
            }
            Item::Section(section) => self.section(section),
        }
        self.locals.clear();
    }

    fn parameters(&mut self, parameters: &'a [ast::Parameter]) {
        for parameter in parameters {
            if let Some(kind) = &parameter.kind {
                self.word(kind.span, Place::Kind, &kind.text);
            }
            if let Some(default) = &parameter.default {
                self.expr(default);
            }
            self.binds(&parameter.name, Role::Parameter);
        }
    }

    fn body(&mut self, body: &'a Body) {
        let outer = self.locals.len();
        for statement in &body.statements {
            self.expr(statement.expr());
            if let Statement::Let(binding) = statement {
                self.binds(&binding.name, Role::Let);
            }
        }
        self.expr(&body.result);
        self.locals.truncate(outer);
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Name(_) | ExprKind::Member(..) => drop(self.callee(expr, None)),
            ExprKind::Call(callee, arguments) => {
                let callee = self.callee(callee, None);
                self.arguments(callee.as_ref(), arguments);
            }
            ExprKind::Scope(body) => self.body(body),
            ExprKind::Lambda(name, body) => {
                let outer = self.locals.len();
                self.binds(name, Role::Parameter);
                self.expr(body);
                self.locals.truncate(outer);
            }
            ExprKind::Annotated(inner, annotations) => {
                self.expr(inner);
                for annotation in annotations {
                    let word = self.word(annotation.name.span, Place::Annotation, &annotation.name.text);
                    match annotation.name.text.as_str() {
                        "init" => {
                            annotation.arguments.iter().for_each(|one| self.value(Place::Initialiser, &one.value));
                        }
                        _ => self.arguments(word.map(Callee::Word).as_ref(), &annotation.arguments),
                    }
                }
            }
            _ => expr.for_each_part(&mut |part| self.expr(part)),
        }
    }

    /// What an expression names, where it is a name. `place`: where words stand that go before all others.
    fn callee(&mut self, expr: &'a Expr, place: Option<Place>) -> Option<Callee<'a>> {
        match &expr.kind {
            ExprKind::Name(name) => self.name(expr.span, name, place),
            ExprKind::Member(object, name) => {
                let ExprKind::Name(alias) = &object.kind else {
                    self.expr(object);
                    return None;
                };
                if let Some(Item::Import(import)) = item(self.ast, alias) {
                    self.means(object.span, Meaning::Defined(import.alias.span, Role::Import));
                }
                let found = item(self.imports.get(alias)?, &name.text)?;
                self.means(name.span, Meaning::Defined(title(found)?.span, role(found)));
                Some(Callee::Item(found))
            }
            _ => {
                self.expr(expr);
                None
            }
        }
    }

    fn name(&mut self, span: Span, name: &str, place: Option<Place>) -> Option<Callee<'a>> {
        if let Some(place) = place
            && let Some(word) = self.word(span, place, name)
        {
            return Some(Callee::Word(word));
        }
        if let Some((local, role)) = self.locals.iter().rfind(|(local, _)| local.text == name).copied() {
            self.means(span, Meaning::Defined(local.span, role));
            return None;
        }
        if let Some(found) = item(self.ast, name) {
            self.means(span, Meaning::Defined(title(found)?.span, role(found)));
            return Some(Callee::Item(found));
        }
        self.word(span, Place::Expression, name).map(Callee::Word)
    }

    fn arguments(&mut self, callee: Option<&Callee<'a>>, arguments: &'a [Argument]) {
        for argument in arguments {
            self.keyword(callee, argument);
            self.expr(&argument.value);
        }
    }

    fn keyword(&mut self, callee: Option<&Callee<'a>>, argument: &Argument) {
        let Some(keyword) = &argument.name else { return };
        let meaning = match callee {
            Some(Callee::Item(item)) => {
                let known = parameters(item).iter().find(|parameter| parameter.name.text == keyword.text);
                known.map(|parameter| Meaning::Defined(parameter.name.span, Role::Parameter))
            }
            Some(Callee::Word(word)) => {
                let rank = word.arguments.iter().position(|argument| argument.name == keyword.text);
                rank.map(|rank| Meaning::Argument(word, rank))
            }
            None => None,
        };
        if let Some(meaning) = meaning {
            self.means(keyword.span, meaning);
        }
    }

    fn section(&mut self, section: &'a Section) {
        for entry in &section.entries {
            self.word(entry.key.span, Place::Key(section.kind), &entry.key.text);
            match vocabulary::value_place(section.kind, &entry.key.text) {
                Some(place) => self.value(place, &entry.value),
                None => self.expr(&entry.value),
            }
        }
    }

    /// A value that is made of words of its own, such as a schedule.
    fn value(&mut self, place: Place, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Name(_) => drop(self.callee(expr, Some(place))),
            ExprKind::Call(callee, arguments) => {
                let callee = self.callee(callee, Some(place));
                for argument in arguments {
                    self.keyword(callee.as_ref(), argument);
                    match &argument.name {
                        // Of a group of weights.
                        Some(keyword) if keyword.text == "optimizer" => {
                            self.value(Place::Value(SectionKind::Train, "optimizer"), &argument.value);
                        }
                        _ => self.expr(&argument.value),
                    }
                }
            }
            ExprKind::Chain(_) | ExprKind::List(_) | ExprKind::Group(_) => {
                expr.for_each_part(&mut |part| self.value(place, part));
            }
            _ => self.expr(expr),
        }
    }
}

fn beginning(file: FileId) -> Span {
    Span { file, start: 0, end: 0 }
}
