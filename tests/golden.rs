//! PyTorch's float64 answers for two networks, against native code with every micro-kernel. The answers lie beside the project
//! (`../shared/golden`); where they are absent the test says so and checks nothing.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file's tensors as f64, with their extents.
fn read(path: &Path) -> HashMap<String, (Vec<usize>, Vec<f64>)> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data
                    .chunks_exact(4)
                    .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes"))))
                    .collect(),
                Dtype::F64 => {
                    data.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes"))).collect()
                }
                Dtype::I64 => {
                    data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect()
                }
                other => panic!("{name} is {other:?}"),
            };
            (name, (view.shape().to_vec(), values))
        })
        .collect()
}

/// Writes f32 tensors, and `label` as i64.
fn write(path: &Path, tensors: &[(String, Vec<usize>, Vec<f64>)]) {
    let encoded: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, dims, values)| match name.as_str() {
            "label" => (
                name.clone(),
                Dtype::I64,
                dims.clone(),
                values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect(),
            ),
            _ => (
                name.clone(),
                Dtype::F32,
                dims.clone(),
                values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect(),
            ),
        })
        .collect();
    let views = encoded.iter().map(|(name, dtype, dims, bytes)| {
        (name.clone(), TensorView::new(*dtype, dims.clone(), bytes).expect("a tensor"))
    });
    safetensors::serialize_to_file(views, None, path).expect("the file can be written");
}

/// Norm of the difference over norm of the answer.
fn relative(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let difference: f64 = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum();
    let norm: f64 = expected.iter().map(|b| b * b).sum();
    (difference / norm).sqrt()
}

/// Holds one network against its answers with one micro-kernel; returns the worst relative difference.
fn hold(golden: &Path, name: &str, kernel: &str) -> f64 {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let given = read(&golden.join(format!("{name}.safetensors")));
    let expected = read(&golden.join(format!("{name}.expect.safetensors")));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [weights, batch, out] = ["weights", "batch", "out"].map(|file| dir.path().join(format!("{file}.safetensors")));
    let part = |prefix: &str| -> Vec<(String, Vec<usize>, Vec<f64>)> {
        given
            .iter()
            .filter_map(|(name, (dims, values))| {
                Some((name.strip_prefix(prefix)?.to_string(), dims.clone(), values.clone()))
            })
            .collect()
    };
    write(&weights, &[part("param."), part("buffer.")].concat());
    write(&batch, &part("input."));
    let run = |steps: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_rnet"))
            .arg("grad")
            .arg(root.join(format!("tests/golden/{name}.rnet")))
            .args([Path::new("--weights"), &weights, Path::new("--batch"), &batch, Path::new("--out"), &out])
            .args(["--steps", steps])
            .env("RNET_KERNEL", kernel)
            .output()
            .expect("rnet runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        read(&out)
    };
    let (one, ten) = (run("1"), run("10"));
    let mut worst: f64 = 0.0;
    let mut compared = 0;
    for (name, (_, answer)) in &expected {
        if name == "losses" {
            continue;
        }
        let (_, found) = one.get(&name.replace("after1.", "after.")).unwrap_or_else(|| panic!("rnet gives no {name}"));
        let difference = relative(found, answer);
        assert!(difference < 1e-4, "{name} with {kernel}: off by {difference:e}");
        worst = worst.max(difference);
        compared += 1;
    }
    assert!(compared > 50, "only {compared} tensors compared");
    for (step, (found, answer)) in ten["losses"].1.iter().zip(&expected["losses"].1).enumerate() {
        assert!((found - answer).abs() < 1e-3 * answer.abs(), "loss {step} with {kernel}: {found} instead of {answer}");
    }
    worst
}

/// The kernels that this machine can run.
fn kernels() -> Vec<&'static str> {
    rnet_runtime::kernels::Isa::supported().into_iter().map(|isa| isa.name()).collect()
}

#[test]
fn golden_numbers() {
    let golden: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden");
    if !golden.is_dir() {
        eprintln!("SKIPPED: {} is absent, so nothing was compared with PyTorch", golden.display());
        return;
    }
    for name in ["resnet20_cifar", "bottleneck_imagenet"] {
        for kernel in kernels() {
            let worst = hold(&golden, name, kernel);
            println!("{name} with {kernel}: worst relative difference {worst:.2e}");
        }
    }
}

#[test]
fn a_damaged_answer_is_noticed() {
    let answer = [1.0, 2.0, 3.0];
    assert!(relative(&[1.0, 2.0, 3.001], &answer) > 1e-4);
    assert!(relative(&answer, &answer) == 0.0);
}
