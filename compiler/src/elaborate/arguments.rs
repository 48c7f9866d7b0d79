//! Arguments of calls: to the parameters that they are for, by position and by keyword.

use super::evaluate::{Elaborator, Outcome, Stop};
use super::value::{Bound, Environment, Kind, Module, Parameter, Value};
use crate::diagnostic::{Diagnostic, Span, suggestion};
use crate::syntax::ast::{self, Argument, ExprKind, Name};

/// An evaluated argument.
pub(super) struct Given<'a> {
    pub name: Option<&'a Name>,
    pub value: Value<'a>,
    pub span: Span,
}

impl<'a> Elaborator<'a> {
    /// Evaluated arguments; the mistakes of all are told.
    pub fn given(&mut self, arguments: &'a [Argument], env: &Environment<'a>) -> Outcome<Vec<Given<'a>>> {
        let mut given = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let Ok(value) = self.eval(&argument.value, env) else { continue };
            let mut span = argument.value.span;
            // What the prelude passes on stands where the user wrote it.
            if span.file == self.modules.prelude()
                && let ExprKind::Name(name) = &argument.value.kind
            {
                span = env.origin(name).unwrap_or(span);
            }
            given.push(Given { name: argument.name.as_ref(), value, span });
        }
        if given.len() == arguments.len() { Ok(given) } else { Err(Stop) }
    }

    /// Arguments of a block that a file defines: the environment of its body.
    pub fn bind_definition(
        &mut self,
        block: &'a ast::Block,
        module: Module,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Outcome<Environment<'a>> {
        let env = Environment::of(module);
        self.bind_parameters("block", &block.name.text, &block.parameters, env, given, span)
    }

    /// Arguments of a block or model that a file defines.
    pub fn bind_parameters(
        &mut self,
        what: &str,
        owner: &str,
        parameters: &'a [ast::Parameter],
        mut env: Environment<'a>,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Outcome<Environment<'a>> {
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.text.as_str()).collect();
        let mut slots = self.distribute(&format!("the {what} `{owner}`"), &names, given)?;
        for (parameter, slot) in parameters.iter().zip(&mut slots) {
            let (value, span) = match (slot.take(), &parameter.default) {
                (Some((value, span)), _) => (value, span),
                (None, Some(default)) => (self.eval(default, &env)?, span),
                (None, None) => {
                    let message = format!("the {what} `{owner}` needs the argument `{}`", parameter.name.text);
                    let wrong = Diagnostic::error("E103", self.visible(span), message)
                        .and(parameter.name.span, "this parameter has no default")
                        .hint(format!("give it here, `{} = ..`, or the parameter a default", parameter.name.text));
                    return self.stop(wrong);
                }
            };
            if let Some(kind) = &parameter.kind
                && let Some((_, kind)) = Kind::NAMED.iter().find(|(name, _)| *name == kind.text)
                && !kind.takes(&value)
            {
                let message = format!(
                    "`{}` of the {what} `{owner}` is {}, this is {}",
                    parameter.name.text,
                    kind.wanted(),
                    value.describe()
                );
                return self.error("E101", span, message);
            }
            env = env.with_parameter(&parameter.name.text, value, span);
        }
        Ok(env)
    }

    /// Arguments to the parameters that they are for, by position and by keyword.
    fn distribute(
        &mut self,
        owner: &str,
        names: &[&str],
        given: Vec<Given<'a>>,
    ) -> Outcome<Vec<Option<(Value<'a>, Span)>>> {
        let mut slots: Vec<Option<(Value, Span)>> = names.iter().map(|_| None).collect();
        let mut next = 0;
        for argument in given {
            let at = match argument.name {
                Some(name) => match names.iter().position(|known| *known == name.text) {
                    Some(at) => at,
                    None => {
                        let wrong = Diagnostic::error(
                            "E104",
                            self.visible(name.span),
                            format!("{owner} has no parameter `{}`", name.text),
                        );
                        return self.stop(wrong.maybe_hint(suggestion(&name.text, names.iter().copied())));
                    }
                },
                None => {
                    next += 1;
                    next - 1
                }
            };
            if at >= names.len() {
                let takes = match names {
                    [] => "none".to_string(),
                    _ => format!("at most {}: {}", names.len(), names.join(", ")),
                };
                return self.error("E103", argument.span, format!("too many arguments: {owner} takes {takes}"));
            }
            if slots[at].is_some() {
                return self.error("E103", argument.span, format!("`{}` of {owner} is set twice", names[at]));
            }
            slots[at] = Some((argument.value, argument.span));
        }
        Ok(slots)
    }

    /// Arguments of a primitive or a constructor.
    pub fn bind(
        &mut self,
        owner: &'static str,
        parameters: &'static [Parameter],
        variadic: bool,
        given: Vec<Given<'a>>,
        span: Span,
    ) -> Outcome<Bound<'a>> {
        let (branches, given) =
            if variadic { given.into_iter().partition(|one| one.name.is_none()) } else { (Vec::new(), given) };
        for branch in &branches {
            if !Kind::Branch.takes(&branch.value) {
                let message = format!("`{owner}` takes blocks and tensors, this is {}", branch.value.describe());
                return self.error("E101", branch.span, message);
            }
        }
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name).collect();
        let slots = self.distribute(&format!("`{owner}`"), &names, given)?;
        let mut named = Vec::with_capacity(parameters.len());
        for (parameter, slot) in parameters.iter().zip(slots) {
            let (value, span) = match slot {
                Some((value, span)) if parameter.kind.takes(&value) => (value, span),
                Some((value, span)) => {
                    let message = format!(
                        "`{}` of `{owner}` is {}, this is {}",
                        parameter.name,
                        parameter.kind.wanted(),
                        value.describe()
                    );
                    return self.error("E101", span, message);
                }
                // A default may be of a kind that no argument has: `stride` of a pool, where omitted, is its kernel.
                None => match parameter.default.value() {
                    Some(value) => (value, span),
                    None => {
                        let message =
                            format!("`{owner}` needs the argument `{}`: {}", parameter.name, parameter.kind.wanted());
                        let wrong = Diagnostic::error("E103", self.visible(span), message);
                        return self.stop(wrong.hint(format!("give it here: `{} = ..`", parameter.name)));
                    }
                },
            };
            named.push((parameter.name, value, span));
        }
        Ok(Bound { named, branches: branches.into_iter().map(|branch| (branch.value, branch.span)).collect() })
    }
}
