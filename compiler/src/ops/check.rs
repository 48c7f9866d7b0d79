//! What every `infer` has to ask of operands and attributes. Text IR from outside goes through these checks, so none
//! of them may panic, and arithmetic on what they let through cannot overflow.

use super::{Attributes, Op, OpError, TensorType};
use crate::graph::{Attribute, ElementType};

/// No whole-number attribute may exceed this, so that products of two of them fit `usize` and `i64`.
const LARGEST_COUNT: i64 = i32::MAX as i64;

/// No tensor may have more elements than this (four terabytes of f32).
const MOST_ELEMENTS: usize = 1 << 40;

impl OpError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        OpError { message: message.into(), hint: None }
    }

    /// The same error with a likely remedy.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Exactly `N` operands.
pub fn operands<'t, const N: usize>(op: &dyn Op, operands: &[&'t TensorType]) -> Result<[&'t TensorType; N], OpError> {
    let noun = if N == 1 { "operand" } else { "operands" };
    <[&TensorType; N]>::try_from(operands)
        .map_err(|_| OpError::new(format!("`{}` takes {N} {noun}, here are {}", op.name(), operands.len())))
}

/// Operands that are all f32.
pub fn real(op: &dyn Op, types: &[&TensorType]) -> Result<(), OpError> {
    match types.iter().find(|ty| ty.element != ElementType::F32) {
        Some(ty) => Err(OpError::new(format!("`{}` computes on f32, here is {ty}", op.name()))),
        None => Ok(()),
    }
}

/// Exactly `N` f32 operands of one shape, which is returned: what most elementwise ops ask.
pub fn same<const N: usize>(op: &dyn Op, types: &[&TensorType]) -> Result<TensorType, OpError> {
    let types = operands::<N>(op, types)?;
    real(op, &types)?;
    match types.iter().find(|ty| ty.dims != types[0].dims) {
        Some(ty) => Err(OpError::new(format!("`{}` of different shapes: {} and {ty}", op.name(), types[0]))
            .hint("the shapes must be equal: nothing is broadcast, padded or cut silently")),
        None => Ok(types[0].clone()),
    }
}

/// An f32 operand of that rank; `role` names it.
pub fn rank(op: &dyn Op, role: &str, ty: &TensorType, rank: usize) -> Result<(), OpError> {
    real(op, &[ty])?;
    if ty.rank() == rank {
        return Ok(());
    }
    let form = match rank {
        0 => "f32[]",
        1 => "f32[C]",
        2 => "f32[N,C]",
        _ => "f32[N,C,H,W]",
    };
    let error = OpError::new(format!("`{}` needs {form} as its {role}, here is {ty}", op.name()));
    Err(match (ty.rank(), rank) {
        (4, 2) => error.hint("`flatten` or `global_avg_pool` makes f32[N,C] of f32[N,C,H,W]"),
        _ => error,
    })
}

/// An f32 operand with channels: `f32[N,C]` or `f32[N,C,H,W]`.
pub fn channels(op: &dyn Op, ty: &TensorType) -> Result<(), OpError> {
    real(op, &[ty])?;
    if ty.rank() == 2 || ty.rank() == 4 {
        return Ok(());
    }
    Err(OpError::new(format!("`{}` needs channels, f32[N,C] or f32[N,C,H,W]; here is {ty}", op.name())))
}

/// An f32 operand with a value for each channel of `like`; `role` names it.
pub fn per_channel(op: &dyn Op, role: &str, ty: &TensorType, like: &TensorType) -> Result<(), OpError> {
    shape(op, role, ty, &TensorType::f32(&like.dims[1..2]))
}

/// An operand of exactly that shape and type; `role` names it.
pub fn shape(op: &dyn Op, role: &str, ty: &TensorType, wanted: &TensorType) -> Result<(), OpError> {
    if ty == wanted {
        return Ok(());
    }
    Err(OpError::new(format!("`{}` needs {wanted} as its {role}, here is {ty}", op.name())))
}

/// A result type, if its extents are positive and its elements can be counted.
pub fn result(op: &dyn Op, element: ElementType, dims: Vec<usize>) -> Result<TensorType, OpError> {
    let count = dims.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    let ty = TensorType { element, dims };
    match count {
        Some(0) => Err(OpError::new(format!("`{}` would give the empty tensor {ty}", op.name()))),
        Some(count) if count <= MOST_ELEMENTS => Ok(ty),
        _ => Err(OpError::new(format!("`{}` would give {ty}, which has more than 2^40 elements", op.name()))),
    }
}

