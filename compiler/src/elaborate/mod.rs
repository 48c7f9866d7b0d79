//! Syntax tree to graph: names, arguments, blocks expanded, shapes, and the `data` and `train` sections.
//!
//! A block is a function from tensor to tensor that is applied when a tensor arrives; numbers, lists and blocks are evaluated as they
//! are met. Weights are named by paths: a label, else the kind of layer with a count; `repeat` adds an index.

mod activations;
mod apply;
mod arguments;
mod arithmetic;
mod auxiliary;
mod builder;
mod constructor;
mod data_section;
pub mod difference;
mod evaluate;
mod functions;
mod inline;
mod layers;
mod load;
mod loss;
mod nodes;
mod norms;
mod parameters;
mod pools;
mod primitive;
mod resolve;
mod sections;
mod set;
mod stopping;
mod training;
mod value;
pub mod vocabulary;

pub use load::join;

use crate::diagnostic::{Diagnostic, Sources, Span, suggestion};
use crate::graph::{Attributes, ElementType, Graph, NodeId, OutputKind, TensorType};
use crate::syntax;
use crate::syntax::ast::{self, Ast, Expr, ExprKind, Item, SectionKind, Statement};
use builder::Builder;
use evaluate::{Elaborator, Outcome};
use load::Modules;
use rnet_runtime::config::{DataConfig, Loss, Source, TrainConfig};
use std::collections::HashSet;
use value::{Environment, Value};

/// What a graph is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// A training step: batch norm by the batch's statistics, dropout, label smoothing.
    Train,
    /// Evaluation: batch norm by running statistics, the plain loss.
    Eval,
}

/// What the command line says beside the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the graph is for.
    pub mode: Mode,
    /// Images a step; the file's where omitted.
    pub batch: Option<usize>,
    /// Which of the file's models; the one that `train` names where omitted.
    pub model: Option<String>,
    /// Which of the file's train sections; the only one, or the one without a name, where omitted.
    pub train: Option<String>,
    /// `--set path=value`, in order.
    pub set: Vec<(String, String)>,
    /// Bytes that one tensor may have: the machine's memory.
    pub memory: u64,
}

/// A file, elaborated.
#[derive(Debug)]
pub struct Elaborated {
    /// The model's name.
    pub model: String,
    /// The forward graph: results `logits`, `loss` and `correct`, updates of running statistics.
    pub graph: Graph,
    /// Its layers, in the order of computation.
    pub layers: Vec<Layer>,
    /// The data section that `train` uses, if there is one.
    pub data: Option<DataConfig>,
    /// The train section.
    pub train: TrainConfig,
    /// How often the training loss counts the train section's: once for the model's own head, and each auxiliary one by its weight.
    pub loss_weight: f64,
    /// One file with all that is used of its imports, and every setting and default written out; it compiles to the same.
    pub resolved: String,
    /// What is legal and likely wrong.
    pub warnings: Vec<Diagnostic>,
}

/// As far as a file could be elaborated.
#[derive(Debug)]
pub struct Examined {
    /// The layers of the model, up to the first mistake.
    pub layers: Vec<Layer>,
    /// What the steps of chains gave, up to the first mistake; a step of a block once for each use of the block.
    pub steps: Vec<Step>,
    /// The whole, or every mistake that was found.
    pub outcome: Result<Elaborated, Vec<Diagnostic>>,
}

/// What one step of a chain gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The step.
    pub span: Span,
    /// Extents of the tensor behind it, the batch's first.
    pub shape: Vec<usize>,
    /// Numbers that its layers train.
    pub parameters: u64,
    /// Multiply-adds of its layers for one image.
    pub multiply_adds: u64,
}

/// One row of the table of layers.
#[derive(Clone, PartialEq, Debug)]
pub struct Layer {
    /// As weights are named: `layer1.0.conv1`.
    pub path: String,
    /// The op.
    pub op: String,
    /// `file:line:column`.
    pub source: String,
    /// Extents of the result, the batch's first.
    pub shape: Vec<usize>,
    /// Trained numbers.
    pub parameters: u64,
    /// Multiply-adds of the forward pass for one image.
    pub multiply_adds: u64,
}

