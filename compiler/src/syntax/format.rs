//! Syntax tree to canonical text. Parsing the text gives the same tree (but for places); comments other than
//! documentation are lost.

use super::ast::*;
use super::tidy;
use std::fmt::Write as _;

/// Longest line that a chain or an argument list may make before it is broken.
const WIDTH: usize = 100;

/// The canonical text of a whole file.
pub fn format(ast: &Ast) -> String {
    let mut out = String::new();
    for line in &ast.docs {
        let _ = writeln!(out, "{}", format!("//! {line}").trim_end());
    }
    let mut previous: Option<&Item> = None;
    for item in &ast.items {
        let together =
            matches!((previous, item), (Some(Item::Import(_)), Item::Import(_)) | (Some(Item::Let(_)), Item::Let(_)));
        if !out.is_empty() && !together {
            out.push('\n');
        }
        format_item(&mut out, item);
        previous = Some(item);
    }
    tidy::lay_out(&out)
}

/// The first line of a block without its body: name and parameters.
pub fn head(block: &Block) -> String {
    format!("block {}{}", block.name.text, parameters(&block.parameters))
}

/// The first line of a model without its brace: name and parameters.
pub fn model_head(model: &Model) -> String {
    format!("model {}{}", model.name.text, parameters(&model.parameters))
}

/// A value, on as many lines as it needs.
pub fn value(value: &Expr) -> String {
    broken(value, 2)
}

/// A `let` without its documentation.
pub fn binding(binding: &Let) -> String {
    format!("let {} = {}", binding.name.text, broken(&binding.value, 2))
}

fn format_item(out: &mut String, item: &Item) {
    match item {
        Item::Import(import) => {
            let _ = writeln!(out, "import {} as {}", quoted(&import.path), import.alias.text);
        }
        Item::Let(binding) => format_let(out, binding, 0),
        Item::Block(block) => {
            docs(out, &block.docs, 0);
            let head = format!("{} =", head(block));
            let flat = expr(&block.body);
            if head.len() + 1 + flat.len() <= WIDTH && !flat.contains('\n') {
                let _ = writeln!(out, "{head} {flat}");
            } else {
                let _ = writeln!(out, "{head}\n  {}", broken(&block.body, 2));
            }
        }
        Item::Model(model) => {
            docs(out, &model.docs, 0);
            let _ = writeln!(out, "{} {{", model_head(model));
            for input in &model.inputs {
                let dims: Vec<String> = input.dims.iter().map(expr).collect();
                let _ = writeln!(out, "  input {}: {}[{}]", input.name.text, input.element.text, dims.join(", "));
            }
            format_body(out, &model.body, 2);
            out.push_str("}\n");
        }
        Item::Section(section) => {
            docs(out, &section.docs, 0);
            match (&section.kind, &section.name) {
                (SectionKind::Data, Some(name)) => {
                    let _ = writeln!(out, "data {} {{", name.text);
                }
                (SectionKind::Data, None) => out.push_str("data {\n"),
                (SectionKind::Train, Some(name)) => {
                    let _ = writeln!(out, "train {} {{", name.text);
                }
                (SectionKind::Train, None) => out.push_str("train {\n"),
            }
            let widest = section.entries.iter().map(|entry| entry.key.text.len()).max().unwrap_or(0);
            for entry in &section.entries {
                docs(out, &entry.docs, 2);
                let _ = writeln!(out, "  {:widest$} = {}", entry.key.text, broken(&entry.value, 4));
            }
            out.push_str("}\n");
        }
    }
}

fn format_let(out: &mut String, binding: &Let, indent: usize) {
    docs(out, &binding.docs, indent);
    let _ = writeln!(out, "{:indent$}let {} = {}", "", binding.name.text, broken(&binding.value, indent + 2));
}

fn format_body(out: &mut String, body: &Body, indent: usize) {
    for statement in &body.statements {
        match statement {
            Statement::Let(binding) => format_let(out, binding, indent),
            Statement::Assert(assertion) => {
                let _ = writeln!(out, "{:indent$}{}", "", assert(assertion));
            }
        }
    }
    let _ = writeln!(out, "{:indent$}{}", "", broken(&body.result, indent));
}

