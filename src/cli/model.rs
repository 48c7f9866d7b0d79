//! What the verbs share: reading a model file, and the ways from it to a program.

use super::Failure;
use rnet_compiler::compile;
use rnet_compiler::diagnostic::{Diagnostic, FileId, Sources};
use rnet_compiler::elaborate::{self, Elaborated, Examined, Options};
use rnet_compiler::lower::nest::{Algorithm, Arithmetic};
use rnet_compiler::{passes, syntax};
use rnet_runtime::program::{Precision, Program, Storage};
use rnet_runtime::state::State;
use rnet_runtime::{jit, machine, tensors, weights};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// A model file and what changes it.
#[derive(clap::Args)]
pub struct Arguments {
    /// The model file
    pub file: PathBuf,
    #[command(flatten)]
    options: Changes,
}

/// `Arguments` of a verb that can do without a file.
#[derive(clap::Args)]
pub struct OptionalArguments {
    /// The model file
    file: Option<PathBuf>,
    #[command(flatten)]
    options: Changes,
}

#[derive(clap::Args, Clone, Default)]
struct Changes {
    /// Which of the file's models [default: the one that `train` names]
    #[arg(long)]
    model: Option<String>,
    /// Which of the file's train sections [default: the one without a name, or the only one]
    #[arg(long, value_name = "NAME")]
    train: Option<String>,
    /// Set anything in the file: --set train.batch=64, --set train.optimizer.lr=0.05
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// What a graph is for.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// The training step.
    Train,
    /// The forward pass with running statistics.
    Eval,
}

impl OptionalArguments {
    /// Whether a file is named, or anything that changes one.
    pub fn is_given(&self) -> bool {
        self.file.is_some() || self.options.model.is_some() || !self.options.set.is_empty()
    }

    /// The arguments, with the file that has to be there; `usage` shows how to name it.
    pub fn required(&self, usage: &str) -> Result<Arguments, Failure> {
        let file = self.file.clone().ok_or_else(|| Failure::new(format!("a model file is needed: {usage}")))?;
        Ok(Arguments { file, options: self.options.clone() })
    }
}

impl Arguments {
    /// A file as it is.
    pub fn of(file: &Path) -> Self {
        Arguments { file: file.to_path_buf(), options: Changes::default() }
    }

    /// The file's name without its ending.
    pub fn stem(&self) -> &str {
        self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("run")
    }

    /// Parses and elaborates the file.
    pub fn elaborate(&self, mode: Mode, batch: Option<usize>) -> Result<Elaborated, Failure> {
        self.elaborate_with(mode, batch, &[])
    }

    /// `elaborate` with further settings, which come after those of the command line's `--set`.
    pub fn elaborate_with(
        &self,
        mode: Mode,
        batch: Option<usize>,
        settings: &[(String, String)],
    ) -> Result<Elaborated, Failure> {
        let (sources, examined) = self.examine(mode, batch, settings)?;
        examined.outcome.map_err(|found| rendered(&sources, &found))
    }

    /// Parses and elaborates as far as the file is correct, and prints warnings to standard error.
    /// `settings` come after those of the command line's `--set`.
    pub fn warned(
        &self,
        settings: &[(String, String)],
    ) -> Result<(Vec<elaborate::Layer>, Result<Elaborated, Failure>), Failure> {
        let (sources, examined) = self.examine(Mode::Train, None, settings)?;
        let outcome = match examined.outcome {
            Ok(elaborated) => {
                let Failure(warnings) = rendered(&sources, &elaborated.warnings);
                // As in `run`: where even standard error is closed nothing is left to be done.
                let _ = std::io::stderr().write_all(warnings.as_bytes());
                Ok(elaborated)
            }
            Err(found) => Err(rendered(&sources, &found)),
        };
        Ok((examined.layers, outcome))
    }