/// Elaborates a parsed file.
///
/// # Errors
/// Every mistake that was found.
pub fn elaborate(sources: &mut Sources, ast: &Ast, options: &Options) -> Result<Elaborated, Vec<Diagnostic>> {
    examine(sources, ast, options).outcome
}

/// A data source that stands alone, such as `folder("photos")`.
///
/// # Errors
/// Every mistake that was found.
pub fn source(sources: &mut Sources, text: &str) -> Result<Source, Vec<Diagnostic>> {
    let file = sources.add("the command line", text);
    let expr = syntax::parse_value(sources, file)?;
    // The elaborator wants a file; that the value stands alone is nobody's mistake.
    let around = sources.add("nothing", "let _nothing = 0\n");
    let ast = syntax::parse(sources, around)?;
    let modules = load::load(sources, &ast)?;
    let place = load::beginning(file);
    let mut elaborator = Elaborator::new(&modules, sources, Builder::new(Mode::Eval), u64::MAX, place);
    let source = elaborator.source(&expr, &Environment::of(Modules::MAIN));
    source.map_err(|_| std::mem::take(&mut elaborator.found))
}

/// Elaborates a parsed file; of one with mistakes the part before them is told all the same.
pub fn examine(sources: &mut Sources, ast: &Ast, options: &Options) -> Examined {
    let (mut layers, mut steps) = (Vec::new(), Vec::new());
    let outcome = examine_into(&mut layers, &mut steps, sources, ast, options);
    Examined { layers, steps, outcome }
}

fn examine_into(
    rows: &mut Vec<Layer>,
    steps: &mut Vec<Step>,
    sources: &mut Sources,
    ast: &Ast,
    options: &Options,
) -> Result<Elaborated, Vec<Diagnostic>> {
    let mut ast = ast.clone();
    let mut found = sections::keys(&ast);
    set::choose_train(&mut ast, options.train.as_deref())?;
    if let Some(model) = &options.model {
        set::choose(sources, &mut ast, model)?;
    }
    for (path, value) in &options.set {
        set::set(sources, &mut ast, path, value)?;
    }
    set::complete(sources, &mut ast)?;
    let modules = load::load(sources, &ast)?;
    let resolved_names = resolve::resolve(&modules, sources);
    found.extend(resolved_names.wrong);
    if !found.is_empty() {
        return Err(found);
    }
    let resolved = crate::syntax::format::format(&inline::inline(&modules));
    let place = load::beginning(ast.file);
    let mut elaborator = Elaborator::new(&modules, sources, Builder::new(options.mode), options.memory, place);
    let parts = elaborator.file(options);
    let found = std::mem::take(&mut elaborator.found);
    std::mem::swap(steps, &mut elaborator.steps);
    let mut warnings = resolved_names.warnings;
    warnings.append(&mut elaborator.warnings);
    let loss_weight = elaborator.auxiliaries.iter().fold(1.0, |sum, head| sum + head.weight);
    let Builder { graph, layers, .. } = elaborator.builder;
    rows.clone_from(&layers);
    match parts {
        Ok((model, train, data)) if found.is_empty() => {
            Ok(Elaborated { model, graph, layers, data, train, loss_weight, resolved, warnings })
        }
        _ => Err(found),
    }
}

