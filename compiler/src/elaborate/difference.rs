//! What differs between two networks, by meaning: names of blocks, order of definitions and defaults written out make no difference.

use super::{Elaborated, Layer};
use crate::graph::{Attribute, Graph, NodeId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

/// One difference between a first and a second network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Difference {
    /// A layer of the first alone, with its shape.
    Removed(String, String),
    /// A layer of the second alone, with its shape.
    Added(String, String),
    /// A layer of both with other properties: property, first, second.
    Changed(String, Vec<(String, String, String)>),
    /// The same layer by two names.
    Renamed(String, String),
    /// A layer that reads other layers: its path, what it reads in the first and in the second.
    Rewired(String, String, String),
    /// A key of the data or train section: key, first, second.
    Setting(String, String, String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Removed(path, what) => write!(f, "- {path}  {what}"),
            Difference::Added(path, what) => write!(f, "+ {path}  {what}"),
            Difference::Changed(path, what) => {
                let what: Vec<String> = what.iter().map(|(key, a, b)| format!("{key} {a} -> {b}")).collect();
                write!(f, "~ {path}  {}", what.join(", "))
            }
            Difference::Renamed(a, b) => write!(f, "= {a}  is called {b}"),
            Difference::Rewired(path, a, b) => write!(f, "~ {path}  reads {a} -> {b}"),
            Difference::Setting(key, a, b) => write!(f, "~ {key}  {a} -> {b}"),
        }
    }
}

/// The differences from `a` to `b`: layers in their order, then settings.
pub fn difference(a: &Elaborated, b: &Elaborated) -> Vec<Difference> {
    let (rows_a, rows_b) = (rows(a), rows(b));
    let pairs = align(&rows_a, &rows_b);
    let mut found = layers(&rows_a, &rows_b, &pairs);
    found.extend(settings(a, b));
    found
}

/// A layer, for comparison.
struct Row {
    path: String,
    what: String,
    /// Everything about it but names and batch.
    properties: BTreeMap<String, String>,
    /// The layers whose results it reads, by number.
    reads: Vec<Option<usize>>,
}

fn rows(elaborated: &Elaborated) -> Vec<Row> {
    let graph = &elaborated.graph;
    let number: HashMap<&str, usize> =
        elaborated.layers.iter().enumerate().map(|(at, layer)| (layer.path.as_str(), at)).collect();
    let mut rows: Vec<Row> = elaborated.layers.iter().map(row).collect();
    for id in graph.topological() {
        let Some(&at) = number.get(graph[id].place.path.as_str()) else { continue };
        describe(graph, id, &mut rows[at].properties);
        for &operand in &graph[id].operands {
            let from = number.get(graph[operand].place.path.as_str()).copied();
            if from != Some(at) && !is_leaf(graph, operand) && !rows[at].reads.contains(&from) {
                rows[at].reads.push(from);
            }
        }
    }
    rows
}

fn is_leaf(graph: &Graph, id: NodeId) -> bool {
    matches!(graph[id].op.name(), "parameter" | "statistic") || graph[id].place.path.is_empty()
}

fn row(layer: &Layer) -> Row {
    let shape: Vec<String> = layer.shape[1..].iter().map(usize::to_string).collect();
    let what = format!("{} {}", layer.op, shape.join("x"));
    let properties = BTreeMap::from([("op".to_string(), layer.op.clone()), ("shape".to_string(), shape.join("x"))]);
    Row { path: layer.path.clone(), what, properties, reads: Vec::new() }
}

/// Enters what a node says into the properties of its layer.
fn describe(graph: &Graph, id: NodeId, properties: &mut BTreeMap<String, String>) {
    let node = &graph[id];
    let op = node.op.name();
    // Biases and running statistics are spread by nodes that say nothing of their own.
    let is_layer = properties.get("op").is_some_and(|layer| layer == op);
    if !is_layer && matches!(op, "broadcast" | "scale" | "add" | "batch_mean" | "batch_var") {
        return;
    }
    let name = match node.attributes.get("name") {
        Some(Attribute::Text(name)) => {
            name.strip_prefix(node.place.path.as_str()).map(|name| name.trim_start_matches('.'))
        }
        _ => None,
    };
    for (key, value) in &node.attributes.0 {
        let key = match name {
            Some(_) if matches!(key.as_str(), "name" | "element") => continue,
            Some(name) => format!("{name}.{key}"),
            None if key == "stream" => continue,
            None => key.to_string(),
        };
        properties.insert(key, value.to_string());
    }
}

