//! Every op on its samples: the text form reads back to the same graph, and the gradient is that of the reference, by
//! finite differences in f64; with controls that must fail.

use rnet_compiler::graph::{Attribute, Attributes, Graph, NodeId, OutputKind, Place, TensorType, eval, parse, verify};
use rnet_compiler::ops::samples::{Random, operands};
use rnet_compiler::ops::tensor::Tensor;
use rnet_compiler::ops::{self, Lowering, OPS, Op, OpError, leaf};
use std::collections::HashMap;

/// Seeds of the samples; each op has several samples for each.
const SEEDS: std::ops::Range<u64> = 0..6;

/// Ops without a gradient rule, each for a reason that its `grad` gives.
const WITHOUT_GRADIENT: &[&str] =
    &["standardize_grad", "softmax_grad", "max_pool_grad", "cross_entropy_grad", "correct", "momentum", "sgd"];

fn find(name: &str) -> &'static dyn Op {
    ops::find(name).unwrap_or_else(|| panic!("`{name}` is an op"))
}

/// A graph of one op, whose operands are the inputs `x0`, `x1`, ..., and whose result is `y`.
fn one_op(op: &'static dyn Op, types: &[TensorType], attributes: &Attributes) -> (Graph, Vec<NodeId>, NodeId) {
    let mut graph = Graph::new();
    let leaves: Vec<NodeId> = types
        .iter()
        .enumerate()
        .map(|(at, ty)| graph.add(find("input"), &[], leaf::attributes(&format!("x{at}"), ty), Place::default()))
        .collect();
    let node = graph.add(op, &leaves, attributes.clone(), Place::default());
    graph.output(OutputKind::Result, "y", node);
    (graph, leaves, node)
}

fn named(values: &[Tensor]) -> HashMap<String, Tensor> {
    values.iter().enumerate().map(|(at, value)| (format!("x{at}"), value.clone())).collect()
}

/// The largest difference between the rule's gradients and central differences of the sum of `y dy`, over the
/// largest gradient (or 1). An error is the op's reason for having no rule.
fn gradient_error(
    op: &'static dyn Op,
    types: &[TensorType],
    attributes: &Attributes,
    seed: u64,
) -> Result<f64, String> {
    let (mut graph, leaves, node) = one_op(op, types, attributes);
    let forward = graph.clone();
    let ty = graph[node].ty.clone();
    let dy = graph.add(find("input"), &[], leaf::attributes("dy", &ty), Place::default());
    let parts = op.grad(&mut graph, node, dy)?;
    assert_eq!(parts.len(), leaves.len(), "`{}` has as many gradients as operands", op.name());
    graph.outputs.clear();
    for (at, part) in parts.iter().enumerate() {
        let Some(part) = *part else { continue };
        assert_eq!(graph[part].ty, types[at], "`{}`: the gradient of operand {at}", op.name());
        graph.output(OutputKind::Result, &format!("d{at}"), part);
    }
    verify(&graph).unwrap_or_else(|error| panic!("the gradient of `{}`: {error}", op.name()));

    let mut random = Random::new(seed ^ 0xd1ff);
    let weights = Tensor::from_fn(&ty.dims, |_| random.unit() * 2.0 - 1.0);
    let values = operands(op, types, seed);
    let mut leaves = named(&values);
    leaves.insert("dy".to_string(), weights.clone());
    let found = eval(&graph, &leaves)?;
    let total = |values: &[Tensor]| -> f64 {
        let y = &eval(&forward, &named(values)).expect("the leaves have values")["y"];
        y.data.iter().zip(&weights.data).map(|(y, dy)| y * dy).sum()
    };
    const STEP: f64 = 1e-5;
    let (mut error, mut largest) = (0.0f64, 1.0f64);
    for at in 0..types.len() {
        let Some(found) = found.get(&format!("d{at}")) else { continue };
        for (element, &gradient) in found.data.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[at].data[element] += by;
                total(&values)
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            // `max` would drop a NaN.
            let difference = (gradient - expected).abs();
            error = if difference.is_nan() { f64::INFINITY } else { error.max(difference) };
            largest = largest.max(expected.abs());
        }
    }
    Ok(error / largest)
}

