//! Building the graph: nodes with their places, parameters with their names, the table of layers.

use super::parameters::{Annotations, Cost, Init};
use super::{Layer, Mode};
use crate::diagnostic::Span;
use crate::graph::{Attribute, Attributes, ElementType, Graph, NodeId, OutputKind, Place, TensorType};
use crate::ops::{self, OpError, leaf};
use std::collections::HashMap;

/// A name that the text gives a layer.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub name: String,
    pub span: Span,
}

/// One level of names: what stands in front, and how often each kind of layer was counted.
struct Scope {
    path: String,
    counts: HashMap<String, usize>,
}

/// The graph that is being built.
pub(super) struct Builder {
    pub graph: Graph,
    pub mode: Mode,
    pub layers: Vec<Layer>,
    /// `file:line:column` of the layer that is being built.
    pub source: String,
    pub annotations: Annotations,
    scopes: Vec<Scope>,
    /// Every layer and scope by its path, with the place of its label.
    taken: HashMap<String, Span>,
    seed: Option<NodeId>,
    dropouts: i64,
}

impl Builder {
    pub fn new(mode: Mode) -> Self {
        Builder {
            graph: Graph::new(),
            mode,
            layers: Vec::new(),
            source: String::new(),
            annotations: Annotations::default(),
            scopes: vec![Scope { path: String::new(), counts: HashMap::new() }],
            taken: HashMap::new(),
            seed: None,
            dropouts: 0,
        }
    }

    /// The path of a layer: its label, else its kind with a count.
    ///
    /// # Errors
    /// The path and the place where it was given first.
    pub fn path(&mut self, kind: &str, label: Option<&Label>, place: Span) -> Result<String, (String, Span)> {
        let scope = self.scopes.last_mut().expect("the outermost scope stays");
        let name = match label {
            Some(label) => label.name.clone(),
            None => {
                let count = scope.counts.entry(kind.to_string()).or_default();
                *count += 1;
                format!("{kind}{count}")
            }
        };
        let path = if scope.path.is_empty() { name } else { format!("{}.{name}", scope.path) };
        match self.taken.insert(path.clone(), label.map_or(place, |label| label.span)) {
            None => Ok(path),
            Some(first) => Err((path, first)),
        }
    }

    /// Names from here on stand below `path`.
    pub fn open(&mut self, path: String) {
        self.scopes.push(Scope { path, counts: HashMap::new() });
    }

    /// Ends what `open` began.
    pub fn close(&mut self) {
        self.scopes.pop();
    }

    /// Adds a node of a layer.
    ///
    /// # Errors
    /// What the op says.
    pub fn add(
        &mut self,
        op: &str,
        operands: &[NodeId],
        attributes: Attributes,
        path: &str,
    ) -> Result<NodeId, OpError> {
        let op = ops::find(op).unwrap_or_else(|| panic!("elaborate: there is no op `{op}`"));
        self.graph.try_add(op, operands, attributes, self.place(path))
    }

    fn place(&self, path: &str) -> Place {
        Place { source: self.source.clone(), path: path.to_string() }
    }

    /// The extents of a value.
    pub fn dims(&self, x: NodeId) -> Vec<usize> {
        self.graph[x].ty.dims.clone()
    }

    /// An input of the step.
    ///
    /// # Errors
    /// When its extents are too large.
    pub fn input(&mut self, name: &str, ty: &TensorType) -> Result<NodeId, OpError> {
        self.add("input", &[], leaf::attributes(name, ty), name)
    }

    /// A trained tensor of the layer `path`. A weight starts as an annotation says, else as `init` says.
    ///
    /// # Errors
    /// When its extents are too large.
    pub fn parameter(
        &mut self,
        path: &str,
        name: &str,
        dims: &[usize],
        init: Init,
        fans: [usize; 2],
    ) -> Result<NodeId, OpError> {
        let annotations = self.annotations;
        let init = if name == "weight" { annotations.init.unwrap_or(init) } else { init };
        let (init, value) = init.attributes(fans[0], fans[1]);
        let ty = TensorType::f32(dims);
        let mut attributes = leaf::attributes(&format!("{path}.{name}"), &ty)
            .with("init", Attribute::Text(init.to_string()))
            .with("init_value", Attribute::Float(value));
        if annotations.frozen {
            attributes = attributes.with("frozen", Attribute::Bool(true));
        }
        for (name, factor) in [("lr", annotations.lr), ("decay", annotations.decay)] {
            if let Some(factor) = factor {
                attributes = attributes.with(name, Attribute::Float(factor));
            }
        }
        self.add("parameter", &[], attributes, path)
    }

    /// A running statistic of the layer `path`, f32[channels].
    ///
    /// # Errors
    /// When its extents are too large.
    pub fn statistic(&mut self, path: &str, name: &str, channels: usize, start: f64) -> Result<NodeId, OpError> {
        let attributes = leaf::attributes(&format!("{path}.{name}"), &TensorType::f32(&[channels]));
        self.add("statistic", &[], attributes.with("init_value", Attribute::Float(start)), path)
    }

    /// `(1 - momentum) old + momentum by new` becomes the statistic's next value.
    pub fn running(&mut self, path: &str, name: &str, old: NodeId, new: NodeId, momentum: f64, by: f64) {
        let place = self.place(path);
        let scaled = |graph: &mut Graph, x: NodeId, by: f64| {
            let scale = ops::find("scale").expect("`scale` is an op");
            graph.add(scale, &[x], Attributes::new().with("by", Attribute::Float(by)), place.clone())
        };
        let kept = scaled(&mut self.graph, old, 1.0 - momentum);
        let moved = scaled(&mut self.graph, new, momentum * by);
        let add = ops::find("add").expect("`add` is an op");
        let sum = self.graph.add(add, &[kept, moved], Attributes::new(), place.clone());
        self.graph.output(OutputKind::Update, &format!("{path}.{name}"), sum);
    }

    /// The input `seed`, i32[], and a number for one more dropout.
    pub fn random_stream(&mut self) -> (NodeId, i64) {
        let seed = self.seed.unwrap_or_else(|| {
            let attributes = leaf::attributes("seed", &TensorType { element: ElementType::I32, dims: Vec::new() });
            self.graph.add(ops::find("input").expect("`input` is an op"), &[], attributes, Place::default())
        });
        self.seed = Some(seed);
        self.dropouts += 1;
        (seed, self.dropouts - 1)
    }

    /// Enters a layer into the table.
    pub fn layer(&mut self, path: &str, op: &str, result: NodeId, cost: Cost) {
        self.layers.push(Layer {
            path: path.to_string(),
            op: op.to_string(),
            source: self.source.clone(),
            shape: self.dims(result),
            parameters: cost.parameters,
            multiply_adds: cost.multiply_adds,
        });
    }
}
