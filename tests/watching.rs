//! What a run lets people see: tables, event files, the list of runs, plots, the report; that all of it agrees with the metrics, and
//! that watching changes nothing.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// With dropout, a frozen layer, and a data set whose last batch is smaller.
const NET: &str = "
model net {
  input image: f32[N, 1, 8, 8]
  image -> stem: conv3x3(4) @frozen -> conv3x3(8) -> bn -> relu -> max_pool(2) -> flatten -> dropout(0.2) -> fc: dense(10)
}
data digits { source = digits  train = pad(1) -> random_crop(8) -> normalize  test = normalize }
train {
  model = net  data = digits  optimizer = sgd(lr = 0.05, momentum = 0.9)  batch = 100  epochs = 3  seed = 7
}
";

fn folder() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("net.rnet"), NET).expect("the file can be written");
    directory
}

#[test]
fn what_is_shown_agrees_with_the_metrics() {
    let directory = folder();
    succeeds(directory.path(), &["train", "net.rnet", "--out", "runs/one", "--tensorboard"]);
    let run = directory.path().join("runs/one");
    let metrics = lines(&run.join("metrics.jsonl"));
    let tests: Vec<&Value> = metrics.iter().filter(|line| line["split"] == "test").collect();
    let last = tests[2];

    let table = fs::read_to_string(run.join("metrics.csv")).expect("a table");
    let mut rows = table.lines();
    assert_eq!(rows.next(), Some("split,epoch,step,loss,top1,images_per_s,lr,time,waited"));
    let losses: Vec<f64> = rows
        .map(|row| row.split(',').nth(3).and_then(|loss| serde_json::from_str(loss).ok()).expect("a loss"))
        .collect();
    assert_eq!(losses, metrics.iter().map(|line| line["loss"].as_f64().expect("a loss")).collect::<Vec<_>>());

    let layers = lines(&run.join("layers.jsonl"));
    assert_eq!(
        layers.iter().map(|line| &line["step"]).collect::<Vec<_>>(),
        tests.iter().map(|line| &line["step"]).collect::<Vec<_>>()
    );
    for line in &layers {
        let paths: Vec<&str> =
            line["layers"].as_array().expect("layers").iter().filter_map(|layer| layer["path"].as_str()).collect();
        assert_eq!(paths, ["stem", "conv1", "fc"]);
        assert!(line["layers"][0]["gradient"].is_null(), "a frozen layer has no gradient: {line}");
        for layer in [1, 2] {
            assert!(line["layers"][layer]["gradient"].as_f64().is_some_and(|norm| norm > 0.0), "{line}");
        }
    }
    // A frozen layer sees the same batch at each test; the others move.
    let activation =
        |line: usize, layer: usize| layers[line]["layers"][layer]["activation"].as_f64().expect("a number");
    assert_eq!(activation(0, 0), activation(2, 0));
    assert_ne!(activation(0, 1), activation(2, 1));

    let evaluation: Value =
        serde_json::from_str(&fs::read_to_string(run.join("evaluation.json")).expect("a file")).expect("JSON");
    let confusion: Vec<[u64; 3]> = serde_json::from_value(evaluation["confusion"].clone()).expect("triples");
    let images: u64 = confusion.iter().map(|[_, _, count]| count).sum();
    let right: u64 =
        confusion.iter().filter(|[label, predicted, _]| label == predicted).map(|[_, _, count]| count).sum();
    assert_eq!(images, 359);
    assert!(last["top1"].as_f64().is_some_and(|top1| (top1 - right as f64 / 359.0).abs() < 1e-12), "{right} {last}");
    let wrong = evaluation["mistakes"].as_array().expect("mistakes");
    assert_eq!(wrong.len() as u64, (359 - right).min(36));

    let listed: Value = serde_json::from_str(&succeeds(directory.path(), &["runs", "--json"])).expect("JSON");
    let [listed] = &listed.as_array().expect("a list")[..] else { panic!("{listed}") };
    assert_eq!(
        (&listed["name"], &listed["network"], &listed["state"]),
        (&"one".into(), &"net".into(), &"finished".into())
    );
    assert_eq!((&listed["step"], &listed["steps"], &listed["last"]["top1"]), (&45.into(), &45.into(), &last["top1"]));
    let best = tests.iter().filter_map(|line| line["top1"].as_f64()).fold(0.0, f64::max);
    assert_eq!(listed["best"]["top1"].as_f64(), Some(best));
    let table = succeeds(directory.path(), &["runs"]);
    let row = table.lines().nth(1).expect("a row");
    assert!(row.starts_with("one") && row.contains("finished") && row.contains("45/45"), "{table}");
    assert!(row.contains(&format!("{:.2}%", 100.0 * best)), "{table}");

    let report = fs::read_to_string(run.join("report.html")).expect("training ends with a report");
    assert!(report.contains("<span class=\"state finished\">finished</span>"));
    for words in
        ["<svg class=\"chart\"", "<svg class=\"field\"", "class=\"confusion\"", "taken for", "conv3x3(8)", "seed 7"]
    {
        assert!(report.contains(words), "{words}");
    }
    assert_eq!(report.matches("<figure>\n<img").count(), wrong.len());
    // It asks nothing of anybody.
    for words in ["http:", "https:", "src=\"/", "url(", "@import", "<link"] {
        assert!(!report.contains(words), "{words}");
    }
    // The run directory alone is enough, also without what was written at the tests.
    fs::remove_file(run.join("report.html")).expect("a file");
    fs::remove_file(run.join("evaluation.json")).expect("a file");
    assert_eq!(succeeds(directory.path(), &["report", "runs/one", "--out", "r.html"]), "r.html\n");
    let bare = fs::read_to_string(directory.path().join("r.html")).expect("a report");
    assert!(bare.contains("<svg class=\"chart\"") && !bare.contains("class=\"confusion\""));
}

