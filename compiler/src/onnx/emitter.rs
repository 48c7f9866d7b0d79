//! Writing operators: names, initialisers, and values that are repeated along axes without being stored so.
//!
//! The IR repeats a bias over images, rows and columns by a node of its own. ONNX's elementwise operators do that by themselves
//! for an operand of extent 1, as NumPy does, so a `broadcast` becomes an operand with such extents ([`Value::spread`]), and is
//! written out in full (`Expand`) only where an operator needs it in full.

use super::constants::Constants;
use super::proto::{self, Attribute};
use super::rules::{self, Rule};
use super::{ExportError, Options};
use crate::graph::{ElementType, Graph, Node, NodeId};
use crate::ops::{Lowering, leaf};
use crate::passes::fold_batch_norm::{biased, is_read_by};
use rnet_runtime::tensors::Tensors;
use std::collections::{HashMap, HashSet};

/// What the number of images is called where it is left open.
const IMAGES: &str = "N";

/// A value of the file.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// For each axis, whether the file has extent 1 there and means the IR's extent.
    pub spread: Vec<bool>,
}

impl Value {
    fn whole(name: String, rank: usize) -> Value {
        Value { name, spread: vec![false; rank] }
    }
}

/// Writes one graph.
pub struct Emitter<'g> {
    graph: &'g Graph,
    constants: Constants<'g>,
    dynamic: bool,
    values: HashMap<NodeId, Value>,
    weights: HashMap<NodeId, String>,
    /// Names of constants by their elements: numbers by their bits, lists of whole numbers.
    numbers: HashMap<u32, String>,
    lists: HashMap<Vec<i64>, String>,
    names: HashSet<String>,
    /// What the operators that are being written are named after.
    path: String,
    written: proto::Graph,
}

impl<'g> Emitter<'g> {
    /// Writes everything that the result `logits` needs.
    pub fn emit(graph: &'g Graph, weights: &'g Tensors, options: &Options) -> Result<proto::Graph, ExportError> {
        let mut emitter = Emitter {
            graph,
            constants: Constants::new(graph, weights),
            dynamic: options.dynamic,
            values: HashMap::new(),
            weights: HashMap::new(),
            numbers: HashMap::new(),
            lists: HashMap::new(),
            names: HashSet::from(["logits".to_string()]),
            path: String::new(),
            written: proto::Graph { name: options.name.clone(), ..proto::Graph::default() },
        };
        for id in graph.topological() {
            emitter.node(id)?;
        }
        let logits = graph.result("logits").expect("onnx: the graph has a result `logits`");
        emitter.output(logits).map_err(|reason| emitter.unsupported(logits, reason))?;
        Ok(emitter.written)
    }

    fn unsupported(&self, id: NodeId, reason: String) -> ExportError {
        let node = &self.graph[id];
        ExportError::Unsupported { op: node.op.name(), place: node.place.clone(), reason }
    }

    /// Writes a node that depends on an input. Products wait for their bias.
    fn node(&mut self, id: NodeId) -> Result<(), ExportError> {
        let node = &self.graph[id];
        // `dead_code` leaves inputs that nothing reads, such as the labels.
        let is_read = !self.graph.users(id).is_empty() || self.graph.outputs.iter().any(|output| output.value == id);
        if !is_read || self.constants.contains(id) || self.bias_of(id).is_some() {
            return Ok(());
        }
        if node.op.name() == "input" && node.ty.element != ElementType::F32 {
            // An input has no place of its own; what reads it has.
            let reason = format!("it reads an input of {}; inference takes images alone", node.ty);
            return Err(self.unsupported(self.graph.users(id).first().copied().unwrap_or(id), reason));
        }
        self.name_after(node);
        let value = match biased(self.graph, id).filter(|&(product, _)| self.bias_of(product).is_some()) {
            _ if node.op.name() == "input" => self.input(node),
            Some((product, bias)) => {
                let product = &self.graph[product];
                self.name_after(product);
                self.by_rule(product, Some(bias))
            }
            None => self.by_rule(node, None),
        };
        let value = value.map_err(|reason| self.unsupported(id, reason))?;
        if node.op.name() != "input" && !value.spread.contains(&true) {
            let info = self.info(&value.name, &node.ty.dims);
            self.written.value_info.push(info);
        }
        self.values.insert(id, value);
        Ok(())
    }

    /// The bias that a product takes in: that of an addition behind it that is its only reader.
    fn bias_of(&self, product: NodeId) -> Option<NodeId> {
        let takes_bias = matches!(rules::find(self.graph[product].op.name()), Some(Rule::Product(_)));
        let [sum] = self.graph.users(product)[..] else { return None };
        let (summand, bias) = biased(self.graph, sum)?;
        let fits = takes_bias && summand == product && is_read_by(self.graph, product, sum);
        (fits && self.constants.contains(bias)).then_some(bias)
    }

