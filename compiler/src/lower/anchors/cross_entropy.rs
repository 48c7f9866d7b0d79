//! `cross_entropy`, its gradient, `correct` and `one_hot`: row by row over the logits, in one task, since a row is short.

use super::Part;
use super::window::sweep;
use crate::graph::NodeId;
use crate::lower::expression::{Expression, Scalar};
use crate::lower::loops::{Address, Affine, Fold, Statement};
use crate::lower::nest::{Kernel, MapBuilder, NestBuilder, Sweep};

/// The row's place in the logits, and that of its label: one number, or as many as the row of logits has.
fn row_sweeps(kernel: &Kernel, logits: NodeId, label: NodeId, row: &Affine) -> (Sweep, Sweep) {
    let of = |dims: &[usize]| sweep(dims, Affine::default(), row.clone(), Affine::default(), 1);
    let labels = match kernel.dims(label) {
        shares @ [_, _] => of(shares),
        _ => Sweep { start: vec![row.clone()], pixel: vec![0], channel: vec![0] },
    };
    (of(kernel.dims(logits)), labels)
}

fn clear(address: &Address, value: f32) -> Statement {
    Statement::Fill { address: address.clone(), len: 1, value }
}

/// Folds an expression over one row of the logits into `into`.
fn fold_row(
    nest: &mut NestBuilder,
    logits: NodeId,
    sweep: &Sweep,
    fold: Fold,
    start: f32,
    into: &Address,
    value: impl FnOnce(&mut MapBuilder, Scalar) -> Scalar,
) -> Vec<Statement> {
    let classes = nest.kernel.dims(logits)[1];
    let mut body = vec![clear(into, start)];
    let mut map = MapBuilder::new(nest, 1, classes);
    let logit = map.value(logits, sweep);
    let value = value(&mut map, logit);
    map.fold_all(value, fold, into.clone());
    body.extend(map.finish());
    body
}

/// Leaves the row's maximum in `maximum` and the sum of `exp(x - maximum)` in `sum`.
fn softmax_parts(
    nest: &mut NestBuilder,
    logits: NodeId,
    row: &Sweep,
    maximum: &Address,
    sum: &Address,
) -> Vec<Statement> {
    let mut body = fold_row(nest, logits, row, Fold::Max, f32::NEG_INFINITY, maximum, |_, logit| logit);
    body.extend(fold_row(nest, logits, row, Fold::Sum, 0.0, sum, |map, logit| {
        let maximum = map.plain(maximum.clone(), 0, 0);
        let shifted = map.expression.push(Expression::Sub(logit, maximum));
        map.expression.push(Expression::Exp(shifted))
    }));
    body
}

/// 1 at the label's class, else 0.
fn at_label(map: &mut MapBuilder, label: NodeId, labels: &Sweep) -> Scalar {
    let label = map.value(label, labels);
    let channel = map.expression.push(Expression::Channel);
    map.expression.push(Expression::Equal(channel, label))
}

/// The smoothed target.
fn target(map: &mut MapBuilder, label: NodeId, labels: &Sweep, classes: usize, smoothing: f64) -> Scalar {
    let miss = map.expression.constant(smoothing / classes as f64);
    if labels.start.len() == 2 {
        let share = map.value(label, labels);
        let kept = map.expression.constant(1.0 - smoothing);
        return map.expression.push(Expression::MulAdd(kept, share, miss));
    }
    let at_label = at_label(map, label, labels);
    let hit = map.expression.constant(1.0 - smoothing + smoothing / classes as f64);
    map.expression.push(Expression::Select(at_label, hit, miss))
}

/// The nest of the loss: mean over rows of `log(sum) + maximum - (1 - s) x[label] - s mean(x)`.
pub fn lower(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let (logits, label) = (node.operands[0], node.operands[1]);
    let [rows, classes] = *kernel.dims(logits) else { panic!("lower: logits are a matrix") };
    let smoothing = node.attributes.float("smoothing");
    let mut nest = NestBuilder::new(kernel, &[1]);
    let (maximum, sum, target) = (nest.scratch(1), nest.scratch(1), nest.scratch(1));
    let loss = nest.value(anchor, Affine::default());
    let mut body = vec![clear(&loss, 0.0)];
    body.extend(nest.each(rows, |nest, r| {
        let (row, labels) = row_sweeps(&nest.kernel, logits, label, &r);
        let mut body = softmax_parts(nest, logits, &row, &maximum, &sum);
        body.extend(fold_row(nest, logits, &row, Fold::Sum, 0.0, &target, |map, logit| {
            let weight = self::target(map, label, &labels, classes, smoothing);
            map.expression.push(Expression::Mul(weight, logit))
        }));
        let mut map = MapBuilder::new(nest, 1, 1);
        let [maximum, sum, target] = [&maximum, &sum, &target].map(|address| map.plain(address.clone(), 0, 0));
        let log = map.expression.push(Expression::Log(sum));
        let log = map.expression.push(Expression::Add(log, maximum));
        let value = map.expression.push(Expression::Sub(log, target));
        let share = map.expression.constant(1.0 / rows as f64);
        let value = map.expression.push(Expression::Mul(value, share));
        map.fold_all(value, Fold::Sum, loss.clone());
        body.extend(map.finish());
        body
    }));
    (nest, body)
}

