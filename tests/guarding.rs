//! Runs that are killed, that share a directory, or whose disk takes no more writes, from the command line: nothing is lost,
//! and whoever comes back in the morning is told what happened and how to go on.
#![cfg(unix)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// With dropout, a partial last batch, momentum and a schedule, so that everything that could differ is there.
const NET: &str = "
model net {
  input image: f32[N, 1, 8, 8]
  image -> conv3x3(8) -> bn -> relu -> residual(conv3x3 -> bn -> relu -> conv3x3 -> bn) -> relu
        -> max_pool(2) -> flatten -> dropout(0.2) -> fc: dense(10)
}
data digits { source = digits  train = pad(1) -> random_crop(8) -> normalize  test = normalize }
train {
  model = net  data = digits  optimizer = sgd(lr = 0.05, momentum = 0.9, weight_decay = 1e-4, nesterov = true)
  schedule = cosine(warmup = 5)  batch = 100  steps = 50  seed = 7
}
";

/// A directory with `net.rnet` in it, in which rnet is run; what it puts among temporary files goes there too.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("net.rnet"), NET).expect("the file can be written");
        Bench(directory)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).env("TMPDIR", self.0.path()).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(env!("CARGO_BIN_EXE_rnet"), arguments).spawn().expect("rnet runs")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.start(arguments).wait_with_output().expect("rnet ends");
        assert!(output.status.success(), "{arguments:?}\n{}", words(&output));
        String::from_utf8(output.stdout).expect("the output is text")
    }

    /// rnet where no file may be longer than so many blocks of 512 bytes: writing beyond fails as on a full disk.
    fn within(&self, blocks: u64, arguments: &[&str]) -> Output {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let shell = [&["-c", &script, "sh", env!("CARGO_BIN_EXE_rnet")][..], arguments].concat();
        self.command("sh", &shell).output().expect("a shell runs")
    }

    fn weights(&self, run: &str) -> Vec<u8> {
        fs::read(self.at(run).join("weights.safetensors")).expect("the run has weights")
    }

    /// The metrics without what depends on the clock.
    fn metrics(&self, run: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.at(run).join("metrics.jsonl")).expect("the run has metrics");
        let mut lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        for line in &mut lines {
            line["images_per_s"] = Value::Null;
            line["time"] = Value::Null;
        }
        lines
    }

    /// The step of the newest checkpoint.
    fn newest(&self, run: &str) -> Option<u64> {
        let files = fs::read_dir(self.at(run).join("checkpoints")).ok()?;
        let step = |path: &Path| path.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".json")?.parse().ok();
        files.flatten().filter_map(|file| step(&file.path())).max()
    }

    fn wait_for(&self, run: &str, is_enough: impl Fn(u64) -> bool) {
        while !self.newest(run).is_some_and(&is_enough) {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The words of what must be refused with exit code 2.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}{}", String::from_utf8_lossy(&output.stdout), words(output));
    words(output)
}

/// Kills a run again and again; it can always go on, and ends as if it had not been killed. `RNET_KILLS` says how often. Every
/// other kill comes at some moment after the start, the rest while the run is training and writing checkpoints.
#[test]
fn a_killed_run_goes_on() {
    let kills: u64 = std::env::var("RNET_KILLS").map_or(9, |kills| kills.parse().expect("RNET_KILLS is a number"));
    let bench = Bench::new();
    let steps = (300 * kills).to_string();
    bench.succeeds(&["train", "net.rnet", "--steps", &steps, "--out", "whole", "--threads", "1"]);
    let often = ["--checkpoint-every", "1", "--threads", "1"];
    let first = [&["train", "net.rnet", "--steps", &steps, "--out", "killed"][..], &often].concat();
    let again = [&["train", "--resume", "killed"][..], &often].concat();
    // Xorshift (Marsaglia 2003): moments that differ, the same in each run as far as the machine lets them.
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15 ^ kills;
    let mut killed_at_work = 0;
    for kill in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = bench.start(if kill == 0 { &first } else { &again });
        if kill == 0 {
            // Before its first checkpoint a run has done nothing that could go on.
            bench.wait_for("killed", |_| true);
        } else if kill % 2 == 1 {
            let before = bench.newest("killed").expect("there is a checkpoint");
            while bench.newest("killed") == Some(before) && child.try_wait().expect("a state").is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        std::thread::sleep(Duration::from_micros(random % 120_000));
        if child.try_wait().expect("a state").is_none() {
            killed_at_work += 1;
        }
        let _ = child.kill();
        let output = child.wait_with_output().expect("the child ends");
        assert_eq!(words(&output), "", "kill {kill}: it went on without a complaint");
    }
    eprintln!(
        "{killed_at_work} of {kills} kills met a run at work; the newest checkpoint: {:?}",
        bench.newest("killed")
    );
    assert!(killed_at_work > 0, "none of {kills} kills met a run at work");
    bench.succeeds(&["train", "--resume", "killed"]);
    assert!(bench.weights("whole") == bench.weights("killed"), "the weights differ");
    assert_eq!(bench.metrics("whole"), bench.metrics("killed"));
}

