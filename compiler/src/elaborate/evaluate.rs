//! Evaluation: expressions to values, and blocks applied to tensors.

use super::arithmetic;
use super::builder::{Builder, Label};
use super::functions;
use super::load::Modules;
use super::parameters::Cost;
use super::primitive;
use super::value::{Block, Bound, Default, Environment, Kind, Module, Parameter, Value};
use crate::diagnostic::{Diagnostic, Sources, Span, suggestion};
use crate::graph::{Attribute, Attributes, NodeId};
use crate::ops::OpError;
use crate::syntax::ast::{self, Argument, Assert, BinaryOperator, Expr, ExprKind, Item, Name, Statement};
use std::collections::HashMap;
use std::rc::Rc;

/// A diagnostic has been written down; what was being evaluated has no value.
#[derive(Debug)]
pub(super) struct Stop;

pub(super) type Outcome<T> = Result<T, Stop>;

/// Evaluations and applications that one file may need. ResNet-152 needs some 10,000.
const FUEL: u64 = 4_000_000;

/// Layers that one model may have.
const MOST_LAYERS: usize = 100_000;

/// Evaluations and applications inside one another: as deep as the smallest stack (2 MiB) allows.
const DEEPEST: usize = 300;

/// Layers in the story of a shape.
const LONGEST_LINEAGE: usize = 6;

/// The state of one elaboration.
pub(super) struct Elaborator<'a> {
    pub modules: &'a Modules,
    pub sources: &'a Sources,
    pub found: Vec<Diagnostic>,
    pub builder: Builder,
    /// Bytes that a tensor may have at most.
    pub memory: u64,
    /// Where in the user's own files we are.
    pub place: Span,
    /// The shapes that `auto` is to meet, innermost last.
    pub targets: Vec<Option<Vec<usize>>>,
    /// Of what is legal and likely wrong.
    pub warnings: Vec<Diagnostic>,
    /// The result of every layer, with its path and place.
    pub results: Vec<(NodeId, String, Span)>,
    /// The file's own `let`s, evaluated once.
    constants: HashMap<(Module, &'a str), Value<'a>>,
    shared: usize,
    /// The blocks that are being applied, and where.
    calls: Vec<(&'a str, Span)>,
    fuel: u64,
    depth: usize,
}

/// An evaluated argument.
pub(super) struct Given<'a> {
    pub name: Option<&'a Name>,
    pub value: Value<'a>,
    pub span: Span,
}

impl<'a> Elaborator<'a> {
    pub fn new(modules: &'a Modules, sources: &'a Sources, builder: Builder, memory: u64, place: Span) -> Self {
        Elaborator {
            modules,
            sources,
            found: Vec::new(),
            builder,
            memory,
            place,
            targets: Vec::new(),
            warnings: Vec::new(),
            results: Vec::new(),
            constants: HashMap::new(),
            shared: 0,
            calls: Vec::new(),
            fuel: FUEL,
            depth: 0,
        }
    }

    /// Writes a diagnostic down, with the way the program came there.
    pub fn stop<T>(&mut self, mut diagnostic: Diagnostic) -> Outcome<T> {
        for (name, span) in self.calls.iter().rev().take(4) {
            diagnostic = diagnostic.note(format!("in the block `{name}`, used at {}", self.sources.place(*span)));
        }
        self.found.push(diagnostic);
        Err(Stop)
    }

