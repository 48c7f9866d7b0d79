//! `rnet data list`: the sources that a data section can name.

use crate::cli::{Outcome, print};
use rnet_runtime::data::fetch::KNOWN;

/// List the sources that a data section can name
#[derive(clap::Args)]
pub struct Arguments;

/// How those beside the sets that can be fetched are written, and what they are.
const OTHERS: [(&str, &str); 3] = [
    ("digits", "1,797 handwritten digits of 1x8x8, in the program itself"),
    (
        "folder(path, skip_corrupt = false)",
        "JPEG and PNG pictures, a folder a class, under `train` and `test` or `val`, or directly",
    ),
    ("arrays(path)", "images and labels in an NPZ or safetensors file"),
];

/// Runs the verb.
pub fn run(_: &Arguments) -> Outcome {
    let known = KNOWN.iter().map(|known| (known.form, format!("{}: `rnet data fetch {}`", known.about, known.name)));
    let rows: Vec<(&str, String)> =
        OTHERS.map(|(form, about)| (form, about.to_string())).into_iter().chain(known).collect();
    let width = rows.iter().map(|(form, _)| form.len()).max().unwrap_or(0);
    print(&rows.iter().map(|(form, about)| format!("{form:width$}  {about}\n")).collect::<String>());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rnet_compiler::diagnostic::Sources;
    use rnet_compiler::elaborate;
    use std::path::Path;

    #[test]
    fn a_set_that_is_fetched_lies_where_its_form_says() {
        for known in &KNOWN {
            let source = elaborate::source(&mut Sources::without_imports(), known.form).expect(known.form);
            assert_eq!(source, known.source(&Path::new("data").join(known.directory)));
        }
    }
}