    fn by_rule(&mut self, node: &Node, bias: Option<NodeId>) -> Result<Value, String> {
        match rules::find(node.op.name()) {
            Some(Rule::Elementwise(operator)) => {
                let operands: Vec<Value> =
                    node.operands.iter().map(|&operand| self.value(operand)).collect::<Result<_, _>>()?;
                Ok(self.elementwise(operator, &operands, Vec::new()))
            }
            Some(Rule::Product(rule)) => rule(self, node, bias),
            Some(Rule::Other(rule)) => rule(self, node),
            None => Err("there is no counterpart".to_string()),
        }
    }

    fn input(&mut self, node: &Node) -> Result<Value, String> {
        let name = self.unique(node.attributes.text("name"));
        let info = self.info(&name, &node.ty.dims);
        self.written.input.push(info);
        Ok(Value::whole(name, node.ty.rank()))
    }

    /// Gives the result its name.
    fn output(&mut self, logits: NodeId) -> Result<(), String> {
        let dims = self.graph[logits].ty.dims.clone();
        let name = self.activation(logits)?;
        let made = |node: &proto::Node| node.output.contains(&name);
        if self.written.node.iter().any(made) {
            let rename = |other: &mut String| {
                if *other == name {
                    *other = "logits".to_string();
                }
            };
            for node in &mut self.written.node {
                node.input.iter_mut().chain(&mut node.output).for_each(rename);
            }
            self.written.value_info.retain(|info| info.name != name);
        } else {
            // An input, or a constant.
            let identity = proto::Node {
                input: vec![name],
                output: vec!["logits".to_string()],
                name: "logits".to_string(),
                op_type: "Identity".to_string(),
                attribute: Vec::new(),
            };
            self.written.node.push(identity);
        }
        let info = self.info("logits", &dims);
        self.written.output.push(info);
        Ok(())
    }

    fn info(&self, name: &str, dims: &[usize]) -> proto::ValueInfo {
        proto::ValueInfo::real(name, dims, self.dynamic.then_some(IMAGES))
    }

    /// A name that nothing else has: this one, or with a number behind it.
    fn unique(&mut self, wanted: &str) -> String {
        let numbered = (1..).map(|number| format!("{wanted}_{number}"));
        let mut candidates = std::iter::once(wanted.to_string()).chain(numbered);
        let name = candidates.find(|name| !self.names.contains(name)).expect("one of so many names is free");
        self.names.insert(name.clone());
        name
    }

    fn name_after(&mut self, node: &Node) {
        self.path = match node.place.path.as_str() {
            "" => node.op.name().to_string(),
            path => path.to_string(),
        };
    }
}

