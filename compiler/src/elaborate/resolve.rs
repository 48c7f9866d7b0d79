//! Names, before anything is evaluated: every mistake of a file is told at once, and no block can use itself.

use super::load::Modules;
use super::primitive;
use super::value::{Kind, Module};
use crate::diagnostic::{Diagnostic, Sources, Span, suggestion};
use crate::syntax::ast::{self, Argument, Expr, ExprKind, Item, Name};
use std::collections::{HashMap, HashSet};

/// A definition: the file, and which of its items.
type Definition = (Module, usize);

/// Definitions that may use one another in a row.
const LONGEST_WAY: usize = 300;

/// Checks every user's file.
pub(super) fn resolve(modules: &Modules, sources: &Sources) -> Vec<Diagnostic> {
    let mut resolver = Resolver { modules, found: Vec::new(), uses: HashMap::new(), module: Modules::MAIN, item: 0 };
    for module in modules.users() {
        resolver.module = module;
        resolver.file();
    }
    resolver.recursion(sources);
    resolver.found
}

struct Resolver<'a> {
    modules: &'a Modules,
    found: Vec<Diagnostic>,
    /// Which definitions each definition names, and where.
    uses: HashMap<Definition, Vec<(Definition, Span)>>,
    module: Module,
    item: usize,
}

impl<'a> Resolver<'a> {
    fn file(&mut self) {
        let ast = self.modules.ast(self.module);
        let mut taken: HashMap<&str, Span> = HashMap::new();
        for (at, item) in ast.items.iter().enumerate() {
            self.item = at;
            let name = match item {
                Item::Let(binding) => Some(&binding.name),
                Item::Block(block) => Some(&block.name),
                Item::Model(model) => Some(&model.name),
                Item::Import(import) => Some(&import.alias),
                Item::Section(section) => section.name.as_ref(),
            };
            if let Some(name) = name
                && let Some(first) = taken.insert(&name.text, name.span)
            {
                let wrong = Diagnostic::error("E107", name.span, format!("`{}` is defined twice", name.text));
                self.found.push(wrong.and(first, "the first is here"));
            }
            match item {
                Item::Let(binding) => self.expr(&binding.value, &mut Vec::new()),
                Item::Block(block) => {
                    let mut locals = self.parameters(&block.parameters);
                    self.expr(&block.body, &mut locals);
                }
                Item::Model(model) => {
                    let mut locals = self.parameters(&model.parameters);
                    locals.push("N");
                    for input in &model.inputs {
                        for dim in &input.dims {
                            self.expr(dim, &mut locals);
                        }
                    }
                    locals.pop();
                    locals.extend(model.inputs.iter().map(|input| input.name.text.as_str()));
                    self.body(&model.body, &mut locals);
                }
                Item::Import(_) | Item::Section(_) => {}
            }
        }
    }

