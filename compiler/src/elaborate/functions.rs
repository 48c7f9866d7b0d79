//! Functions of numbers, lists and shapes: `min`, `floor`, `range` and the like. Arguments stand by position.

use super::evaluate::{Elaborator, Outcome};
use super::value::Value;
use crate::diagnostic::Span;
use std::rc::Rc;

type Apply = for<'a> fn(&mut Elaborator<'a>, Call<'_, 'a>) -> Outcome<Value<'a>>;

/// One function.
pub(super) struct Function {
    pub name: &'static str,
    /// As docs/language.md writes the call.
    pub form: &'static str,
    pub apply: Apply,
}

/// One call of a function.
#[derive(Clone, Copy)]
pub(super) struct Call<'c, 'a> {
    pub function: &'static Function,
    pub arguments: &'c [(Value<'a>, Span)],
    pub span: Span,
}

/// Longest list that `range` and `+` make: a file of few lines could ask for more than there is memory.
pub(super) const LONGEST: usize = 100_000;

/// All of them, in the order of docs/language.md.
pub(super) static FUNCTIONS: &[Function] = &[
    Function { name: "min", form: "min(a, b, ..) or min(list)", apply: least_or_greatest },
    Function { name: "max", form: "max(a, b, ..) or max(list)", apply: least_or_greatest },
    Function { name: "sum", form: "sum(list)", apply: sum },
    Function { name: "abs", form: "abs(x)", apply: abs },
    Function { name: "floor", form: "floor(x)", apply: rounded },
    Function { name: "ceil", form: "ceil(x)", apply: rounded },
    Function { name: "round", form: "round(x)", apply: rounded },
    Function { name: "sqrt", form: "sqrt(x)", apply: sqrt },
    Function { name: "len", form: "len(list)", apply: len },
    Function { name: "range", form: "range(n) or range(from, to)", apply: range },
    Function { name: "shape", form: "shape(tensor)", apply: shape },
];

/// The function of that name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

fn refuse<'a, T>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<T> {
    let kinds: Vec<&str> = call.arguments.iter().map(|(value, _)| value.kind()).collect();
    let given = if kinds.is_empty() { "nothing".to_string() } else { kinds.join(" and ") };
    this.error(
        "E101",
        call.span,
        format!("`{}` is called as {}, here it is given {given}", call.function.name, call.function.form),
    )
}

/// The only argument, a number as it is.
fn number<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    match call.arguments {
        [(value @ (Value::Int(_) | Value::Float(_)), _)] => Ok(value.clone()),
        _ => refuse(this, call),
    }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

/// The items of the only list, or the arguments themselves; numbers all.
fn numbers<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Vec<Value<'a>>> {
    let items: Vec<Value> = match call.arguments {
        [(Value::List(items), _)] => items.to_vec(),
        _ => call.arguments.iter().map(|(value, _)| value.clone()).collect(),
    };
    if items.iter().any(|item| real(item).is_none()) {
        return refuse(this, call);
    }
    Ok(items)
}

/// Of whole numbers a whole one, else a real one.
fn least_or_greatest<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    let items = numbers(this, call)?;
    let greatest = call.function.name == "max";
    let better = |a: &Value, b: &Value| {
        let (a, b) = (real(a).unwrap_or(0.0), real(b).unwrap_or(0.0));
        if greatest { a > b } else { a < b }
    };
    let Some(best) = items.iter().reduce(|best, next| if better(next, best) { next } else { best }) else {
        return this.error("E102", call.span, format!("`{}` of no numbers", call.function.name));
    };
    let whole = items.iter().all(|item| matches!(item, Value::Int(_)));
    Ok(if whole { best.clone() } else { Value::Float(real(best).unwrap_or(0.0)) })
}

fn sum<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    let items = numbers(this, call)?;
    let mut total = Value::Int(0);
    for item in &items {
        total = super::arithmetic::binary(crate::syntax::ast::BinaryOperator::Add, &total, item)
            .or_else(|message| this.error("E102", call.span, message))?;
    }
    Ok(total)
}

fn abs<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    match number(this, call)? {
        Value::Int(value) => match value.checked_abs() {
            Some(value) => Ok(Value::Int(value)),
            None => this.error("E102", call.span, format!("abs({value}) overflows 64 bits")),
        },
        other => Ok(Value::Float(real(&other).unwrap_or(0.0).abs())),
    }
}

/// To a whole number: down, up, or to the nearest, of two the one away from zero.
fn rounded<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    let value = match number(this, call)? {
        Value::Float(value) => value,
        whole => return Ok(whole),
    };
    let result = match call.function.name {
        "floor" => value.floor(),
        "ceil" => value.ceil(),
        _ => value.round(),
    };
    // Every whole number up to 2^53 is a binary64.
    if result.abs() <= (1_i64 << 53) as f64 {
        Ok(Value::Int(result as i64))
    } else {
        this.error("E102", call.span, format!("{}({value:?}) overflows 53 bits", call.function.name))
    }
}

fn sqrt<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    let value = real(&number(this, call)?).unwrap_or(0.0);
    if value < 0.0 {
        return this.error("E102", call.span, format!("sqrt({value:?}) is no real number"));
    }
    Ok(Value::Float(value.sqrt()))
}

fn len<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    match call.arguments {
        [(Value::List(items), _)] => Ok(Value::Int(items.len() as i64)),
        _ => refuse(this, call),
    }
}

/// `[0, .., n - 1]` or `[from, .., to - 1]`
fn range<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    let (from, to) = match call.arguments {
        [(Value::Int(to), _)] => (0, *to),
        [(Value::Int(from), _), (Value::Int(to), _)] => (*from, *to),
        _ => return refuse(this, call),
    };
    if to.saturating_sub(from) > LONGEST as i64 {
        return this.error("E102", call.span, format!("a list of more than {LONGEST} elements"));
    }
    Ok(Value::List(Rc::new((from..to).map(Value::Int).collect())))
}

/// The extents of a tensor, the batch's first.
fn shape<'a>(this: &mut Elaborator<'a>, call: Call<'_, 'a>) -> Outcome<Value<'a>> {
    match call.arguments {
        [(Value::Tensor(x), _)] => {
            let dims = this.builder.dims(*x);
            Ok(Value::List(Rc::new(dims.into_iter().map(|extent| Value::Int(extent as i64)).collect())))
        }
        _ => refuse(this, call),
    }
}
