//! Attributes of a node: compile-time values under sorted names.

use std::collections::BTreeMap;
use std::fmt;

/// One attribute value.
#[derive(Clone, PartialEq, Debug)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list of whole numbers: `[1,1]`.
    Ints(Vec<i64>),
    /// A quoted text: a leaf's name, an initialiser.
    Text(String),
}

impl Attribute {
    /// An extent, an axis or a stride.
    ///
    /// # Panics
    /// When it exceeds `i64`, which no checked extent does.
    pub fn extent(value: usize) -> Self {
        Attribute::Int(i64::try_from(value).expect("a checked extent"))
    }

    /// A list of extents, axes or strides.
    ///
    /// # Panics
    /// When one exceeds `i64`, which no checked extent does.
    pub fn extents(values: &[usize]) -> Self {
        Attribute::Ints(values.iter().map(|&value| i64::try_from(value).expect("a checked extent")).collect())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Int(value) => write!(f, "{value}"),
            // `{:?}` is the shortest form that reads back to the same bits and always holds a point or an exponent.
            Attribute::Float(value) => write!(f, "{value:?}"),
            Attribute::Bool(value) => write!(f, "{value}"),
            Attribute::Ints(values) => {
                let values: Vec<String> = values.iter().map(i64::to_string).collect();
                write!(f, "[{}]", values.join(","))
            }
            Attribute::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// The attributes of one node, sorted by name. The getters are for attributes whose presence and kind the op's
/// `infer` has checked; they panic with the attribute's name otherwise.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Attributes(pub BTreeMap<String, Attribute>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same attributes with `name` set to `value`.
    pub fn with(mut self, name: &str, value: Attribute) -> Self {
        self.0.insert(name.to_string(), value);
        self
    }

    /// The attribute under `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Attribute::Int(value)) => *value,
            other => panic!("attribute `{name}` should be a whole number, is {other:?}"),
        }
    }

    /// An extent, an axis or a stride.
    pub fn extent(&self, name: &str) -> usize {
        let value = self.int(name);
        usize::try_from(value).unwrap_or_else(|_| panic!("`{name}` holds {value}"))
    }

    /// A real number; a whole number is widened.
    pub fn float(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Attribute::Float(value)) => *value,
            Some(Attribute::Int(value)) => *value as f64,
            other => panic!("attribute `{name}` should be a number, is {other:?}"),
        }
    }

    /// A truth value; absent means false.
    pub fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Attribute::Bool(value)) => *value,
            None => false,
            other => panic!("attribute `{name}` should be true or false, is {other:?}"),
        }
    }

    /// A list of whole numbers.
    pub fn ints(&self, name: &str) -> &[i64] {
        match self.get(name) {
            Some(Attribute::Ints(values)) => values,
            other => panic!("attribute `{name}` should be a list of whole numbers, is {other:?}"),
        }
    }

    /// A list of extents, axes or strides.
    pub fn extents(&self, name: &str) -> Vec<usize> {
        let convert = |&value: &i64| usize::try_from(value).unwrap_or_else(|_| panic!("`{name}` holds {value}"));
        self.ints(name).iter().map(convert).collect()
    }

    /// A text.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Attribute::Text(text)) => text,
            other => panic!("attribute `{name}` should be a text, is {other:?}"),
        }
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let items: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{{{}}}", items.join(", "))
    }
}
