//! The verbs train, eval, init and grad, from the command line: what they leave behind, that the same seed gives the same bits for any
//! number of threads and across a resume, and the words for what does not fit.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn rnet(directory: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_rnet")).current_dir(directory).args(arguments).output();
    output.expect("rnet runs")
}

fn succeeds(directory: &Path, arguments: &[&str]) -> String {
    let output = rnet(directory, arguments);
    assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is text")
}

/// Runs what must be refused with exit code 2, and returns the words.
fn fails(directory: &Path, arguments: &[&str]) -> String {
    let output = rnet(directory, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("the words are text")
}

fn example(name: &str) -> String {
    Path::new(ROOT).join("lang-examples").join(name).display().to_string()
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the run has metrics");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// The metrics without what depends on the clock.
fn timeless(run: &Path) -> Vec<Value> {
    let mut lines = metrics(run);
    for line in &mut lines {
        line["images_per_s"] = Value::Null;
        line["time"] = Value::Null;
    }
    lines
}

#[test]
fn a_run_learns_and_leaves_what_it_should() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = succeeds(directory.path(), &["train", &example("digits.rnet"), "--epochs", "4"]);
    let run = directory.path().join("runs/digits-1");
    let lines = metrics(&run);
    assert_eq!(lines.len(), 8, "a line for training and one for the test of each epoch: {lines:?}");
    let last = lines.last().expect("there are lines");
    assert_eq!((&last["split"], &last["epoch"], &last["step"]), (&"test".into(), &4.into(), &92.into()));
    let top1 = last["top1"].as_f64().expect("top1 is a number");
    assert!((0.95..=1.0).contains(&top1), "{top1}");
    assert!(lines[0]["loss"].as_f64() > lines[6]["loss"].as_f64(), "the loss falls");
    assert!(said.contains(&format!("accuracy {:.2}% after 92 steps", 100.0 * top1)), "{said}");

    // The resolved file stands alone and evaluates to what the run said.
    let weights = run.join("weights.safetensors").display().to_string();
    let resolved = run.join("model.rnet").display().to_string();
    for file in [example("digits.rnet"), resolved] {
        let evaluated = succeeds(directory.path(), &["eval", &file, "--weights", &weights, "--json"]);
        let evaluated: Value = serde_json::from_str(&evaluated).expect("eval prints JSON");
        assert_eq!((evaluated["top1"].as_f64(), evaluated["loss"].as_f64()), (Some(top1), last["loss"].as_f64()));
        assert_eq!(evaluated["images"], 359);
    }
    // What is legal and likely wrong is said before a run as well.
    fs::write(directory.path().join("biased.rnet"), NET.replace("conv3x3(8)", "conv3x3(8, bias = true)"))
        .expect("written");
    let output = rnet(directory.path(), &["train", "biased.rnet", "--steps", "1"]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("Warning"), "{output:?}");
    // The next run gets a directory of its own.
    succeeds(directory.path(), &["train", &example("digits.rnet"), "--steps", "1"]);
    assert!(directory.path().join("runs/digits-2/weights.safetensors").is_file());
}

/// Runs with dropout, a partial last batch, momentum and a schedule, so that everything that could differ is there.
const NET: &str = "
model net {
  input image: f32[N, 1, 8, 8]
  image -> conv3x3(8) -> bn -> relu -> residual(conv3x3 -> bn -> relu -> conv3x3 -> bn) -> relu
        -> max_pool(2) -> flatten -> dropout(0.2) -> fc: dense(10)
}
data digits {
  source = digits  average_flips = true  test = normalize
  train  = pad(1) -> random_crop(8) -> random_flip(alternating = true) -> cutout(2) -> normalize
}
train {
  model = net  data = digits  optimizer = sgd(lr = 0.05, momentum = 0.9, weight_decay = 1e-4, nesterov = true)
  schedule = cosine(warmup = 5)  batch = 100  steps = 50  seed = 7
}
";

/// The same with everything that an optimizer can remember: two of them, sums of gradients, an average or slow weights.
fn nets() -> [String; 3] {
    let sgd = "optimizer = sgd(lr = 0.05, momentum = 0.9, weight_decay = 1e-4, nesterov = true)";
    assert!(NET.contains(sgd), "the network is trained by SGD");
    let adam =
        "optimizer = adamw(lr = 0.01)  clip = norm(1)  groups = [group(\"*conv*\", optimizer = muon(lr = 0.02))]";
    let net = |rest: &str| NET.replace(sgd, &format!("{adam}  {rest}"));
    [NET.to_string(), net("accumulate = 3  average = ema(decay = 0.9)"), net("average = lookahead(every = 4)")]
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    nets().iter().for_each(|net| the_same_seed_gives_the_same_bits_of(net));
}

fn the_same_seed_gives_the_same_bits_of(net: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("net.rnet"), net).expect("the file can be written");
    let train = |out: &str, more: &[&str]| {
        succeeds(directory.path(), &[&["train", "net.rnet", "--out", out][..], more].concat());
        fs::read(directory.path().join(out).join("weights.safetensors")).expect("the run has weights")
    };
    let one = train("one", &["--threads", "1"]);
    assert!(one == train("two", &["--threads", "2"]), "1 and 2 threads differ");
    assert!(one == train("three", &["--threads", "3"]), "1 and 3 threads differ");
    assert_eq!(timeless(&directory.path().join("one")), timeless(&directory.path().join("three")));
    assert!(one != train("other", &["--seed", "8"]), "the seed makes no difference");
}

