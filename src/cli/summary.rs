//! `rnet summary`: the layers of a model, as far as the file is correct.

use super::{Outcome, model, print, thousands};
use rnet_compiler::elaborate::Layer;
use serde_json::json;

/// Print the layers of a model: shapes, parameters, multiply-adds, activation bytes
///
/// Of a file with mistakes the layers before the first one are printed all the same. Multiply-adds and bytes are those of one image.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
    /// Print JSON: the layers and their totals
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let (layers, outcome) = arguments.model.warned(&[])?;
    if arguments.json {
        print(&format!("{:#}\n", to_json(&layers)));
    } else if !layers.is_empty() {
        print(&table(&layers));
        print(&format!("\n{}\n", totals(&layers)));
    }
    outcome.map(|_| ())
}

/// Bytes of a layer's result for one image; every element has four.
fn bytes(layer: &Layer) -> u64 {
    layer.shape[1..].iter().product::<usize>() as u64 * 4
}

fn to_json(layers: &[Layer]) -> serde_json::Value {
    let rows: Vec<_> = layers
        .iter()
        .map(|layer| {
            json!({
                "path": layer.path, "op": layer.op, "source": layer.source, "shape": layer.shape,
                "parameters": layer.parameters, "multiply_adds": layer.multiply_adds, "activation_bytes": bytes(layer),
            })
        })
        .collect();
    let sum = |of: fn(&Layer) -> u64| layers.iter().map(of).sum::<u64>();
    json!({
        "layers": rows,
        "parameters": sum(|layer| layer.parameters),
        "multiply_adds": sum(|layer| layer.multiply_adds),
        "activation_bytes": sum(bytes),
    })
}

/// One row a layer, below a heading.
fn table(layers: &[Layer]) -> String {
    let width = layers.iter().map(|layer| layer.path.len()).max().unwrap_or(0).max(5);
    let row = |path: &str, op: &str, shape: &str, numbers: [&str; 3]| {
        let [parameters, multiply_adds, bytes] = numbers;
        format!("{path:<width$}  {op:<16} {shape:<20} {parameters:>12} {multiply_adds:>15} {bytes:>14}\n")
    };
    let mut text = row("layer", "op", "shape", ["parameters", "multiply-adds", "bytes"]);
    for layer in layers {
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        let numbers = [layer.parameters, layer.multiply_adds, bytes(layer)].map(thousands);
        text += &row(&layer.path, &layer.op, &shape.join("x"), [&numbers[0], &numbers[1], &numbers[2]]);
    }
    text
}

/// The sums, in words.
pub fn totals(layers: &[Layer]) -> String {
    let sum = |of: fn(&Layer) -> u64| thousands(layers.iter().map(of).sum());
    format!(
        "{} parameters; for one image {} multiply-adds and {} bytes of activations",
        sum(|layer| layer.parameters),
        sum(|layer| layer.multiply_adds),
        sum(bytes)
    )
}