    /// An error at a place, or, where that lies in the prelude, where the prelude was called.
    pub fn error<T>(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Outcome<T> {
        let span = self.visible(span);
        self.stop(Diagnostic::error(code, span, message))
    }

    pub fn visible(&self, span: Span) -> Span {
        if span.file == self.modules.prelude() { self.place } else { span }
    }

    /// From here on we are at `span`, unless that lies in the prelude.
    pub fn at(&mut self, span: Span) {
        self.place = self.visible(span);
    }

    fn enter(&mut self) -> Outcome<()> {
        self.fuel = self.fuel.saturating_sub(1);
        if self.fuel == 0 || self.builder.layers.len() > MOST_LAYERS {
            let layers = self.builder.layers.len();
            let so_far = if layers > MOST_LAYERS {
                format!("more than {MOST_LAYERS} layers so far")
            } else {
                format!("{FUEL} expressions evaluated so far, for {layers} layers")
            };
            let wrong = Diagnostic::error("E110", self.place, "this expands without end")
                .here(so_far)
                .hint("is a `repeat` count too large, or does a block use itself many times over?");
            return self.stop(wrong);
        }
        if self.depth >= DEEPEST {
            let wrong =
                Diagnostic::error("E111", self.place, format!("blocks are nested more than {DEEPEST} levels deep"))
                    .hint("`repeat` stacks layers without nesting them");
            return self.stop(wrong);
        }
        self.depth += 1;
        Ok(())
    }

    /// The value of an expression.
    pub fn eval(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Value<'a>> {
        self.enter()?;
        let value = self.eval_entered(expr, env);
        self.depth -= 1;
        value
    }

    fn eval_entered(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<Value<'a>> {
        match &expr.kind {
            ExprKind::Int(value) => Ok(Value::Int(*value)),
            ExprKind::Float(value) => Ok(Value::Float(*value)),
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::Text(text) => Ok(Value::Text(text.as_str().into())),
            ExprKind::Name(name) => self.lookup(name, expr.span, env),
            ExprKind::Member(object, name) => self.member(object, name, env),
            ExprKind::List(items) => {
                let values: Outcome<Vec<Value>> = items.iter().map(|item| self.eval(item, env)).collect();
                Ok(Value::List(Rc::new(values?)))
            }
            ExprKind::Index(list, index) => self.index(list, index, env),
            ExprKind::Call(callee, arguments) => self.call(expr.span, callee, arguments, env),
            ExprKind::Unary(operator, operand) => {
                let value = self.eval(operand, env)?;
                arithmetic::unary(*operator, &value).or_else(|message| self.error("E102", expr.span, message))
            }
            ExprKind::Binary(operator @ (BinaryOperator::And | BinaryOperator::Or), a, b) => {
                let first = self.truth(a, env)?;
                let decided = first == (*operator == BinaryOperator::Or);
                Ok(Value::Bool(if decided { first } else { self.truth(b, env)? }))
            }
            ExprKind::Binary(operator, a, b) => {
                let (a, b) = (self.eval(a, env)?, self.eval(b, env)?);
                arithmetic::binary(*operator, &a, &b).or_else(|message| self.error("E102", expr.span, message))
            }
            ExprKind::Chain(steps) => match self.eval(&steps[0], env)? {
                Value::Tensor(x) => Ok(Value::Tensor(self.steps(&steps[1..], env, x)?)),
                _ => Ok(Value::block(Block::Chain(steps, env.clone()))),
            },
            ExprKind::Label(name, body) => Ok(Value::block(Block::Label(name, body, env.clone()))),
            ExprKind::Lambda(name, body) => Ok(Value::block(Block::Lambda(name, body, env.clone()))),
            ExprKind::If(condition, yes, no) => {
                let branch = if self.truth(condition, env)? { yes } else { no };
                self.eval(branch, env)
            }
            ExprKind::Scope(body) => self.body(body, env),
            ExprKind::Group(inner) => self.eval(inner, env),
            ExprKind::Annotated(inner, annotations) => {
                let said = self.annotations(annotations, env)?;
                match self.eval(inner, env)? {
                    value @ Value::Block(_) => Ok(Value::block(Block::Annotated(value, said))),
                    other => self.error("E101", inner.span, format!("`@` annotates a layer, this is {}", other.kind())),
                }
            }
        }
    }

    /// `let`s, then the result.
    pub fn body(&mut self, body: &'a ast::Body, env: &Environment<'a>) -> Outcome<Value<'a>> {
        let mut env = env.clone();
        for statement in &body.statements {
            match statement {
                Statement::Let(binding) => {
                    let value = self.eval(&binding.value, &env)?;
                    env = env.with(&binding.name.text, value);
                }
                Statement::Assert(assertion) => self.assert(assertion, &env)?,
            }
        }
        self.eval(&body.result, &env)
    }

