//! The runtime: runs the programs that the compiler emits. Knows nothing of the language or the graph.

pub mod buffer;
pub mod checkpoint;
pub mod config;
pub mod data;
pub mod durable;
pub mod executable;
pub mod guard;
pub mod jit;
pub mod kernels;
pub mod layout;
pub mod machine;
pub mod metrics;
pub mod program;
mod random;
pub mod schedule;
pub mod state;
pub mod stopping;
pub mod sweep;
pub mod tensors;
pub mod train;
pub mod truncation;
pub mod weights;
pub mod workers;