fn is_leaf(op: &dyn Op) -> bool {
    matches!(op.lowering(), Lowering::Leaf)
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    let mut without = Vec::new();
    let mut failures = Vec::new();
    for &op in OPS.iter().filter(|op| !is_leaf(**op)) {
        for seed in SEEDS {
            for (types, attributes) in op.samples(seed) {
                match gradient_error(op, &types, &attributes, seed) {
                    Ok(error) if error < 1e-6 => {}
                    Ok(error) => failures.push(format!("{} {attributes} of {types:?}: {error:e}", op.name())),
                    Err(_) => without.push(op.name()),
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    without.dedup();
    assert_eq!(without, WITHOUT_GRADIENT, "the ops without a gradient rule");
}

/// An op whose gradient has one operand's part negated.
struct Negated(&'static dyn Op, usize);

/// An op whose gradients of the first two operands have changed places.
struct Swapped(&'static dyn Op);

macro_rules! behaves_as_the_op_within {
    () => {
        fn name(&self) -> &'static str {
            self.0.name()
        }
        fn doc(&self) -> &'static str {
            self.0.doc()
        }
        fn infer(&self, operands: &[&TensorType], attributes: &Attributes) -> Result<TensorType, OpError> {
            self.0.infer(operands, attributes)
        }
        fn eval(&self, operands: &[&Tensor], attributes: &Attributes, result: &TensorType) -> Tensor {
            self.0.eval(operands, attributes, result)
        }
        fn lowering(&self) -> Lowering {
            self.0.lowering()
        }
        fn samples(&self, seed: u64) -> Vec<(Vec<TensorType>, Attributes)> {
            self.0.samples(seed)
        }
    };
}

impl Op for Negated {
    behaves_as_the_op_within!();
    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut parts = self.0.grad(graph, node, dy)?;
        let part = parts[self.1].expect("the operand has a gradient");
        parts[self.1] = Some(graph.add(find("neg"), &[part], Attributes::new(), Place::default()));
        Ok(parts)
    }
}

impl Op for Swapped {
    behaves_as_the_op_within!();
    fn grad(&self, graph: &mut Graph, node: NodeId, dy: NodeId) -> Result<Vec<Option<NodeId>>, String> {
        let mut parts = self.0.grad(graph, node, dy)?;
        parts.swap(0, 1);
        Ok(parts)
    }
}

#[test]
fn a_broken_rule_is_noticed() {
    let broken: Vec<&'static dyn Op> = vec![
        Box::leak(Box::new(Negated(find("conv2d"), 0))),
        Box::leak(Box::new(Negated(find("conv2d"), 1))),
        Box::leak(Box::new(Negated(find("batch_norm"), 2))),
        Box::leak(Box::new(Negated(find("cross_entropy"), 0))),
        Box::leak(Box::new(Negated(find("gelu"), 0))),
        Box::leak(Box::new(Negated(find("group_norm"), 0))),
        Box::leak(Box::new(Negated(find("upsample"), 0))),
        Box::leak(Box::new(Swapped(find("mul")))),
        Box::leak(Box::new(Swapped(find("div")))),
    ];
    for op in broken {
        let noticed = SEEDS.flat_map(|seed| op.samples(seed).into_iter().map(move |sample| (seed, sample))).any(
            |(seed, (types, attributes))| {
                gradient_error(op, &types, &attributes, seed).expect("the rule exists") > 1e-3
            },
        );
        assert!(noticed, "a broken gradient of `{}` passes", op.name());
    }
}

#[test]
fn every_sample_reads_back() {
    for &op in OPS {
        for seed in SEEDS {
            for (types, attributes) in op.samples(seed) {
                let (graph, ..) = one_op(op, &types, &attributes);
                verify(&graph).unwrap_or_else(|error| panic!("`{}`: {error}\n{graph}", op.name()));
                let text = graph.to_string();
                let back = parse(&text).unwrap_or_else(|error| panic!("`{}`: {error:?}\n{text}", op.name()));
                assert_eq!(back.to_string(), text);
                let same = |a: NodeId, b: NodeId| {
                    let (a, b) = (&graph[a], &back[b]);
                    a.op.name() == b.op.name() && a.attributes == b.attributes && a.ty == b.ty
                };
                let (old, new) = (graph.topological(), back.topological());
                assert_eq!(old.len(), new.len());
                assert!(old.into_iter().zip(new).all(|(a, b)| same(a, b)), "another graph is read back\n{text}");
            }
        }
    }
}

#[test]
fn damaged_text_is_refused() {
    let types = [TensorType::f32(&[2, 3]), TensorType::f32(&[2, 3])];
    let (graph, ..) = one_op(find("mul"), &types, &Attributes::new());
    let text = graph.to_string();
    for (from, to) in
        [("mul", "mull"), ("%1 : f32", "%7 : f32"), ("%0, %1", "%0"), ("result y", "y"), ("{dims", "dims")]
    {
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "`{from}` is in the text\n{text}");
        assert!(parse(&damaged).is_err(), "this is read:\n{damaged}");
    }
    let scaled = |by: f64| {
        let attributes = Attributes::new().with("by", Attribute::Float(by));
        one_op(find("scale"), &types[..1], &attributes).0.to_string()
    };
    assert_ne!(scaled(0.1), scaled(0.1f64.next_up()), "the text keeps every bit of a number");
}
