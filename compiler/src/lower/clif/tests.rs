//! Compiled nests against the interpreter.

mod interpreter;
mod maps;
mod nests;
