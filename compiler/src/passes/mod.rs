//! passes
pub mod fuse;
