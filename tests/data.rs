//! The verbs of `rnet data`, and training from folders of pictures, from the command line.

use rnet_runtime::data::{Image, encode_png};
use serde_json::Value;
use std::borrow::Cow;
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

/// Pictures of two classes, which differ in colour: 40 for training, 12 for testing, of different sizes.
fn photographs(root: &Path) {
    for (half, count) in [("train", 20), ("val", 6)] {
        for (class, name) in ["blue", "red"].into_iter().enumerate() {
            let folder = root.join(half).join(name);
            fs::create_dir_all(&folder).expect("a folder");
            for at in 0..count {
                let [height, width] = [18 + at % 4, 20 + at % 3];
                let area = height * width;
                let planes = (0..3 * area).map(|byte| match (byte / area, class) {
                    (2, 0) | (0, 1) => 200,
                    _ => (byte * (at + 5) % 90) as u8,
                });
                let image = Image { dims: [3, height, width], white: 255, planes: planes.collect::<Cow<[u8]>>() };
                fs::write(folder.join(format!("{at:02}.png")), encode_png(&image).expect("a picture"))
                    .expect("written");
            }
        }
    }
}

const NET: &str = "
model net {
  input image: f32[N, 3, 16, 16]
  image -> conv3x3(8, stride = 2) -> bn -> relu -> global_avg_pool -> fc: dense(2)
}
data photographs {
  source = folder(\"photographs\")
  train  = random_resized_crop(16, scale = [0.5, 1]) -> random_flip -> color_jitter(0.1) -> normalize
  test   = resize(16) -> center_crop(16) -> normalize
}
train { batch = 16  epochs = 6  optimizer = sgd(lr = 0.1, momentum = 0.9) }
";

#[test]
fn a_folder_of_pictures_trains_alike_on_any_number_of_threads() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    photographs(&directory.path().join("photographs"));
    fs::write(directory.path().join("net.rnet"), NET).expect("written");
    let train = |out: &str, more: &[&str]| {
        let said = succeeds(directory.path(), &[&["train", "net.rnet", "--out", out][..], more].concat());
        (fs::read(directory.path().join(out).join("weights.safetensors")).expect("the run has weights"), said)
    };
    let (one, said) = train("one", &["--threads", "1"]);
    assert!(said.contains("accuracy 100.00%"), "{said}");
    assert!(train("two", &["--threads", "2"]).0 == one, "1 and 2 threads differ");
    let moved = directory.path().join("elsewhere");
    fs::create_dir(&moved)
        .and_then(|()| fs::rename(directory.path().join("photographs"), moved.join("photographs")))
        .expect("moved");
    assert!(train("three", &["--data", "elsewhere"]).0 == one, "where the pictures are changes nothing");

    // A picture that cannot be decoded ends the run, or is left out and named.
    fs::write(moved.join("photographs/train/red/05.png"), "junk").expect("written");
    let said = fails(directory.path(), &["train", "net.rnet", "--data", "elsewhere", "--out", "four"]);
    assert!(said.contains("05.png: the picture is damaged, or none"), "{said}");
    let skip = ["--set", "data.source=folder(\"photographs\", skip_corrupt = true)"];
    let output =
        rnet(directory.path(), &[&["train", "net.rnet", "--data", "elsewhere", "--out", "five"][..], &skip].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success()
            && said.contains("1 corrupt pictures of photographs are left out")
            && said.contains("05.png"),
        "{said}"
    );
}

#[test]
fn a_holdout_is_what_no_run_has_trained_on() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    photographs(&directory.path().join("all"));
    fs::write(directory.path().join("net.rnet"), NET.replace("folder(\"photographs\")", "folder(\"all/train\")"))
        .expect("written");
    let said = fails(directory.path(), &["train", "net.rnet"]);
    assert!(said.contains("train has no samples for testing") && said.contains("`holdout = 0.1`"), "{said}");
    let held_out = ["--set", "data.holdout=0.25"];
    succeeds(directory.path(), &[&["train", "net.rnet", "--out", "run", "--seed", "5"][..], &held_out].concat());
    let weights = ["--weights", "run/weights.safetensors", "--json"];
    let evaluated = succeeds(directory.path(), &[&["eval", "net.rnet"][..], &held_out, &weights].concat());
    let evaluated: Value = serde_json::from_str(&evaluated).expect("eval prints JSON");
    assert_eq!(evaluated["images"], 10);
    let metrics = fs::read_to_string(directory.path().join("run/metrics.jsonl")).expect("the run has metrics");
    let last: Value = serde_json::from_str(metrics.lines().last().expect("there are lines")).expect("a line is JSON");
    assert_eq!((&last["top1"], &last["loss"]), (&evaluated["top1"], &evaluated["loss"]));
    let said = fails(directory.path(), &["train", "net.rnet", "--set", "data.holdout=1.5"]);
    assert!(said.contains("`holdout` lies between 0 and 1"), "{said}");
}

