//! The verbs that read and write .rnet files, as a user runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn rnet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rnet")).args(arguments).output().expect("rnet runs")
}

/// Standard output of a verb that succeeds.
fn told(arguments: &[&str]) -> String {
    let output = rnet(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Standard error of a verb that ends with exit code 2, and what it printed all the same.
fn refused(arguments: &[&str]) -> (String, String) {
    let output = rnet(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stderr), text(output.stdout))
}

fn example(name: &str) -> String {
    format!("{}/lang-examples/{name}.rnet", env!("CARGO_MANIFEST_DIR"))
}

fn written(directory: &Path, name: &str, text: &str) -> (PathBuf, String) {
    let path = directory.join(name);
    fs::write(&path, text).expect("the directory can be written");
    (path.clone(), path.display().to_string())
}

const UNTIDY: &str = "// A comment.\nmodel m{\ninput image:f32[N,1,8,8]\nimage->flatten // here\n->dense( 10 )\n}\n";
const TIDY: &str =
    "// A comment.\nmodel m {\n  input image: f32[N, 1, 8, 8]\n  image -> flatten  // here\n        -> dense(10)\n}\n";

#[test]
fn fmt_lays_files_out_and_checks_them() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (path, name) = written(directory.path(), "m.rnet", UNTIDY);
    let (shown, _) = refused(&["fmt", "--check", &name, &example("resnet50")]);
    assert!(shown.contains("m.rnet") && !shown.contains("resnet50"), "{shown}");
    assert_eq!(fs::read_to_string(&path).expect("the file is there"), UNTIDY);
    told(&["fmt", &name]);
    assert_eq!(fs::read_to_string(&path).expect("the file is there"), TIDY);
    told(&["fmt", "--check", &name]);
    let (_, wrong) = written(directory.path(), "wrong.rnet", "model m { -> }\n");
    assert!(refused(&["fmt", &wrong]).0.contains("E001"));
}

#[test]
fn expand_gives_one_file_that_stands_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = ["--set", "model.n=2", "--set", "train.optim.lr=0.05"];
    let resnet = example("resnet20");
    let expanded = told(&[&["expand", resnet.as_str()], &settings[..]].concat());
    assert!(expanded.contains("lr = 0.05") && !expanded.contains("import"), "{expanded}");
    let (_, name) = written(directory.path(), "alone.rnet", &expanded);
    told(&["fmt", "--check", &name]);
    assert_eq!(told(&["expand", &name]), expanded);
    let table = |file: &str, settings: &[&str]| told(&[&["summary", file], settings].concat());
    assert_eq!(table(&name, &[]), table(&resnet, &settings));
}

#[test]
fn summary_tells_the_layers_before_a_mistake() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = "model m {\n  input image: f32[N, 3, 8, 8]\n  image -> conv3x3(4, stride = 2) -> relu -> dense(10)\n}\n";
    let (_, wrong) = written(directory.path(), "wrong.rnet", text);
    let (error, table) = refused(&["summary", &wrong]);
    assert!(error.contains("E200") && table.contains("conv1") && table.contains("relu1"), "{table}");
    let (_, json) = refused(&["summary", "--json", &wrong]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["parameters"], 108);
    assert_eq!(json["activation_bytes"], 2 * 4 * 16 * 4);
    assert_eq!(json["layers"][0]["path"], "conv1");

    let whole: serde_json::Value =
        serde_json::from_str(&told(&["summary", "--json", &example("resnet18")])).expect("JSON");
    assert_eq!(whole["parameters"], 11_689_512);
    assert_eq!(whole["layers"].as_array().map(Vec::len), Some(20 + 20 + 17 + 8 + 3));
}

#[test]
fn check_warns_and_goes_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = "let unused = 3\n\nmodel m {\n  input image: f32[N, 1, 8, 8]\n  image -> flatten -> dense(10)\n}\n";
    let (_, name) = written(directory.path(), "m.rnet", text);
    let output = rnet(&["check", &name]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("W002"));
    let verdict = String::from_utf8_lossy(&output.stdout);
    assert!(verdict.starts_with("m: correct, 1 warning\n650 parameters;"), "{verdict}");
    assert_eq!(verdict.lines().count(), 2, "{verdict}");
}

#[test]
fn dump_prints_every_stage_that_it_lists() {
    let file = example("mlp");
    let list = told(&["dump", "--list"]);
    assert!(list.lines().count() > 10, "{list}");
    for stage in list.lines().filter_map(|line| line.split_whitespace().next()) {
        assert!(!told(&["dump", &file, "--after", stage]).is_empty(), "{stage}");
    }
    assert!(refused(&["dump", &file, "--after", "fusion"]).0.contains("no stage"));
    assert!(refused(&["dump", &file, "--mode", "eval", "--after", "grad"]).0.contains("not part of a graph"));
}

#[test]
fn explain_knows_every_code_that_is_shown() {
    assert!(told(&["explain", "e201"]).starts_with("# E201: "));
    let list = told(&["explain"]);
    assert!(list.lines().count() > 35 && list.contains("W010: "), "{list}");
    assert!(refused(&["explain", "E999"]).0.contains("rnet explain"));
}

#[test]
fn diff_tells_what_differs() {
    let differences = told(&["diff", &example("plain20"), &example("resnet20")]);
    assert!(differences.contains("+ layer1.0.add1") && differences.contains("+ layer2.0.subsample1"), "{differences}");
    assert_eq!(told(&["diff", &example("resnet20"), &example("resnet20")]), "no difference\n");
}

#[test]
fn files_that_are_no_texts_are_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(directory.path().join("bytes.rnet"), b"let a = \"\xff\xfe\"").expect("it can be written");
    fs::write(directory.path().join("empty.rnet"), "").expect("it can be written");
    fs::write(directory.path().join("long.rnet"), " ".repeat((1 << 20) + 1)).expect("it can be written");
    fs::write(directory.path().join("imports.rnet"), "import \"bytes.rnet\" as bytes\n").expect("it can be written");
    for (name, words) in [
        ("bytes.rnet", "not UTF-8 text (byte 9)"),
        ("empty.rnet", "E005"),
        ("long.rnet", "E003"),
        ("imports.rnet", "not UTF-8 text"),
        ("absent.rnet", "absent.rnet"),
        (".", "directory"),
    ] {
        for verb in ["check", "summary", "expand", "fmt"] {
            // A layout needs no imports.
            if (verb, name) != ("fmt", "imports.rnet") {
                let (shown, _) = refused(&[verb, &path(name)]);
                assert!(shown.contains(words), "{verb} {name}: {shown}");
            }
        }
    }
}

#[test]
fn settings_that_lead_nowhere_are_refused() {
    let file = example("resnet20");
    for (settings, words) in [
        (["--set", "train.bach=3"], "did you mean `batch`?"),
        (["--set", "train.batch"], "path=value"),
        (["--set", "model.m=3"], "has no parameter `m`"),
        (["--set", "model.n=9223372036854775807"], "E110"),
        (["--set", "train.batch=9223372036854775808"], "E004"),
        (["--model", "nothing"], "no model of that name"),
        (["--train", "nothing"], "no train section of that name"),
    ] {
        let (shown, _) = refused(&["check", &file, settings[0], settings[1]]);
        assert!(shown.contains(words), "{settings:?}: {shown}");
    }
}