impl<'a> Elaborator<'a> {
    /// The three parts of a file. Each is looked at even if another has mistakes.
    fn file(&mut self, options: &Options) -> Outcome<(String, TrainConfig, Option<DataConfig>)> {
        let ast = self.modules.ast(Modules::MAIN);
        let trains = sections::sections(ast, SectionKind::Train);
        let [train] = trains[..] else { panic!("elaborate: {} train sections were left", trains.len()) };
        let data = self.chosen_data(ast, train);
        self.has_soft_labels = options.mode == Mode::Train && matches!(&data, Ok(Some(data)) if data.has_soft_labels());
        let config = self.train(train);
        let batch = options.batch.unwrap_or_else(|| config.as_ref().map_or(1, |config| config.batch));
        let loss = config.as_ref().map_or(Loss::CrossEntropy { smoothing: 0.0 }, |config| match options.mode {
            Mode::Train => config.loss,
            Mode::Eval => config.loss.plain(),
        });
        let model = self.chosen_model(ast, train).and_then(|(definition, env)| {
            self.model(definition, env, batch, loss)?;
            if let Ok(config) = &config {
                let span = |key| sections::entry(train, key).map_or(train.span, |entry| entry.value.span);
                self.check_training(config, [span("optimizer"), span("groups")])?;
            }
            Ok(definition.name.text.clone())
        });
        Ok((model?, config?, data?))
    }

    fn chosen_data(&mut self, ast: &'a Ast, train: &'a ast::Section) -> Outcome<Option<DataConfig>> {
        let known = sections::sections(ast, SectionKind::Data);
        let Some(entry) = sections::entry(train, "data") else {
            // Mistakes in a section that nothing uses are mistakes all the same.
            for section in &known {
                self.data(section)?;
            }
            return match known.len() {
                0 => Ok(None),
                several => {
                    let wrong = Diagnostic::error(
                        "E134",
                        train.span,
                        format!("the file has {several} data sections, `train` names none"),
                    );
                    self.stop(wrong.hint("`data = name` in `train` says which"))
                }
            };
        };
        let names = || known.iter().filter_map(|section| section.name.as_ref()).map(|name| name.text.as_str());
        let name = match &entry.value.kind {
            ExprKind::Name(name) => name,
            _ => return self.error("E134", entry.value.span, "`data` is the name of a data section"),
        };
        match known.iter().find(|section| section.name.as_ref().is_some_and(|known| known.text == *name)) {
            Some(section) => self.data(section).map(Some),
            None => {
                let wrong = Diagnostic::error("E134", entry.value.span, format!("there is no data section `{name}`"));
                self.stop(wrong.maybe_hint(suggestion(name, names())))
            }
        }
    }

    /// The model that `train` names, with its arguments.
    fn chosen_model(&mut self, ast: &'a Ast, train: &'a ast::Section) -> Outcome<(&'a ast::Model, Environment<'a>)> {
        let models: Vec<&str> = models(ast).map(|model| model.name.text.as_str()).collect();
        let Some(entry) = sections::entry(train, "model") else {
            let wrong = match models.len() {
                0 => Diagnostic::error("E135", load::beginning(ast.file), "the file defines no model")
                    .hint("`model name { input image: f32[N, 3, 32, 32]  image -> .. -> dense(10) }`"),
                several => self::models(ast)
                    .skip(1)
                    .fold(
                        Diagnostic::error(
                            "E135",
                            self::models(ast).next().expect("there are several").name.span,
                            format!("the file has {several} models, and nothing says which is meant"),
                        )
                        .here("this one"),
                        |wrong, model| wrong.and(model.name.span, "or this one"),
                    )
                    .hint("`--model NAME`, or `model = NAME` in `train`, says which"),
            };
            return self.stop(wrong);
        };
        let env = Environment::of(Modules::MAIN);
        let (callee, arguments): (&Expr, &[ast::Argument]) = match &entry.value.kind {
            ExprKind::Call(callee, arguments) => (callee, arguments),
            _ => (&entry.value, &[]),
        };
        let (module, name) = match &callee.kind {
            ExprKind::Name(name) => (Modules::MAIN, name.as_str()),
            ExprKind::Member(object, name) => match &object.kind {
                ExprKind::Name(alias) if self.modules.alias(Modules::MAIN, alias).is_some() => {
                    (self.modules.alias(Modules::MAIN, alias).expect("just seen"), name.text.as_str())
                }
                _ => return self.error("E100", object.span, "this is no import's alias"),
            },
            _ => return self.error("E135", callee.span, "`model` is the name of a model, with or without arguments"),
        };
        let Some(definition) = self::models(self.modules.ast(module)).find(|model| model.name.text == name) else {
            let wrong = Diagnostic::error("E135", callee.span, format!("there is no model `{name}`"));
            return self.stop(wrong.maybe_hint(suggestion(name, models.iter().copied())));
        };
        let given = self.given(arguments, &env)?;
        let env = self.bind_parameters(
            "model",
            name,
            &definition.parameters,
            Environment::of(module),
            given,
            entry.value.span,
        )?;
        Ok((definition, env))
    }