/// Attributes under the eyes of one op. Every getter checks presence, kind and range.
pub struct Checked<'a> {
    op: &'a dyn Op,
    attributes: &'a Attributes,
}

/// Attributes whose names are all among `known`.
pub fn attributes<'a>(op: &'a dyn Op, attributes: &'a Attributes, known: &[&str]) -> Result<Checked<'a>, OpError> {
    match attributes.0.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(Checked { op, attributes }),
        Some(name) => {
            let error = OpError::new(format!("`{}` has no attribute `{name}`", op.name()));
            Err(match known {
                [] => error.hint("it takes none"),
                _ => error.hint(format!("it takes {}", known.join(", "))),
            })
        }
    }
}

impl Checked<'_> {
    fn wrong(&self, name: &str, wanted: &str) -> OpError {
        let op = self.op.name();
        match self.attributes.get(name) {
            Some(value) => OpError::new(format!("`{op}` needs {wanted} as `{name}`, here is {value}")),
            None => OpError::new(format!("`{op}` needs the attribute `{name}`: {wanted}")),
        }
    }

    fn small(value: i64, least: usize) -> Option<usize> {
        let count = usize::try_from(value).ok()?;
        (value <= LARGEST_COUNT && count >= least).then_some(count)
    }

    /// Whether the attribute is there.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.get(name).is_some()
    }

    /// A whole number of at least `least`.
    pub fn count(&self, name: &str, least: usize) -> Result<usize, OpError> {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => Self::small(*value, least),
            _ => None,
        }
        .ok_or_else(|| self.wrong(name, &format!("a whole number from {least} to {LARGEST_COUNT}")))
    }

    /// Two whole numbers of at least `least`: for height and width.
    pub fn pair(&self, name: &str, least: usize) -> Result<[usize; 2], OpError> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) if values.len() == 2 => {
                Self::small(values[0], least).zip(Self::small(values[1], least)).map(|(height, width)| [height, width])
            }
            _ => None,
        }
        .ok_or_else(|| self.wrong(name, &format!("two whole numbers from {least} to {LARGEST_COUNT}")))
    }

    /// The extents of a tensor: all positive, the product countable.
    pub fn extents(&self, name: &str) -> Result<Vec<usize>, OpError> {
        let extents: Option<Vec<usize>> = match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => values.iter().map(|&value| Self::small(value, 1)).collect(),
            _ => None,
        };
        let extents = extents.ok_or_else(|| self.wrong(name, "a list of positive extents"))?;
        result(self.op, ElementType::F32, extents).map(|ty| ty.dims)
    }

    /// The extents of a tensor of that rank.
    pub fn extents_of_rank(&self, name: &str, rank: usize) -> Result<Vec<usize>, OpError> {
        let extents = self.extents(name)?;
        if extents.len() == rank { Ok(extents) } else { Err(self.wrong(name, &format!("{rank} extents"))) }
    }

    /// Increasing axes of a tensor of that rank.
    pub fn axes(&self, name: &str, rank: usize) -> Result<Vec<usize>, OpError> {
        let axes: Option<Vec<usize>> = match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => values.iter().map(|&value| usize::try_from(value).ok()).collect(),
            _ => None,
        };
        axes.filter(|axes| axes.windows(2).all(|two| two[0] < two[1]) && axes.iter().all(|&axis| axis < rank))
            .ok_or_else(|| self.wrong(name, &format!("increasing axes below {rank}")))
    }

    /// A number that f32 can hold.
    pub fn number(&self, name: &str) -> Result<f64, OpError> {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => Some(*value),
            Some(Attribute::Int(value)) => Some(*value as f64),
            _ => None,
        }
        .filter(|value| (*value as f32).is_finite())
        .ok_or_else(|| self.wrong(name, "a finite number"))
    }

    /// A number with `low <= number < high`.
    pub fn number_within(&self, name: &str, low: f64, high: f64) -> Result<f64, OpError> {
        let value = self.number(name)?;
        if low <= value && value < high {
            return Ok(value);
        }
        Err(self.wrong(name, &format!("a number of at least {low} and below {high}")))
    }

    /// A truth value; absent means false.
    pub fn flag(&self, name: &str) -> Result<bool, OpError> {
        match self.attributes.get(name) {
            Some(Attribute::Bool(value)) => Ok(*value),
            None => Ok(false),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// A text that is not empty.
    pub fn text(&self, name: &str) -> Result<&str, OpError> {
        match self.attributes.get(name) {
            Some(Attribute::Text(text)) if !text.is_empty() => Ok(text),
            _ => Err(self.wrong(name, "a quoted text")),
        }
    }
}
