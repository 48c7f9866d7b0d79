//! Names, before anything is evaluated: every mistake of a file is told at once, and no block can use itself.

use super::functions;
use super::load::Modules;
use super::primitive;
use super::value::{Kind, Module};
use crate::diagnostic::{Diagnostic, Sources, Span, suggestion};
use crate::syntax::ast::{self, Argument, Expr, ExprKind, Import, Item, Let, Name, Statement};
use std::collections::{HashMap, HashSet};

/// A definition: the file, and which of its items.
type Definition = (Module, usize);

/// Definitions that may use one another in a row.
const LONGEST_WAY: usize = 300;

/// What there is to say of names.
pub(super) struct Resolved {
    pub wrong: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

/// Checks every user's file.
pub(super) fn resolve(modules: &Modules, sources: &Sources) -> Resolved {
    let mut resolver = Resolver {
        modules,
        found: Vec::new(),
        warnings: Vec::new(),
        uses: HashMap::new(),
        aliases: HashSet::new(),
        module: Modules::MAIN,
        item: 0,
    };
    for module in modules.users() {
        resolver.module = module;
        resolver.file();
    }
    resolver.recursion(sources);
    resolver.unused();
    Resolved { wrong: resolver.found, warnings: resolver.warnings }
}

/// A parameter or `let` in sight, and whether anything has named it.
struct Local<'a> {
    name: &'a str,
    /// Where it is defined, and what it is; `None` where nobody need use it.
    defined: Option<(Span, &'static str)>,
    used: bool,
}

impl<'a> Local<'a> {
    fn new(name: &'a Name, what: &'static str) -> Self {
        Local { name: &name.text, defined: Some((name.span, what)), used: false }
    }

