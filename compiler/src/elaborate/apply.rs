//! Blocks applied to tensors, and the names of the layers that come of it.

use super::builder::Label;
use super::evaluate::{Elaborator, Outcome, Stop};
use super::load::Modules;
use super::value::{Block, Environment, Value};
use crate::diagnostic::Diagnostic;
use crate::graph::NodeId;
use crate::syntax::ast::{Expr, ExprKind};

impl<'a> Elaborator<'a> {
    /// A tensor passed through steps, left to right.
    pub fn steps(&mut self, steps: &'a [Expr], env: &Environment<'a>, x: NodeId) -> Outcome<NodeId> {
        self.each_step(steps, env, x, |_, _| None)
    }

    /// The steps of a parenthesised chain, which a label numbers: `downsample.0`, `downsample.1`.
    fn numbered(&mut self, steps: &'a [Expr], env: &Environment<'a>, x: NodeId) -> Outcome<NodeId> {
        self.each_step(steps, env, x, |at, step| Some(Label { name: at.to_string(), span: step.span }))
    }

    fn each_step(
        &mut self,
        steps: &'a [Expr],
        env: &Environment<'a>,
        mut x: NodeId,
        label: impl Fn(usize, &Expr) -> Option<Label>,
    ) -> Outcome<NodeId> {
        if self.looking_over {
            self.look_over(steps, env);
            return Err(Stop);
        }
        let calls = self.calls.len();
        for (at, step) in steps.iter().enumerate() {
            self.at(step.span);
            let layers = self.builder.layers.len();
            let applied = self.eval(step, env).and_then(|value| {
                self.at(step.span);
                self.apply(&value, x, label(at, step))
            });
            match applied {
                Ok(y) => {
                    self.passed(step.span, y, layers);
                    x = y;
                }
                Err(stop) => {
                    self.calls.truncate(calls);
                    self.look_over(&steps[at + 1..], env);
                    return Err(stop);
                }
            }
        }
        Ok(x)
    }

    /// Behind a mistake: evaluates what has nothing to do with it, for the sake of further mistakes, and builds no more layers.
    fn look_over(&mut self, steps: &'a [Expr], env: &Environment<'a>) {
        let outer = std::mem::replace(&mut self.looking_over, true);
        for step in steps {
            self.at(step.span);
            // Its mistakes have been written down; its value is not needed.
            let _ = self.eval(step, env);
        }
        self.looking_over = outer;
    }

    /// Runs `inside` with names below the label, if there is one.
    pub fn scoped<T>(&mut self, label: Option<&Label>, inside: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        match label {
            None => inside(self),
            Some(label) => {
                let path = self.path("", Some(label))?;
                self.builder.open(path);
                let result = inside(self);
                self.builder.close();
                result
            }
        }
    }

    /// The path of a layer; see [`Builder::path`].
    pub fn path(&mut self, kind: &str, label: Option<&Label>) -> Outcome<String> {
        let place = label.map_or(self.place, |label| self.visible(label.span));
        self.builder.path(kind, label, place).or_else(|(path, first)| {
            let wrong = Diagnostic::error("E105", place, format!("two layers are called `{path}`"));
            let wrong = if first == place { wrong } else { wrong.and(first, "the first is here") };
            self.stop(wrong.hint("labels make names: `-> name: layer`"))
        })
    }

    /// A block applied to a tensor. A label names the layer that it comes to, or stands in front of the names of several.
    pub fn apply(&mut self, value: &Value<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
        self.enter()?;
        let result = self.apply_entered(value, x, label);
        self.depth -= 1;
        result
    }

    fn apply_entered(&mut self, value: &Value<'a>, x: NodeId, label: Option<Label>) -> Outcome<NodeId> {
        let Value::Block(block) = value else {
            let message = format!("`->` passes a tensor on to a block, this is {}", value.describe());
            let wrong = Diagnostic::error("E101", self.place, message);
            return self.stop(match value {
                Value::Tensor(_) => wrong.hint("`add(id, other)` or `concat(id, other)` joins it with another tensor"),
                _ => wrong,
            });
        };
        match &**block {
            Block::Primitive(primitive, bound) => match bound {
                Some(bound) => (primitive.apply)(self, bound, x, label),
                None => {
                    let place = self.place;
                    let bound =
                        self.bind(primitive.name, primitive.parameters, primitive.variadic, Vec::new(), place)?;
                    (primitive.apply)(self, &bound, x, label)
                }
            },
            Block::Defined(definition, module, env) => {
                let place = self.place;
                let env = match env {
                    Some(env) => env.clone(),
                    None => self.bind_definition(definition, *module, Vec::new(), place)?,
                };
                let shown = *module != Modules::PRELUDE;
                if shown {
                    self.calls.push((&definition.name.text, place));
                }
                self.at(definition.body.span);
                let value = self.eval(&definition.body, &env)?;
                let result = self.apply(&value, x, label)?;
                if shown {
                    self.calls.pop();
                }
                self.place = place;
                Ok(result)
            }
            Block::Chain(steps, env) => self.scoped(label.as_ref(), |this| this.steps(steps, env, x)),
            Block::Lambda(name, body, env) => {
                let env = env.with(&name.text, Value::Tensor(x));
                self.scoped(label.as_ref(), |this| match this.eval(body, &env)? {
                    Value::Tensor(y) => Ok(y),
                    value => this.apply(&value, x, None),
                })
            }
            Block::Label(name, body, env) => {
                let inner = Label { name: name.text.clone(), span: name.span };
                self.scoped(label.as_ref(), |this| {
                    if let (ExprKind::Group(_), ExprKind::Chain(steps)) = (&body.kind, &body.ungrouped().kind) {
                        return this.scoped(Some(&inner), |this| this.numbered(steps, env, x));
                    }
                    let value = this.eval(body, env)?;
                    this.apply(&value, x, Some(inner))
                })
            }
            Block::Shared(id, body) => {
                let label = self.builder.begin_shared(*id, label);
                let result = self.apply(body, x, label);
                self.builder.end_shared();
                result
            }
            Block::Annotated(value, annotations) => {
                let outer = self.builder.annotations;
                self.builder.annotations = annotations.over(outer);
                let (place, before) = (self.place, self.builder.weights);
                let result = self.apply(value, x, label);
                self.builder.annotations = outer;
                if result.is_ok() {
                    *self.annotated.entry(place).or_default() |= self.builder.weights > before;
                }
                result
            }
        }
    }
}