    fn examine(
        &self,
        mode: Mode,
        batch: Option<usize>,
        settings: &[(String, String)],
    ) -> Result<(Sources, Examined), Failure> {
        let mut set = Vec::new();
        for setting in &self.options.set {
            let (path, value) = setting.split_once('=').ok_or_else(|| {
                Failure::new(format!("--set {setting}: should be path=value, for example --set train.batch=64"))
            })?;
            set.push((path.trim().to_string(), value.trim().to_string()));
        }
        set.extend_from_slice(settings);
        let mode = match mode {
            Mode::Train => elaborate::Mode::Train,
            Mode::Eval => elaborate::Mode::Eval,
        };
        let (model, train) = (self.options.model.clone(), self.options.train.clone());
        let options = Options { mode, batch, model, train, set, memory: machine::memory_bytes() };
        let (mut sources, ast) = parse(&self.file)?;
        let examined = elaborate::examine(&mut sources, &ast, &options);
        Ok((sources, examined))
    }
}

/// Reads a file; imports are looked for beside it.
fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    String::from_utf8(bytes)
        .map_err(|error| format!("{}: not UTF-8 text (byte {})", path.display(), error.utf8_error().valid_up_to()))
}

fn open(file: &Path) -> Result<(Sources, FileId), Failure> {
    let text = read(file).map_err(Failure::new)?;
    let mut sources = Sources::new(Box::new(|path: &str| read(Path::new(path))));
    let id = sources.add(&file.display().to_string(), &text);
    Ok((sources, id))
}

/// A file's text as it is, and as `rnet fmt` lays it out.
pub fn tidied(file: &Path) -> Result<(String, String), Failure> {
    let (sources, id) = open(file)?;
    let tidied = syntax::tidy::tidy(&sources, id).map_err(|found| rendered(&sources, &found))?;
    Ok((sources.text(id).to_string(), tidied))
}

fn parse(file: &Path) -> Result<(Sources, syntax::ast::Ast), Failure> {
    let (sources, id) = open(file)?;
    let ast = syntax::parse(&sources, id).map_err(|found| rendered(&sources, &found))?;
    Ok((sources, ast))
}

/// Diagnostics as the terminal shows them, coloured where standard error is a terminal.
pub fn rendered(sources: &Sources, found: &[Diagnostic]) -> Failure {
    let color = std::io::stderr().is_terminal();
    let texts: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(sources, color)).collect();
    Failure::rendered(texts.join("\n"))
}

/// The stages that `dump` knows, with their one-line explanations.
pub fn stages() -> Vec<(&'static str, &'static str)> {
    let mut stages = vec![
        ("ast", "the file, parsed and printed back"),
        ("graph", "the forward graph, elaborated"),
        ("grad", "with the gradient of every parameter"),
        ("optimizer", "with the optimizer's update: the whole training step"),
    ];
    stages.extend(passes::PIPELINE.iter().map(|pass| (pass.name, pass.doc)));
    stages.extend(compile::LOWERING_STAGES);
    stages
}

/// The text of a stage; what comes behind it is not done. None where a graph of that mode has no such stage.
pub fn stage(
    arguments: &Arguments,
    mode: Mode,
    batch: Option<usize>,
    setting: Option<(String, String)>,
    name: &str,
) -> Result<Option<String>, Failure> {
    if name == "ast" {
        let (_, ast) = parse(&arguments.file)?;
        return Ok(Some(syntax::format::format(&ast)));
    }
    let Elaborated { mut graph, train, .. } = arguments.elaborate_with(mode, batch, setting.as_slice())?;
    if name == "graph" {
        return Ok(Some(graph.to_string()));
    }
    if mode == Mode::Train {
        passes::differentiate::differentiate(&mut graph).map_err(Failure::new)?;
        if name == "grad" {
            return Ok(Some(graph.to_string()));
        }
        passes::optimizer::optimizer(&mut graph, &train);
        if name == "optimizer" {
            return Ok(Some(graph.to_string()));
        }
    }
    let isa = jit::host_isa().map_err(Failure::new)?;
    let precision = if mode == Mode::Train { train.precision } else { Precision::F32 };
    let arithmetic = Arithmetic { algorithm: algorithm(Algorithm::Fastest)?, precision };
    Ok(compile::stage(graph, arithmetic, &*isa, name))
}

/// `--precision`, which stands before what the file says.
#[derive(clap::Args)]
pub struct PrecisionArgument {
    /// In what operands of convolutions and dense layers are rounded in training, f32 or bf16; sums, weights and statistics stay f32
    /// [default: the file's]
    #[arg(long, value_name = "PRECISION", value_parser = clap::builder::PossibleValuesParser::new(Precision::NAMES))]
    precision: Option<String>,
}

