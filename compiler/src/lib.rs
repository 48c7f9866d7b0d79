//! The rnet compiler: `.rnet` text -> Ast -> Graph -> training step -> fused graph -> plan -> loop nests -> CLIF.
#![forbid(unsafe_code)]

pub mod compile;
pub mod diagnostic;
pub mod elaborate;
pub mod graph;
pub mod lower;
pub mod onnx;
pub mod ops;
pub mod passes;
pub mod syntax;