    fn parameters(&mut self, parameters: &'a [ast::Parameter]) -> Vec<&'a str> {
        let mut locals = Vec::new();
        for (at, parameter) in parameters.iter().enumerate() {
            let name = &parameter.name;
            if let Some(first) = parameters[..at].iter().find(|first| first.name.text == name.text) {
                let wrong = Diagnostic::error("E107", name.span, format!("two parameters are called `{}`", name.text));
                self.found.push(wrong.and(first.name.span, "the first is here"));
            }
            if let Some(kind) = &parameter.kind
                && !Kind::NAMED.iter().any(|(name, _)| *name == kind.text)
            {
                let wrong = Diagnostic::error("E108", kind.span, format!("there is no kind `{}`", kind.text));
                self.found.push(wrong.maybe_hint(suggestion(&kind.text, Kind::NAMED.iter().map(|(name, _)| *name))));
            }
            if let Some(default) = &parameter.default {
                self.expr(default, &mut locals);
            }
            locals.push(&parameter.name.text);
        }
        locals
    }

    fn body(&mut self, body: &'a ast::Body, locals: &mut Vec<&'a str>) {
        let outer = locals.len();
        for binding in &body.lets {
            self.expr(&binding.value, locals);
            locals.push(&binding.name.text);
        }
        self.expr(&body.result, locals);
        locals.truncate(outer);
    }

    fn expr(&mut self, expr: &'a Expr, locals: &mut Vec<&'a str>) {
        match &expr.kind {
            ExprKind::Name(name) => self.name(name, expr.span, locals),
            ExprKind::Member(object, name) => self.member(object, name),
            ExprKind::Scope(body) => self.body(body, locals),
            ExprKind::Lambda(name, body) => {
                locals.push(&name.text);
                self.expr(body, locals);
                locals.pop();
            }
            ExprKind::Annotated(inner, _) => self.expr(inner, locals),
            ExprKind::Call(callee, arguments) => {
                self.expr(callee, locals);
                self.keywords(callee, arguments, locals);
                arguments.iter().for_each(|argument| self.expr(&argument.value, locals));
            }
            _ => expr.for_each_part(&mut |part| self.expr(part, locals)),
        }
    }

    fn uses(&mut self, used: Definition, span: Span) {
        self.uses.entry((self.module, self.item)).or_default().push((used, span));
    }

    fn definition(&self, module: Module, name: &str) -> Option<Definition> {
        let items = &self.modules.ast(module).items;
        let at = items.iter().position(|item| match item {
            Item::Block(block) => block.name.text == name,
            Item::Let(binding) => binding.name.text == name,
            _ => false,
        })?;
        Some((module, at))
    }

    fn name(&mut self, name: &str, span: Span, locals: &[&str]) {
        if locals.contains(&name) || name == "same" {
            return;
        }
        if let Some(used) = self.definition(self.module, name) {
            return self.uses(used, span);
        }
        if self.definition(Modules::PRELUDE, name).is_some() || primitive::find(name).is_some() {
            return;
        }
        let known = self.modules.names(self.module);
        let wrong = Diagnostic::error("E100", span, format!("`{name}` is not defined"));
        let known = locals.iter().copied().chain(known.iter().map(String::as_str));
        let mut hint = suggestion(name, known);
        hint.get_or_insert(format!("`let {name} = ..` or a parameter `{name}` makes it known"));
        if self.modules.alias(self.module, name).is_some() {
            hint = Some(format!("`{name}` is an import: its blocks are reached by `{name}.block`"));
        }
        self.found.push(wrong.maybe_hint(hint));
    }

    fn member(&mut self, object: &'a Expr, name: &'a Name) {
        let ExprKind::Name(alias) = &object.kind else { return };
        match self.modules.alias(self.module, alias) {
            None => self.found.push(
                Diagnostic::error("E100", object.span, format!("no import is called `{alias}`"))
                    .hint(format!("`import \"{alias}.rnet\" as {alias}` makes its blocks known")),
            ),
            Some(module) => match self.definition(module, &name.text) {
                Some(used) => self.uses(used, name.span),
                None => {
                    let known = self.modules.own_names(module);
                    let wrong = Diagnostic::error("E100", name.span, format!("`{alias}` defines no `{}`", name.text));
                    self.found.push(wrong.maybe_hint(suggestion(&name.text, known.iter().map(String::as_str))));
                }
            },
        }
    }

    /// The keywords of a call whose callee is known by name.
    fn keywords(&mut self, callee: &'a Expr, arguments: &'a [Argument], locals: &[&str]) {
        let ExprKind::Name(name) = &callee.kind else { return };
        if locals.contains(&name.as_str()) {
            return;
        }
        let item = self.modules.item(self.module, name).or_else(|| self.modules.item(Modules::PRELUDE, name));
        let known: Vec<&str> = match item {
            Some(Item::Block(block)) => block.parameters.iter().map(|parameter| parameter.name.text.as_str()).collect(),
            Some(_) => return,
            None => match primitive::find(name) {
                Some(primitive) => primitive.parameters.iter().map(|parameter| parameter.name).collect(),
                None => return,
            },
        };
        for keyword in arguments.iter().filter_map(|argument| argument.name.as_ref()) {
            if !known.contains(&keyword.text.as_str()) {
                let wrong =
                    Diagnostic::error("E104", keyword.span, format!("`{name}` has no parameter `{}`", keyword.text));
                self.found.push(wrong.maybe_hint(suggestion(&keyword.text, known.iter().copied())));
            }
        }
    }

    /// A definition that names itself, by whatever way, could never end.
    fn recursion(&mut self, sources: &Sources) {
        let mut definitions: Vec<Definition> = self.uses.keys().copied().collect();
        definitions.sort_unstable();
        let mut done = HashSet::new();
        for definition in definitions {
            self.walk(definition, &mut Vec::new(), &mut done, sources);
        }
    }

    fn walk(
        &mut self,
        at: Definition,
        way: &mut Vec<(Definition, Span)>,
        done: &mut HashSet<Definition>,
        sources: &Sources,
    ) {
        if done.contains(&at) {
            return;
        }
        for (used, span) in self.uses.get(&at).cloned().unwrap_or_default() {
            way.push((at, span));
            if let Some(first) = way.iter().position(|(on_the_way, _)| *on_the_way == used) {
                let circle: Vec<String> = way[first..]
                    .iter()
                    .map(|(definition, span)| {
                        format!("`{}` uses the next at {}", self.title(*definition), sources.place(*span))
                    })
                    .collect();
                let mut wrong = Diagnostic::error("E109", span, format!("`{}` uses itself", self.title(used)))
                    .hint("`repeat(n, i => ..)` builds n layers that depend on i");
                if circle.len() > 1 {
                    wrong = wrong.note(circle.join(", "));
                }
                self.found.push(wrong);
            } else if way.len() >= LONGEST_WAY {
                let wrong = Diagnostic::error(
                    "E111",
                    span,
                    format!("definitions use each other more than {LONGEST_WAY} levels deep"),
                );
                self.found.push(wrong);
                done.insert(used);
            } else {
                self.walk(used, way, done, sources);
            }
            way.pop();
        }
        done.insert(at);
    }

    fn title(&self, (module, at): Definition) -> String {
        match &self.modules.ast(module).items[at] {
            Item::Block(block) => block.name.text.clone(),
            Item::Let(binding) => binding.name.text.clone(),
            _ => String::new(),
        }
    }
}