impl PrecisionArgument {
    /// What the flag changes in the file.
    pub fn setting(&self) -> Option<(String, String)> {
        Some(("train.precision".to_string(), self.precision.clone()?))
    }
}

fn lower(graph: rnet_compiler::graph::Graph, arithmetic: Arithmetic) -> Result<Program, Failure> {
    let isa = jit::host_isa().map_err(Failure::new)?;
    Ok(compile::program_with(graph, arithmetic, &*isa, &mut |_, _| ()))
}

/// How convolutions are computed: as the environment variable `RNET_CONVOLUTION` says, else as the verb wants it.
pub fn algorithm(wanted: Algorithm) -> Result<Algorithm, Failure> {
    let Some(name) = std::env::var_os("RNET_CONVOLUTION") else { return Ok(wanted) };
    let name = name.to_string_lossy();
    Algorithm::named(&name)
        .ok_or_else(|| Failure::new(format!("RNET_CONVOLUTION={name}: there are {}", Algorithm::NAMES.join(", "))))
}

/// The forward pass and the gradient of every parameter, of a model that was elaborated for training.
pub fn differentiated(model: &Elaborated) -> Result<rnet_compiler::graph::Graph, Failure> {
    let mut graph = model.graph.clone();
    passes::differentiate::differentiate(&mut graph).map_err(Failure::new)?;
    Ok(graph)
}

/// The whole training step, or the forward pass, of a model that was elaborated in that mode.
pub fn program(model: &Elaborated, mode: Mode) -> Result<Program, Failure> {
    program_by(model, mode, algorithm(Algorithm::Fastest)?)
}

/// The same with convolutions computed as `algorithm` says.
pub fn program_by(model: &Elaborated, mode: Mode, algorithm: Algorithm) -> Result<Program, Failure> {
    if mode == Mode::Eval {
        return lower(model.graph.clone(), algorithm.into());
    }
    let mut graph = differentiated(model)?;
    passes::optimizer::optimizer(&mut graph, &model.train);
    lower(graph, Arithmetic { algorithm, precision: model.train.precision })
}

/// The whole training step with every value stored by a launch of its own, for looking at values. It is in f32 whatever the precision of
/// training, so that all that lies in memory can be read.
pub fn separate_program(model: &Elaborated) -> Result<Program, Failure> {
    let mut graph = differentiated(model)?;
    passes::optimizer::optimizer(&mut graph, &model.train);
    let isa = jit::host_isa().map_err(Failure::new)?;
    let arithmetic = algorithm(Algorithm::Fastest)?.into();
    Ok(compile::separate_program(graph, arithmetic, &*isa))
}

/// Loss, logits and gradients.
pub fn gradient_program(model: &Elaborated, algorithm: Algorithm) -> Result<Program, Failure> {
    let arithmetic = Arithmetic { algorithm, precision: model.train.precision };
    lower(differentiated(model)?, arithmetic)
}

/// What measures each layer, and the layers' paths: see [`passes::measure_layers`].
pub fn layers_program(model: &Elaborated) -> Result<(Program, Vec<String>), Failure> {
    let (graph, paths) = passes::measure_layers::measure_layers(&model.graph).map_err(Failure::new)?;
    let arithmetic = Arithmetic { algorithm: algorithm(Algorithm::Fastest)?, precision: model.train.precision };
    Ok((lower(graph, arithmetic)?, paths))
}

/// Fills the state from a file of weights.
pub fn load(state: &mut State, path: &Path) -> Result<(), Failure> {
    let tensors = tensors::read(path).map_err(Failure::new)?;
    let loaded = weights::load(state, &tensors, weights::Extent::Weights);
    loaded.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// Names and extents of a program's outputs.
pub fn outputs(program: &Program) -> Vec<(String, Vec<usize>)> {
    let output = |storage: &Storage| match storage {
        Storage::Output(name) => Some(name.clone()),
        _ => None,
    };
    program.buffers.iter().filter_map(|buffer| Some((output(&buffer.storage)?, buffer.dims.clone()))).collect()
}

/// The number of threads: what was asked for, else all cores.
pub fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get())).max(1)
}
