//! What an expression can stand for, and the names that are in sight.

use crate::diagnostic::Span;
use crate::graph::NodeId;
use crate::syntax::ast::{self, Expr, Name};
use std::rc::Rc;

use super::functions::Function;
use super::primitive::Primitive;

/// The value of an expression.
#[derive(Clone)]
pub(super) enum Value<'a> {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(Rc<str>),
    List(Rc<Vec<Value<'a>>>),
    /// The word `same`: as many channels as the input, or padding that keeps the extents.
    Same,
    Tensor(NodeId),
    Block(Rc<Block<'a>>),
    /// A function of numbers, lists and shapes.
    Function(&'static Function),
}

/// A function from tensor to tensor, applied when a tensor arrives.
pub(super) enum Block<'a> {
    /// A layer or combinator of the language itself; its arguments once it has been called.
    Primitive(&'static Primitive, Option<Bound<'a>>),
    /// A `block` of a file; its environment once it has been called.
    Defined(&'a ast::Block, Module, Option<Environment<'a>>),
    /// `a -> b -> c` that does not begin with a tensor.
    Chain(&'a [Expr], Environment<'a>),
    /// `x => body`
    Lambda(&'a Name, &'a Expr, Environment<'a>),
    /// `name: body`
    Label(&'a Name, &'a Expr, Environment<'a>),
    /// `shared(body)`: one set of weights for every use; the number tells shared blocks apart.
    Shared(usize, Value<'a>),
    /// `body @name(..)`
    Annotated(Value<'a>, super::parameters::Annotations),
}

/// Arguments by parameter, in the order of the signature.
#[derive(Clone)]
pub(super) struct Bound<'a> {
    /// Name, value and place; the place of a default is that of the call.
    pub named: Vec<(&'static str, Value<'a>, Span)>,
    /// What a variadic primitive was given.
    pub branches: Vec<(Value<'a>, Span)>,
}

impl<'a> Bound<'a> {
    pub fn get(&self, name: &str) -> (&Value<'a>, Span) {
        let found = self.named.iter().find(|(known, ..)| *known == name);
        let (_, value, span) = found.unwrap_or_else(|| panic!("elaborate: the signature has no `{name}`"));
        (value, *span)
    }
}

/// A file among those of the compilation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub(super) struct Module(pub usize);

/// The names in sight of an expression: its file's definitions, and the parameters and `let`s around it.
#[derive(Clone)]
pub(super) struct Environment<'a> {
    pub module: Module,
    locals: Option<Rc<Binding<'a>>>,
}

struct Binding<'a> {
    name: &'a str,
    value: Value<'a>,
    /// Where a parameter's value stands in the call.
    origin: Option<Span>,
    next: Option<Rc<Binding<'a>>>,
}

impl<'a> Environment<'a> {
    pub fn of(module: Module) -> Self {
        Environment { module, locals: None }
    }

    /// The same with one more name in front.
    pub fn with(&self, name: &'a str, value: Value<'a>) -> Self {
        self.bound(name, value, None)
    }

    /// The same with a parameter in front, whose value stands at `origin`.
    pub fn with_parameter(&self, name: &'a str, value: Value<'a>, origin: Span) -> Self {
        self.bound(name, value, Some(origin))
    }

    fn bound(&self, name: &'a str, value: Value<'a>, origin: Option<Span>) -> Self {
        let next = self.locals.clone();
        Environment { module: self.module, locals: Some(Rc::new(Binding { name, value, origin, next })) }
    }

    fn binding(&self, name: &str) -> Option<&Binding<'a>> {
        let mut at = self.locals.as_deref();
        while let Some(binding) = at {
            if binding.name == name {
                return Some(binding);
            }
            at = binding.next.as_deref();
        }
        None
    }

    pub fn local(&self, name: &str) -> Option<&Value<'a>> {
        self.binding(name).map(|binding| &binding.value)
    }

    /// Where the value of the parameter `name` stands in the call.
    pub fn origin(&self, name: &str) -> Option<Span> {
        self.binding(name).and_then(|binding| binding.origin)
    }
}

impl<'a> Value<'a> {
    pub fn block(block: Block<'a>) -> Self {
        Value::Block(Rc::new(block))
    }

    /// The kind, as a reader would say it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a real number",
            Value::Bool(_) => "a truth value",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Same => "the word `same`",
            Value::Tensor(_) => "a tensor",
            Value::Block(_) => "a block",
            Value::Function(_) => "a function",
        }
    }

    /// The value itself where it has a short spelling, else its kind.
    pub fn describe(&self) -> String {
        match self {
            Value::Int(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value:?}"),
            Value::Bool(value) => format!("`{value}`"),
            Value::Text(text) => format!("the text {text:?}"),
            Value::List(items) if items.is_empty() => "an empty list".to_string(),
            other => other.kind().to_string(),
        }
    }

    /// As it would be written, where that is possible.
    pub fn spelling(&self) -> String {
        match self {
            Value::Int(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Value::spelling).collect();
                format!("[{}]", items.join(", "))
            }
            other => other.kind().to_string(),
        }
    }
}