/// The nest of the gradient: `(softmax(x) - target) dloss / N`.
pub fn lower_grad(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let (logits, label, dloss) = (node.operands[0], node.operands[1], node.operands[2]);
    let [rows, classes] = *kernel.dims(logits) else { panic!("lower: logits are a matrix") };
    let smoothing = node.attributes.float("smoothing");
    let mut nest = NestBuilder::new(kernel, &[1]);
    let (maximum, sum) = (nest.scratch(1), nest.scratch(1));
    let body = nest.each(rows, |nest, r| {
        let (row, labels) = row_sweeps(&nest.kernel, logits, label, &r);
        let mut body = softmax_parts(nest, logits, &row, &maximum, &sum);
        let mut map = MapBuilder::new(nest, 1, classes);
        let logit = map.value(logits, &row);
        let [maximum, sum] = [&maximum, &sum].map(|address| map.plain(address.clone(), 0, 0));
        let shifted = map.expression.push(Expression::Sub(logit, maximum));
        let power = map.expression.push(Expression::Exp(shifted));
        let probability = map.expression.push(Expression::Div(power, sum));
        let target = target(&mut map, label, &labels, classes, smoothing);
        let difference = map.expression.push(Expression::Sub(probability, target));
        let share = map.expression.constant(1.0 / rows as f64);
        let scalar = Sweep { start: Vec::new(), pixel: Vec::new(), channel: Vec::new() };
        let dloss = map.value(dloss, &scalar);
        let share = map.expression.push(Expression::Mul(dloss, share));
        let value = map.expression.push(Expression::Mul(difference, share));
        map.give(anchor, value);
        map.sinks(&row, None);
        body.extend(map.finish());
        body
    });
    (nest, body)
}

/// Leaves in `first` minus the place of the row's first maximum.
fn first_maximum(
    nest: &mut NestBuilder,
    values: NodeId,
    row: &Sweep,
    maximum: &Address,
    first: &Address,
) -> Vec<Statement> {
    let mut body = fold_row(nest, values, row, Fold::Max, f32::NEG_INFINITY, maximum, |_, value| value);
    // The least index is the greatest of the negated ones.
    body.extend(fold_row(nest, values, row, Fold::Max, f32::NEG_INFINITY, first, |map, value| {
        let maximum = map.plain(maximum.clone(), 0, 0);
        let channel = map.expression.push(Expression::Channel);
        let negated = map.expression.push(Expression::Neg(channel));
        let is_maximum = map.expression.push(Expression::Equal(value, maximum));
        let never = map.expression.push(Expression::Constant(f32::NEG_INFINITY));
        map.expression.push(Expression::Select(is_maximum, negated, never))
    }));
    body
}

/// The nest of `correct`: counts the rows whose first maximum is at the label, or at the first maximum of its shares.
pub fn lower_correct(kernel: Kernel, anchor: NodeId) -> Part {
    let node = &kernel.graph[anchor];
    let (logits, label) = (node.operands[0], node.operands[1]);
    let rows = kernel.dims(logits)[0];
    let mut nest = NestBuilder::new(kernel, &[1]);
    let (maximum, first, class) = (nest.scratch(1), nest.scratch(1), nest.scratch(1));
    let count = nest.value(anchor, Affine::default());
    let mut body = vec![clear(&count, 0.0)];
    body.extend(nest.each(rows, |nest, r| {
        let (row, labels) = row_sweeps(&nest.kernel, logits, label, &r);
        let mut body = first_maximum(nest, logits, &row, &maximum, &first);
        let is_soft = labels.start.len() == 2;
        if is_soft {
            body.extend(first_maximum(nest, label, &labels, &maximum, &class));
        }
        let mut map = MapBuilder::new(nest, 1, 1);
        let first = map.plain(first.clone(), 0, 0);
        let hit = if is_soft {
            let class = map.plain(class.clone(), 0, 0);
            // A row with a NaN has its maximum nowhere.
            let never = map.expression.push(Expression::Constant(f32::NEG_INFINITY));
            let somewhere = map.expression.push(Expression::Greater(first, never));
            let equal = map.expression.push(Expression::Equal(first, class));
            map.expression.push(Expression::Mul(somewhere, equal))
        } else {
            let first = map.expression.push(Expression::Neg(first));
            let label = map.value(label, &labels);
            map.expression.push(Expression::Equal(first, label))
        };
        map.fold_all(hit, Fold::Sum, count.clone());
        body.extend(map.finish());
        body
    }));
    (nest, body)
}

/// The nest of `one_hot`.
pub fn lower_one_hot(kernel: Kernel, anchor: NodeId) -> Part {
    let label = kernel.graph[anchor].operands[0];
    let [rows, classes] = *kernel.dims(anchor) else { panic!("lower: targets are a matrix") };
    let mut nest = NestBuilder::new(kernel, &[1]);
    let body = nest.each(rows, |nest, r| {
        let (row, labels) = row_sweeps(&nest.kernel, anchor, label, &r);
        let mut map = MapBuilder::new(nest, 1, classes);
        let hit = at_label(&mut map, label, &labels);
        map.give(anchor, hit);
        map.sinks(&row, None);
        map.finish()
    });
    (nest, body)
}
