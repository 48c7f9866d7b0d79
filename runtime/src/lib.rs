//! The runtime: runs the programs that the compiler emits. Knows nothing of the language or the graph.

pub mod buffer;
pub mod config;
pub mod data;
pub mod executable;
pub mod jit;
pub mod kernels;
pub mod layout;
pub mod machine;
pub mod program;
mod random;
pub mod state;
pub mod workers;
