//! Every optimizer, schedule and loss over 20 steps against PyTorch's numbers, which tests/against_torch.py wrote in double precision.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const STEPS: &str = "20";
/// What single precision leaves of a relative difference after so many steps.
const TOLERANCE: f64 = 1e-4;

const WEIGHTS: [(&str, &[usize]); 4] =
    [("conv1.weight", &[4, 2, 3, 3]), ("conv1.bias", &[4]), ("fc.weight", &[5, 64]), ("fc.bias", &[5])];

/// The script's numbers: sines, in single precision.
fn sines(dims: &[usize], phase: f64, size: f64) -> Vec<u8> {
    let count = dims.iter().product();
    (0..count).flat_map(|at: usize| ((size * (0.37 * at as f64 + phase).sin()) as f32).to_le_bytes()).collect()
}

fn write(path: &Path, tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views = tensors.iter().map(|(name, dtype, dims, bytes)| {
        (name.to_string(), TensorView::new(*dtype, dims.to_vec(), bytes).expect("a tensor"))
    });
    safetensors::serialize_to_file(views, None, path).expect("the file can be written");
}

fn values(file: &SafeTensors, name: &str) -> Vec<f64> {
    let view = file.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes")))).collect()
}

/// The losses of one way of training, and the norms of the weights after it.
fn train(directory: &Path, way: &str) -> (Vec<f64>, Vec<f64>) {
    let out = directory.join("out.safetensors");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/training.rnet");
    let output = Command::new(env!("CARGO_BIN_EXE_rnet"))
        .current_dir(directory)
        .arg("grad")
        .arg(file)
        .args(["--train", way, "--weights", "weights.safetensors", "--batch", "batch.safetensors", "--steps", STEPS])
        .arg("--out")
        .arg(&out)
        .output()
        .expect("rnet runs");
    assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(&out).expect("the file is there");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let norm = |name: &str| values(&file, &format!("after.{name}")).iter().map(|x| x * x).sum::<f64>().sqrt();
    (values(&file, "losses"), WEIGHTS.iter().map(|(name, _)| norm(name)).collect())
}

fn start(directory: &Path) {
    let weights: Vec<(&str, Dtype, &[usize], Vec<u8>)> = WEIGHTS
        .iter()
        .enumerate()
        .map(|(at, (name, dims))| (*name, Dtype::F32, *dims, sines(dims, at as f64, 0.3)))
        .collect();
    write(&directory.join("weights.safetensors"), &weights);
    let label = (0..6i64).flat_map(|at| (at * 2 % 5).to_le_bytes()).collect();
    let image: &[usize] = &[6, 2, 6, 6];
    write(
        &directory.join("batch.safetensors"),
        &[("image", Dtype::F32, image, sines(image, 0.5, 1.0)), ("label", Dtype::I64, &[6], label)],
    );
}

#[test]
fn twenty_steps_agree_with_pytorch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = std::fs::read_to_string(root.join("tests/golden/training.json")).expect("the numbers are there");
    let golden: serde_json::Map<String, Value> = serde_json::from_str(&golden).expect("the numbers are JSON");
    let text = std::fs::read_to_string(root.join("tests/golden/training.rnet")).expect("the file is there");
    let ways: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("train ")?.split_whitespace().next()).collect();
    assert!(ways.len() > 25 && ways.len() == golden.len(), "{ways:?}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    start(directory.path());
    let mut worst = Vec::new();
    for way in ways {
        let expected = &golden[way];
        let (losses, norms) = train(directory.path(), way);
        let answers = |list: &Value| -> Vec<f64> {
            list.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
        };
        let wanted_losses = answers(&expected["losses"]);
        assert_eq!(losses.len(), wanted_losses.len());
        let wanted_norms: Vec<f64> =
            WEIGHTS.iter().map(|(name, _)| expected["norms"][name].as_f64().expect("a number")).collect();
        let pairs = losses.iter().zip(&wanted_losses).chain(norms.iter().zip(&wanted_norms));
        // `max` would drop a NaN.
        let largest = pairs
            .map(|(found, wanted)| ((found - wanted) / wanted).abs())
            .fold(0.0, |a: f64, b| if b > a || b.is_nan() { b } else { a });
        println!("{way:24} {largest:.1e}");
        if largest.is_nan() || largest > TOLERANCE {
            worst.push(format!("{way} differs by {largest:e}: {losses:?} instead of {wanted_losses:?}"));
        }
    }
    assert!(worst.is_empty(), "{}", worst.join("\n"));
}

#[test]
fn another_way_is_noticed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    start(directory.path());
    let (plain, _) = train(directory.path(), "sgd");
    let (other, _) = train(directory.path(), "adam");
    assert!((plain[19] - other[19]).abs() > 1e-2 * plain[19], "{plain:?} {other:?}");
}