    /// Builds the forward graph.
    fn model(&mut self, model: &'a ast::Model, env: Environment<'a>, batch: usize, loss: Loss) -> Outcome<()> {
        let [input] = &model.inputs[..] else {
            let message = format!("a model has one input, `{}` has {}", model.name.text, model.inputs.len());
            let place = model.inputs.get(1).map_or(model.name.span, |second| second.span);
            let wrong = Diagnostic::error("E136", place, message);
            return self
                .stop(wrong.hint("`input image: f32[N, 3, 32, 32]` is the batch of images; labels are not declared"));
        };
        if input.element.text != "f32" {
            return self.error(
                "E136",
                input.element.span,
                format!("an input is f32, this is `{}`", input.element.text),
            );
        }
        let first_is_batch =
            matches!(input.dims.first().map(|dim| &dim.kind), Some(ExprKind::Name(name)) if name == "N");
        if !first_is_batch || input.dims.len() != 4 {
            let wrong =
                Diagnostic::error("E136", input.span, "an input is a batch of images: f32[N, channels, height, width]");
            return self.stop(wrong.hint("N stands for the number of images a step"));
        }
        let mut dims = vec![batch];
        for dim in &input.dims[1..] {
            match self.eval(dim, &env)? {
                Value::Int(extent) if (1..=1 << 20).contains(&extent) => dims.push(extent as usize),
                other => {
                    return self.error(
                        "E136",
                        dim.span,
                        format!("an extent is a whole number from 1 to 2^20, this is {}", other.describe()),
                    );
                }
            }
        }
        self.at(input.span);
        self.builder.source = self.sources.place(input.span);
        let image = self.builder.input("image", &TensorType::f32(&dims));
        let image = self.checked(image, None)?;
        let classes = TensorType { element: ElementType::I32, dims: vec![batch] };
        let label = if self.has_soft_labels { None } else { Some(self.label(&classes)?) };
        let env = env.with(&input.name.text, Value::Tensor(image));
        let result = &model.body.result;
        let (mut env, mut asserts) = (env, Vec::new());
        for statement in &model.body.statements {
            match statement {
                Statement::Let(binding) => {
                    let value = self.eval(&binding.value, &env)?;
                    env = env.with(&binding.name.text, value);
                }
                Statement::Assert(assertion) => asserts.push((assertion, env.clone())),
            }
        }
        let logits = match self.eval(result, &env)? {
            Value::Tensor(logits) => logits,
            other => {
                let message = format!("a model's body gives a tensor, this is {}", other.kind());
                let wrong = Diagnostic::error("E137", result.span, message);
                return self.stop(wrong.hint(format!("begin with the input: `{} -> ..`", input.name.text)));
            }
        };
        self.at(last_step(result).span);
        let label = match label {
            Some(label) => label,
            // A share of each class: of what type is known only now.
            None => self.label(&self.builder.graph[logits].ty.clone())?,
        };
        self.outputs(logits, label, loss)?;
        // Every assertion that fails is told.
        let failed: Vec<_> =
            asserts.into_iter().map(|(assertion, env)| self.assert(assertion, &self.counted(env, batch))).collect();
        failed.into_iter().collect()
    }