    /// Stops where the condition does not hold; a comparison shows what it compared.
    pub fn assert(&mut self, assertion: &'a Assert, env: &Environment<'a>) -> Outcome<()> {
        let condition = &assertion.condition;
        if self.truth(condition, env)? {
            return Ok(());
        }
        let message = assertion.message.clone().unwrap_or_else(|| "an assertion does not hold".to_string());
        let mut wrong = Diagnostic::error("E150", self.visible(condition.span), message);
        if let ExprKind::Binary(operator, left, right) = &condition.ungrouped().kind
            && !matches!(operator, BinaryOperator::And | BinaryOperator::Or)
        {
            let (left, right) = (self.eval(left, env)?, self.eval(right, env)?);
            wrong = wrong.here(format!("not true: {} {} {}", left.spelling(), operator.spelling(), right.spelling()));
        }
        self.stop(wrong)
    }

    /// Writes a warning down, once for each place.
    pub fn warn(&mut self, code: &'static str, message: impl Into<String>, hint: &str) {
        let known = |known: &Diagnostic| known.code == code && known.span() == Some(self.place);
        if !self.warnings.iter().any(known) {
            self.warnings.push(Diagnostic::warning(code, self.place, message).hint(hint));
        }
    }

    /// Enters a layer into the table.
    pub fn layer(&mut self, path: &str, op: &str, result: NodeId, cost: Cost) {
        self.results.push((result, path.to_string(), self.place));
        self.builder.layer(path, op, result, cost);
    }

    /// The name of the bias that was just added to the result of a convolution or dense layer.
    pub fn bias(&self, x: NodeId) -> Option<String> {
        let graph = &self.builder.graph;
        let [_, wide] = graph[x].operands[..] else { return None };
        let [bias] = graph[wide].operands[..] else { return None };
        match graph[bias].attributes.get("name") {
            Some(Attribute::Text(name)) if graph[bias].op.name() == "parameter" => Some(name.clone()),
            _ => None,
        }
    }

    fn truth(&mut self, expr: &'a Expr, env: &Environment<'a>) -> Outcome<bool> {
        match self.eval(expr, env)? {
            Value::Bool(truth) => Ok(truth),
            other => self.error("E101", expr.span, format!("a condition is true or false, this is {}", other.kind())),
        }
    }

