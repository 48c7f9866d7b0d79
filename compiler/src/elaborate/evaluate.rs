//! Evaluation: expressions to values.

use super::Step;
use super::arguments::Given;
use super::arithmetic;
use super::auxiliary::Auxiliary;
use super::builder::Builder;
use super::functions;
use super::load::Modules;
use super::primitive;
use super::value::{Block, Environment, Module, Value};
use crate::diagnostic::{Diagnostic, Sources, Span, suggestion};
use crate::graph::NodeId;
use crate::syntax::ast::{self, Argument, Assert, BinaryOperator, Expr, ExprKind, Item, Name, Statement};
use std::collections::{BTreeMap, HashMap};
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
    /// Where annotated blocks are used, and whether weights were made there.
    pub annotated: BTreeMap<Span, bool>,
    /// What the steps of chains gave.
    pub steps: Vec<Step>,
    /// The file's own `let`s, evaluated once.
    constants: HashMap<(Module, &'a str), Value<'a>>,
    shared: usize,
    /// Whether labels are shares of classes, f32[N, classes], rather than classes.
    pub has_soft_labels: bool,
    /// The blocks that are being applied, and where.
    pub calls: Vec<(&'a str, Span)>,
    /// The heads beside the model's own, in the order of their use.
    pub auxiliaries: Vec<Auxiliary>,
    /// Whether a mistake has been found and only further ones are looked for.
    pub looking_over: bool,
    fuel: u64,
    pub depth: usize,
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
            annotated: BTreeMap::new(),
            steps: Vec::new(),
            constants: HashMap::new(),
            shared: 0,
            has_soft_labels: false,
            calls: Vec::new(),
            auxiliaries: Vec::new(),
            looking_over: false,
            fuel: FUEL,
            depth: 0,
        }
    }

    /// Writes a diagnostic down, with the way the program came there.
    pub fn stop<T>(&mut self, mut diagnostic: Diagnostic) -> Outcome<T> {
        for (name, span) in self.calls.iter().rev().take(4) {
            diagnostic = diagnostic.note(format!("in the block `{name}`, used at {}", self.sources.place(*span)));
        }
        let told = |known: &Diagnostic| known.labels == diagnostic.labels && known.message == diagnostic.message;
        if !self.found.iter().any(told) {
            self.found.push(diagnostic);
        }
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

    /// One evaluation or application begins; `depth` is taken back when it has succeeded.
    pub fn enter(&mut self) -> Outcome<()> {
        self.fuel = self.fuel.saturating_sub(1);
        if self.fuel == 0 || self.builder.layers.len() > MOST_LAYERS {
            if self.looking_over {
                return Err(Stop);
            }
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
                return (function.apply)(self, functions::Call { function, arguments: &arguments, span });
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
                    Some(_) if primitive.variadic && self.looking_over => Err(Stop),
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
}

fn tensor(value: &Value) -> Option<NodeId> {
    match value {
        Value::Tensor(x) => Some(*x),
        _ => None,
    }
}
