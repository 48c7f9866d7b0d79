//! The ops: one file each, registered by one `mod` line and one entry in [`OPS`].

use crate::graph::{Attributes, Graph, NodeId, TensorType};
use crate::lower::expression::{Expression, ExpressionBuilder, Scalar};
use std::fmt;

mod adaptive;
mod adaptive_avg_pool;
mod adaptive_max_pool;
mod add;
mod avg_pool;
mod avg_pool_grad;
mod batch_mean;
pub mod batch_norm;
mod batch_var;
mod broadcast;
mod channel_window_sum;
mod check;
mod clamp;
mod concat;
mod constant;
mod conv2d;
mod conv2d_input_grad;
mod conv2d_weight_grad;
pub mod convolution;
mod correct;
mod cross_entropy;
mod cross_entropy_grad;
mod dense;
mod dense_input_grad;
mod dense_weight_grad;
mod div;
mod dropout;
pub mod emit;
mod erf;
mod exp;
mod flatten;
mod gelu;
mod global_avg_pool;
mod group_norm;
mod hardsigmoid;
mod hardswish;
mod input;
mod layer_norm;
pub mod leaf;
mod leaky_relu;
mod local_response_norm;
mod matmul;
mod max_pool;
mod max_pool_grad;
mod memory;
mod momentum;
mod mul;
mod neg;
mod offset;
mod one_hot;
mod pad_channels;
mod parameter;
pub mod pool;
mod power;
mod reduce_sum;
mod relu;
mod relu6;
mod relu_grad;
mod resample;
mod resample_grad;
mod rsqrt;
pub mod samples;
mod scale;
mod select;
mod sgd;
mod sigmoid;
mod sign;
mod silu;
mod slice_channels;
mod softmax;
mod softmax_grad;
mod softplus;
mod sqrt;
mod square;
mod standardize;
mod standardize_grad;
mod statistic;
pub mod stencil;
mod sub;
mod subsample;
mod subsample_grad;
mod tanh;
pub mod tensor;
mod transpose;
mod unflatten;
mod upsample;
pub mod window;

/// Why operands or attributes do not fit an op. The elaborator adds the place, the printer of text IR the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpError {
    /// What is wrong, with both shapes spelled out.
    pub message: String,
    /// What would mend it, if there is a likely remedy.
    pub hint: Option<String>,
}

/// How an op turns into code.
#[derive(Clone, Copy)]
pub enum Lowering {
    /// A leaf: storage, not computation (`input`, `parameter`, `statistic`, `memory`).
    Leaf,
    /// Computed element by element from operands of the result's own shape; rides in front of or behind any anchor.
    Elementwise(fn(&mut ExpressionBuilder, &[Scalar], &Attributes) -> Scalar),
    /// `broadcast`: read where it is used, at a coarser index.
    Broadcast,
    /// `reduce_sum`: rides behind an elementwise graph or an anchor.
    Reduction,
    /// A loop nest of its own, found under the op's name in `lower::anchors`.
    Anchor,
    /// Replaced by simpler nodes in the pass `decompose`; returns the value that stands for the node's.
    Decompose(fn(&mut Graph, NodeId) -> NodeId),
}

/// One op: everything the compiler knows about it.
pub trait Op: Sync + Send {
    /// The mnemonic: the name of its file, in the DSL and in the IR text.
    fn name(&self) -> &'static str;

    /// Markdown for docs/ops.md: formula with shapes, attributes, source of the formula. The first line is a summary.
    fn doc(&self) -> &'static str;

    /// The result's type, or why the operands and attributes do not fit.
    ///
    /// # Errors
    /// Both shapes spelled out, and a hint where there is a likely remedy.
    fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError>;

    /// The naive f64 reference: the oracle of every test.
    fn eval(&self, operands: &[&tensor::Tensor], attributes: &Attributes, result: &TensorType) -> tensor::Tensor;

    /// Emits the gradient: given `dy` (shape of the node's result), adds nodes to `graph` and returns for each operand
    /// its contribution (`None`: this operand has no gradient, e.g. labels). `Err` with a reason where the op has no
    /// rule, which becomes a diagnostic that names op and place.
    ///
    /// # Errors
    /// When the op cannot be differentiated.
    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String>;

    /// How it turns into code.
    fn lowering(&self) -> Lowering;

    /// Operand types and attributes to test it on: every entry of `OPS` goes through gradient, round-trip and JIT checks
    /// on these. Random attribute choices come from `seed`.
    fn samples(&self, seed: u64) -> Vec<(Vec<TensorType>, Attributes)>;
}

impl fmt::Debug for dyn Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Every op there is, in the order of docs/ops.md.
pub static OPS: &[&dyn Op] = &[
    &input::Input,
    &parameter::Parameter,
    &statistic::Statistic,
    &memory::Memory,
    &constant::Constant,
    &add::Add,
    &sub::Sub,
    &mul::Mul,
    &div::Div,
    &neg::Neg,
    &scale::Scale,
    &offset::Offset,
    &square::Square,
    &sign::Sign,
    &clamp::Clamp,
    &select::Select,
    &sqrt::Sqrt,
    &rsqrt::Rsqrt,
    &power::Power,
    &exp::Exp,
    &erf::Erf,
    &relu::Relu,
    &relu_grad::ReluGrad,
    &relu6::Relu6,
    &leaky_relu::LeakyRelu,
    &sigmoid::Sigmoid,
    &tanh::Tanh,
    &gelu::Gelu,
    &silu::Silu,
    &hardsigmoid::Hardsigmoid,
    &hardswish::Hardswish,
    &dropout::Dropout,
    &broadcast::Broadcast,
    &reduce_sum::ReduceSum,
    &batch_mean::BatchMean,
    &batch_var::BatchVar,
    &batch_norm::BatchNorm,
    &layer_norm::LayerNorm,
    &group_norm::GroupNorm,
    &standardize::Standardize,
    &standardize_grad::StandardizeGrad,
    &local_response_norm::LocalResponseNorm,
    &channel_window_sum::ChannelWindowSum,
    &softmax::Softmax,
    &softmax_grad::SoftmaxGrad,
    &conv2d::Conv2d,
    &conv2d_input_grad::Conv2dInputGrad,
    &conv2d_weight_grad::Conv2dWeightGrad,
    &dense::Dense,
    &dense_input_grad::DenseInputGrad,
    &dense_weight_grad::DenseWeightGrad,
    &matmul::Matmul,
    &transpose::Transpose,
    &max_pool::MaxPool,
    &max_pool_grad::MaxPoolGrad,
    &avg_pool::AvgPool,
    &avg_pool_grad::AvgPoolGrad,
    &global_avg_pool::GlobalAvgPool,
    &adaptive_avg_pool::AdaptiveAvgPool,
    &adaptive_max_pool::AdaptiveMaxPool,
    &upsample::Upsample,
    &resample::Resample,
    &resample_grad::ResampleGrad,
    &flatten::Flatten,
    &unflatten::Unflatten,
    &subsample::Subsample,
    &subsample_grad::SubsampleGrad,
    &pad_channels::PadChannels,
    &slice_channels::SliceChannels,
    &concat::Concat,
    &one_hot::OneHot,
    &softplus::Softplus,
    &cross_entropy::CrossEntropy,
    &cross_entropy_grad::CrossEntropyGrad,
    &correct::Correct,
    &momentum::Momentum,
    &sgd::Sgd,
];

/// The op of that name.
pub fn find(name: &str) -> Option<&'static dyn Op> {
    OPS.iter().copied().find(|op| op.name() == name)
}
