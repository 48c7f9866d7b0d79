//! The passes: one file each.

pub mod fuse;