fn docs(out: &mut String, lines: &[String], indent: usize) {
    for line in lines {
        let text = format!("{:indent$}/// {line}", "");
        let _ = writeln!(out, "{}", text.trim_end());
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

fn parameters(parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let list: Vec<String> = parameters.iter().map(parameter).collect();
    format!("({})", list.join(", "))
}

/// A parameter with its kind and its default.
pub fn parameter(parameter: &Parameter) -> String {
    let kind = parameter.kind.as_ref().map_or(String::new(), |kind| format!(": {}", kind.text));
    let default = parameter.default.as_ref().map_or(String::new(), |default| format!(" = {}", expr(default)));
    format!("{}{kind}{default}", parameter.name.text)
}

/// An expression that may take several lines; all but the first are indented.
fn broken(value: &Expr, indent: usize) -> String {
    let flat = expr(value);
    if indent + flat.len() <= WIDTH {
        return flat;
    }
    match &value.kind {
        ExprKind::Chain(steps) => {
            // Steps that fit share a line; a line begins with its arrow.
            let mut out = String::new();
            let mut column = indent;
            for (at, step) in steps.iter().enumerate() {
                let text = broken(step, indent + 3);
                let fits = column + 4 + text.len() <= WIDTH && !text.contains('\n');
                if at > 0 && fits {
                    out.push_str(" -> ");
                    column += 4 + text.len();
                } else if at > 0 {
                    let _ = write!(out, "\n{:indent$}-> ", "");
                    column = indent + 3 + text.len();
                } else {
                    column += text.len();
                }
                out.push_str(&text);
            }
            out
        }
        ExprKind::Call(callee, list) => {
            let inner = indent + 2;
            let lines: Vec<String> = list
                .iter()
                .map(|argument| match &argument.name {
                    Some(name) => format!("{:inner$}{} = {}", "", name.text, broken(&argument.value, inner + 2)),
                    None => format!("{:inner$}{}", "", broken(&argument.value, inner)),
                })
                .collect();
            format!("{}(\n{})", expr(callee), lines.join(",\n"))
        }
        ExprKind::Lambda(name, body) => format!("{} =>\n{:indent$}{}", name.text, "", broken(body, indent)),
        ExprKind::Label(name, body) => format!("{}: {}", name.text, broken(body, indent)),
        ExprKind::Group(inner) => format!("({})", broken(inner, indent + 1)),
        _ => flat,
    }
}

/// An expression on one line.
fn expr(value: &Expr) -> String {
    match &value.kind {
        ExprKind::Int(value) => grouped(*value),
        ExprKind::Float(value) => format!("{value:?}"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Text(text) => quoted(text),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Member(object, name) => format!("{}.{}", expr(object), name.text),
        ExprKind::List(items) => format!("[{}]", list(items)),
        ExprKind::Index(object, index) => format!("{}[{}]", expr(object), expr(index)),
        ExprKind::Call(callee, items) => format!("{}({})", expr(callee), arguments(items)),
        ExprKind::Unary(UnaryOperator::Negate, operand) => format!("-{}", expr(operand)),
        ExprKind::Unary(UnaryOperator::Not, operand) => format!("not {}", expr(operand)),
        ExprKind::Binary(operator, left, right) => {
            // Products stand close, as in `4*c + 1`.
            let space = match operator {
                BinaryOperator::Multiply => "",
                _ => " ",
            };
            format!("{}{space}{}{space}{}", expr(left), operator.spelling(), expr(right))
        }
        ExprKind::Chain(steps) => steps.iter().map(expr).collect::<Vec<_>>().join(" -> "),
        ExprKind::Label(name, body) => format!("{}: {}", name.text, expr(body)),
        ExprKind::Lambda(name, body) => format!("{} => {}", name.text, expr(body)),
        ExprKind::If(condition, yes, no) => {
            let otherwise = match &no.kind {
                ExprKind::If(..) => expr(no),
                _ => braced(no),
            };
            format!("if {} {} else {otherwise}", expr(condition), braced(yes))
        }
        ExprKind::Scope(body) => scope(body),
        ExprKind::Group(inner) => format!("({})", expr(inner)),
        ExprKind::Annotated(inner, annotations) => {
            let mut out = expr(inner);
            for annotation in annotations {
                let _ = write!(out, " @{}", annotation.name.text);
                if !annotation.arguments.is_empty() {
                    let _ = write!(out, "({})", arguments(&annotation.arguments));
                }
            }
            out
        }
    }
}

fn braced(value: &Expr) -> String {
    match &value.kind {
        ExprKind::Scope(body) if !body.statements.is_empty() => scope(body),
        _ => format!("{{ {} }}", expr(value)),
    }
}

fn assert(assertion: &Assert) -> String {
    let message = assertion.message.as_ref().map_or(String::new(), |message| format!(", {}", quoted(message)));
    format!("assert {}{message}", expr(&assertion.condition))
}

/// On one line each statement ends with a semicolon.
fn scope(body: &Body) -> String {
    let statement = |statement: &Statement| match statement {
        Statement::Let(binding) => format!("let {} = {}; ", binding.name.text, expr(&binding.value)),
        Statement::Assert(assertion) => format!("{}; ", assert(assertion)),
    };
    let statements: String = body.statements.iter().map(statement).collect();
    format!("{{ {statements}{} }}", expr(&body.result))
}

fn list(items: &[Expr]) -> String {
    items.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn arguments(items: &[Argument]) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|argument| match &argument.name {
            Some(name) => format!("{} = {}", name.text, expr(&argument.value)),
            None => expr(&argument.value),
        })
        .collect();
    items.join(", ")
}

/// From five digits on, in groups of three: `32_000`.
fn grouped(value: i64) -> String {
    let digits = value.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}