    fn index(&mut self, list: &'a Expr, index: &'a Expr, env: &Environment<'a>) -> Outcome<Value<'a>> {
        let (items, at) = match (self.eval(list, env)?, self.eval(index, env)?) {
            (Value::List(items), Value::Int(at)) => (items, at),
            (Value::List(_), other) => {
                return self.error("E101", index.span, format!("an index is a whole number, this is {}", other.kind()));
            }
            (other, _) => {
                return self.error("E101", list.span, format!("only lists have elements, this is {}", other.kind()));
            }
        };
        match usize::try_from(at).ok().and_then(|at| items.get(at)) {
            Some(value) => Ok(value.clone()),
            None => self.error(
                "E102",
                index.span,
                format!("index {at} of a list of {}: elements count from 0", items.len()),
            ),
        }
    }

    fn lookup(&mut self, name: &str, span: Span, env: &Environment<'a>) -> Outcome<Value<'a>> {
        if let Some(value) = env.local(name) {
            return Ok(value.clone());
        }
        for module in [env.module, Modules::PRELUDE] {
            if let Some(value) = self.item(module, name)? {
                return Ok(value);
            }
        }
        if let Some(primitive) = primitive::find(name) {
            return Ok(Value::block(Block::Primitive(primitive, None)));
        }
        if let Some(function) = functions::find(name) {
            return Ok(Value::Function(function));
        }
        if name == "same" {
            return Ok(Value::Same);
        }
        let known = self.modules.names(env.module);
        let span = self.visible(span);
        let wrong = Diagnostic::error("E100", span, format!("`{name}` is not defined"));
        let hint = suggestion(name, known.iter().map(String::as_str));
        self.stop(wrong.maybe_hint(hint))
    }

    fn item(&mut self, module: Module, name: &str) -> Outcome<Option<Value<'a>>> {
        match self.modules.item(module, name) {
            Some(Item::Block(block)) => Ok(Some(Value::block(Block::Defined(block, module, None)))),
            Some(Item::Let(binding)) => {
                let key = (module, binding.name.text.as_str());
                if let Some(value) = self.constants.get(&key) {
                    return Ok(Some(value.clone()));
                }
                let value = self.eval(&binding.value, &Environment::of(module))?;
                self.constants.insert(key, value.clone());
                Ok(Some(value))
            }
            _ => Ok(None),
        }
    }

    fn member(&mut self, object: &'a Expr, name: &'a Name, env: &Environment<'a>) -> Outcome<Value<'a>> {
        let ExprKind::Name(alias) = &object.kind else {
            return self.error("E101", object.span, "only an import's alias has members");
        };
        let Some(module) = self.modules.alias(env.module, alias) else {
            return self.error("E100", object.span, format!("no import is called `{alias}`"));
        };
        match self.item(module, &name.text)? {
            Some(value) => Ok(value),
            None => {
                let known = self.modules.own_names(module);
                let wrong = Diagnostic::error("E100", name.span, format!("`{alias}` defines no `{}`", name.text));
                self.stop(wrong.maybe_hint(suggestion(&name.text, known.iter().map(String::as_str))))
            }
        }
    }

    pub fn given(&mut self, arguments: &'a [Argument], env: &Environment<'a>) -> Outcome<Vec<Given<'a>>> {
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.eval(&argument.value, env)?;
            let mut span = argument.value.span;
            // What the prelude passes on stands where the user wrote it.
            if span.file == self.modules.prelude()
                && let ExprKind::Name(name) = &argument.value.kind
            {
                span = env.origin(name).unwrap_or(span);
            }
            given.push(Given { name: argument.name.as_ref(), value, span });
        }
        Ok(given)
    }