    fn label(&mut self, ty: &TensorType) -> Outcome<NodeId> {
        let label = self.builder.input("label", ty);
        self.checked(label, None)
    }

    /// The names that the assertions of a model can use: what the whole model comes to.
    fn counted(&self, env: Environment<'a>, batch: usize) -> Environment<'a> {
        let layers = &self.builder.layers;
        let parameters: u64 = layers.iter().map(|layer| layer.parameters).sum();
        let multiply_adds: u64 = layers.iter().map(|layer| layer.multiply_adds).sum();
        env.with("N", Value::Int(batch as i64))
            .with("params", Value::Int(parameters as i64))
            .with("macs", Value::Int(multiply_adds as i64))
            .with("layers", Value::Int(layers.len() as i64))
    }

    fn outputs(&mut self, logits: NodeId, label: NodeId, loss: Loss) -> Outcome<()> {
        let ty = self.builder.graph[logits].ty.clone();
        if ty.rank() != 2 {
            let wrong =
                Diagnostic::error("E137", self.place, format!("a model gives logits f32[N, classes], this gives {ty}"));
            return self
                .stop(wrong.hint("end with `-> global_avg_pool -> dense(classes)` or `-> flatten -> dense(classes)`"));
        }
        self.check_auxiliaries(&ty)?;
        self.dead_layers(logits);
        self.idle_annotations();
        let last = self.builder.graph[logits].op.name();
        if activations::ACTIVATIONS.contains(&last) || matches!(last, "softmax" | "dropout" | "batch_norm") {
            let words = format!("`{last}` after the last layer: logits are best left as they are");
            self.warn("W011", words, "end with the dense layer");
        }
        let own = self.loss_of(loss, logits, label)?;
        let loss = self.with_auxiliaries(own, |this, logits| this.loss_of(loss, logits, label))?;
        let correct = self.add("correct", &[logits, label], Attributes::new(), "correct")?;
        let graph = &mut self.builder.graph;
        for (name, value) in [("logits", logits), ("loss", loss), ("correct", correct)] {
            graph.output(OutputKind::Result, name, value);
        }
        Ok(())
    }
}

impl Elaborator<'_> {
    /// Warns of layers whose result neither the logits nor an auxiliary head uses.
    fn dead_layers(&mut self, logits: NodeId) {
        let (mut used, mut open) = (HashSet::new(), vec![logits]);
        open.extend(self.auxiliaries.iter().map(|head| head.logits));
        while let Some(id) = open.pop() {
            if used.insert(id) {
                open.extend(&self.builder.graph[id].operands);
            }
        }
        let dead: Vec<_> = self.results.iter().filter(|(result, ..)| !used.contains(result)).collect();
        let Some((_, first, place)) = dead.first() else { return };
        let message = match dead.len() {
            1 => format!("the result of `{first}` is not used"),
            several => format!("the results of `{first}` and {} more layers are not used", several - 1),
        };
        let wrong = Diagnostic::warning("W012", *place, message);
        self.warnings.push(wrong.hint("join it with the rest by `add` or `concat`, or leave it out"));
    }

    /// Warns of annotations that hold for no weight, wherever their block is used.
    fn idle_annotations(&mut self) {
        for (place, _) in self.annotated.iter().filter(|(_, holds)| !**holds) {
            let wrong = Diagnostic::warning("W014", *place, "this annotation holds for no weight");
            self.warnings.push(wrong.hint("leave it out, or write it behind a layer with weights"));
        }
    }
}

fn models(ast: &Ast) -> impl Iterator<Item = &ast::Model> {
    ast.items.iter().filter_map(|item| match item {
        Item::Model(model) => Some(model),
        _ => None,
    })
}

/// Where a chain's result comes from.
fn last_step(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Chain(steps) => steps.last().expect("a chain has steps"),
        _ => expr,
    }
}

#[cfg(test)]
mod tests;
