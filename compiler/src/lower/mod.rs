//! From the fused graph to CLIF: plan (order, buffers), loop nests, Cranelift IR.

pub mod clif;
pub mod expression;
pub mod loops;
mod loops_print;
