//! The IR: a graph of single-result nodes with ordered operands, its text form, its checks and its reference evaluator.

pub mod attribute;
mod eval;
// The folder is named for what is in it, and so is the file of the type itself.
#[allow(clippy::module_inception)]
mod graph;
mod parse;
mod print;
pub mod shape;
mod verify;

pub use attribute::{Attribute, Attributes};
pub use eval::{eval, state_leaves};
pub use graph::{Graph, Node, NodeId, Output, OutputKind, Place};
pub use parse::{ParseError, parse};
pub use shape::{ElementType, TensorType};
pub use verify::{kernel_order, verify};