    fn call(
        &mut self,
        span: Span,
        callee: &'a Expr,
        arguments: &'a [Argument],
        env: &Environment<'a>,
    ) -> Outcome<Value<'a>> {
        let value = self.eval(callee, env)?;
        let given = self.given(arguments, env)?;
        let block = match &value {
            Value::Block(block) => block,
            Value::Function(function) => {
                if let Some(name) = given.iter().find_map(|argument| argument.name) {
                    let message = format!("`{}` takes its arguments by position: {}", function.name, function.form);
                    return self.error("E104", name.span, message);
                }
                let arguments: Vec<(Value, Span)> = given.into_iter().map(|given| (given.value, given.span)).collect();
                return (function.apply)(self, function, &arguments, span);
            }
            other => {
                let message = format!("only blocks and functions are called, this is {}", other.describe());
                return self.error("E101", callee.span, message);
            }
        };
        match &**block {
            Block::Primitive(primitive, None) if primitive.name == "shared" => {
                let bound = self.bind(primitive.name, primitive.parameters, primitive.variadic, given, span)?;
                self.shared += 1;
                Ok(Value::block(Block::Shared(self.shared, bound.get("body").0.clone())))
            }
            Block::Primitive(primitive, None) => {
                let bound = self.bind(primitive.name, primitive.parameters, primitive.variadic, given, span)?;
                let tensors: Option<Vec<NodeId>> = bound.branches.iter().map(|(branch, _)| tensor(branch)).collect();
                match tensors {
                    Some(tensors) if primitive.variadic && !tensors.is_empty() => {
                        self.at(span);
                        Ok(Value::Tensor(primitive::combine(self, primitive.name, &tensors, None)?))
                    }
                    _ => Ok(Value::block(Block::Primitive(primitive, Some(bound)))),
                }
            }
            Block::Defined(definition, module, None) => {
                let env = self.bind_definition(definition, *module, given, span)?;
                Ok(Value::block(Block::Defined(definition, *module, Some(env))))
            }
            Block::Lambda(name, body, env) => match <[Given; 1]>::try_from(given) {
                Ok([argument]) => self.eval(body, &env.with(&name.text, argument.value)),
                Err(given) => self.error("E103", span, format!("this takes 1 argument, here are {}", given.len())),
            },
            _ => self.error("E101", callee.span, "this block has its arguments already"),
        }
    }

    /// Arguments of a block that a file defines: the environment of its body.
    fn bind_definition(
        &mut self,
        block: &'a ast::Block,
        module: Module,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Outcome<Environment<'a>> {
        let env = Environment::of(module);
        self.bind_parameters("block", &block.name.text, &block.parameters, env, given, span)
    }

    /// Arguments of a block or model that a file defines.
    pub fn bind_parameters(
        &mut self,
        what: &str,
        owner: &str,
        parameters: &'a [ast::Parameter],
        mut env: Environment<'a>,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Outcome<Environment<'a>> {
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.text.as_str()).collect();
        let mut slots = self.distribute(&format!("the {what} `{owner}`"), &names, given)?;
        for (parameter, slot) in parameters.iter().zip(&mut slots) {
            let (value, span) = match (slot.take(), &parameter.default) {
                (Some((value, span)), _) => (value, span),
                (None, Some(default)) => (self.eval(default, &env)?, span),
                (None, None) => {
                    let message = format!("the {what} `{owner}` needs the argument `{}`", parameter.name.text);
                    let wrong = Diagnostic::error("E103", self.visible(span), message)
                        .and(parameter.name.span, "this parameter has no default")
                        .hint(format!("give it here, `{} = ..`, or the parameter a default", parameter.name.text));
                    return self.stop(wrong);
                }
            };
            if let Some(kind) = &parameter.kind
                && let Some((_, kind)) = Kind::NAMED.iter().find(|(name, _)| *name == kind.text)
                && !kind.takes(&value)
            {
                let message = format!(
                    "`{}` of the {what} `{owner}` is {}, this is {}",
                    parameter.name.text,
                    kind.wanted(),
                    value.describe()
                );
                return self.error("E101", span, message);
            }
            env = env.with_parameter(&parameter.name.text, value, span);
        }
        Ok(env)
    }

    /// Arguments to the parameters that they are for, by position and by keyword.
    fn distribute(
        &mut self,
        owner: &str,
        names: &[&str],
        given: Vec<Given<'a>>,
    ) -> Outcome<Vec<Option<(Value<'a>, Span)>>> {
        let mut slots: Vec<Option<(Value, Span)>> = names.iter().map(|_| None).collect();
        let mut next = 0;
        for argument in given {
            let at = match argument.name {
                Some(name) => match names.iter().position(|known| *known == name.text) {
                    Some(at) => at,
                    None => {
                        let wrong = Diagnostic::error(
                            "E104",
                            self.visible(name.span),
                            format!("{owner} has no parameter `{}`", name.text),
                        );
                        return self.stop(wrong.maybe_hint(suggestion(&name.text, names.iter().copied())));
                    }
                },
                None => {
                    next += 1;
                    next - 1
                }
            };
            if at >= names.len() {
                let takes = match names {
                    [] => "none".to_string(),
                    _ => format!("at most {}: {}", names.len(), names.join(", ")),
                };
                return self.error("E103", argument.span, format!("too many arguments: {owner} takes {takes}"));
            }
            if slots[at].is_some() {
                return self.error("E103", argument.span, format!("`{}` of {owner} is set twice", names[at]));
            }
            slots[at] = Some((argument.value, argument.span));
        }
        Ok(slots)
    }

    /// Arguments of a primitive or a constructor.
    pub fn bind(
        &mut self,
        owner: &'static str,
        parameters: &'static [Parameter],
        variadic: bool,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Outcome<Bound<'a>> {
        let (branches, given) =
            if variadic { given.into_iter().partition(|one| one.name.is_none()) } else { (Vec::new(), given) };
        for branch in &branches {
            if !Kind::Branch.takes(&branch.value) {
                let message = format!("`{owner}` takes blocks and tensors, this is {}", branch.value.describe());
                return self.error("E101", branch.span, message);
            }
        }
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
        let slots = self.distribute(&format!("`{owner}`"), &names, given)?;
        let mut named = Vec::with_capacity(parameters.len());
        for (parameter, slot) in parameters.iter().zip(slots) {
            let (value, span) = match slot {
                Some(given) => given,
                None => match parameter.default.value() {
                    Some(value) => (value, span),
                    None => {
                        let message =
                            format!("`{owner}` needs the argument `{}`: {}", parameter.name, parameter.kind.wanted());
                        let wrong = Diagnostic::error("E103", self.visible(span), message);
                        return self.stop(wrong.hint(format!("give it here: `{} = ..`", parameter.name)));
                    }
                },
            };
            // A default may be of a kind that no argument has: `stride` of a pool, where omitted, is its kernel.
            if !parameter.kind.takes(&value)
                && !matches!((&value, parameter.default), (Value::List(_), Default::Nothing))
            {
                let message = format!(
                    "`{}` of `{owner}` is {}, this is {}",
                    parameter.name,
                    parameter.kind.wanted(),
                    value.describe()
                );
                return self.error("E101", span, message);
            }
            named.push((parameter.name, value, span));
        }
        Ok(Bound { named, branches: branches.into_iter().map(|branch| (branch.value, branch.span)).collect() })
    }

    /// A tensor passed through steps, left to right.
    fn steps(&mut self, steps: &'a [Expr], env: &Environment<'a>, mut x: NodeId) -> Outcome<NodeId> {
        for step in steps {
            self.at(step.span);
            let value = self.eval(step, env)?;
            self.at(step.span);
            x = self.apply(&value, x, None)?;
        }
        Ok(x)
    }

    /// The steps of a parenthesised chain, which a label numbers: `downsample.0`, `downsample.1`.
    fn numbered(&mut self, steps: &'a [Expr], env: &Environment<'a>, mut x: NodeId) -> Outcome<NodeId> {
        for (at, step) in steps.iter().enumerate() {
            self.at(step.span);
            let value = self.eval(step, env)?;
            self.at(step.span);
            x = self.apply(&value, x, Some(Label { name: at.to_string(), span: step.span }))?;
        }
        Ok(x)
    }

    /// Runs `inside` with names below the label, if there is one.
    pub fn scoped<T>(&mut self, label: Option<&Label>, inside: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        match label {
            None => inside(self),
            Some(label) => {
                let path = self.path("", Some(label))?;
                self.builder.open(path);
                let result = inside(self);
                self.builder.close();
                result
            }
        }
    }

    /// The path of a layer; see [`Builder::path`].
    pub fn path(&mut self, kind: &str, label: Option<&Label>) -> Outcome<String> {
        let place = label.map_or(self.place, |label| self.visible(label.span));
        self.builder.path(kind, label, place).or_else(|(path, first)| {
            let wrong = Diagnostic::error("E105", place, format!("two layers are called `{path}`"));
            let wrong = if first == place { wrong } else { wrong.and(first, "the first is here") };
            self.stop(wrong.hint("labels make names: `-> name: layer`"))
        })
    }

    /// A block applied to a tensor. A label names the layer that it comes to, or stands in front of the names of several.
    pub fn apply(&mut self, value: &Value<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
        self.enter()?;
        let result = self.apply_entered(value, x, label);
        self.depth -= 1;
        result
    }

    fn apply_entered(&mut self, value: &Value<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
        let Value::Block(block) = value else {
            let message = format!("`->` passes a tensor on to a block, this is {}", value.describe());
            let wrong = Diagnostic::error("E101", self.place, message);
            return self.stop(match value {
                Value::Tensor(_) => wrong.hint("`add(id, other)` or `concat(id, other)` joins it with another tensor"),
                _ => wrong,
            });
        };
        match &**block {
            Block::Primitive(primitive, bound) => match bound {
                Some(bound) => (primitive.apply)(self, bound, x, label),
                None => {
                    let place = self.place;
                    let bound =
                        self.bind(primitive.name, primitive.parameters, primitive.variadic, Vec::new(), place)?;
                    (primitive.apply)(self, &bound, x, label)
                }
            },
            Block::Defined(definition, module, env) => {
                let place = self.place;
                let env = match env {
                    Some(env) => env.clone(),
                    None => self.bind_definition(definition, *module, Vec::new(), place)?,
                };
                let shown = *module != Modules::PRELUDE;
                if shown {
                    self.calls.push((&definition.name.text, place));
                }
                self.at(definition.body.span);
                let value = self.eval(&definition.body, &env)?;
                let result = self.apply(&value, x, label)?;
                if shown {
                    self.calls.pop();
                }
                self.place = place;
                Ok(result)
            }
            Block::Chain(steps, env) => self.scoped(label.as_ref(), |this| this.steps(steps, env, x)),
            Block::Lambda(name, body, env) => {
                let env = env.with(&name.text, Value::Tensor(x));
                self.scoped(label.as_ref(), |this| match this.eval(body, &env)? {
                    Value::Tensor(y) => Ok(y),
                    value => this.apply(&value, x, None),
                })
            }
            Block::Label(name, body, env) => {
                let inner = Label { name: name.text.clone(), span: name.span };
                self.scoped(label.as_ref(), |this| {
                    if let (ExprKind::Group(_), ExprKind::Chain(steps)) = (&body.kind, &body.ungrouped().kind) {
                        return this.scoped(Some(&inner), |this| this.numbered(steps, env, x));
                    }
                    let value = this.eval(body, env)?;
                    this.apply(&value, x, Some(inner))
                })
            }
            Block::Shared(id, body) => {
                let label = self.builder.begin_shared(*id, label);
                let result = self.apply(body, x, label);
                self.builder.end_shared();
                result
            }
            Block::Annotated(value, annotations) => {
                let outer = self.builder.annotations;
                self.builder.annotations = annotations.over(outer);
                let result = self.apply(value, x, label);
                self.builder.annotations = outer;
                result
            }
        }
    }

    /// Adds a node of the layer `path`, at the present place.
    pub fn add(&mut self, op: &str, operands: &[NodeId], attributes: Attributes, path: &str) -> Outcome<NodeId> {
        self.builder.source = self.sources.place(self.place);
        let added = self.builder.add(op, operands, attributes, path);
        self.checked(added, operands.first().copied())
    }

    /// A node, or a diagnostic of what was wrong with it.
    pub fn checked(&mut self, added: Result<NodeId, OpError>, input: Option<NodeId>) -> Outcome<NodeId> {
        let wrong = match added {
            Ok(node) => {
                let ty = &self.builder.graph[node].ty;
                // Every element has four bytes, and `infer` allows 2^40 elements at most.
                let bytes = ty.len() as u64 * 4;
                if bytes <= self.memory {
                    return Ok(node);
                }
                let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
                Diagnostic::error(
                    "E203",
                    self.place,
                    format!("{ty} takes {:.1} GiB, this machine has {:.1}", gib(bytes), gib(self.memory)),
                )
                .hint("a smaller batch (`--set train.batch=..`) or fewer channels")
            }
            Err(OpError { message, hint }) => Diagnostic::error("E200", self.place, message).maybe_hint(hint),
        };
        let wrong = match input {
            Some(x) => wrong.here(format!("the input here is {}", self.builder.graph[x].ty)).note(self.lineage(x)),
            None => wrong,
        };
        self.stop(wrong)
    }

    /// How the shape of a value came about: the layers behind it that changed the shape, from the input on.
    pub fn lineage(&self, x: NodeId) -> String {
        let graph = &self.builder.graph;
        let (mut at, mut way) = (x, Vec::new());
        loop {
            let node = &graph[at];
            let before = node.operands.first().copied();
            if before.is_none_or(|before| graph[before].ty != node.ty) {
                way.push(format!("{} by `{}` at {}", node.ty, node.place.path, node.place.source));
            }
            match before {
                Some(before) => at = before,
                None => break,
            }
        }
        way.truncate(LONGEST_LINEAGE);
        way.reverse();
        format!("the shape came about so:\n{}", way.join("\n"))
    }
}

fn tensor(value: &Value) -> Option<NodeId> {
    match value {
        Value::Tensor(x) => Some(*x),
        _ => None,
    }
}