/// What a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Int,
    /// Any number.
    Float,
    Bool,
    Text,
    List,
    Block,
    /// A whole number of at least 1, or `same`.
    Channels,
    /// A whole number, or a list of two: height and width.
    Pair,
    /// As `Pair`, or `same`.
    Padding,
    /// A block or a tensor.
    Branch,
}

impl Kind {
    /// The kinds that a file can name.
    pub const NAMED: [(&'static str, Kind); 9] = [
        ("int", Kind::Int),
        ("float", Kind::Float),
        ("bool", Kind::Bool),
        ("text", Kind::Text),
        ("list", Kind::List),
        ("block", Kind::Block),
        ("channels", Kind::Channels),
        ("pair", Kind::Pair),
        ("padding", Kind::Padding),
    ];

    pub fn takes(self, value: &Value) -> bool {
        match self {
            Kind::Int => matches!(value, Value::Int(_)),
            Kind::Float => matches!(value, Value::Int(_) | Value::Float(_)),
            Kind::Bool => matches!(value, Value::Bool(_)),
            Kind::Text => matches!(value, Value::Text(_)),
            Kind::List => matches!(value, Value::List(_)),
            Kind::Block => matches!(value, Value::Block(_)),
            Kind::Channels => matches!(value, Value::Int(_) | Value::Same),
            // What the list holds is said by whoever reads it; an empty one would stand for an omitted argument.
            Kind::Pair => matches!(value, Value::Int(_)) || matches!(value, Value::List(items) if !items.is_empty()),
            Kind::Padding => matches!(value, Value::Same) || Kind::Pair.takes(value),
            Kind::Branch => matches!(value, Value::Block(_) | Value::Tensor(_)),
        }
    }

    pub fn wanted(self) -> &'static str {
        match self {
            Kind::Int => "a whole number",
            Kind::Float => "a number",
            Kind::Bool => "`true` or `false`",
            Kind::Text => "a text in quotes",
            Kind::List => "a list",
            Kind::Block => "a block",
            Kind::Channels => "a number of channels or `same`",
            Kind::Pair => "a whole number or a list of two",
            Kind::Padding => "a whole number, a list of two or `same`",
            Kind::Branch => "a block or a tensor",
        }
    }
}

/// The value of an omitted argument.
#[derive(Clone, Copy)]
pub(super) enum Default {
    /// There is none.
    Needed,
    Int(i64),
    Float(f64),
    Bool(bool),
    Same,
    Text(&'static str),
    /// An empty list.
    Nothing,
    /// A list of two numbers.
    Range(f64, f64),
    /// The block `id`.
    Identity,
}

impl Default {
    pub fn value<'a>(self) -> Option<Value<'a>> {
        Some(match self {
            Default::Needed => return None,
            Default::Int(value) => Value::Int(value),
            Default::Float(value) => Value::Float(value),
            Default::Bool(value) => Value::Bool(value),
            Default::Same => Value::Same,
            Default::Text(text) => Value::Text(text.into()),
            Default::Nothing => Value::List(Rc::new(Vec::new())),
            Default::Range(least, greatest) => Value::List(Rc::new(vec![Value::Float(least), Value::Float(greatest)])),
            Default::Identity => Value::block(Block::Primitive(super::primitive::identity(), None)),
        })
    }
}

/// One parameter of a primitive or of a constructor in a section.
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
}

impl Parameter {
    pub const fn new(name: &'static str, kind: Kind, default: Default) -> Self {
        Parameter { name, kind, default }
    }
}