/// A directory that is gone in mid-run: what was done is kept elsewhere and goes on from there.
#[test]
fn a_vanished_directory_loses_nothing() {
    let bench = Bench::new();
    bench.succeeds(&["train", "net.rnet", "--steps", "1000", "--out", "whole"]);
    let child = bench.start(&["train", "net.rnet", "--steps", "1000", "--out", "run", "--checkpoint-every", "10"]);
    bench.wait_for("run", |step| step > 0);
    fs::rename(bench.at("run"), bench.at("elsewhere")).expect("the directory can be moved");
    let told = refused(&child.wait_with_output().expect("the child ends"));
    assert!(told.contains("No such file or directory"), "{told}");
    let rescued = told.split("go on with: rnet train --resume ").nth(1).expect("the words say how to go on").trim();
    bench.succeeds(&["train", "--resume", rescued]);
    assert!(bench.weights("whole") == bench.weights(rescued), "the weights differ");
    assert_eq!(bench.metrics("whole").last(), bench.metrics(rescued).last());
}

/// A data file that is cut short while it is in use.
#[test]
fn truncated_data_end_in_words() {
    let bench = Bench::new();
    fs::create_dir(bench.at("idx")).expect("a directory");
    for (split, count) in [("train", 2000u32), ("t10k", 20)] {
        let header = |kind: u8, dims: &[u32]| {
            let mut bytes = vec![0, 0, 8, kind];
            dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
            bytes
        };
        let mut images = header(3, &[count, 28, 28]);
        images.extend((0..count * 28 * 28).map(|at| (at % 251) as u8));
        let mut labels = header(1, &[count]);
        labels.extend((0..count).map(|at| (at % 10) as u8));
        fs::write(bench.at(&format!("idx/{split}-images-idx3-ubyte")), images).expect("the file can be written");
        fs::write(bench.at(&format!("idx/{split}-labels-idx1-ubyte")), labels).expect("the file can be written");
    }
    let net = NET.replace("1, 8, 8", "1, 28, 28").replace("random_crop(8)", "random_crop(28)");
    fs::write(bench.at("idx.rnet"), net.replace("source = digits", "source = mnist(\"idx\")")).expect("written");
    let child = bench.start(&["train", "idx.rnet", "--steps", "1000000", "--out", "run", "--checkpoint-every", "2"]);
    bench.wait_for("run", |step| step > 0);
    let images = fs::File::options().write(true).open(bench.at("idx/train-images-idx3-ubyte"));
    images.and_then(|file| file.set_len(16)).expect("the file can be cut");
    let told = refused(&child.wait_with_output().expect("the child ends"));
    assert!(told.contains("a data file was cut short"), "{told}");
    let told = refused(&bench.start(&["train", "--resume", "run"]).wait_with_output().expect("rnet ends"));
    assert!(told.contains("train-images-idx3-ubyte"), "{told}");
}

