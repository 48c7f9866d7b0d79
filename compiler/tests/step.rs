//! Whole graphs in native code against the f64 reference of the graph before all passes: a training step with its
//! updates, and an evaluation whose batch norm is folded into weights.

use rnet_compiler::compile;
use rnet_compiler::graph::{Graph, OutputKind, eval, parse};
use rnet_compiler::lower::nest::Arithmetic;
use rnet_compiler::ops::leaf;
use rnet_compiler::ops::samples::Random;
use rnet_compiler::ops::tensor::Tensor;
use rnet_compiler::passes::{differentiate, optimizer};
use rnet_runtime::config::{Length, Loss, Schedule, TrainConfig};
use rnet_runtime::executable::Executable;
use rnet_runtime::jit::host_isa;
use rnet_runtime::kernels::Isa;
use rnet_runtime::layout::to_physical;
use rnet_runtime::optimizer::{Average, Clip, Group, Optimizer, Rule};
use rnet_runtime::program::{Precision, StateKind, Storage};
use rnet_runtime::state::State;
use rnet_runtime::stopping::Stopping;
use rnet_runtime::workers::Workers;
use std::collections::HashMap;

const LEAVES: &str = r#"
  %0 = input {dims=[4,3,8,8], element="f32", name="image"} : f32[4,3,8,8]
  %1 = parameter {dims=[8,3,3,3], element="f32", name="conv1.weight", INIT} : f32[8,3,3,3]
  %2 = parameter {dims=[8], element="f32", name="bn.weight", INIT} : f32[8]
  %3 = parameter {dims=[8], element="f32", name="bn.bias", INIT} : f32[8]
  %4 = statistic {dims=[8], element="f32", init_value=0.0, name="bn.running_mean"} : f32[8]
  %5 = statistic {dims=[8], element="f32", init_value=1.0, name="bn.running_var"} : f32[8]
  %6 = conv2d %0, %1 {dilation=[1,1], groups=1, pad=[1,1], stride=[1,1]} : f32[4,8,8,8]"#;

/// Convolution, batch norm, ReLU, residual, pool, dense, loss; the statistics take a step of 0.1.
const TRAINING: &str = r#"
  %7 = input {dims=[4], element="i32", name="label"} : i32[4]
  %8 = parameter {dims=[8,8,3,3], element="f32", name="conv2.weight", INIT} : f32[8,8,3,3]
  %9 = parameter {dims=[5,8], element="f32", name="fc.weight", INIT} : f32[5,8]
  %10 = batch_mean %6, %4 : f32[8]
  %11 = batch_var %6, %4 : f32[8]
  %12 = batch_norm %6, %10, %11, %2, %3 {eps=0.001} : f32[4,8,8,8]
  %13 = relu %12 : f32[4,8,8,8]
  %14 = conv2d %13, %8 {dilation=[1,1], groups=1, pad=[1,1], stride=[1,1]} : f32[4,8,8,8]
  %15 = add %14, %13 : f32[4,8,8,8]
  %16 = relu %15 : f32[4,8,8,8]
  %17 = max_pool %16 {kernel=[2,2], pad=[0,0], stride=[2,2]} : f32[4,8,4,4]
  %18 = global_avg_pool %17 : f32[4,8]
  %19 = dense %18, %9 : f32[4,5]
  %20 = cross_entropy %19, %7 {smoothing=0.1} : f32[]
  %21 = scale %4 {by=0.9} : f32[8]
  %22 = scale %10 {by=0.1} : f32[8]
  %23 = add %21, %22 : f32[8]
  result loss = %20
  result logits = %19
  update bn.running_mean = %23"#;

const EVALUATION: &str = r#"
  %7 = batch_norm %6, %4, %5, %2, %3 {eps=0.001} : f32[4,8,8,8]
  %8 = relu %7 : f32[4,8,8,8]
  result y = %8"#;