#[test]
fn watching_changes_no_bit() {
    let directory = folder();
    succeeds(directory.path(), &["train", "net.rnet", "--out", "watched", "--tensorboard"]);
    succeeds(directory.path(), &["train", "net.rnet", "--out", "alone", "--no-layers"]);
    let weights = |run: &str| fs::read(directory.path().join(run).join("weights.safetensors")).expect("weights");
    assert!(weights("watched") == weights("alone"));
    assert_eq!(lines(&directory.path().join("alone/layers.jsonl")), Vec::<Value>::new());
    assert!(!directory.path().join("alone/tensorboard").exists());
}

/// What a crash leaves is ahead of the checkpoint: lines, rows and events of steps that come again.
#[test]
fn a_resumed_run_shows_what_an_undisturbed_one_shows() {
    let directory = folder();
    let arguments = ["train", "net.rnet", "--out", "run", "--tensorboard", "--checkpoint-every", "1", "--keep", "1000"];
    succeeds(directory.path(), &arguments);
    let run = directory.path().join("run");
    let whole = fs::read(run.join("layers.jsonl")).expect("lines");
    let steps = |table: &str| -> Vec<String> {
        table.lines().skip(1).filter_map(|row| Some(row.split(',').nth(2)?.to_string())).collect()
    };
    let table = fs::read_to_string(run.join("metrics.csv")).expect("a table");
    for step in 21..=45 {
        for end in ["json", "safetensors"] {
            fs::remove_file(run.join(format!("checkpoints/step-{step:012}.{end}"))).expect("a checkpoint");
        }
    }
    succeeds(directory.path(), &["train", "--resume", "run"]);
    assert_eq!(fs::read(run.join("layers.jsonl")).expect("lines"), whole);
    assert_eq!(steps(&fs::read_to_string(run.join("metrics.csv")).expect("a table")), steps(&table));
    assert_eq!(fs::read_dir(run.join("tensorboard")).expect("a folder").count(), 2);
    let sessions = lines(&run.join("sessions.jsonl"));
    let events: Vec<&str> = sessions.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["began", "ended", "began", "ended"]);
    assert_eq!((&sessions[2]["step"], &sessions[3]["outcome"]), (&20.into(), &"finished".into()));
}