/// A disk that takes no more: from the start, at a checkpoint in mid-run, at a line of the metrics.
#[test]
fn a_full_disk_loses_nothing() {
    let bench = Bench::new();
    bench.succeeds(&["train", "net.rnet", "--out", "whole"]);
    // 8 KiB hold the model and its recipe, but no checkpoint.
    let told = refused(&bench.within(16, &["train", "net.rnet", "--out", "early"]));
    assert!(told.contains("early/checkpoints/step-000000000000.safetensors: cannot be written"), "{told}");
    assert!(!told.contains("panic"), "{told}");

    let interrupted = |name: &str| {
        let child = bench.start(&["train", "net.rnet", "--out", name, "--checkpoint-every", "1"]);
        bench.wait_for(name, |step| step > 0);
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.expect("kill runs").success());
        child.wait_with_output().expect("the child ends");
        bench.newest(name).expect("there is a checkpoint")
    };
    let step = interrupted("late");
    if step < 50 {
        let told = refused(&bench.within(16, &["train", "--resume", "late", "--checkpoint-every", "1"]));
        let next = format!("late/checkpoints/step-{:012}.safetensors: cannot be written", step + 1);
        assert!(told.contains(&next), "{told}");
        assert!(told.contains(&format!("the newest checkpoint is that of step {step}; once there is room")), "{told}");
        assert!(told.contains("--resume late\n"), "{told}");
    }
    bench.succeeds(&["train", "--resume", "late"]);
    assert!(bench.weights("whole") == bench.weights("late"), "the weights differ");
    assert_eq!(bench.metrics("whole"), bench.metrics("late"));

    // Metrics that are longer than any file may be: lines of step 0, which a resumed run keeps.
    interrupted("long");
    let path = bench.at("long/metrics.jsonl");
    let line = format!("{}\n", serde_json::to_string(&bench.metrics("whole")[0]).expect("JSON").replace("null", "1.0"));
    let line = line.replace("\"step\":15", "\"step\":0");
    fs::write(&path, line.repeat(700)).expect("the file can be written");
    let told = refused(&bench.within(128, &["train", "--resume", "long"]));
    assert!(told.contains("long/metrics.jsonl: cannot be added to"), "{told}");
    assert!(told.contains("could not be saved elsewhere either") || told.contains("nothing is lost"), "{told}");
}

