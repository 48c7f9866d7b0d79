//! The IR: a graph of single-result nodes with ordered operands, its text form, its checks and its reference evaluator.

pub mod attribute;
mod graph;
pub mod shape;

pub use attribute::{Attribute, Attributes};
pub use graph::{Graph, Node, NodeId, Output, OutputKind, Place};
pub use shape::{ElementType, TensorType};