/// What the rules use.
impl Emitter<'_> {
    /// The type's extents of an operand.
    pub fn dims(&self, id: NodeId) -> &[usize] {
        &self.graph[id].ty.dims
    }

    /// An operand of an elementwise operator.
    pub fn value(&mut self, id: NodeId) -> Result<Value, String> {
        if let Some(value) = self.values.get(&id) {
            return Ok(value.clone());
        }
        assert!(self.constants.contains(id), "onnx: {id:?} is used before it is written");
        let node = &self.graph[id];
        let value = match node.op.lowering() {
            Lowering::Broadcast => self.spread(node.operands[0], node),
            Lowering::Elementwise(_) if node.operands.is_empty() => self.spread_number(node),
            // Computed when the graph runs, so that the number of images stays open.
            Lowering::Elementwise(_) => self.by_rule(node, None)?,
            _ => {
                let name = self.weight(id, node.op.name());
                Value::whole(name, node.ty.rank())
            }
        };
        self.values.insert(id, value.clone());
        Ok(value)
    }

    /// An operand of images, with all its extents.
    pub fn activation(&mut self, id: NodeId) -> Result<String, String> {
        let Value { name, spread } = self.value(id)?;
        if !spread.contains(&true) {
            return Ok(name);
        }
        if spread[0] && self.dynamic {
            return Err("a value that does not depend on the image, for each image of an open number of them; \
                        `--batch N` fixes the number"
                .to_string());
        }
        let mut dims = proto::extents(self.dims(id));
        // `Expand` leaves an extent as it is where it is asked for 1.
        dims.iter_mut().zip(&spread).for_each(|(extent, &spread)| *extent = if spread { *extent } else { 1 });
        let shape = self.whole_numbers(&dims);
        let expanded = self.operator("Expand", &[name, shape], Vec::new());
        self.values.insert(id, Value::whole(expanded.clone(), spread.len()));
        Ok(expanded)
    }

    /// An operand that weights alone determine, as an initialiser: a parameter's own name, or `role` behind the layer's path.
    pub fn weight(&mut self, id: NodeId, role: &str) -> String {
        if let Some(name) = self.weights.get(&id) {
            return name.clone();
        }
        assert!(self.constants.contains(id), "onnx: the {role} of {} depends on an input", self.path);
        let node = &self.graph[id];
        let name = leaf::key(node).unwrap_or_else(|| format!("{}.{role}", self.path));
        let name = self.unique(&name);
        let elements = self.constants.elements(id);
        self.written.initializer.push(proto::Tensor::real(&name, &node.ty.dims, &elements));
        self.weights.insert(id, name.clone());
        name
    }

    /// Whether weights alone determine an operand.
    pub fn is_weight(&self, id: NodeId) -> bool {
        self.constants.contains(id)
    }

    /// A constant `x`, repeated by `broadcast`: its elements with extent 1 along the new axes.
    fn spread(&mut self, x: NodeId, broadcast: &Node) -> Value {
        let axes = broadcast.attributes.extents("axes");
        let spread: Vec<bool> = (0..broadcast.ty.rank()).map(|axis| !axes.contains(&axis)).collect();
        let dims: Vec<usize> =
            broadcast.ty.dims.iter().zip(&spread).map(|(&extent, &spread)| if spread { 1 } else { extent }).collect();
        let wanted = leaf::key(&self.graph[x]).unwrap_or_else(|| format!("{}.broadcast", self.path));
        let name = self.unique(&wanted);
        let elements = self.constants.elements(x);
        self.written.initializer.push(proto::Tensor::real(&name, &dims, &elements));
        Value { name, spread }
    }

    /// One number everywhere.
    fn spread_number(&mut self, constant: &Node) -> Value {
        let rank = constant.ty.rank();
        let Value { name, .. } = self.number(constant.attributes.float("value"));
        Value { name, spread: vec![true; rank] }
    }

    /// A number that goes with operands of any extents.
    pub fn number(&mut self, value: f64) -> Value {
        let value = value as f32;
        let name = match self.numbers.get(&value.to_bits()) {
            Some(name) => name.clone(),
            None => {
                let name = self.unique(&format!("number.{value:?}"));
                self.written.initializer.push(proto::Tensor::real(&name, &[], &[value]));
                self.numbers.insert(value.to_bits(), name.clone());
                name
            }
        };
        Value { name, spread: Vec::new() }
    }

    /// A list of whole numbers, as operators take shapes and axes.
    pub fn whole_numbers(&mut self, values: &[i64]) -> String {
        if let Some(name) = self.lists.get(values) {
            return name.clone();
        }
        let words: Vec<String> = values.iter().map(i64::to_string).collect();
        let name = self.unique(&format!("list.{}", words.join(".")));
        self.written.initializer.push(proto::Tensor::whole(&name, values));
        self.lists.insert(values.to_vec(), name.clone());
        name
    }

    /// Real numbers that an operator needs, called `role` behind the layer's path.
    pub fn real_numbers(&mut self, dims: &[usize], values: &[f32], role: &str) -> String {
        let name = format!("{}.{role}", self.path);
        let name = self.unique(&name);
        self.written.initializer.push(proto::Tensor::real(&name, dims, values));
        name
    }

    /// Writes an operator with one result, and returns the result's name.
    pub fn operator(&mut self, op_type: &str, inputs: &[String], attribute: Vec<Attribute>) -> String {
        let path = self.path.clone();
        let name = self.unique(&path);
        self.written.node.push(proto::Node {
            input: inputs.to_vec(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op_type.to_string(),
            attribute,
        });
        name
    }

    /// Writes an operator whose result has the extents of its images, all of them.
    pub fn whole(&mut self, op_type: &str, inputs: &[String], attribute: Vec<Attribute>, rank: usize) -> Value {
        Value::whole(self.operator(op_type, inputs, attribute), rank)
    }

    /// Writes an elementwise operator.
    pub fn elementwise(&mut self, op_type: &str, operands: &[Value], attribute: Vec<Attribute>) -> Value {
        let rank = operands.iter().map(|operand| operand.spread.len()).max().unwrap_or(0);
        // A number has no axes: it is spread along all of them.
        let is_spread = |axis: usize| operands.iter().all(|operand| operand.spread.get(axis).copied().unwrap_or(true));
        let spread = (0..rank).map(is_spread).collect();
        let inputs: Vec<String> = operands.iter().map(|operand| operand.name.clone()).collect();
        Value { name: self.operator(op_type, &inputs, attribute), spread }
    }

    /// Repeats images along new axes, by extent 1 there.
    pub fn unsqueezed(&mut self, x: NodeId, axes: &[usize], rank: usize) -> Result<Value, String> {
        if axes.first() != Some(&0) {
            return Err("it repeats over images what belongs to none of them".to_string());
        }
        let name = self.activation(x)?;
        let new: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
        let spread = (0..rank).map(|axis| new.contains(&axis)).collect();
        if new.is_empty() {
            return Ok(Value { name, spread });
        }
        let new = self.whole_numbers(&proto::extents(&new));
        Ok(Value { name: self.operator("Unsqueeze", &[name, new], Vec::new()), spread })
    }
}
