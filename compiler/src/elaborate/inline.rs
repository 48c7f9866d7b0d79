//! One file out of many: what a file uses of its imports becomes part of it, so that the resolved text stands alone.

use super::functions;
use super::load::Modules;
use super::primitive;
use super::value::Module;
use crate::syntax::ast::{
    Annotation, Argument, Assert, Ast, Body, Expr, ExprKind, Item, Let, Name, Parameter, Statement,
};
use std::collections::{HashMap, HashSet};

/// A definition: the file, and its name there.
type Definition<'a> = (Module, &'a str);

/// The main file with all that it uses of others, imports left out. Definitions keep their names where these are free, else the
/// import's alias is put before them.
pub(super) fn inline(modules: &Modules) -> Ast {
    let mut inliner =
        Inliner { modules, order: Vec::new(), seen: HashSet::new(), bound: HashSet::new(), names: HashMap::new() };
    let main = modules.ast(Modules::MAIN);
    for item in &main.items {
        inliner.reach_item(Modules::MAIN, item);
    }
    inliner.name();
    let mut items: Vec<Item> = Vec::new();
    for (module, item) in std::mem::take(&mut inliner.order) {
        items.push(inliner.item(module, item));
    }
    let own = main.items.iter().filter(|item| !matches!(item, Item::Import(_)));
    items.extend(own.map(|item| inliner.item(Modules::MAIN, item)));
    Ast { file: main.file, docs: main.docs.clone(), items }
}

fn title(item: &Item) -> Option<&str> {
    match item {
        Item::Let(Let { name, .. }) => Some(&name.text),
        Item::Block(block) => Some(&block.name.text),
        Item::Model(model) => Some(&model.name.text),
        Item::Import(_) | Item::Section(_) => None,
    }
}

struct Inliner<'a> {
    modules: &'a Modules,
    /// Definitions of other files, each after those that it uses.
    order: Vec<(Module, &'a Item)>,
    seen: HashSet<Definition<'a>>,
    /// Every parameter and inner `let`.
    bound: HashSet<&'a str>,
    /// What definitions are called in the one file.
    names: HashMap<Definition<'a>, String>,
}

