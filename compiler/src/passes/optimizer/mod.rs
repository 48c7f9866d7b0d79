//! Turns gradients into updates of the parameters: what bounds the gradients, the rule of each parameter's optimizer, and what is
//! kept of the weights on their way.

mod adam;
mod average;
mod gradients;
mod lamb;
mod lars;
mod lion;
mod muon;
mod rmsprop;
mod sgd;

use crate::graph::{Attribute, Graph, NodeId, OutputKind, Place, TensorType};
use crate::ops::emit::Emitter;
use crate::ops::{self, leaf};
use rnet_runtime::config::TrainConfig;
use rnet_runtime::optimizer::{self, Optimizer, Rule};
use rnet_runtime::program::memory_name;

/// Replaces each result `grad.<name>` by updates of the parameter and of what the optimizer remembers of it, as the train
/// section says. A parameter's own `lr` and `decay` attributes scale its learning rate and weight decay. Adds the input `lr`
/// (f32[]) and, where they are needed, the other inputs of [`TrainConfig::scalars`].
///
/// # Panics
/// When a gradient belongs to no parameter of the graph.
pub fn optimizer(graph: &mut Graph, config: &TrainConfig) {
    let mut trained = gradients::take(graph);
    let lr = input(graph, "lr");
    let due = (config.accumulate > 1).then(|| input(graph, optimizer::DUE));
    if let Some(due) = due {
        gradients::accumulate(graph, &mut trained, config.accumulate, due);
    }
    gradients::clip(graph, &mut trained, config.clip);
    for Trained { parameter, gradient } in trained {
        let node = &graph[parameter];
        let name = node.attributes.text("name").to_string();
        let factor = |attribute: &str| node.attributes.get(attribute).map_or(1.0, |_| node.attributes.float(attribute));
        let (lr_factor, decay_factor) = (factor("lr"), factor("decay"));
        let own = config.optimizer_of(&name);
        // A base rate of zero stands still, whatever the schedule says; elaboration sees to it that no other is asked for.
        let lr_factor =
            if own.lr == config.optimizer.lr { lr_factor } else { lr_factor * own.lr / config.optimizer.lr };
        let mut step =
            Step { parameter, gradient, name, lr, lr_factor, decay: own.weight_decay * decay_factor, due, graph };
        let stepped = step.rule(&own);
        let name = step.name.clone();
        step.update(&name, parameter, stepped);
    }
    average::average(graph, config.average);
}

/// A parameter with its gradient.
struct Trained {
    parameter: NodeId,
    gradient: NodeId,
}

/// The update of one parameter, as a rule writes it.
struct Step<'g> {
    graph: &'g mut Graph,
    parameter: NodeId,
    gradient: NodeId,
    name: String,
    /// The input f32[].
    lr: NodeId,
    /// What the input is multiplied by for this parameter.
    lr_factor: f64,
    /// This parameter's weight decay.
    decay: f64,
    /// f32[], not zero where an update is due; `None` where one always is.
    due: Option<NodeId>,
}

