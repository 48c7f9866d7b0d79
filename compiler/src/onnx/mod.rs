//! The inference graph as an ONNX file: bytes, that any runtime of the format reads.
//!
//! What depends on weights alone is computed here, in double precision, and becomes an initialiser; so batch norm that was folded
//! into a convolution leaves one `Conv` behind. An op without an operator of its own is taken apart. A parameter that is read as it is keeps its name. Activations stay `[N,C,H,W]` and
//! weights as PyTorch has them, which is how ONNX has them too.
//!
//! `rules` is the table from ops to operators; `emitter` writes nodes, initialisers and names; `constants` computes what
//! weights alone determine; `proto` is the format.

mod constants;
mod emitter;
mod proto;
mod rules;
#[cfg(test)]
mod tests;

use crate::graph::{Graph, Place};
use crate::passes;
use emitter::Emitter;
use prost::Message;
use rnet_runtime::tensors::Tensors;
use std::fmt;

/// The version of ONNX's operators that is written. LayerNormalization is the newest of those that are used.
const OPSET: i64 = 17;

/// The version of the format itself, the first that has this operator set.
const IR_VERSION: i64 = 8;

/// The greatest length that a protobuf message may have.
const LONGEST: usize = i32::MAX as usize;

/// How a graph is written.
#[derive(Clone, Debug)]
pub struct Options {
    /// The graph's name.
    pub name: String,
    /// Whether batch norm by running statistics goes into the convolution in front of it.
    pub fold: bool,
    /// Whether the number of images is left open; else it is the graph's.
    pub dynamic: bool,
}

/// An ONNX file, and what is in it.
#[derive(Debug)]
pub struct Exported {
    /// The file.
    pub bytes: Vec<u8>,
    /// Operators in it.
    pub nodes: usize,
    /// Constants in it.
    pub initialisers: usize,
}

/// Why a graph cannot be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportError {
    /// An op has no counterpart, or not in this use.
    Unsupported {
        /// The op.
        op: &'static str,
        /// Where it stands.
        place: Place,
        /// Why not.
        reason: String,
    },
    /// The file would be longer than the format allows.
    TooLong {
        /// How long it would be.
        bytes: usize,
        /// How long it may be.
        longest: usize,
    },
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Unsupported { op, place, reason } => {
                write!(f, "{}: `{op}` ({}) cannot be written as ONNX: {reason}", place.source, place.path)
            }
            ExportError::TooLong { bytes, longest } => {
                write!(f, "the ONNX file would have {bytes} bytes, the format allows at most {longest}")
            }
        }
    }
}

impl std::error::Error for ExportError {}

/// Writes what the result `logits` of a forward graph needs, with these weights, under PyTorch's names and in its layouts.
///
/// # Errors
/// When an op has no counterpart, or the file would be too long.
///
/// # Panics
/// When the graph has no result `logits`, or a leaf has no weights of its extents.
pub fn export(graph: &Graph, weights: &Tensors, options: &Options) -> Result<Exported, ExportError> {
    let mut graph = graph.clone();
    graph.outputs.retain(|output| output.name == "logits");
    if options.fold {
        passes::fold_batch_norm::fold_every_batch_norm(&mut graph);
    }
    passes::decompose::decompose_if(&mut graph, |op| rules::find(op).is_none());
    passes::simplify::simplify(&mut graph);
    passes::cse::cse(&mut graph);
    passes::dead_code::dead_code(&mut graph);
    let written = Emitter::emit(&graph, weights, options)?;
    let (nodes, initialisers) = (written.node.len(), written.initializer.len());
    let operators = proto::OperatorSet { domain: Some(String::new()), version: Some(OPSET) };
    let model = proto::Model {
        ir_version: Some(IR_VERSION),
        producer_name: "rnet".to_string(),
        producer_version: env!("CARGO_PKG_VERSION").to_string(),
        graph: Some(written),
        opset_import: vec![operators],
    };
    Ok(Exported { bytes: encode(&model, LONGEST)?, nodes, initialisers })
}

fn encode(model: &proto::Model, longest: usize) -> Result<Vec<u8>, ExportError> {
    let bytes = model.encoded_len();
    if bytes > longest {
        return Err(ExportError::TooLong { bytes, longest });
    }
    Ok(model.encode_to_vec())
}