/// What a crash leaves: any of the checkpoints, and metrics that are ahead of it.
#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    nets().iter().for_each(|net| a_resumed_run_ends_with_the_same_bits_of(net));
}

fn a_resumed_run_ends_with_the_same_bits_of(net: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("net.rnet"), net).expect("the file can be written");
    let whole = directory.path().join("whole");
    succeeds(directory.path(), &["train", "net.rnet", "--out", "whole", "--checkpoint-every", "1", "--keep", "1000"]);
    let weights = fs::read(whole.join("weights.safetensors")).expect("the run has weights");
    // What is saved is what was tested, an average too.
    let saved = whole.join("weights.safetensors").display().to_string();
    let evaluated: Value =
        serde_json::from_str(&succeeds(directory.path(), &["eval", "net.rnet", "--weights", &saved, "--json"]))
            .expect("eval prints JSON");
    let tested = metrics(&whole).pop().expect("there are lines");
    assert_eq!((&evaluated["loss"], &evaluated["top1"]), (&tested["loss"], &tested["top1"]));
    // Within an epoch, at its last step, at the last but one, at the very end.
    for step in [1, 7, 15, 16, 49, 50] {
        let copy = directory.path().join(format!("from-{step}"));
        fs::create_dir_all(copy.join("checkpoints")).expect("a directory");
        for file in ["model.rnet", "run.json", "metrics.jsonl"] {
            fs::copy(whole.join(file), copy.join(file)).expect("a copy");
        }
        for end in ["json", "safetensors"] {
            let file = format!("checkpoints/step-{step:012}.{end}");
            fs::copy(whole.join(&file), copy.join(&file)).expect("a copy");
        }
        let said = succeeds(directory.path(), &["train", "--resume", &copy.display().to_string(), "--threads", "1"]);
        let begins = match step {
            50 => "the run has come to its end after step 50, nothing is left to do".to_string(),
            step => format!("going on after step {step}\n"),
        };
        assert!(said.contains(&begins), "{said}");
        assert!(weights == fs::read(copy.join("weights.safetensors")).expect("weights"), "from step {step}");
        assert_eq!(timeless(&whole), timeless(&copy), "from step {step}");
    }
}

/// An interrupt ends a run after its step, with a checkpoint of that step and the words to go on.
#[cfg(unix)]
#[test]
fn an_interrupted_run_loses_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("net.rnet"), NET).expect("the file can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rnet"));
    command.current_dir(directory.path()).args(["train", "net.rnet", "--steps", "1000000", "--out", "run"]);
    let child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("rnet runs");
    let run = directory.path().join("run");
    while !fs::read_to_string(run.join("metrics.jsonl")).is_ok_and(|text| text.lines().count() >= 2) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let output = child.wait_with_output().expect("the child ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("the output is text");
    let (before, rest) = said.split_once("stopped after step ").expect("the run says where it stopped");
    assert!(rest.ends_with("; go on with: rnet train --resume run\n"), "{before}{rest}");
    let step: u64 = rest.split(';').next().and_then(|step| step.parse().ok()).expect("a step");
    assert!(run.join(format!("checkpoints/step-{step:012}.json")).is_file());
    assert!(run.join("weights.safetensors").is_file());
}

