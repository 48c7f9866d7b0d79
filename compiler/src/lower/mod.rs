//! From the fused graph to CLIF: plan (order, buffers), loop nests, Cranelift IR.

pub mod anchors;
mod arena;
pub mod clif;
pub mod expression;
pub mod layout;
pub mod loops;
mod loops_print;
pub mod nest;
pub mod plan;