/// Each file that a run writes, with a directory in its place: the run is saved elsewhere, with what the files told of it, and ends
/// there as it would have ended.
#[test]
fn no_file_that_cannot_be_written_loses_a_run() {
    let bench = Bench::new();
    bench.succeeds(&["train", "net.rnet", "--out", "whole", "--checkpoint-every", "1", "--keep", "1000"]);
    for (file, steps) in [("evaluation.json", 15), ("weights.safetensors", 50)] {
        let name = file.split('.').next().expect("a name");
        // The run as it was after step 10, before its first test.
        fs::create_dir_all(bench.at(name).join("checkpoints")).expect("a directory");
        let kept = ["json", "safetensors"].map(|end| format!("checkpoints/step-{:012}.{end}", 10));
        for kept in kept.iter().map(String::as_str).chain(["model.rnet", "run.json"]) {
            fs::copy(bench.at("whole").join(kept), bench.at(name).join(kept)).expect("a copy");
        }
        fs::create_dir(bench.at(name).join(file)).expect("a directory");
        let told = refused(&bench.start(&["train", "--resume", name]).wait_with_output().expect("rnet ends"));
        assert!(told.contains(&format!("{name}/{file}: cannot be given its name")), "{told}");
        assert!(told.contains(&format!("nothing is lost: step {steps} has been saved elsewhere")), "{told}");
        let rescued = told.split("go on with: rnet train --resume ").nth(1).expect("how to go on").trim();
        let listed = bench.succeeds(&["runs", name, "--json"]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        assert!(listed[0]["reason"].as_str().is_some_and(|reason| told.contains(reason)), "{listed}");
        bench.succeeds(&["train", "--resume", rescued]);
        assert!(bench.weights("whole") == bench.weights(rescued), "the weights differ");
        assert_eq!(bench.metrics("whole"), bench.metrics(rescued));
        let layers =
            |run: &str| fs::read_to_string(bench.at(run).join("layers.jsonl")).expect("the run measures layers");
        let lines = [layers("whole"), layers(rescued)].map(|text| text.lines().count());
        assert_eq!(lines[0], lines[1], "{file}");
    }
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let bench = Bench::new();
    bench.succeeds(&["train", "net.rnet", "--steps", "1", "--out", "run"]);
    fs::write(bench.at("run/model.rnet"), NET.replace("conv3x3(8)", "conv3x3(12)")).expect("the file can be written");
    let told = refused(&bench.start(&["train", "--resume", "run"]).wait_with_output().expect("rnet ends"));
    assert!(told.contains("the model's has"), "{told}");
    assert!(told.contains("this checkpoint was not written by the model"), "{told}");
}

/// A log on a full disk is no reason to lose a run; whoever asks for a text, though, has to know that it was not written.
#[cfg(target_os = "linux")]
#[test]
fn nobody_has_to_listen() {
    let bench = Bench::new();
    let full = || fs::File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
    let into_full = |arguments: &[&str]| {
        let mut command = bench.command(env!("CARGO_BIN_EXE_rnet"), arguments);
        command.stdout(full()).output().expect("rnet runs")
    };
    let output = into_full(&["train", "net.rnet", "--out", "unheard"]);
    assert!(output.status.success(), "{}", words(&output));
    bench.succeeds(&["train", "net.rnet", "--out", "heard"]);
    assert!(bench.weights("heard") == bench.weights("unheard"));
    let told = refused(&into_full(&["summary", "net.rnet"]));
    assert!(told.contains("standard output: No space left on device"), "{told}");
}

#[test]
fn two_processes_do_not_share_a_run() {
    let bench = Bench::new();
    let child = bench.start(&["train", "net.rnet", "--steps", "1000000", "--out", "run", "--checkpoint-every", "10"]);
    bench.wait_for("run", |step| step > 0);
    let second = bench.start(&["train", "--resume", "run"]).wait_with_output().expect("the second ends");
    let told = refused(&second);
    assert!(told.contains(&format!("run: another process (process {}) is training in this", child.id())), "{told}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(child.wait_with_output().expect("the first ends").status.code(), Some(130));
}

/// The images are as large as numbers get: the first convolution's results still fit, their sums do not.
const OVERFLOWING: &str = "normalize(mean = [0.0], std = [4e-39])";

/// A step that leaves the finite numbers ends the run, and the words name the op that did it, and what is kept.
#[test]
fn divergence_is_traced_to_its_place() {
    let bench = Bench::new();
    fs::write(bench.at("huge.rnet"), NET.replace("-> normalize  test", &format!("-> {OVERFLOWING}  test")))
        .expect("the file can be written");
    let run = |arguments: &[&str]| bench.start(arguments).wait_with_output().expect("rnet ends");
    let told = refused(&run(&["train", "huge.rnet", "--out", "huge"]));
    assert!(told.contains("error: step 1: "), "{told}");
    assert!(told.contains("where it began: huge.rnet:4:26: `reduce_sum bn1`: "), "{told}");
    assert!(told.contains("kept: the checkpoint of step 0, in huge/checkpoints"), "{told}");
    // Whoever finds the run later is told as well.
    let page = fs::read_to_string(bench.at("huge/report.html")).expect("a failed run has a report");
    assert!(page.contains("where it began: huge.rnet:4:26: `reduce_sum bn1`"), "{page}");

    // Several steps behind a checkpoint, in a run that is resumed: the places are those of its own file.
    let told = refused(&run(&["train", "net.rnet", "--set", "train.optimizer.lr=1e6", "--out", "wild"]));
    let step =
        told.split("error: step ").nth(1).and_then(|rest| rest.split(':').next()).expect("the words name a step");
    assert!(step.parse::<u64>().is_ok_and(|step| step > 1), "{told}");
    assert!(told.contains("training has diverged"), "{told}");
    assert!(told.contains("where it began: net.rnet:"), "{told}");
    assert!(told.contains("kept: the checkpoint of step 0, in wild/checkpoints"), "{told}");
    let again = refused(&run(&["train", "--resume", "wild", "--threads", "1"]));
    let began = |told: &str| {
        let line = told.lines().find_map(|line| line.trim().strip_prefix("where it began: ")).expect("a place");
        // Behind file, line and column.
        line.splitn(4, ':').nth(3).expect("a place has three parts").to_string()
    };
    assert_eq!(began(&told), began(&again), "the second time it diverges at the same value");
}

/// The trap finds what goes wrong before it has done harm, and changes no bit of a run in which nothing does.
#[test]
fn the_trap_changes_nothing() {
    let bench = Bench::new();
    bench.succeeds(&["train", "net.rnet", "--out", "plain"]);
    bench.succeeds(&["train", "net.rnet", "--trap-nan", "--out", "trapped"]);
    assert!(bench.weights("plain") == bench.weights("trapped"), "the weights differ");
    fs::write(bench.at("huge.rnet"), NET.replace("-> normalize  test", &format!("-> {OVERFLOWING}  test")))
        .expect("the file can be written");
    let output = bench.start(&["train", "huge.rnet", "--trap-nan"]).wait_with_output().expect("rnet ends");
    let told = refused(&output);
    assert!(told.contains("error: step 1 computes a value that is not finite"), "{told}");
    assert!(told.contains("where it began: huge.rnet:4:26: `reduce_sum bn1`: "), "{told}");
}

/// A run that stops early does so at the same test however often it is interrupted, and is then over for good.
#[test]
fn a_run_without_progress_stops() {
    let bench = Bench::new();
    // Nothing is learned; only the running statistics move for a while.
    let set = ["--set", "train.stop=early(patience = 2)", "--set", "train.optimizer.lr=0.0", "--steps", "300"];
    let said = bench.succeeds(&[&["train", "net.rnet", "--out", "still"][..], &set].concat());
    assert!(said.contains("stopped early"), "{said}");
    let lines = bench.metrics("still");
    let tests = lines.iter().filter(|line| line["split"] == "test").map(|line| line["top1"].as_f64().expect("a share"));
    let tests: Vec<f64> = tests.collect();
    let (mut best, mut since) = (f64::NEG_INFINITY, 0);
    let over = tests.iter().position(|&top1| {
        (best, since) = if top1 > best { (top1, 0) } else { (best, since + 1) };
        since == 2
    });
    assert_eq!(over.map(|over| over + 1), Some(tests.len()), "two tests in a row without a new best: {tests:?}");
    assert!(tests.len() < 20, "{tests:?}");
    let before = bench.metrics("still");
    let said = bench.succeeds(&["train", "--resume", "still"]);
    assert!(said.contains("stopped early") && said.contains("nothing is left to do"), "{said}");
    assert_eq!(bench.metrics("still"), before, "a run that is over does not go on");
}

/// With slow weights a run ends on them, and is tested with them, whether its steps or its patience come to their end; and its best
/// checkpoint is that of the least loss where patience goes by the loss.
#[test]
fn every_end_of_a_run_is_alike() {
    let bench = Bench::new();
    let slow = NET.replace("seed = 7", "seed = 7  average = lookahead(every = 7, alpha = 0.3)");
    fs::write(bench.at("slow.rnet"), slow).expect("the file can be written");
    let stop = ["--steps", "3000", "--set", "train.stop=early(patience = 3, metric = \"loss\")"];
    let said = bench.succeeds(&[&["train", "slow.rnet", "--out", "early", "--keep", "1"][..], &stop].concat());
    let lines = bench.metrics("early");
    let tests: Vec<&Value> = lines.iter().filter(|line| line["split"] == "test").collect();
    let loss = |line: &Value| line["loss"].as_f64().expect("a loss");
    let best = tests.iter().copied().reduce(|best, line| if loss(line) < loss(best) { line } else { best });
    let best = best.expect("there are tests");
    let words =
        format!("the least test loss was {:.4} after step {}, whose checkpoint is kept", loss(best), best["step"]);
    assert!(said.contains("stopped early") && said.contains(&words), "{words}: {said}");
    let kept = format!("early/checkpoints/step-{:012}.safetensors", best["step"].as_u64().expect("a step"));
    // What was tested is what was saved, in the kept checkpoint too.
    for (weights, line) in [("early/weights.safetensors", *tests.last().expect("a test")), (&kept, best)] {
        let evaluated = bench.succeeds(&["eval", "slow.rnet", "--weights", weights, "--json"]);
        let evaluated: Value = serde_json::from_str(&evaluated).expect("JSON");
        assert_eq!((&evaluated["loss"], &evaluated["top1"]), (&line["loss"], &line["top1"]), "{weights}");
    }
    let listed: Value = serde_json::from_str(&bench.succeeds(&["runs", "early", "--json"])).expect("JSON");
    assert_eq!(listed[0]["best"]["step"], best["step"]);
    // Not the weights that are trained, from which the slow ones differ.
    bench.succeeds(&["ckpt", "convert", &kept, "best.safetensors"]);
    let plain = NET.replace("seed = 7", "seed = 7  average = none");
    fs::write(bench.at("plain.rnet"), plain).expect("the file can be written");
    let evaluated = bench.succeeds(&["eval", "plain.rnet", "--weights", "best.safetensors", "--json"]);
    let evaluated: Value = serde_json::from_str(&evaluated).expect("JSON");
    assert_eq!(evaluated["loss"], best["loss"]);
}

/// Layers may be called as slots of the optimizer's memory are.
#[test]
fn a_layer_called_as_a_slot_is_no_memory() {
    let bench = Bench::new();
    let named = NET.replace("fc: dense(10)", "fc: dense(16) -> velocity: stage -> average: dense(10)");
    let named = named.replace("model net {", "block stage = relu -> fc: dense(16)\nmodel net {");
    fs::write(bench.at("named.rnet"), named).expect("the file can be written");
    bench.succeeds(&["train", "named.rnet", "--steps", "3", "--out", "run", "--set", "train.average=ema(decay = 0.5)"]);
    let whole = bench.weights("run");
    fs::remove_file(bench.at("run/weights.safetensors")).expect("the file is there");
    bench.succeeds(&["train", "--resume", "run"]);
    assert!(whole == bench.weights("run"), "the weights differ");
    let file = safetensors::SafeTensors::deserialize(&whole).expect("a safetensors file");
    for name in ["fc.weight", "velocity.fc.weight", "average.weight"] {
        assert!(file.tensor(name).is_ok(), "{name}");
    }
}

/// Where there is nothing to save yet, an interrupt ends the program at once.
#[test]
fn an_interrupt_before_the_first_step_leaves_nothing_behind() {
    let bench = Bench::new();
    // Many parts to compile.
    let long = NET.replace("-> flatten", "-> repeat(40, i => residual(conv3x3 -> bn -> relu)) -> flatten");
    fs::write(bench.at("long.rnet"), long).expect("the file can be written");
    let child = bench.start(&["train", "long.rnet", "--out", "run"]);
    std::thread::sleep(Duration::from_millis(50));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let output = child.wait_with_output().expect("the child ends");
    assert!(!bench.at("run/weights.safetensors").exists(), "{}", words(&output));
    assert!(!words(&output).contains("writing a checkpoint"), "{}", words(&output));
}

/// What `--overfit-batch` finds out: a network that can learn a batch, and one whose labels it cannot see. It is the file's loss that
/// is made small, down to the least that it can be.
#[test]
fn a_batch_is_learned_by_heart_or_not() {
    let bench = Bench::new();
    let said = bench.succeeds(&["train", "net.rnet", "--overfit-batch", "--set", "train.batch=20"]);
    assert!(said.contains("the network learns a batch of 20 by heart in"), "{said}");
    assert!(!bench.at("runs").exists(), "nothing is left behind");
    for loss in ["cross_entropy(smoothing = 0.3)", "mean_squared_error", "binary_cross_entropy(smoothing = 0.1)"] {
        let set = ["--set", "train.batch=10", "--set", &format!("train.loss={loss}")];
        let said = bench.succeeds(&[&["train", "net.rnet", "--overfit-batch", "--steps", "2000"][..], &set].concat());
        assert!(said.contains("the network learns a batch of 10 by heart in"), "{loss}: {said}");
    }
    let blind = ["train", "net.rnet", "--overfit-batch", "--steps", "30", "--set", "train.optimizer.lr=0.0"];
    let output = bench.start(&blind).wait_with_output().expect("rnet ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not learn a batch of 100 by heart: the loss went from"), "{said}");
}

#[test]
fn an_estimate_leaves_nothing_behind() {
    let bench = Bench::new();
    let said = bench.succeeds(&["train", "net.rnet", "--dry-run"]);
    for words in ["activations and gradients", "weights and optimizer", "a step", "all 50 steps, with tests"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!bench.at("runs").exists());
}

/// The learning-rate finder: the same curve for any number of threads, and a rate that works.
#[test]
fn a_learning_rate_is_found() {
    let bench = Bench::new();
    let said = bench.succeeds(&["lr", "net.rnet", "--threads", "1", "--out", "one"]);
    bench.succeeds(&["lr", "net.rnet", "--threads", "2", "--out", "two"]);
    let read = |name: &str| fs::read_to_string(bench.at(name)).expect("the file is there");
    assert_eq!(read("one.json"), read("two.json"));
    assert_eq!(read("one.svg"), read("two.svg"));
    let found: Value = serde_json::from_str(&read("one.json")).expect("JSON");
    let rate = found["suggestion"].as_f64().expect("a rate");
    assert!((1e-4..1.0).contains(&rate), "{rate}\n{said}");
    assert!(said.contains(&format!("train.optimizer.lr={rate:.2e}")), "{said}");
    assert!(found["points"].as_array().is_some_and(|points| points.len() > 50), "{found}");
    bench.succeeds(&["train", "net.rnet", "--out", "run", "--set", &format!("train.optimizer.lr={rate:e}")]);
    let last = bench.metrics("run").pop().expect("there are metrics");
    assert!(last["top1"].as_f64().is_some_and(|top1| top1 > 0.5), "{last}");
    let output = bench.start(&["lr", "net.rnet", "--from", "1", "--to", "0.1"]).wait_with_output().expect("rnet ends");
    assert!(refused(&output).contains("the rates should grow"));
    let output = bench.start(&["lr", "net.rnet", "--out", "nowhere/lr"]).wait_with_output().expect("rnet ends");
    assert!(refused(&output).contains("there is no directory nowhere"));
}
