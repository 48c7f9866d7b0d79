//! The syntax tree: a `.rnet` text as it was written, without meaning.

use crate::diagnostic::{FileId, Span};

/// One text.
#[derive(Clone, PartialEq, Debug)]
pub struct Ast {
    /// Where it stands in the `Sources`.
    pub file: FileId,
    /// Lines of `//!`.
    pub docs: Vec<String>,
    /// In the order of the text.
    pub items: Vec<Item>,
}

/// A name at a place.
#[derive(Clone, PartialEq, Debug)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// One definition of a file.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// `import "path" as alias`
    Import(Import),
    /// `let name = value`
    Let(Let),
    /// `block name(parameters) = body`
    Block(Block),
    /// `model name(parameters) { input ..; body }`
    Model(Model),
    /// `data name { key = value }` or `train { key = value }`
    Section(Section),
}

/// `import "path" as alias`
#[derive(Clone, PartialEq, Debug)]
pub struct Import {
    /// Relative to the importing file.
    pub path: String,
    /// Where the path stands.
    pub path_span: Span,
    /// Under which its blocks are reached: `alias.block`.
    pub alias: Name,
}

/// `let name = value`
#[derive(Clone, PartialEq, Debug)]
pub struct Let {
    /// Lines of `///`.
    pub docs: Vec<String>,
    /// The new name.
    pub name: Name,
    /// What it stands for.
    pub value: Expr,
}

/// `name: kind = default`
#[derive(Clone, PartialEq, Debug)]
pub struct Parameter {
    /// Its name inside the body, and as a keyword.
    pub name: Name,
    /// What kind of value it takes; anything where omitted.
    pub kind: Option<Name>,
    /// The value of an omitted argument.
    pub default: Option<Expr>,
}

/// `block name(parameters) = body`
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// Lines of `///`.
    pub docs: Vec<String>,
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// What it stands for.
    pub body: Expr,
}

/// `input name: element[dims]`
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    /// The tensor's name inside the model.
    pub name: Name,
    /// `f32`
    pub element: Name,
    /// Extents; the first is `N`.
    pub dims: Vec<Expr>,
    /// The whole declaration.
    pub span: Span,
}

/// `model name(parameters) { input ..; body }`
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// Lines of `///`.
    pub docs: Vec<String>,
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Computes the logits.
    pub body: Body,
}

/// Which section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SectionKind {
    /// `data`
    Data,
    /// `train`
    Train,
}

/// `data name { key = value }` or `train { key = value }`
#[derive(Clone, PartialEq, Debug)]
pub struct Section {
    /// Lines of `///`.
    pub docs: Vec<String>,
    /// Which section.
    pub kind: SectionKind,
    /// Every data section has a name, and a train section may.
    pub name: Option<Name>,
    /// Its keys.
    pub entries: Vec<Entry>,
    /// From its keyword to its closing brace.
    pub span: Span,
}

/// `key = value`
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Lines of `///`.
    pub docs: Vec<String>,
    /// The key.
    pub key: Name,
    /// The value, not yet evaluated.
    pub value: Expr,
}

/// `assert condition, "words"`
#[derive(Clone, PartialEq, Debug)]
pub struct Assert {
    /// What has to hold.
    pub condition: Expr,
    /// What is said where it does not.
    pub message: Option<String>,
}

/// What stands before the value of a body.
#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    /// `let name = value`, visible in what follows.
    Let(Let),
    /// `assert condition`
    Assert(Assert),
}

impl Statement {
    /// Its expression.
    pub fn expr(&self) -> &Expr {
        match self {
            Statement::Let(binding) => &binding.value,
            Statement::Assert(assert) => &assert.condition,
        }
    }
}

/// `let ..; assert ..; value`: what stands between braces.
#[derive(Clone, PartialEq, Debug)]
pub struct Body {
    /// In the order of the text.
    pub statements: Vec<Statement>,
    /// The body's value.
    pub result: Box<Expr>,
}

