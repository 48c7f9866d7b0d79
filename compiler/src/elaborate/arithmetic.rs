//! Numbers: operators on values. Whole numbers are checked for overflow, division for a zero divisor.

use super::functions::LONGEST;
use super::value::Value;
use crate::syntax::ast::{BinaryOperator, UnaryOperator};
use std::cmp::Ordering;
use std::rc::Rc;

/// `-a`, `not a`
///
/// # Errors
/// What does not fit.
pub(super) fn unary<'a>(operator: UnaryOperator, value: &Value<'a>) -> Result<Value<'a>, String> {
    match (operator, value) {
        (UnaryOperator::Negate, Value::Int(value)) => {
            value.checked_neg().map(Value::Int).ok_or_else(|| format!("-({value}) overflows 64 bits"))
        }
        (UnaryOperator::Negate, Value::Float(value)) => Ok(Value::Float(-value)),
        (UnaryOperator::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        (UnaryOperator::Negate, other) => Err(format!("`-` takes a number, this is {}", other.kind())),
        (UnaryOperator::Not, other) => Err(format!("`not` takes a truth value, this is {}", other.kind())),
    }
}

/// `a + b` and its like, but for `and` and `or`, which do not always look at their second operand.
///
/// # Errors
/// What does not fit.
pub(super) fn binary<'a>(operator: BinaryOperator, a: &Value<'a>, b: &Value<'a>) -> Result<Value<'a>, String> {
    use BinaryOperator as Op;
    let spelling = operator.spelling();
    match (a, b) {
        (Value::Int(x), Value::Int(y)) => whole(operator, *x, *y),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => real(operator, number(a), number(b)),
        (Value::Text(x), Value::Text(y)) if matches!(operator, Op::Equal | Op::NotEqual) => {
            Ok(Value::Bool((x == y) == (operator == Op::Equal)))
        }
        (Value::Bool(x), Value::Bool(y)) if matches!(operator, Op::Equal | Op::NotEqual) => {
            Ok(Value::Bool((x == y) == (operator == Op::Equal)))
        }
        (Value::List(x), Value::List(y)) if operator == Op::Add => {
            if x.len() + y.len() > LONGEST {
                return Err(format!("a list of more than {LONGEST} elements"));
            }
            Ok(Value::List(Rc::new(x.iter().chain(y.iter()).cloned().collect())))
        }
        (Value::List(x), Value::List(y)) if matches!(operator, Op::Equal | Op::NotEqual) => {
            let mut equal = x.len() == y.len();
            for (x, y) in x.iter().zip(y.iter()) {
                equal &= matches!(binary(Op::Equal, x, y)?, Value::Bool(true));
            }
            Ok(Value::Bool(equal == (operator == Op::Equal)))
        }
        (Value::Tensor(_) | Value::Block(_), _) | (_, Value::Tensor(_) | Value::Block(_)) if operator == Op::Add => {
            Err("`+` adds numbers; tensors and blocks are added by `add(a, b)`".to_string())
        }
        _ => Err(format!("`{spelling}` does not take {} and {}", a.kind(), b.kind())),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int(value) => *value as f64,
        Value::Float(value) => *value,
        other => panic!("elaborate: {} is no number", other.kind()),
    }
}

fn compare(operator: BinaryOperator, ordering: Ordering) -> Option<bool> {
    use BinaryOperator as Op;
    Some(match operator {
        Op::Equal => ordering.is_eq(),
        Op::NotEqual => ordering.is_ne(),
        Op::Less => ordering.is_lt(),
        Op::LessEqual => ordering.is_le(),
        Op::Greater => ordering.is_gt(),
        Op::GreaterEqual => ordering.is_ge(),
        _ => return None,
    })
}

fn whole<'a>(operator: BinaryOperator, x: i64, y: i64) -> Result<Value<'a>, String> {
    use BinaryOperator as Op;
    if let Some(truth) = compare(operator, x.cmp(&y)) {
        return Ok(Value::Bool(truth));
    }
    let value = match operator {
        Op::Add => x.checked_add(y),
        Op::Subtract => x.checked_sub(y),
        Op::Multiply => x.checked_mul(y),
        Op::Divide | Op::Remainder if y == 0 => return Err(format!("{x} {} 0: division by zero", operator.spelling())),
        // A quotient that is no whole number would have to be rounded silently.
        Op::Divide if x.checked_rem(y).is_some_and(|rest| rest != 0) => {
            return Err(format!("{x} / {y} is no whole number: write `{x}.0 / {y}` for a real one"));
        }
        Op::Divide => x.checked_div(y),
        Op::Remainder => x.checked_rem_euclid(y),
        _ => return Err(format!("`{}` takes truth values, these are whole numbers", operator.spelling())),
    };
    value.map(Value::Int).ok_or_else(|| format!("{x} {} {y} overflows 64 bits", operator.spelling()))
}

fn real<'a>(operator: BinaryOperator, x: f64, y: f64) -> Result<Value<'a>, String> {
    use BinaryOperator as Op;
    if let Some(truth) = x.partial_cmp(&y).and_then(|ordering| compare(operator, ordering)) {
        return Ok(Value::Bool(truth));
    }
    let value = match operator {
        Op::Add => x + y,
        Op::Subtract => x - y,
        Op::Multiply => x * y,
        Op::Divide => x / y,
        Op::Remainder => x.rem_euclid(y),
        _ => return Err(format!("`{}` takes truth values, these are numbers", operator.spelling())),
    };
    if value.is_finite() {
        Ok(Value::Float(value))
    } else {
        Err(format!("{x:?} {} {y:?} is not finite", operator.spelling()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_neither_wrap_nor_round() {
        let table: &[(BinaryOperator, i64, i64, Result<i64, &str>)] = &[
            (BinaryOperator::Add, i64::MAX, 1, Err("overflows")),
            (BinaryOperator::Subtract, i64::MIN, 1, Err("overflows")),
            (BinaryOperator::Multiply, 1 << 40, 1 << 40, Err("overflows")),
            (BinaryOperator::Divide, i64::MIN, -1, Err("overflows")),
            (BinaryOperator::Divide, 7, 2, Err("no whole number")),
            (BinaryOperator::Divide, 8, 2, Ok(4)),
            (BinaryOperator::Divide, 1, 0, Err("by zero")),
            (BinaryOperator::Remainder, 7, 0, Err("by zero")),
            (BinaryOperator::Remainder, -1, 3, Ok(2)),
        ];
        for &(operator, x, y, wanted) in table {
            match (binary(operator, &Value::Int(x), &Value::Int(y)), wanted) {
                (Ok(Value::Int(found)), Ok(wanted)) => assert_eq!(found, wanted),
                (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
                _ => panic!("{x} {} {y}", operator.spelling()),
            }
        }
        assert!(unary(UnaryOperator::Negate, &Value::Int(i64::MIN)).is_err());
    }
}