#[test]
fn initial_weights_have_pytorch_s_names_and_gradients_can_be_had() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    succeeds(directory.path(), &["init", &example("resnet20.rnet"), "--seed", "3", "--out", "w.safetensors"]);
    let bytes = fs::read(path("w.safetensors")).expect("the file is there");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    assert_eq!(file.tensor("layer2.0.conv1.weight").expect("the name is PyTorch's").shape(), [32, 16, 3, 3]);
    assert_eq!(file.tensor("layer2.0.bn1.running_var").expect("the name is PyTorch's").shape(), [32]);
    let parameters = file.tensors().into_iter().filter(|(name, _)| !name.contains("running_"));
    assert_eq!(parameters.map(|(_, view)| view.shape().iter().product::<usize>()).sum::<usize>(), 269_722);

    let image: Vec<u8> = (0..2 * 3 * 32 * 32).flat_map(|at| ((at % 7) as f32 - 3.0).to_le_bytes()).collect();
    let batch = |labels: [i64; 2]| {
        let labels: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        let image = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 3, 32, 32], &image);
        let label = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![2], &labels);
        let views = [("image", image.expect("a tensor")), ("label", label.expect("a tensor"))];
        safetensors::serialize_to_file(views, None, &path("b.safetensors")).expect("the file can be written");
    };
    let file = example("resnet20.rnet");
    let grad = ["grad", &file, "--weights", "w.safetensors", "--batch", "b.safetensors", "--out", "g.safetensors"];
    batch([3, 10]);
    let words = fails(directory.path(), &grad);
    assert!(words.contains("a label is 10, the model has classes 0 to 9"), "{words}");
    assert!(!path("g.safetensors").exists());
    batch([3, 9]);
    succeeds(directory.path(), &grad);
    let bytes = fs::read(path("g.safetensors")).expect("the file is there");
    let gradients = safetensors::SafeTensors::deserialize(&bytes).expect("a safetensors file");
    assert_eq!(gradients.tensor("logits").expect("logits").shape(), [2, 10]);
    assert_eq!(gradients.tensor("grad.layer2.0.conv1.weight").expect("a gradient").shape(), [32, 16, 3, 3]);
}

