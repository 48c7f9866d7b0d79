//! `rnet grad`: loss, logits and gradients of one batch, so that rnet can be held against any other system.

mod reference;

use super::{Failure, Outcome, model};
use rnet_compiler::elaborate::Elaborated;
use rnet_compiler::lower::nest::Algorithm;
use rnet_runtime::executable::Executable;
use rnet_runtime::program::Program;
use rnet_runtime::state::State;
use rnet_runtime::tensors::{self, Elements, Tensor, Tensors};
use rnet_runtime::weights::{self, Extent};
use rnet_runtime::workers::Workers;
use std::path::{Path, PathBuf};

/// Write loss, logits and every gradient of one batch, in training mode
///
/// Convolutions are computed directly here, unless the environment variable RNET_CONVOLUTION says otherwise (`fastest`, `direct`,
/// `winograd`). Training takes the fastest way, which rounds about twice as coarsely: enough, now and then, to put one
/// activation on the other side of a ReLU, after which the gradients of a small batch differ visibly.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// The weights, as `train` and `init` write them
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// A safetensors file with `image` (f32 N x C x H x W) and `label` (i64 N)
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,
    /// The safetensors file to write: `loss`, `logits`, `grad.NAME`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also write `evaluated`, the logits in evaluation: batch norm by running statistics, no dropout
    #[arg(long)]
    evaluate: bool,
    /// Also write all this, in F64, as the reference evaluator has it: op by op as the formulas say, in double precision, without haste
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Also take that many training steps on the batch, and write the `losses` before them and all weights `after.NAME` them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: Option<u64>,
    /// Threads to compute with [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let given = tensors::read(&arguments.batch).map_err(Failure::new)?;
    let images = given.get("image").and_then(|image| image.dims.first().copied()).filter(|&images| images > 0);
    let images = images.ok_or_else(|| misfit(&arguments.batch, "it has no `image` of extents [N,C,H,W]"))?;
    let model = arguments.model.elaborate(model::Mode::Train, Some(images))?;
    let evaluated =
        arguments.evaluate.then(|| arguments.model.elaborate(model::Mode::Eval, Some(images))).transpose()?;
    let workers = Workers::new(model::threads(arguments.threads));

    let algorithm = model::algorithm(Algorithm::Direct)?;
    let gradients = model::gradient_program(&model, algorithm)?;
    let training = arguments.steps.map(|steps| Ok((steps, model::program_by(&model, model::Mode::Train, algorithm)?)));
    let training: Option<(u64, Program)> = training.transpose()?;
    // The training step has more state than the gradient.
    let states = training.as_ref().map_or(&gradients.states, |(_, program)| &program.states);
    let mut state = State::new(states, model.train.seed);
    model::load(&mut state, &arguments.weights)?;

    // Computing gradients moves the running statistics, so what the reference begins with is taken before.
    let reference =
        arguments.reference.as_ref().map(|path| (path, reference::leaves(&state, &given, model.train.seed)));

    let outputs = model::outputs(&gradients);
    let mut executable = batched(gradients, &given, &arguments.batch, &model)?;
    let mut written = Tensors::new();
    executable.run(&workers, &mut state);
    for (name, dims) in outputs.into_iter().filter(|(name, _)| name != "correct") {
        let values = executable.output_logical(&name);
        written.insert(name, Tensor::real(&dims, values));
    }
    if let Some(model) = &evaluated {
        let program = model::program_by(model, model::Mode::Eval, algorithm)?;
        let mut state = State::new(&program.states, model.train.seed);
        model::load(&mut state, &arguments.weights)?;
        let mut executable = batched(program, &given, &arguments.batch, model)?;
        executable.run(&workers, &mut state);
        let dims = written["logits"].dims.clone();
        written.insert("evaluated".to_string(), Tensor::real(&dims, executable.output_logical("logits")));
    }
    if let Some((steps, program)) = training {
        model::load(&mut state, &arguments.weights)?;
        let mut executable = batched(program, &given, &arguments.batch, &model)?;
        let mut losses = Vec::new();
        for step in 0..steps {
            executable.set_numbers(&model.train.scalars(step, steps));
            executable.run(&workers, &mut state);
            losses.push(executable.output("loss")[0]);
        }
        written.insert("losses".to_string(), Tensor::real(&[losses.len()], losses));
        let after = weights::tensors(&state, Extent::Weights);
        written.extend(after.into_iter().map(|(name, tensor)| (format!("after.{name}"), tensor)));
    }
    if let Some((path, leaves)) = reference {
        let mut answers = reference::answers(&model::differentiated(&model)?, &leaves)?;
        if let Some(model) = &evaluated {
            let mut evaluated = reference::answers(&model.graph, &leaves)?;
            answers.extend(evaluated.remove_entry("logits").map(|(_, logits)| ("evaluated".to_string(), logits)));
        }
        tensors::write_double(path, &answers).map_err(Failure::new)?;
    }
    tensors::write(&arguments.out, &written).map_err(Failure::new)
}

fn misfit(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {reason}", path.display()))
}

/// The program, with the batch in its inputs.
fn batched(program: Program, given: &Tensors, path: &Path, model: &Elaborated) -> Result<Executable, Failure> {
    let classes =
        model::outputs(&program).into_iter().find(|(name, _)| name == "logits").map_or(0, |(_, dims)| dims[1]);
    let mut executable = Executable::new(program).map_err(Failure::new)?;
    let inputs: Vec<_> = executable.inputs().map(|(name, dims)| (name.to_string(), dims.to_vec())).collect();
    let numbers: Vec<String> = model.train.scalars(0, 1).into_iter().map(|(name, _)| name).collect();
    for (name, dims) in inputs {
        if numbers.contains(&name) {
            continue;
        }
        if name == "seed" {
            executable.input_i32("seed")[0] = model.train.seed as i32;
            continue;
        }
        let tensor = given.get(&name).ok_or_else(|| misfit(path, format!("it has no `{name}`")))?;
        if tensor.dims != dims {
            return Err(misfit(path, format!("`{name}` has extents {:?}, the model takes {dims:?}", tensor.dims)));
        }
        match (&tensor.elements, name.as_str()) {
            (Elements::Real(values), "image") => executable.set_logical("image", values),
            // Of a model whose training images are mixed a label is a share of each class.
            (Elements::Real(values), "label") if dims.len() == 2 => executable.set_logical("label", values),
            (Elements::Whole(values), "label") if dims.len() == 1 => {
                if let Some(label) = values.iter().find(|&&label| label < 0 || label >= classes as i64) {
                    return Err(misfit(
                        path,
                        format!("a label is {label}, the model has classes 0 to {}", classes - 1),
                    ));
                }
                executable.input_i32("label").iter_mut().zip(values).for_each(|(to, &label)| *to = label as i32);
            }
            (Elements::Real(_), _) => return Err(misfit(path, format!("`{name}` should hold whole numbers"))),
            (Elements::Whole(_), _) => return Err(misfit(path, format!("`{name}` should hold real numbers"))),
        }
    }
    Ok(executable)
}
