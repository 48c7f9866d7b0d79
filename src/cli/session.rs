//! From a model file to a trainer: what the verbs share that take training steps.

use super::{Failure, data, model};
use rnet_compiler::elaborate::Elaborated;
use rnet_runtime::executable::Executable;
use rnet_runtime::layers::Probe;
use rnet_runtime::program::Program;
use rnet_runtime::state::State;
use rnet_runtime::train::{Batched, Computations, Trainer, batch_sizes};
use rnet_runtime::whitening;
use rnet_runtime::workers::Workers;
use std::path::Path;
use std::sync::Arc;

/// Opens the data and compiles every program of a run, so that mistakes come before anything is written. `settings` come after
/// those of the command line's `--set`; `directory` is what `--data` says.
pub fn prepare(
    file: &model::Arguments,
    settings: &[(String, String)],
    directory: Option<&Path>,
    threads: Option<usize>,
) -> Result<(Elaborated, Trainer), Failure> {
    let (_, model) = file.warned(settings)?;
    let model = model?;
    let data = data::open(&model, directory)?;
    let config = model.train.clone();
    let all = |mode, samples| -> Result<Vec<(usize, Program)>, Failure> {
        let compile = |images| -> Result<_, Failure> {
            let model = file.elaborate_with(mode, Some(images), settings)?;
            Ok((images, model::program(&model, mode)?))
        };
        batch_sizes(samples, config.batch).into_iter().map(compile).collect()
    };
    let steps = all(model::Mode::Train, data.dataset.train.len())?;
    let evaluations = all(model::Mode::Eval, data.dataset.test.len())?;
    data::check(&steps[0].1, &data)?;
    let mut state = State::new(&steps[0].1.states, config.seed);
    whitening::start(&mut state, &data.dataset, &data.pipelines[1]).map_err(Failure::new)?;
    let computations = Computations {
        step: Batched::new(steps).map_err(Failure::new)?,
        evaluation: Batched::new(evaluations).map_err(Failure::new)?,
    };
    let workers = Workers::new(model::threads(threads));
    let trainer = Trainer::new(config, Arc::clone(&data.dataset), data.pipelines, computations, state, workers);
    Ok((model, trainer))
}

/// What measures the layers on a batch of that many images.
pub fn probe(file: &model::Arguments, images: usize, settings: &[(String, String)]) -> Result<Probe, Failure> {
    let model = file.elaborate_with(model::Mode::Train, Some(images), settings)?;
    let (program, paths) = model::layers_program(&model)?;
    Ok(Probe::new(Executable::new(program).map_err(Failure::new)?, paths))
}