impl Step<'_> {
    /// The parameter's new value.
    fn rule(&mut self, optimizer: &Optimizer) -> NodeId {
        match optimizer.rule {
            Rule::Sgd { momentum, nesterov } => sgd::step(self, momentum, nesterov),
            Rule::Adam { betas, eps, decoupled } => adam::step(self, betas, eps, decoupled),
            Rule::RmsProp { alpha, eps, momentum, centered } => rmsprop::step(self, alpha, eps, momentum, centered),
            Rule::Lion { betas } => lion::step(self, betas),
            Rule::Lars { momentum, trust } => lars::step(self, momentum, trust),
            Rule::Lamb { betas, eps } => lamb::step(self, betas, eps),
            Rule::Muon { momentum, nesterov, iterations } => muon::step(self, momentum, nesterov, iterations),
        }
    }

    fn emit(&mut self) -> Emitter<'_> {
        Emitter::new(self.graph, self.parameter)
    }

    /// What is remembered in that slot, of the parameter's shape; zero at first.
    fn memory(&mut self, slot: &str) -> NodeId {
        memory(self.graph, self.parameter, slot, false)
    }

    /// `new` becomes what the state leaf of that key holds, where an update is due.
    fn update(&mut self, key: &str, old: NodeId, new: NodeId) {
        let new = match self.due {
            Some(due) => self.emit().select(due, new, old),
            None => new,
        };
        self.graph.output(OutputKind::Update, key, new);
    }

    /// `new` becomes what is remembered in that slot.
    fn remember(&mut self, slot: &str, old: NodeId, new: NodeId) {
        let key = memory_name(slot, &self.name);
        self.update(&key, old, new);
    }

    /// A number f32[], repeated over the parameter's shape.
    fn wide(&mut self, number: NodeId) -> NodeId {
        let dims = self.graph[self.parameter].ty.dims.clone();
        self.emit().broadcast(number, &[], &dims)
    }

    /// The parameter's own learning rate times `by`, f32[].
    fn rate(&mut self, by: f64) -> NodeId {
        let (lr, factor) = (self.lr, self.lr_factor * by);
        if factor == 1.0 { lr } else { self.emit().scale(lr, factor) }
    }

    /// `1 - beta^t` at update t, f32[].
    fn correction(&mut self, beta: f64) -> NodeId {
        input(self.graph, &optimizer::correction(beta))
    }

    /// `old` and `new` weighted with `keep` and `1 - keep`.
    fn blend(&mut self, old: NodeId, new: NodeId, keep: f64) -> NodeId {
        let mut emit = self.emit();
        let (old, new) = (emit.scale(old, keep), emit.scale(new, 1.0 - keep));
        emit.add(old, new)
    }

    /// The gradient with the weight decay in it: `g + weight_decay p`.
    fn decayed_gradient(&mut self) -> NodeId {
        let (gradient, parameter, decay) = (self.gradient, self.parameter, self.decay);
        if decay == 0.0 {
            return gradient;
        }
        let mut emit = self.emit();
        let pull = emit.scale(parameter, decay);
        emit.add(gradient, pull)
    }

    /// The parameter after decoupled weight decay: `p - lr weight_decay p`.
    fn shrunk(&mut self) -> NodeId {
        let (parameter, decay) = (self.parameter, self.decay);
        if decay == 0.0 {
            return parameter;
        }
        let rate = self.rate(decay);
        let rate = self.wide(rate);
        let mut emit = self.emit();
        let part = emit.mul(rate, parameter);
        emit.sub(parameter, part)
    }

    /// `from - rate direction`, with `rate` f32[].
    fn walk(&mut self, from: NodeId, rate: NodeId, direction: NodeId) -> NodeId {
        let rate = self.wide(rate);
        let mut emit = self.emit();
        let way = emit.mul(rate, direction);
        emit.sub(from, way)
    }

    /// The Euclidean norm over all elements, f32[].
    fn norm(&mut self, x: NodeId) -> NodeId {
        let mut emit = self.emit();
        let squares = gradients::sum_of_squares(&mut emit, x);
        emit.sqrt(squares)
    }

    /// `a / b` where both norms f32[] are positive, else 1.
    fn trust(&mut self, norms: [NodeId; 2], a: NodeId, b: NodeId) -> NodeId {
        let mut emit = self.emit();
        let both = emit.mul(norms[0], norms[1]);
        let (quotient, one) = (emit.div(a, b), emit.constant(1.0, &[]));
        emit.select(both, quotient, one)
    }
}

/// The input f32[] of that name, which is added where there is none.
fn input(graph: &mut Graph, name: &str) -> NodeId {
    let is_it = |&id: &NodeId| graph[id].op.name() == "input" && graph[id].attributes.text("name") == name;
    if let Some(known) = graph.ids().into_iter().find(is_it) {
        return known;
    }
    let attributes = leaf::attributes(name, &TensorType::f32(&[]));
    graph.add(ops::find("input").expect("`input` is an op"), &[], attributes, Place::default())
}

/// A new memory of a parameter or statistic.
fn memory(graph: &mut Graph, of: NodeId, slot: &str, copies: bool) -> NodeId {
    let node = &graph[of];
    let mut attributes =
        leaf::attributes(node.attributes.text("name"), &node.ty).with("slot", Attribute::Text(slot.to_string()));
    if copies {
        attributes = attributes.with("copies", Attribute::Bool(true));
    }
    let place = node.place.clone();
    graph.add(ops::find("memory").expect("`memory` is an op"), &[], attributes, place)
}