    fn given(name: &'a str) -> Self {
        Local { name, defined: None, used: false }
    }
}

type Locals<'a> = Vec<Local<'a>>;

struct Resolver<'a> {
    modules: &'a Modules,
    found: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// Which definitions each definition names, and where.
    uses: HashMap<Definition, Vec<(Definition, Span)>>,
    /// The imports of the main file that something names.
    aliases: HashSet<&'a str>,
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
                self.found.push(wrong.and(first, "the first is here").hint("call one of them otherwise"));
            }
            match item {
                Item::Let(binding) => self.expr(&binding.value, &mut Vec::new()),
                Item::Block(block) => {
                    let mut locals = self.parameters(&block.parameters);
                    self.expr(&block.body, &mut locals);
                    self.leave(&mut locals, 0);
                }
                Item::Model(model) => {
                    let mut locals = self.parameters(&model.parameters);
                    locals.push(Local::given("N"));
                    for input in &model.inputs {
                        for dim in &input.dims {
                            self.expr(dim, &mut locals);
                        }
                    }
                    locals.pop();
                    locals.extend(model.inputs.iter().map(|input| Local::new(&input.name, "input")));
                    self.body(&model.body, &mut locals, &["N", "params", "macs", "layers"]);
                    self.leave(&mut locals, 0);
                }
                // Most names of a section are constructors and keys of their own, which its evaluation knows.
                Item::Section(section) => section.entries.iter().for_each(|entry| self.mention(&entry.value)),
                Item::Import(_) => {}
            }
        }
    }

    fn parameters(&mut self, parameters: &'a [ast::Parameter]) -> Locals<'a> {
        let mut locals = Locals::new();
        for (at, parameter) in parameters.iter().enumerate() {
            let name = &parameter.name;
            if let Some(first) = parameters[..at].iter().find(|first| first.name.text == name.text) {
                let wrong = Diagnostic::error("E107", name.span, format!("two parameters are called `{}`", name.text));
                self.found.push(wrong.and(first.name.span, "the first is here").hint("call one of them otherwise"));
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
            locals.push(Local::new(name, "parameter"));
        }
        locals
    }

    /// `counted`: the names that assertions see besides.
    fn body(&mut self, body: &'a ast::Body, locals: &mut Locals<'a>, counted: &[&'static str]) {
        let outer = locals.len();
        for statement in &body.statements {
            match statement {
                Statement::Let(binding) => {
                    self.expr(&binding.value, locals);
                    locals.push(Local::new(&binding.name, "`let`"));
                }
                Statement::Assert(assertion) => {
                    let inner = locals.len();
                    locals.extend(counted.iter().map(|name| Local::given(name)));
                    self.expr(&assertion.condition, locals);
                    locals.truncate(inner);
                }
            }
        }
        self.expr(&body.result, locals);
        self.leave(locals, outer);
    }

    /// Forgets the locals from `outer` on, and warns of those that nothing named.
    fn leave(&mut self, locals: &mut Locals<'a>, outer: usize) {
        for local in locals.drain(outer..) {
            let Some((span, what)) = local.defined else { continue };
            if !local.used && !local.name.starts_with('_') && self.module == Modules::MAIN {
                let code = if what == "`let`" { "W002" } else { "W001" };
                self.unused_name(code, span, &format!("the {what} `{}` is never used", local.name), local.name);
            }
        }
    }

    fn unused_name(&mut self, code: &'static str, span: Span, message: &str, name: &str) {
        let wrong = Diagnostic::warning(code, span, message);
        self.warnings.push(wrong.hint(format!("leave it out, or call it `_{name}` if that is meant")));
    }

    /// Top-level `let`s and imports of the main file that nothing names.
    fn unused(&mut self) {
        let used: HashSet<Definition> = self.uses.values().flatten().map(|(used, _)| *used).collect();
        let ast = self.modules.ast(Modules::MAIN);
        for (at, item) in ast.items.iter().enumerate() {
            match item {
                Item::Let(Let { name, .. }) if !used.contains(&(Modules::MAIN, at)) && !name.text.starts_with('_') => {
                    self.unused_name(
                        "W002",
                        name.span,
                        &format!("the `let` `{}` is never used", name.text),
                        &name.text,
                    );
                }
                Item::Import(Import { alias, .. }) if !self.aliases.contains(alias.text.as_str()) => {
                    let message = format!("the import `{}` is never used", alias.text);
                    self.warnings.push(Diagnostic::warning("W003", alias.span, message).hint("leave it out"));
                }
                _ => {}
            }
        }
        self.warnings.sort_by_key(Diagnostic::span);
    }

    /// Notes which definitions an expression of a section names.
    fn mention(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Name(name) => {
                if let Some(used) = self.definition(self.module, name) {
                    self.uses(used, expr.span);
                }
            }
            ExprKind::Member(object, name) => {
                if let ExprKind::Name(alias) = &object.kind
                    && let Some(module) = self.modules.alias(self.module, alias)
                {
                    self.alias(alias);
                    if let Some(used) = self.definition(module, &name.text) {
                        self.uses(used, name.span);
                    }
                }
            }
            _ => expr.for_each_part(&mut |part| self.mention(part)),
        }
    }

    fn alias(&mut self, alias: &'a str) {
        if self.module == Modules::MAIN {
            self.aliases.insert(alias);
        }
    }

    fn expr(&mut self, expr: &'a Expr, locals: &mut Locals<'a>) {
        match &expr.kind {
            ExprKind::Name(name) => self.name(name, expr.span, locals),
            ExprKind::Member(object, name) => self.member(object, name),
            ExprKind::Scope(body) => self.body(body, locals, &[]),
            ExprKind::Lambda(name, body) => {
                let outer = locals.len();
                locals.push(Local::new(name, "parameter"));
                self.expr(body, locals);
                self.leave(locals, outer);
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

    fn name(&mut self, name: &str, span: Span, locals: &mut Locals<'a>) {
        if let Some(local) = locals.iter_mut().rev().find(|local| local.name == name) {
            local.used = true;
            return;
        }
        if name == "same" || functions::find(name).is_some() {
            // A file's own definition of that name comes first.
            if let Some(used) = self.definition(self.module, name) {
                self.uses(used, span);
            }
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
        let known = locals.iter().map(|local| local.name).chain(known.iter().map(String::as_str));
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
                Some(used) => {
                    self.alias(alias);
                    self.uses(used, name.span);
                }
                None => {
                    self.alias(alias);
                    let known = self.modules.own_names(module);
                    let wrong = Diagnostic::error("E100", name.span, format!("`{alias}` defines no `{}`", name.text));
                    self.found.push(wrong.maybe_hint(suggestion(&name.text, known.iter().map(String::as_str))));
                }
            },
        }
    }

    /// The keywords of a call whose callee is known by name.
    fn keywords(&mut self, callee: &'a Expr, arguments: &'a [Argument], locals: &Locals) {
        let ExprKind::Name(name) = &callee.kind else { return };
        if locals.iter().any(|local| local.name == name) {
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