/// `value` or `name = value` in a call.
#[derive(Clone, PartialEq, Debug)]
pub struct Argument {
    /// The keyword.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// `@name(arguments)`
#[derive(Clone, PartialEq, Debug)]
pub struct Annotation {
    /// Without the `@`.
    pub name: Name,
    /// Empty where there are no parentheses.
    pub arguments: Vec<Argument>,
}

/// An operator of one operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnaryOperator {
    /// `-`
    Negate,
    /// `not`
    Not,
}

/// An operator of two operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Each variant is its spelling.
pub enum BinaryOperator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl BinaryOperator {
    /// As it is written.
    pub fn spelling(self) -> &'static str {
        match self {
            BinaryOperator::Or => "or",
            BinaryOperator::And => "and",
            BinaryOperator::Equal => "==",
            BinaryOperator::NotEqual => "!=",
            BinaryOperator::Less => "<",
            BinaryOperator::LessEqual => "<=",
            BinaryOperator::Greater => ">",
            BinaryOperator::GreaterEqual => ">=",
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Remainder => "%",
        }
    }
}

/// An expression: a number, a block or a tensor; which of these is for the elaborator to say.
#[derive(Clone, PartialEq, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
    /// Levels of nesting, itself included; the parser keeps it small so that no walk over the tree can overflow the stack.
    pub depth: usize,
}

/// The kinds of expression.
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    /// `32_000`
    Int(i64),
    /// `1e-4`
    Float(f64),
    /// `true`
    Bool(bool),
    /// `"text"`
    Text(String),
    /// `name`
    Name(String),
    /// `alias.name`
    Member(Box<Expr>, Name),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `list[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `callee(arguments)`
    Call(Box<Expr>, Vec<Argument>),
    /// `-a`
    Unary(UnaryOperator, Box<Expr>),
    /// `a + b`
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    /// `a -> b -> c`, two or more
    Chain(Vec<Expr>),
    /// `name: a`
    Label(Name, Box<Expr>),
    /// `i => a`
    Lambda(Name, Box<Expr>),
    /// `if condition { a } else { b }`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `{ let ..; a }`
    Scope(Body),
    /// `(a)`: kept, because a label on a parenthesised chain numbers its layers by position.
    Group(Box<Expr>),
    /// `a @name(..)`
    Annotated(Box<Expr>, Vec<Annotation>),
}

impl Expr {
    /// An expression whose depth follows from its parts.
    pub fn new(kind: ExprKind, span: Span) -> Self {
        let mut expr = Expr { kind, span, depth: 0 };
        let mut deepest = 0;
        expr.for_each_part(&mut |part| deepest = deepest.max(part.depth));
        expr.depth = deepest + 1;
        expr
    }

    /// Calls `visit` with each direct part, in the order of the text.
    pub fn for_each_part<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match &self.kind {
            ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Text(_) | ExprKind::Name(_) => {}
            ExprKind::Member(part, _)
            | ExprKind::Unary(_, part)
            | ExprKind::Label(_, part)
            | ExprKind::Lambda(_, part)
            | ExprKind::Group(part) => visit(part),
            ExprKind::List(parts) | ExprKind::Chain(parts) => parts.iter().for_each(visit),
            ExprKind::Index(first, second) | ExprKind::Binary(_, first, second) => {
                visit(first);
                visit(second);
            }
            ExprKind::Call(callee, arguments) => {
                visit(callee);
                arguments.iter().for_each(|argument| visit(&argument.value));
            }
            ExprKind::If(condition, yes, no) => {
                visit(condition);
                visit(yes);
                visit(no);
            }
            ExprKind::Scope(body) => {
                body.statements.iter().for_each(|statement| visit(statement.expr()));
                visit(&body.result);
            }
            ExprKind::Annotated(part, annotations) => {
                visit(part);
                let arguments = annotations.iter().flat_map(|annotation| &annotation.arguments);
                arguments.for_each(|argument| visit(&argument.value));
            }
        }
    }

    /// The expression inside any parentheses.
    pub fn ungrouped(&self) -> &Expr {
        match &self.kind {
            ExprKind::Group(inner) => inner.ungrouped(),
            _ => self,
        }
    }
}
