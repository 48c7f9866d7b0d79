//! The runtime: runs the programs that the compiler emits. Knows nothing of the language or the graph.

pub mod config;
pub mod data;
pub mod program;
mod random;
