//! What the verbs share that read weights: renaming, filling a state, and beginning a run with weights.

use super::{Failure, tell};
use regex::Regex;
use rnet_runtime::program::StateKind;
use rnet_runtime::rename::{self, Rule};
use rnet_runtime::state::State;
use rnet_runtime::tensors::{self, Tensors};
use rnet_runtime::weights;
use std::path::{Path, PathBuf};

/// How the tensors of a file of weights are called here.
#[derive(clap::Args)]
pub struct Renaming {
    /// Rename the file's tensors first: what the regular expression matches in a name becomes the replacement, as in
    /// --rename '^module\.=' or --rename 'layer(\d+)\.(.*)=stage$1.$2'; several rules apply in order
    #[arg(long = "rename", value_name = "PATTERN=NAME")]
    rules: Vec<Rule>,
}

/// The tensors of a file under their new names.
pub struct Renamed<'r> {
    pub tensors: Tensors,
    /// Each rule, and how many names it has matched.
    pub rules: Vec<(&'r str, usize)>,
}

impl Renaming {
    /// Whether there is a rule.
    pub fn is_given(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Says that rules would do nothing where no file is named by `flag`.
    pub fn refuse(&self, flag: &str) -> Result<(), Failure> {
        match self.is_given() {
            true => Err(Failure::new(format!("--rename renames the tensors of a file: it needs {flag} FILE"))),
            false => Ok(()),
        }
    }

    /// The tensors of a file under their new names.
    pub fn read(&self, path: &Path) -> Result<Renamed<'_>, Failure> {
        let tensors = tensors::read(path).map_err(Failure::new)?;
        let (tensors, counts) = rename::rename(tensors, &self.rules).map_err(|error| misfit(path, &error))?;
        Ok(Renamed { tensors, rules: self.rules.iter().map(Rule::text).zip(counts).collect() })
    }

    /// Fills the state from a file of weights.
    pub fn load(&self, state: &mut State, path: &Path) -> Result<(), Failure> {
        let Renamed { tensors, .. } = self.read(path)?;
        weights::load(state, &tensors, weights::Extent::Weights).map_err(|error| misfit(path, &error))
    }
}

/// What a run begins with.
#[derive(clap::Args)]
pub struct Start {
    /// Begin with the weights of this file, as `train` and `init` write them, rather than with fresh ones
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Of --from, take only the tensors whose name this regular expression matches; the others begin afresh
    #[arg(long, value_name = "PATTERN", requires = "from")]
    only: Option<Regex>,
    /// Of --from, leave out the tensors whose name this regular expression matches; they begin afresh
    #[arg(long, value_name = "PATTERN", requires = "from")]
    except: Option<Regex>,
    #[command(flatten)]
    renaming: Renaming,
}

impl Start {
    /// Whether anything is said.
    pub fn is_given(&self) -> bool {
        self.from.is_some() || self.renaming.is_given()
    }

    /// The file.
    pub fn file(&self) -> Option<&Path> {
        self.from.as_deref()
    }

    /// Fills the state as the flags say, and tells what begins afresh.
    pub fn fill(&self, state: &mut State) -> Result<(), Failure> {
        let Some(path) = &self.from else { return self.renaming.refuse("--from") };
        let Renamed { tensors, .. } = self.renaming.read(path)?;
        let is_chosen = |name: &str| {
            self.only.as_ref().is_none_or(|only| only.is_match(name))
                && !self.except.as_ref().is_some_and(|except| except.is_match(name))
        };
        let weights = state.specs().iter().filter(|spec| spec.kind != StateKind::Memory);
        let names: Vec<String> = weights.map(|spec| spec.name.clone()).collect();
        for (flag, pattern) in [("--only", &self.only), ("--except", &self.except)] {
            let Some(pattern) = pattern else { continue };
            if !names.iter().chain(tensors.keys()).any(|name| pattern.is_match(name)) {
                return Err(Failure::new(format!(
                    "{flag} '{pattern}' matches no tensor, neither the model's nor the file's, for example `{}`",
                    names[0]
                )));
            }
        }
        let fresh: Vec<&str> = names.iter().map(String::as_str).filter(|name| !is_chosen(name)).collect();
        if fresh.len() == names.len() {
            return Err(Failure::new("--only and --except leave nothing of the model for --from to fill"));
        }
        weights::load_chosen(state, &tensors, is_chosen).map_err(|error| misfit(path, &error))?;
        let taken = names.len() - fresh.len();
        let rest = match fresh[..] {
            [] => String::new(),
            [one] => format!("; `{one}` begins afresh"),
            [first, ..] => format!("; {} begin afresh, the first is `{first}`", fresh.len()),
        };
        tell(&format!("{taken} of {} tensors are from {}{rest}\n", names.len(), path.display()));
        Ok(())
    }
}

fn misfit(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
