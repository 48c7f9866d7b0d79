//! Gradients and activations of the layers over the run.

use super::heatmap::Heatmap;
use super::thousands;
use rnet_runtime::layers::{Layer, LayersRecord};

/// What the maps show.
pub const NOTE: &str = "Measured at each test on the batch of the run's first step, always the same, with the weights that are trained and not \
                        their average; from the input (above) to the loss (below), from the first test (left) to the last. Colours are \
                        by magnitude: equal ratios are equally far apart.";

/// The most columns of a map; of more tests every second, third, .. is shown.
const COLUMNS: usize = 240;

/// Both maps.
pub fn maps(records: &[LayersRecord]) -> String {
    let every = records.len().div_ceil(COLUMNS).max(1);
    // The newest is among them.
    let mut shown: Vec<&LayersRecord> = records.iter().rev().step_by(every).collect();
    shown.reverse();
    // A layer's place is its place in the newest line.
    let paths: Vec<&str> =
        shown.last().map_or(Vec::new(), |record| record.layers.iter().map(|layer| layer.path.as_str()).collect());
    let map = |title: &str, of: fn(&Layer) -> Option<f32>| {
        let row = |path: &&str| {
            let value = |record: &&LayersRecord| {
                record.layers.iter().find(|layer| layer.path == *path).and_then(of).map(f64::from)
            };
            shown.iter().map(value).collect()
        };
        let columns = shown.iter().map(|record| format!("step {}", thousands(record.step))).collect();
        Heatmap {
            title: title.to_string(),
            rows: paths.iter().map(|path| path.to_string()).collect(),
            columns,
            values: paths.iter().map(row).collect(),
            is_logarithmic: true,
        }
        .html()
    };
    let gradients = map("gradient of the parameters, L2 norm", |layer| layer.gradient);
    let activations = map("result, root mean square", |layer| layer.activation);
    format!("<div class=\"charts\">\n{gradients}{activations}</div>\n")
}
