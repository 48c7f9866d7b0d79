//! The messages of an ONNX file that an inference graph needs, field for field as onnx.proto3 numbers them.
//!
//! Fields are `optional` where readers tell a zero from an absent one. Lists of numbers are written unpacked, as the format's
//! own schema has them.

use prost::Message;

/// Element types of tensors, `TensorProto.DataType`.
pub const FLOAT: i32 = 1;
/// See [`FLOAT`].
pub const INT64: i32 = 7;

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
}

/// Which version of the operators a file speaks of; the domain "" is ONNX's own.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// Nodes in topological order, and the constants that they read.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfo>,
}

/// One operator applied to values by name.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
}

/// A compile-time value of a node.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(enumeration = "AttributeKind", optional, tag = "20")]
    pub kind: Option<i32>,
}

/// Which field of an attribute holds its value, `AttributeProto.AttributeType`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum AttributeKind {
    Undefined = 0,
    Float = 1,
    Int = 2,
    String = 3,
    Ints = 7,
}

/// A constant, row-major and little-endian.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub raw_data: Option<Vec<u8>>,
}

/// A value's name and type.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub ty: Option<Type>,
}

/// A value's type; here always a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor: Option<TensorType>,
}

/// Element type and extents.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub element: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// Extents.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Extent>,
}

/// One extent: a number, or a name for one that is known only when the graph runs.
#[derive(Clone, PartialEq, Message)]
pub struct Extent {
    #[prost(int64, optional, tag = "1")]
    pub value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
}

impl Attribute {
    /// A real number.
    pub fn float(name: &str, value: f64) -> Attribute {
        let kind = Some(AttributeKind::Float as i32);
        Attribute { name: name.to_string(), f: Some(value as f32), kind, ..Attribute::default() }
    }

    /// A whole number.
    pub fn int(name: &str, value: i64) -> Attribute {
        let kind = Some(AttributeKind::Int as i32);
        Attribute { name: name.to_string(), i: Some(value), kind, ..Attribute::default() }
    }

    /// A text.
    pub fn text(name: &str, value: &str) -> Attribute {
        let kind = Some(AttributeKind::String as i32);
        Attribute { name: name.to_string(), s: Some(value.as_bytes().to_vec()), kind, ..Attribute::default() }
    }

    /// A list of whole numbers.
    pub fn ints(name: &str, values: &[i64]) -> Attribute {
        let kind = Some(AttributeKind::Ints as i32);
        Attribute { name: name.to_string(), ints: values.to_vec(), kind, ..Attribute::default() }
    }
}

impl Tensor {
    /// Real numbers.
    pub fn real(name: &str, dims: &[usize], values: &[f32]) -> Tensor {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor { dims: extents(dims), data_type: Some(FLOAT), name: name.to_string(), raw_data: Some(bytes) }
    }

    /// A list of whole numbers.
    pub fn whole(name: &str, values: &[i64]) -> Tensor {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor { dims: extents(&[values.len()]), data_type: Some(INT64), name: name.to_string(), raw_data: Some(bytes) }
    }
}

impl ValueInfo {
    /// A tensor of real numbers; `open` names an outermost extent that is known only when the graph runs.
    pub fn real(name: &str, dims: &[usize], open: Option<&str>) -> ValueInfo {
        let mut dim: Vec<Extent> =
            extents(dims).into_iter().map(|value| Extent { value: Some(value), name: None }).collect();
        if let (Some(name), Some(first)) = (open, dim.first_mut()) {
            *first = Extent { value: None, name: Some(name.to_string()) };
        }
        let tensor = TensorType { element: Some(FLOAT), shape: Some(Shape { dim }) };
        ValueInfo { name: name.to_string(), ty: Some(Type { tensor: Some(tensor) }) }
    }
}

/// Extents as the format holds them.
pub fn extents(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|&extent| extent as i64).collect()
}
