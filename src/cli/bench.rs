//! `rnet bench`: how fast the training step is, and what share of the machine that is.

use super::{Failure, Outcome, model, print};
use rnet_compiler::elaborate::Elaborated;
use rnet_runtime::executable::Executable;
use rnet_runtime::program::Program;
use rnet_runtime::state::State;
use rnet_runtime::{machine, workers::Workers};
use std::time::Instant;

/// Measure the training step: images/s, GFLOP/s, share of the machine's measured peak, memory
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// Images a step [default: the file's]
    #[arg(long)]
    batch: Option<usize>,
    /// Threads to compute with [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    precision: model::PrecisionArgument,
    /// Timed steps, after two that are not
    #[arg(long, default_value_t = 15)]
    steps: usize,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// A training step that is ready to run on made-up images.
pub struct Bench {
    pub model: Elaborated,
    pub executable: Executable,
    pub state: State,
    pub workers: Workers,
    pub batch: usize,
    pub flops: u64,
    pub arena_bytes: usize,
    /// Milliseconds of parsing and elaboration; of passes and lowering; of code generation and linking.
    pub compile_ms: [f64; 3],
}

/// Makes the training step of a file.
pub fn prepare(
    arguments: &model::Arguments,
    precision: &model::PrecisionArgument,
    batch: Option<usize>,
    threads: Option<usize>,
) -> Result<Bench, Failure> {
    let milliseconds = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let model = arguments.elaborate_with(model::Mode::Train, batch, precision.setting().as_slice())?;
    let parse = milliseconds(start);
    let start = Instant::now();
    let program = model::program(&model, model::Mode::Train)?;
    let passes = milliseconds(start);
    let batch = batch.unwrap_or(model.train.batch);
    let (flops, arena_bytes) = (program.launches.iter().map(|launch| launch.flops).sum(), program.arena * 4);
    let classes = classes(&program);
    let state = State::new(&program.states, model.train.seed);
    let start = Instant::now();
    let mut executable = Executable::new(program).map_err(Failure::new)?;
    let link = milliseconds(start);
    // Any numbers of the usual size will do: no kernel's time depends on them.
    for (at, value) in executable.input_f32("image").iter_mut().enumerate() {
        *value = ((at as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
    }
    for (at, label) in executable.input_i32("label").iter_mut().enumerate() {
        *label = (at % classes) as i32;
    }
    executable.set_numbers(&model.train.scalars(0, 1));
    executable.set_numbers(&[("lr".to_string(), 0.01)]);
    let workers = Workers::new(model::threads(threads));
    Ok(Bench { model, executable, state, workers, batch, flops, arena_bytes, compile_ms: [parse, passes, link] })
}

fn classes(program: &Program) -> usize {
    let logits = model::outputs(program).into_iter().find(|(name, _)| name == "logits");
    logits.and_then(|(_, dims)| dims.get(1).copied()).unwrap_or(1)
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.steps == 0 {
        return Err(Failure::new("--steps should be at least 1"));
    }
    let mut bench = prepare(&arguments.model, &arguments.precision, arguments.batch, arguments.threads)?;
    let step = |bench: &mut Bench| {
        let start = Instant::now();
        bench.executable.run(&bench.workers, &mut bench.state);
        start.elapsed().as_secs_f64() * 1e3
    };
    let first = step(&mut bench);
    step(&mut bench);
    let threads = bench.workers.count();
    let precision = bench.model.train.precision;
    let peak_before = machine::peak_gflops(threads, precision);
    let mut times: Vec<f64> = (0..arguments.steps).map(|_| step(&mut bench)).collect();
    let peak = peak_before.max(machine::peak_gflops(threads, precision));
    // The arrays of the next measurement are no part of the step.
    let resident = machine::peak_resident_bytes();
    let bandwidth = machine::bandwidth_gbs(threads);
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    let (fastest, slowest) = (times[0], times[times.len() - 1]);
    let [parse, passes, link] = bench.compile_ms;
    let compile: f64 = bench.compile_ms.iter().sum();
    let images = bench.batch as f64 / median * 1e3;
    let gflops = bench.flops as f64 / median / 1e6;
    if arguments.json {
        let object = serde_json::json!({
            "model": bench.model.model, "batch": bench.batch, "threads": threads, "precision": precision.name(),
            "images_per_s": images, "step_ms": median, "min_ms": fastest, "max_ms": slowest,
            "gflops": gflops, "peak_gflops": peak, "share_of_peak": gflops / peak, "bandwidth_gb_per_s": bandwidth,
            "parse_ms": parse, "passes_ms": passes, "codegen_ms": link, "compile_ms": compile, "first_step_ms": compile + first,
            "activation_bytes": bench.arena_bytes, "peak_rss_bytes": resident,
        });
        print(&format!("{object}\n"));
        return Ok(());
    }
    print(&format!(
        "{}, batch {}, {}, {threads} threads, {} steps\n\
         step        {median:.2} ms (fastest {fastest:.2}, slowest {slowest:.2})\n\
         images/s    {images:.0}\n\
         GFLOP/s     {gflops:.1}, {:.0}% of this machine's {peak:.0}\n\
         bandwidth   {bandwidth:.1} GB/s read by all threads together\n\
         first step  {:.0} ms: parse {parse:.1}, passes {passes:.1}, code {link:.1}, run {first:.1}\n\
         memory      {:.1} MB planned, {:.1} MB resident at most\n",
        bench.model.model,
        bench.batch,
        precision.name(),
        arguments.steps,
        100.0 * gflops / peak,
        compile + first,
        bench.arena_bytes as f64 / 1e6,
        resident as f64 / 1e6,
    ));
    Ok(())
}
