//! How gradient rules and decompositions write nodes: each lands at the place of the node it is written for.

use super::{Attributes, Graph, NodeId, Op};
use super::{
    add, batch_mean, broadcast, constant, div, exp, mul, neg, offset, power, reduce_sum, relu, rsqrt, scale, square,
    sub,
};
use crate::graph::{Attribute, Place};

/// Adds nodes to a graph on behalf of one node.
pub struct Emitter<'g> {
    graph: &'g mut Graph,
    place: Place,
}

impl<'g> Emitter<'g> {
    /// Writes for `node`.
    pub fn new(graph: &'g mut Graph, node: NodeId) -> Self {
        let place = graph[node].place.clone();
        Emitter { graph, place }
    }

    /// Any op.
    pub fn emit(&mut self, op: &'static dyn Op, operands: &[NodeId], attributes: Attributes) -> NodeId {
        self.graph.add(op, operands, attributes, self.place.clone())
    }

    /// The extents of a value.
    pub fn dims(&self, x: NodeId) -> Vec<usize> {
        self.graph[x].ty.dims.clone()
    }

    /// `value` everywhere.
    pub fn constant(&mut self, value: f64, dims: &[usize]) -> NodeId {
        let attributes =
            Attributes::new().with("value", Attribute::Float(value)).with("dims", Attribute::extents(dims));
        self.emit(&constant::Constant, &[], attributes)
    }

    /// a + b
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.emit(&add::Add, &[a, b], Attributes::new())
    }

    /// a - b
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.emit(&sub::Sub, &[a, b], Attributes::new())
    }

    /// a b
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.emit(&mul::Mul, &[a, b], Attributes::new())
    }

    /// a / b
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.emit(&div::Div, &[a, b], Attributes::new())
    }

    /// -x
    pub fn neg(&mut self, x: NodeId) -> NodeId {
        self.emit(&neg::Neg, &[x], Attributes::new())
    }

    /// by x
    pub fn scale(&mut self, x: NodeId, by: f64) -> NodeId {
        self.emit(&scale::Scale, &[x], Attributes::new().with("by", Attribute::Float(by)))
    }

    /// x + by
    pub fn offset(&mut self, x: NodeId, by: f64) -> NodeId {
        self.emit(&offset::Offset, &[x], Attributes::new().with("by", Attribute::Float(by)))
    }

    /// 1 - x
    pub fn one_minus(&mut self, x: NodeId) -> NodeId {
        let negative = self.neg(x);
        self.offset(negative, 1.0)
    }

    /// e^x
    pub fn exp(&mut self, x: NodeId) -> NodeId {
        self.emit(&exp::Exp, &[x], Attributes::new())
    }

    /// x^2
    pub fn square(&mut self, x: NodeId) -> NodeId {
        self.emit(&square::Square, &[x], Attributes::new())
    }

    /// x^exponent
    pub fn power(&mut self, x: NodeId, exponent: f64) -> NodeId {
        self.emit(&power::Power, &[x], Attributes::new().with("exponent", Attribute::Float(exponent)))
    }

    /// 1 / sqrt(x)
    pub fn rsqrt(&mut self, x: NodeId) -> NodeId {
        self.emit(&rsqrt::Rsqrt, &[x], Attributes::new())
    }

    /// max(x, 0)
    pub fn relu(&mut self, x: NodeId) -> NodeId {
        self.emit(&relu::Relu, &[x], Attributes::new())
    }

    /// The mean over all axes but the channels'.
    pub fn batch_mean(&mut self, x: NodeId, shift: NodeId) -> NodeId {
        self.emit(&batch_mean::BatchMean, &[x, shift], Attributes::new())
    }

    /// The sum over `axes`.
    pub fn reduce_sum(&mut self, x: NodeId, axes: &[usize]) -> NodeId {
        self.emit(&reduce_sum::ReduceSum, &[x], Attributes::new().with("axes", Attribute::extents(axes)))
    }

    /// `x` repeated along all axes of `dims` but `axes`.
    pub fn broadcast(&mut self, x: NodeId, axes: &[usize], dims: &[usize]) -> NodeId {
        let attributes =
            Attributes::new().with("axes", Attribute::extents(axes)).with("dims", Attribute::extents(dims));
        self.emit(&broadcast::Broadcast, &[x], attributes)
    }

    /// The sum over all axes but the channels'.
    pub fn channel_sum(&mut self, x: NodeId) -> NodeId {
        let axes: Vec<usize> = (0..self.dims(x).len()).filter(|&axis| axis != 1).collect();
        self.reduce_sum(x, &axes)
    }

    /// A value for each channel, repeated over the shape of `like`.
    pub fn channel_broadcast(&mut self, x: NodeId, like: NodeId) -> NodeId {
        let dims = self.dims(like);
        self.broadcast(x, &[1], &dims)
    }
}