#[cfg(unix)]
#[test]
fn a_run_that_runs_and_one_that_was_killed_are_told_apart() {
    let directory = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rnet"));
    command.current_dir(directory.path()).args(["train", "net.rnet", "--epochs", "100000", "--out", "runs/killed"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("rnet runs");
    let metrics = directory.path().join("runs/killed/metrics.jsonl");
    while !fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() >= 2) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let state = || {
        let listed: Value = serde_json::from_str(&succeeds(directory.path(), &["runs", "--json"])).expect("JSON");
        listed[0]["state"].as_str().map(str::to_string).expect("a word")
    };
    assert_eq!(state(), "running");
    // A report can be had at any moment.
    succeeds(directory.path(), &["report", "runs/killed"]);
    child.kill().and_then(|()| child.wait()).expect("the child ends");
    assert_eq!(state(), "interrupted");
}

#[test]
fn curves_are_drawn_in_every_way() {
    let directory = folder();
    for seed in ["1", "2"] {
        succeeds(directory.path(), &["train", "net.rnet", "--seed", seed, "--out", seed, "--no-layers"]);
    }
    let text = succeeds(directory.path(), &["plot", "1"]);
    let dots = |text: &str| text.chars().filter(|character| ('\u{2801}'..='\u{28ff}').contains(character)).count();
    assert!(text.starts_with("error, % by step") && dots(&text) > 20 && !text.contains('\u{1b}'), "{text}");
    for what in ["error", "accuracy", "loss", "lr", "speed"] {
        for file in ["curves.svg", "curves.png"] {
            let arguments = ["plot", "1", "2", "--what", what, "--smooth", "0.5", "--log", "--out", file];
            assert_eq!(succeeds(directory.path(), &arguments), format!("{file}\n"));
        }
        let picture = fs::read_to_string(directory.path().join("curves.svg")).expect("a picture");
        let curves = if ["lr", "speed"].contains(&what) { 2 } else { 4 };
        assert_eq!(picture.matches("<path class=\"curve").count(), curves, "{what}");
        assert!(fs::read(directory.path().join("curves.png")).expect("a picture").starts_with(b"\x89PNG"));
    }
}

#[test]
fn what_cannot_be_shown_is_said() {
    let directory = folder();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("runs")).and_then(|()| fs::create_dir_all(at("empty"))).expect("directories");
    assert_eq!(succeeds(directory.path(), &["runs"]), "runs: there is no run in it\n");
    succeeds(directory.path(), &["train", "net.rnet", "--steps", "1", "--out", "run"]);
    fs::create_dir_all(at("torn")).expect("a directory");
    fs::write(at("torn/metrics.jsonl"), "{}\n").expect("a file");
    fs::create_dir_all(at("new")).expect("a directory");
    fs::write(at("new/run.json"), "{}\n").expect("a file");
    let cases: &[(&[&str], &str)] = &[
        (&["runs", "nowhere"], "nowhere: cannot be read"),
        (&["plot", "nowhere"], "nowhere: there is no such directory"),
        (&["plot", "empty"], "empty: no run is in it"),
        (&["plot", "torn"], "metrics.jsonl:1: missing field `split`"),
        (&["plot", "new"], "new: there is no measurement in it yet"),
        (&["plot", "run", "--out", "picture.gif"], "should end in .svg or .png"),
        (&["plot", "run", "--smooth", "1"], "it lies between 0 and 0.999"),
        (&["report", "empty"], "empty: no run is in it"),
        (&["report", "run", "--out", "nowhere/r.html"], "nowhere/r.html: cannot be written"),
    ];
    for (arguments, words) in cases {
        let said = fails(directory.path(), arguments);
        assert!(said.contains(words), "{arguments:?} says\n{said}");
    }
    fs::write(
        at("run/evaluation.json"),
        fs::read_to_string(at("run/evaluation.json")).expect("a file").replace("[[", "[[99,0,1],["),
    )
    .expect("a file");
    assert!(fails(directory.path(), &["report", "run"]).contains("a class that it has no name for"));
}