fn graph(body: &str) -> Graph {
    let text = format!("graph {{{LEAVES}{body}\n}}").replace("INIT", r#"init="constant", init_value=1.0"#);
    parse(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
}

/// Values for all leaves, as f32: variances positive, labels among five classes.
fn values(graph: &Graph, due: f64) -> HashMap<String, Tensor> {
    let mut random = Random::new(11);
    let leaves = graph.ids().into_iter().filter_map(|id| Some((leaf::key(&graph[id])?, graph[id].ty.dims.clone())));
    leaves
        .map(|(name, dims)| {
            let value = Tensor::from_fn(&dims, |_| match name.as_str() {
                "lr" => 0.5,
                "due" | "slow_due" => due,
                "average_share" | "slow_keep" => 0.25,
                name if name.starts_with("correction_") => 0.75,
                // Greater than any mean's square.
                name if name.starts_with("second_moment") => f64::from(1.0 + random.unit() as f32),
                "label" => random.range(0, 4) as f64,
                "bn.running_var" => f64::from(0.2 + random.unit() as f32),
                _ => f64::from((random.unit() - 0.5) as f32),
            });
            (name, value)
        })
        .collect()
}

fn f32s(tensor: &Tensor) -> Vec<f32> {
    tensor.data.iter().map(|&value| value as f32).collect()
}

/// Runs the compiled graph from these values under every instruction set, with 1 and 2 threads, fused and with every value in a
/// launch of its own; asserts that the bits are the same for both numbers of threads, and returns the largest relative
/// difference of results and updates to `expected`'s reference.
fn largest_difference(graph: &Graph, expected: &Graph, due: f64) -> f64 {
    let leaves = values(graph, due);
    let expected = eval(expected, &leaves).expect("the reference evaluates");
    let host = host_isa().expect("Cranelift knows this machine");
    let fused = compile::program(graph.clone(), &*host, &mut |_, _| ());
    let separate = compile::separate_program(graph.clone(), Arithmetic::default(), &*host);
    assert!(separate.launches.len() > fused.launches.len());
    let mut largest = 0.0f64;
    let programs = [(false, fused), (true, separate)];
    for (isa, (is_separate, program)) in
        Isa::supported().iter().flat_map(|&isa| programs.iter().map(move |program| (isa, program)))
    {
        let [one, two] = [1, 2].map(|threads| {
            let mut executable = Executable::with_isa(program.clone(), isa).expect("the program links");
            for buffer in &program.buffers {
                let Storage::Input(name) = &buffer.storage else { continue };
                let logical = f32s(&leaves[name]);
                if name == "label" {
                    let labels: Vec<i32> = logical.iter().map(|&label| label as i32).collect();
                    to_physical(&buffer.dims, &buffer.layout, &labels, executable.input_i32(name));
                } else {
                    executable.set_logical(name, &logical);
                }
            }
            let mut state = State::new(&program.states, 0);
            let tensors: Vec<(StateKind, String)> =
                state.specs().iter().map(|spec| (spec.kind, spec.name.clone())).collect();
            for (kind, name) in &tensors {
                assert!(state.set(*kind, name, &f32s(&leaves[name])), "`{name}` is state");
            }
            if *is_separate {
                let trapped = executable.run_trapped(&Workers::new(threads), &mut state);
                assert_eq!(trapped, Ok(()), "every value is finite");
            } else {
                executable.run(&Workers::new(threads), &mut state);
            }
            let mut found: HashMap<String, Vec<f32>> = tensors
                .into_iter()
                .map(|(kind, name)| (name.clone(), state.get(kind, &name).expect("the tensor is state")))
                .collect();
            let results: Vec<String> = executable.outputs().map(str::to_string).collect();
            found.extend(results.into_iter().map(|name| (name.clone(), executable.output_logical(&name))));
            found
        });
        for (name, expected) in &expected {
            let bits = |found: &HashMap<String, Vec<f32>>| found[name].iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&one), bits(&two), "{name}: 1 and 2 threads differ");
            let pairs = one[name].iter().zip(&expected.data);
            let difference: f64 = pairs.map(|(&a, &b)| (f64::from(a) - b).powi(2)).sum();
            // Sums of gradients begin anew at exactly zero.
            let norm = expected.data.iter().map(|x| x * x).sum::<f64>().max(f64::MIN_POSITIVE);
            let difference = (difference / norm).sqrt();
            // `max` would drop a NaN.
            largest = if difference.is_nan() { f64::INFINITY } else { largest.max(difference) };
        }
    }
    largest
}

fn step(config: &TrainConfig) -> Graph {
    let mut step = graph(TRAINING);
    differentiate::differentiate(&mut step).expect("every op has a rule");
    optimizer::optimizer(&mut step, config);
    step
}