#[test]
fn what_does_not_fit_is_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    fs::write(at("net.rnet"), NET).expect("the file can be written");
    fs::write(at("wide.rnet"), NET.replace("f32[N, 1, 8, 8]", "f32[N, 1, 9, 9]")).expect("the file can be written");
    fs::write(at("few.rnet"), NET.replace("dense(10)", "dense(7)")).expect("the file can be written");
    let (model, rest) = NET.split_once("data digits").expect("there is a data section");
    let (_, train) = rest.split_once("\n}\n").expect("it has an end");
    fs::write(at("bare.rnet"), format!("{model}{}", train.replace("  data = digits", "")))
        .expect("the file can be written");
    fs::write(at("junk.safetensors"), b"junk").expect("the file can be written");
    fs::create_dir(at("full")).and_then(|()| fs::write(at("full/file"), b"kept")).expect("a directory");
    succeeds(directory.path(), &["init", "net.rnet", "--out", "w.safetensors"]);
    succeeds(directory.path(), &["init", &example("digits.rnet"), "--out", "other.safetensors"]);
    let cifar = example("resnet20.rnet");
    let cases: &[(&[&str], &str)] = &[
        (&["train", "absent.rnet"], "absent.rnet"),
        (&["train"], "a model file is needed: rnet train FILE"),
        (
            &["train", "wide.rnet"],
            "takes images of 1x9x9 (channels, height, width), the train images of digits have 1x8x8",
        ),
        (&["train", "few.rnet"], "the model tells 7 classes apart, digits has 10"),
        (&["train", "bare.rnet"], "the file has no data section"),
        (&["train", "net.rnet", "--data", "."], "the digits are built in"),
        (&["train", &cifar, "--data", "nowhere"], "--data nowhere: there is no such directory"),
        (&["train", &cifar], "data_batch_1.bin: a batch of CIFAR images is not there"),
        (&["train", "net.rnet", "--out", "full"], "the directory is not empty"),
        (&["train", "net.rnet", "--batch", "0"], "`batch` lies between 1 and"),
        (&["train", "net.rnet", "--steps", "2", "--epochs", "2"], "cannot be used with"),
        (&["train", "--resume", "full"], "no run to go on with"),
        (&["train", "net.rnet", "--resume", "full"], "--resume goes on with what the run directory says"),
        (&["train", "net.rnet", "--set", "train.optimizer.lr=1e6", "--out", "wild"], "training has diverged"),
        (&["eval", "net.rnet", "--weights", "junk.safetensors"], "junk.safetensors: expected a safetensors file"),
        (&["eval", "net.rnet", "--weights", "other.safetensors"], "tensors are missing, the first is"),
        (&["eval", "net.rnet", "--weights", "absent.safetensors"], "absent.safetensors: cannot be read"),
        (
            &["grad", "net.rnet", "--weights", "w.safetensors", "--batch", "w.safetensors", "--out", "g"],
            "it has no `image`",
        ),
        (&["init", "net.rnet", "--out", "nowhere/w.safetensors"], "nowhere/w.safetensors: cannot be written"),
    ];
    for (arguments, words) in cases {
        let said = fails(directory.path(), arguments);
        assert!(said.contains(words), "{arguments:?} says\n{said}");
    }
    assert_eq!(fs::read(at("full/file")).expect("the file is there"), b"kept");
}

/// The recipe of the ResNet-20 that the README names, on the real pictures, for a few steps.
#[test]
fn real_pictures_load() {
    let Some(data) = std::env::var_os("RNET_CIFAR10").map(PathBuf::from) else {
        eprintln!("SKIPPED: RNET_CIFAR10 does not name the directory of CIFAR-10's binary batches");
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = data.display().to_string();
    succeeds(directory.path(), &["train", &example("resnet20.rnet"), "--data", &data, "--steps", "20", "--out", "run"]);
    let first = &metrics(&directory.path().join("run"))[0];
    assert!(first["loss"].as_f64().is_some_and(|loss| loss < 3.0), "{first}");
}

/// Training in bf16: the same bits for one thread and two, other bits than f32, and it learns. Where the CPU has no products of bf16
/// the slow ones stand in.
#[test]
fn mixed_precision_learns_and_keeps_its_bits() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let best = rnet_runtime::kernels::Isa::best();
    let kernel = if best.supports(rnet_runtime::program::Precision::Bf16) { best.name() } else { "portable" };
    let train = |out: &str, arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rnet"))
            .current_dir(directory.path())
            .args(["train", &example("digits.rnet"), "--epochs", "4", "--out", out])
            .args(arguments)
            .env("RNET_KERNEL", kernel)
            .output()
            .expect("rnet runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(directory.path().join(out).join("weights.safetensors")).expect("the run leaves weights")
    };
    let one = train("one", &["--precision", "bf16", "--threads", "1"]);
    let two = train("two", &["--set", "train.precision=bf16", "--threads", "2"]);
    assert!(one == two, "1 and 2 threads differ, or the flag and the setting");
    assert!(one != train("f32", &[]), "bf16 is f32");
    let lines = metrics(&directory.path().join("one"));
    let top1 = lines.last().and_then(|line| line["top1"].as_f64()).expect("there is an accuracy");
    assert!(top1 > 0.95, "{top1}");
    let refused = Command::new(env!("CARGO_BIN_EXE_rnet"))
        .current_dir(directory.path())
        .args(["train", &example("digits.rnet"), "--precision", "bf16", "--out", "refused"])
        .env("RNET_KERNEL", "avx2")
        .output()
        .expect("rnet runs");
    assert_eq!(refused.status.code(), Some(2), "there is no bf16 with AVX2");
    assert!(!directory.path().join("refused").exists(), "nothing is left behind");
}