#[test]
fn a_data_set_is_counted() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    photographs(&directory.path().join("photographs"));
    fs::write(directory.path().join("photographs/train/blue/07.png"), "junk").expect("written");
    let told = succeeds(directory.path(), &["data", "info", "photographs"]);
    for words in [
        "photographs: 2 classes",
        "train  39 images from 3x18x20",
        "test   12 images",
        "mean   [0.",
        "\nblue         19         6\n",
        "1 corrupt pictures:",
        "07.png",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    let told = succeeds(directory.path(), &["data", "info", "digits", "--json"]);
    let told: Value = serde_json::from_str(&told).expect("info prints JSON");
    assert_eq!((&told["train"]["images"], &told["test"]["images"]), (&1438.into(), &359.into()));
    assert_eq!(told["train"]["smallest"], serde_json::json!([8, 8]));
    assert!((told["mean"][0].as_f64().expect("a number") - 0.305).abs() < 0.01);
    let said = fails(directory.path(), &["data", "info", "cifar11"]);
    assert!(said.contains("`cifar11` is not a data source") && said.contains("did you mean `cifar10`?"), "{said}");
    let listed = succeeds(directory.path(), &["data", "list"]);
    for source in ["digits", "cifar10(path", "cifar100", "mnist", "fashion_mnist", "folder(path", "arrays(path)"] {
        assert!(listed.lines().any(|line| line.starts_with(source)), "{source}\n{listed}");
    }
}

#[test]
fn a_sheet_shows_images_and_what_training_makes_of_them() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    photographs(&directory.path().join("photographs"));
    fs::write(directory.path().join("net.rnet"), NET).expect("written");
    let extents = |file: &str| {
        let png = fs::read(directory.path().join(file)).expect("a sheet");
        assert!(png.starts_with(b"\x89PNG"));
        // The header's extents.
        [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")))
    };
    succeeds(directory.path(), &["data", "show", "digits", "--images", "20"]);
    assert_eq!(extents("sheet.png"), [8 * 100 + 4, 3 * 112 + 4]);
    succeeds(directory.path(), &["data", "show", "net.rnet", "--augmented", "--images", "5", "--out", "shown.png"]);
    assert_eq!(extents("shown.png"), [8 * 100 + 4, 5 * 112 + 4]);
    let first = fs::read(directory.path().join("shown.png")).expect("a sheet");
    succeeds(
        directory.path(),
        &["data", "show", "net.rnet", "--augmented", "--images", "5", "--out", "shown.png", "--seed", "1"],
    );
    assert!(first != fs::read(directory.path().join("shown.png")).expect("a sheet"), "the seed makes no difference");
    let said = fails(directory.path(), &["data", "show", "photographs", "--augmented"]);
    assert!(said.contains("nothing happens to the training images"), "{said}");
}

#[test]
fn a_known_set_is_fetched_or_the_words_say_how_it_can_be() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let said = fails(directory.path(), &["data", "fetch", "cifar11"]);
    assert!(said.contains("invalid value 'cifar11'") && said.contains("'cifar10'"), "{said}");
    let listed = succeeds(directory.path(), &["data", "list"]);
    for (name, form, folder) in [
        ("cifar10", "cifar10", "cifar-10-batches-bin"),
        ("cifar100", "cifar100", "cifar-100-binary"),
        ("mnist", "mnist", "mnist"),
        ("fashion_mnist", "fashion_mnist", "fashion-mnist"),
        ("hymenoptera", "folder(\"data/hymenoptera\")", "hymenoptera"),
    ] {
        // Whoever misses its files is told how to get them.
        let fetch = format!("`rnet data fetch {name}`");
        assert!(listed.lines().any(|line| line.starts_with(form) && line.contains(&fetch)), "{fetch}\n{listed}");
        let said = fails(directory.path(), &["data", "info", form]);
        assert!(said.contains(&fetch) && said.contains(&format!("data/{folder}")), "{said}");
        let said = fails(directory.path(), &["data", "fetch", name, "--from", "."]);
        assert!(said.contains("is not there") && said.contains("still packed"), "{said}");
    }
    fs::write(directory.path().join("cifar-10-binary.tar.gz"), "another").expect("written");
    let said = fails(directory.path(), &["data", "fetch", "cifar10", "--from", ".", "--to", "sets"]);
    assert!(said.contains("expected the SHA-256 c4a38c50") && said.contains("it is not used"), "{said}");
    assert_eq!(fs::read_dir(directory.path().join("sets")).expect("a folder").count(), 0);
    // A set that is there is read, and left alone.
    photographs(&directory.path().join("data/hymenoptera"));
    let said = succeeds(directory.path(), &["data", "fetch", "hymenoptera"]);
    assert_eq!(said, "hymenoptera is in data/hymenoptera already\n");
}