/// Pairs of equal layers in the order of both: a longest common subsequence.
fn align(a: &[Row], b: &[Row]) -> Vec<(usize, usize)> {
    let same = |i: usize, j: usize| a[i].properties == b[j].properties;
    let head = (0..a.len().min(b.len())).take_while(|&at| same(at, at)).count();
    let most = a.len().min(b.len()) - head;
    let tail = (0..most).take_while(|&at| same(a.len() - 1 - at, b.len() - 1 - at)).count();
    let (end_a, end_b) = (a.len() - tail, b.len() - tail);
    // lengths[i][j]: the longest of what is left from i and j on.
    let mut lengths = vec![vec![0u32; end_b - head + 1]; end_a - head + 1];
    for i in (head..end_a).rev() {
        for j in (head..end_b).rev() {
            lengths[i - head][j - head] = if same(i, j) {
                lengths[i - head + 1][j - head + 1] + 1
            } else {
                lengths[i - head + 1][j - head].max(lengths[i - head][j - head + 1])
            };
        }
    }
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    let (mut i, mut j) = (head, head);
    while i < end_a && j < end_b {
        if same(i, j) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[i - head + 1][j - head] >= lengths[i - head][j - head + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs.extend((0..tail).map(|at| (end_a + at, end_b + at)));
    pairs
}

fn layers(a: &[Row], b: &[Row], pairs: &[(usize, usize)]) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut twins: HashMap<usize, usize> = pairs.iter().copied().collect();
    let (mut next_a, mut next_b) = (0, 0);
    for &(i, j) in pairs.iter().chain([&(a.len(), b.len())]) {
        // Between two pairs: what has the same name has changed, the rest was removed or added.
        let mut added: Vec<usize> = (next_b..j).collect();
        for (gone, row) in a.iter().enumerate().take(i).skip(next_a) {
            match added.iter().position(|&new| row.path == b[new].path) {
                Some(at) => {
                    let new = added.remove(at);
                    twins.insert(gone, new);
                    found.push(Difference::Changed(row.path.clone(), changes(row, &b[new])));
                }
                None => found.push(Difference::Removed(row.path.clone(), row.what.clone())),
            }
        }
        found.extend(added.into_iter().map(|new| Difference::Added(b[new].path.clone(), b[new].what.clone())));
        if i < a.len() && a[i].path != b[j].path {
            found.push(Difference::Renamed(a[i].path.clone(), b[j].path.clone()));
        }
        (next_a, next_b) = (i + 1, j + 1);
    }
    // A new layer in a row of layers is no new wiring of the one behind it: only what both have can be read otherwise.
    let known: HashSet<usize> = twins.values().copied().collect();
    for (&i, &j) in twins.iter().collect::<BTreeMap<_, _>>() {
        let old = &a[i].reads;
        let all_known = old.iter().flatten().all(|from| twins.contains_key(from))
            && b[j].reads.iter().flatten().all(|from| known.contains(from));
        let moved: Vec<Option<usize>> =
            old.iter().map(|from| from.and_then(|from| twins.get(&from).copied())).collect();
        if all_known && moved != b[j].reads {
            let names = |rows: &[Row], reads: &[Option<usize>]| {
                let name = |from: &Option<usize>| from.map_or("the input", |at| rows[at].path.as_str()).to_string();
                reads.iter().map(name).collect::<Vec<_>>().join(" and ")
            };
            found.push(Difference::Rewired(b[j].path.clone(), names(a, old), names(b, &b[j].reads)));
        }
    }
    found
}

fn changes(a: &Row, b: &Row) -> Vec<(String, String, String)> {
    let keys: BTreeSet<&String> = a.properties.keys().chain(b.properties.keys()).collect();
    let value = |row: &Row, key: &String| row.properties.get(key).map_or("none", String::as_str).to_string();
    let pairs = keys.into_iter().map(|key| (key.clone(), value(a, key), value(b, key)));
    let differ: Vec<_> = pairs.filter(|(_, first, second)| first != second).collect();
    // How wide a tensor starts follows from its extents.
    let resized = |key: &str| {
        let tensor = key.strip_suffix(".init_value").map(|tensor| format!("{tensor}.dims"));
        tensor.is_some_and(|dims| differ.iter().any(|(key, ..)| *key == dims))
    };
    differ.iter().filter(|(key, ..)| !resized(key)).cloned().collect()
}

/// The keys of data and training that differ.
fn settings(a: &Elaborated, b: &Elaborated) -> Vec<Difference> {
    let (first, second) = (&a.train, &b.train);
    let of = |data: &Option<rnet_runtime::config::DataConfig>,
              part: fn(&rnet_runtime::config::DataConfig) -> String| {
        data.as_ref().map_or("none".to_string(), part)
    };
    let table = [
        ("train.loss", format!("{:?}", first.loss), format!("{:?}", second.loss)),
        ("train.optimizer.lr", format!("{:?}", first.optimizer.lr), format!("{:?}", second.optimizer.lr)),
        (
            "train.optimizer.weight_decay",
            format!("{:?}", first.optimizer.weight_decay),
            format!("{:?}", second.optimizer.weight_decay),
        ),
        ("train.optimizer", format!("{:?}", first.optimizer.rule), format!("{:?}", second.optimizer.rule)),
        ("train.groups", format!("{:?}", first.groups), format!("{:?}", second.groups)),
        ("train.clip", format!("{:?}", first.clip), format!("{:?}", second.clip)),
        ("train.accumulate", first.accumulate.to_string(), second.accumulate.to_string()),
        ("train.average", format!("{:?}", first.average), format!("{:?}", second.average)),
        ("train.schedule", format!("{:?}", first.schedule), format!("{:?}", second.schedule)),
        ("train.batch", first.batch.to_string(), second.batch.to_string()),
        ("train.length", format!("{:?}", first.length), format!("{:?}", second.length)),
        ("train.test_every", first.test_every.to_string(), second.test_every.to_string()),
        ("train.seed", first.seed.to_string(), second.seed.to_string()),
        (
            "data.source",
            of(&a.data, |data| format!("{:?}", data.source)),
            of(&b.data, |data| format!("{:?}", data.source)),
        ),
        (
            "data.train",
            of(&a.data, |data| format!("{:?}", data.train)),
            of(&b.data, |data| format!("{:?}", data.train)),
        ),
        ("data.test", of(&a.data, |data| format!("{:?}", data.test)), of(&b.data, |data| format!("{:?}", data.test))),
    ];
    let differ = table.into_iter().filter(|(_, first, second)| first != second);
    differ.map(|(key, first, second)| Difference::Setting(key.to_string(), first, second)).collect()
}