impl<'a> Inliner<'a> {
    fn definition(&self, module: Module, name: &str) -> Option<&'a Item> {
        self.modules.ast(module).items.iter().find(|item| title(item) == Some(name))
    }

    fn reach(&mut self, module: Module, name: &str) {
        let Some(item) = self.definition(module, name) else { return };
        let title = title(item).expect("it was found by its name");
        if self.seen.insert((module, title)) {
            self.reach_item(module, item);
            if module != Modules::MAIN {
                self.order.push((module, item));
            }
        }
    }

    fn reach_item(&mut self, module: Module, item: &'a Item) {
        match item {
            Item::Let(binding) => self.reach_expr(module, &binding.value),
            Item::Block(block) => {
                self.reach_parameters(module, &block.parameters);
                self.reach_expr(module, &block.body);
            }
            Item::Model(model) => {
                self.reach_parameters(module, &model.parameters);
                for input in &model.inputs {
                    self.bound.insert(&input.name.text);
                    input.dims.iter().for_each(|dim| self.reach_expr(module, dim));
                }
                self.reach_body(module, &model.body);
            }
            Item::Section(section) => section.entries.iter().for_each(|entry| self.reach_expr(module, &entry.value)),
            Item::Import(_) => {}
        }
    }

    fn reach_parameters(&mut self, module: Module, parameters: &'a [Parameter]) {
        for parameter in parameters {
            self.bound.insert(&parameter.name.text);
            if let Some(default) = &parameter.default {
                self.reach_expr(module, default);
            }
        }
    }

    fn reach_body(&mut self, module: Module, body: &'a Body) {
        for statement in &body.statements {
            if let Statement::Let(binding) = statement {
                self.bound.insert(&binding.name.text);
            }
            self.reach_expr(module, statement.expr());
        }
        self.reach_expr(module, &body.result);
    }

    /// What is reached too much, because a local hides it, does no harm.
    fn reach_expr(&mut self, module: Module, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Name(name) => self.reach(module, name),
            ExprKind::Member(object, name) => {
                if let ExprKind::Name(alias) = &object.kind
                    && let Some(other) = self.modules.alias(module, alias)
                {
                    self.reach(other, &name.text);
                }
            }
            ExprKind::Lambda(name, body) => {
                self.bound.insert(&name.text);
                self.reach_expr(module, body);
            }
            ExprKind::Scope(body) => self.reach_body(module, body),
            _ => expr.for_each_part(&mut |part| self.reach_expr(module, part)),
        }
    }

    /// Gives every definition a name of its own, which no local hides and which hides nothing of the language.
    fn name(&mut self) {
        let built_in = |name: &str| {
            name == "same"
                || primitive::find(name).is_some()
                || functions::find(name).is_some()
                || self.modules.item(Modules::PRELUDE, name).is_some()
        };
        let main = self.modules.ast(Modules::MAIN);
        let sections = main.items.iter().filter_map(|item| match item {
            Item::Section(section) => section.name.as_ref().map(|name| name.text.clone()),
            _ => None,
        });
        let mut taken: HashSet<String> = sections.collect();
        for item in &main.items {
            let Some(name) = title(item) else { continue };
            // Other files mean the language's own by that name.
            let hides = built_in(name) && !self.order.is_empty();
            let called = if hides { format!("own_{name}") } else { name.to_string() };
            taken.insert(called.clone());
            self.names.insert((Modules::MAIN, name), called);
        }
        for (module, item) in &self.order {
            let name = title(item).expect("only definitions are reached");
            let free =
                |called: &String| !taken.contains(called) && !built_in(called) && !self.bound.contains(called.as_str());
            let prefix = self.modules.any_alias(*module);
            let choices = [name.to_string(), format!("{prefix}_{name}")];
            let numbered = (2..).map(|count| format!("{prefix}_{name}_{count}"));
            let called = choices.into_iter().chain(numbered).find(free).expect("numbers do not end");
            taken.insert(called.clone());
            self.names.insert((*module, name), called);
        }
    }

    fn called(&self, module: Module, name: &Name) -> Name {
        let called = self.names.get(&(module, name.text.as_str())).cloned();
        Name { text: called.unwrap_or_else(|| name.text.clone()), span: name.span }
    }

    fn item(&self, module: Module, item: &'a Item) -> Item {
        let mut item = item.clone();
        match &mut item {
            Item::Let(binding) => {
                binding.name = self.called(module, &binding.name);
                binding.value = self.expr(module, &binding.value, &mut Vec::new());
            }
            Item::Block(block) => {
                block.name = self.called(module, &block.name);
                let mut locals = self.parameters(module, &mut block.parameters);
                block.body = self.expr(module, &block.body, &mut locals);
            }
            Item::Model(model) => {
                model.name = self.called(module, &model.name);
                let mut locals = self.parameters(module, &mut model.parameters);
                for input in &mut model.inputs {
                    locals.push("N".to_string());
                    input.dims = input.dims.iter().map(|dim| self.expr(module, dim, &mut locals)).collect();
                    locals.pop();
                }
                locals.extend(model.inputs.iter().map(|input| input.name.text.clone()));
                model.body = self.body(module, &model.body, &mut locals, &["N", "params", "macs", "layers"]);
            }
            Item::Section(section) => {
                for entry in &mut section.entries {
                    entry.value = self.expr(module, &entry.value, &mut Vec::new());
                }
            }
            Item::Import(_) => {}
        }
        item
    }

    fn parameters(&self, module: Module, parameters: &mut [Parameter]) -> Vec<String> {
        let mut locals = Vec::new();
        for parameter in parameters {
            parameter.default = parameter.default.as_ref().map(|default| self.expr(module, default, &mut locals));
            locals.push(parameter.name.text.clone());
        }
        locals
    }

    fn body(&self, module: Module, body: &Body, locals: &mut Vec<String>, counted: &[&str]) -> Body {
        let outer = locals.len();
        let mut statements = Vec::with_capacity(body.statements.len());
        for statement in &body.statements {
            statements.push(match statement {
                Statement::Let(binding) => {
                    let value = self.expr(module, &binding.value, locals);
                    locals.push(binding.name.text.clone());
                    Statement::Let(Let { value, ..binding.clone() })
                }
                Statement::Assert(assertion) => {
                    let inner = locals.len();
                    locals.extend(counted.iter().map(|name| (*name).to_string()));
                    let condition = self.expr(module, &assertion.condition, locals);
                    locals.truncate(inner);
                    Statement::Assert(Assert { condition, message: assertion.message.clone() })
                }
            });
        }
        let result = Box::new(self.expr(module, &body.result, locals));
        locals.truncate(outer);
        Body { statements, result }
    }

    /// The expression with every definition called by its name in the one file.
    fn expr(&self, module: Module, expr: &Expr, locals: &mut Vec<String>) -> Expr {
        let local = matches!(&expr.kind, ExprKind::Name(name) if locals.contains(name));
        let mut each = |part: &Expr| self.expr(module, part, locals);
        let kind = match &expr.kind {
            ExprKind::Name(name) if !local => {
                let called = self.names.get(&(module, name.as_str()));
                ExprKind::Name(called.unwrap_or(name).clone())
            }
            ExprKind::Member(object, name) => {
                let other = match &object.kind {
                    ExprKind::Name(alias) => self.modules.alias(module, alias),
                    _ => None,
                };
                match other {
                    Some(other) => ExprKind::Name(self.called(other, name).text),
                    None => ExprKind::Member(object.clone(), name.clone()),
                }
            }
            ExprKind::List(items) => ExprKind::List(items.iter().map(each).collect()),
            ExprKind::Chain(steps) => ExprKind::Chain(steps.iter().map(each).collect()),
            ExprKind::Index(list, index) => ExprKind::Index(Box::new(each(list)), Box::new(each(index))),
            ExprKind::Unary(operator, operand) => ExprKind::Unary(*operator, Box::new(each(operand))),
            ExprKind::Binary(operator, a, b) => ExprKind::Binary(*operator, Box::new(each(a)), Box::new(each(b))),
            ExprKind::Label(name, body) => ExprKind::Label(name.clone(), Box::new(each(body))),
            ExprKind::Group(inner) => ExprKind::Group(Box::new(each(inner))),
            ExprKind::If(condition, yes, no) => {
                ExprKind::If(Box::new(each(condition)), Box::new(each(yes)), Box::new(each(no)))
            }
            ExprKind::Call(callee, arguments) => {
                let callee = Box::new(each(callee));
                ExprKind::Call(callee, self.arguments(module, arguments, locals))
            }
            ExprKind::Annotated(inner, annotations) => {
                let inner = Box::new(each(inner));
                let annotations = annotations.iter().map(|annotation| Annotation {
                    name: annotation.name.clone(),
                    arguments: self.arguments(module, &annotation.arguments, locals),
                });
                ExprKind::Annotated(inner, annotations.collect())
            }
            ExprKind::Lambda(name, body) => {
                locals.push(name.text.clone());
                let body = Box::new(self.expr(module, body, locals));
                locals.pop();
                ExprKind::Lambda(name.clone(), body)
            }
            ExprKind::Scope(body) => ExprKind::Scope(self.body(module, body, locals, &[])),
            other => other.clone(),
        };
        Expr::new(kind, expr.span)
    }

    fn arguments(&self, module: Module, arguments: &[Argument], locals: &mut Vec<String>) -> Vec<Argument> {
        let argument = |argument: &Argument| Argument {
            name: argument.name.clone(),
            value: self.expr(module, &argument.value, locals),
        };
        arguments.iter().map(argument).collect()
    }
}
