//! `rnet data list`: the sources that a data section can name.

use crate::cli::{Outcome, print};

/// List the sources that a data section can name
#[derive(clap::Args)]
pub struct Arguments;

/// How each is written, and what it is.
const SOURCES: [(&str, &str); 7] = [
    ("digits", "1,797 handwritten digits of 1x8x8, in the program itself"),
    ("cifar10(path = \"data/cifar-10-batches-bin\")", "60,000 photographs of 3x32x32 in 10 classes"),
    ("cifar100(path = \"data/cifar-100-binary\")", "60,000 photographs of 3x32x32 in 100 classes"),
    ("mnist(path = \"data/mnist\")", "70,000 handwritten digits of 1x28x28"),
    ("fashion_mnist(path = \"data/fashion-mnist\")", "70,000 articles of clothing of 1x28x28 in 10 classes"),
    (
        "folder(path, skip_corrupt = false)",
        "JPEG and PNG pictures, a folder a class, under `train` and `test` or `val`, or directly",
    ),
    ("arrays(path)", "images and labels in an NPZ or safetensors file"),
];

/// Runs the verb.
pub fn run(_: &Arguments) -> Outcome {
    let width = SOURCES.iter().map(|(form, _)| form.len()).max().unwrap_or(0);
    print(&SOURCES.iter().map(|(form, about)| format!("{form:width$}  {about}\n")).collect::<String>());
    Ok(())
}