fn config(rule: Rule) -> TrainConfig {
    TrainConfig {
        loss: Loss::CrossEntropy { smoothing: 0.1 },
        optimizer: Optimizer { rule, lr: 0.5, weight_decay: 1e-3 },
        groups: Vec::new(),
        clip: Clip::None,
        accumulate: 1,
        average: Average::None,
        schedule: Schedule::Constant,
        batch: 4,
        length: Length::Steps(1),
        test_every: 1,
        stopping: Stopping::Never,
        seed: 0,
        precision: Precision::F32,
    }
}

const SGD: Rule = Rule::Sgd { momentum: 0.9, nesterov: false };

/// Every rule and everything around it; how many tensors a step moves, of five parameters and a statistic.
#[test]
fn a_training_step_agrees_with_its_reference() {
    let (betas, eps) = ([0.9, 0.99], 1e-3);
    let plain = config(SGD);
    let muon = Rule::Muon { momentum: 0.9, nesterov: true, iterations: 3 };
    let matrices = Group {
        pattern: "*v*.weight".to_string(),
        optimizer: Some(Optimizer { rule: muon, lr: 0.25, weight_decay: 0.1 }),
        lr: None,
        weight_decay: None,
    };
    let around = |clip, accumulate, average| TrainConfig { clip, accumulate, average, ..plain.clone() };
    let lookahead = Average::Lookahead { every: 2, alpha: 0.5, ramp: 0.0 };
    let table = [
        (plain.clone(), 11),
        (config(Rule::Sgd { momentum: 0.9, nesterov: true }), 11),
        (config(Rule::Adam { betas, eps, decoupled: false }), 16),
        (config(Rule::Adam { betas, eps, decoupled: true }), 16),
        (config(Rule::RmsProp { alpha: 0.9, eps, momentum: 0.0, centered: false }), 11),
        (config(Rule::RmsProp { alpha: 0.9, eps, momentum: 0.5, centered: true }), 21),
        (config(Rule::Lion { betas }), 11),
        (config(Rule::Lars { momentum: 0.9, trust: 0.1 }), 11),
        (config(Rule::Lamb { betas, eps }), 16),
        (TrainConfig { groups: vec![matrices.clone()], ..plain.clone() }, 11),
        // Here old state is read after the new one is there.
        (TrainConfig { groups: vec![matrices], clip: Clip::Norm(0.1), accumulate: 2, ..plain.clone() }, 11 + 5),
        (TrainConfig { accumulate: 2, ..config(Rule::Lamb { betas, eps }) }, 16 + 5),
        (around(Clip::Norm(0.1), 1, Average::None), 11),
        (around(Clip::Value(0.01), 1, Average::None), 11),
        (around(Clip::Norm(0.1), 3, Average::Ema { decay: 0.9 }), 11 + 5 + 6),
        (around(Clip::None, 1, lookahead), 11 + 6),
        (around(Clip::None, 2, lookahead), 11 + 5 + 6),
    ];
    for (config, expected) in table {
        let graph = step(&config);
        let updates = graph.outputs.iter().filter(|output| output.kind == OutputKind::Update).count();
        assert_eq!(updates, expected, "{config:?}\n{graph}");
        for due in [0.0, 1.0] {
            let difference = largest_difference(&graph, &graph, due);
            assert!(difference < 3e-5, "{config:?}, due {due}: results and updates differ by {difference:e}");
        }
    }
    let nesterov = step(&config(Rule::Sgd { momentum: 0.9, nesterov: true }));
    let other = largest_difference(&step(&plain), &nesterov, 1.0);
    assert!(other > 1e-3, "another optimizer's step differs by {other:e} alone");
}

#[test]
fn folded_batch_norm_agrees_with_its_reference() {
    let unfolded = graph(EVALUATION);
    let host = host_isa().expect("Cranelift knows this machine");
    let mut after = String::new();
    compile::program(unfolded.clone(), &*host, &mut |stage, text| {
        if stage == "fold_batch_norm" {
            after = text();
        }
    });
    assert!(after.contains("conv2d") && !after.contains("batch_norm"), "batch norm is left:\n{after}");
    let difference = largest_difference(&unfolded, &unfolded, 1.0);
    assert!(difference < 1e-5, "the result differs by {difference:e}");
}
