//! `rnet check`: parse, elaborate, verify, and say what the model is made of.

use super::{Outcome, model, print, thousands};

/// Check a model file and print its layers: shapes, parameters, multiply-adds
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    model: model::Arguments,
}

/// Runs the verb.
pub fn run(arguments: &Arguments) -> Outcome {
    let model = arguments.model.elaborate(model::Mode::Train, None)?;
    let width = model.layers.iter().map(|layer| layer.path.len()).max().unwrap_or(0).max(5);
    let mut text =
        format!("{:<width$}  {:<16} {:<20} {:>12} {:>15}\n", "layer", "op", "shape", "parameters", "multiply-adds");
    for layer in &model.layers {
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        let shape = shape.join("x");
        text += &format!(
            "{:<width$}  {:<16} {:<20} {:>12} {:>15}\n",
            layer.path,
            layer.op,
            shape,
            thousands(layer.parameters),
            thousands(layer.multiply_adds)
        );
    }
    let parameters = model.layers.iter().map(|layer| layer.parameters).sum();
    let multiply_adds = model.layers.iter().map(|layer| layer.multiply_adds).sum();
    text += &format!(
        "\n{}: {} parameters, {} multiply-adds an image\n",
        model.model,
        thousands(parameters),
        thousands(multiply_adds)
    );
    print(&text);
    Ok(())
}
