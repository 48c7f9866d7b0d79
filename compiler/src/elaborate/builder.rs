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
#[derive(Default)]
struct Scope {
    path: String,
    counts: HashMap<String, usize>,
    /// Whether layers without a label are numbered through, whatever their kind.
    sequential: bool,
}

/// What the first use of a shared block made, in the order in which it was made.
#[derive(Default)]
struct Tied {
    label: Option<Label>,
    /// Kind of layer and path.
    paths: Vec<(String, String)>,
    leaves: Vec<(String, NodeId)>,
}

/// A use of a shared block that goes on.
struct Use {
    id: usize,
    first: bool,
    paths: usize,
    leaves: usize,
}

/// The graph that is being built.
pub(super) struct Builder {
    pub graph: Graph,
    pub mode: Mode,
    pub layers: Vec<Layer>,
    /// `file:line:column` of the layer that is being built.
    pub source: String,
    pub annotations: Annotations,
    /// How many times a layer has asked for a trained tensor.
    pub weights: usize,
    scopes: Vec<Scope>,
    /// Every layer and scope by its path, with the place of its label.
    taken: HashMap<String, Span>,
    /// The outputs that update statistics, by name.
    updates: HashMap<String, usize>,
    tied: HashMap<usize, Tied>,
    uses: Vec<Use>,
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
            weights: 0,
            scopes: vec![Scope::default()],
            taken: HashMap::new(),
            updates: HashMap::new(),
            tied: HashMap::new(),
            uses: Vec::new(),
            seed: None,
            dropouts: 0,
        }
    }

    /// The path of a layer: its label, else its kind with a count.
    ///
    /// # Errors
    /// The path and the place where it was given first.
    pub fn path(&mut self, kind: &str, label: Option<&Label>, place: Span) -> Result<String, (String, Span)> {
        if let Some(again) = self.uses.last_mut().filter(|again| !again.first)
            && let Some((known, path)) = self.tied[&again.id].paths.get(again.paths)
            && known == kind
        {
            again.paths += 1;
            return Ok(path.clone());
        }
        let scope = self.scopes.last_mut().expect("the outermost scope stays");
        let name = match label {
            Some(label) => label.name.clone(),
            None if scope.sequential => {
                let count = scope.counts.entry(String::new()).or_default();
                *count += 1;
                (*count - 1).to_string()
            }
            None => {
                let count = scope.counts.entry(kind.to_string()).or_default();
                *count += 1;
                format!("{kind}{count}")
            }
        };
        let path = if scope.path.is_empty() { name } else { format!("{}.{name}", scope.path) };
        match self.taken.insert(path.clone(), label.map_or(place, |label| label.span)) {
            None => {
                if let Some(tied) = self.recording() {
                    tied.paths.push((kind.to_string(), path.clone()));
                }
                Ok(path)
            }
            Some(first) => Err((path, first)),
        }
    }

    /// Where the innermost shared block writes down what its first use makes.
    fn recording(&mut self) -> Option<&mut Tied> {
        let id = self.uses.last().filter(|use_| use_.first)?.id;
        self.tied.get_mut(&id)
    }

    /// A use of the shared block `id` begins. Its layers are called as at the first use, whose label is given back.
    pub fn begin_shared(&mut self, id: usize, label: Option<Label>) -> Option<Label> {
        let first = !self.tied.contains_key(&id);
        let tied = self.tied.entry(id).or_insert_with(|| Tied { label, ..Tied::default() });
        self.uses.push(Use { id, first, paths: 0, leaves: 0 });
        tied.label.clone()
    }

    /// Ends what `begin_shared` began.
    pub fn end_shared(&mut self) {
        self.uses.pop();
    }

    /// A leaf of the layer `path`: a new one, or in a later use of a shared block the one of the first.
    fn leaf(
        &mut self,
        op: &str,
        name: &str,
        attributes: Attributes,
        path: &str,
        ty: &TensorType,
    ) -> Result<NodeId, OpError> {
        let Some(again) = self.uses.last_mut().filter(|again| !again.first) else {
            let leaf = self.add(op, &[], attributes, path)?;
            if let Some(tied) = self.recording() {
                tied.leaves.push((name.to_string(), leaf));
            }
            return Ok(leaf);
        };
        let hint = Some(
            "a shared block gives the same layers wherever it is used, and takes the same number of channels"
                .to_string(),
        );
        match self.tied[&again.id].leaves.get(again.leaves) {
            Some((known, leaf)) if known == name => {
                again.leaves += 1;
                let first = &self.graph[*leaf].ty;
                if first != ty {
                    return Err(OpError {
                        message: format!("`{name}` is shared: it is {first}, here it would be {ty}"),
                        hint,
                    });
                }
                // The first use has made the weights; what a later one says of them has to be what they are.
                let says = |word: &str| match word {
                    "init" | "init_value" => self.annotations.init.is_some(),
                    _ => attributes.get(word).is_some(),
                };
                let known = &self.graph[*leaf].attributes;
                let differs = |word: &str| says(word) && attributes.get(word) != known.get(word);
                if ["init", "init_value", "frozen", "lr", "decay"].into_iter().any(differs) {
                    let message = format!("`{name}` is shared, and its first use is not annotated as this one is");
                    let hint = "annotate the shared block itself: `shared(b @lr(2))`".to_string();
                    return Err(OpError { message, hint: Some(hint) });
                }
                Ok(*leaf)
            }
            _ => Err(OpError { message: format!("this shared block had no `{name}` at its first use"), hint }),
        }
    }

    /// Names from here on stand below `path`.
    pub fn open(&mut self, path: String) {
        self.scopes.push(Scope { path, ..Scope::default() });
    }

    /// As `open`, and layers are numbered through.
    pub fn open_sequential(&mut self, path: String) {
        self.scopes.push(Scope { path, sequential: true, ..Scope::default() });
    }

    /// Whether layers are numbered through here.
    pub fn sequential(&self) -> bool {
        self.scopes.last().is_some_and(|scope| scope.sequential)
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
        self.weights += 1;
        let annotations = self.annotations;
        let init = if name == "weight" { annotations.init.unwrap_or(init) } else { init };
        // Filters that whiten stay what they are.
        let frozen = annotations.frozen || matches!(init, Init::Whitening(_));
        let (init, value) = init.attributes(fans[0], fans[1]);
        let ty = TensorType::f32(dims);
        let mut attributes = leaf::attributes(&format!("{path}.{name}"), &ty)
            .with("init", Attribute::Text(init.to_string()))
            .with("init_value", Attribute::Float(value));
        if frozen {
            attributes = attributes.with("frozen", Attribute::Bool(true));
        }
        for (name, factor) in [("lr", annotations.lr), ("decay", annotations.decay)] {
            if let Some(factor) = factor {
                attributes = attributes.with(name, Attribute::Float(factor));
            }
        }
        self.leaf("parameter", &format!("{path}.{name}"), attributes, path, &ty)
    }

    /// A running statistic of the layer `path`, f32[channels].
    ///
    /// # Errors
    /// When its extents are too large.
    pub fn statistic(&mut self, path: &str, name: &str, channels: usize, start: f64) -> Result<NodeId, OpError> {
        let (name, ty) = (format!("{path}.{name}"), TensorType::f32(&[channels]));
        let attributes = leaf::attributes(&name, &ty).with("init_value", Attribute::Float(start));
        self.leaf("statistic", &name, attributes, path, &ty)
    }

    /// `(1 - momentum) old + momentum by new` becomes the statistic's next value. In a shared block the uses follow one another.
    pub fn running(&mut self, path: &str, name: &str, old: NodeId, new: NodeId, momentum: f64, by: f64) {
        let place = self.place(path);
        let scaled = |graph: &mut Graph, x: NodeId, by: f64| {
            let scale = ops::find("scale").expect("`scale` is an op");
            graph.add(scale, &[x], Attributes::new().with("by", Attribute::Float(by)), place.clone())
        };
        let name = format!("{path}.{name}");
        let earlier = self.updates.get(&name).copied();
        let old = earlier.map_or(old, |at| self.graph.outputs[at].value);
        let kept = scaled(&mut self.graph, old, 1.0 - momentum);
        let moved = scaled(&mut self.graph, new, momentum * by);
        let add = ops::find("add").expect("`add` is an op");
        let sum = self.graph.add(add, &[kept, moved], Attributes::new(), place.clone());
        match earlier {
            Some(at) => self.graph.outputs[at].value = sum,
            None => {
                self.updates.insert(name.clone(), self.graph.outputs.len());
                self.graph.output(OutputKind::Update, &name, sum);
            }
        }
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
            // A shared block's weights are counted at its first use.
            parameters: if self.uses.last().is_none_or(|use_| use_.first) { cost.parameters } else { 0 },
            multiply_adds: cost.multiply_adds,
        });
    }
}
