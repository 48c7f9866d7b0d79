//! Mistakes in `.rnet` files, each with the text that a user reads: `tests/errors/NAME.rnet` beside `NAME.txt`. Comments at the head
//! of a file stand for the command line: `// --set path=value`, `// --model name`. `RNET_BLESS=1` writes the texts anew.

use rnet_compiler::diagnostic::{Severity, Sources};
use rnet_compiler::elaborate::{Mode, Options, elaborate};
use rnet_compiler::syntax;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

/// The options that the comments at the head of a text ask for.
fn options(text: &str) -> Options {
    let mut options = Options { mode: Mode::Train, batch: None, model: None, set: Vec::new(), memory: 16 << 30 };
    for line in text.lines() {
        if let Some(setting) = line.strip_prefix("// --set ") {
            let (path, value) = setting.split_once('=').expect("a setting is path=value");
            options.set.push((path.to_string(), value.to_string()));
        } else if let Some(model) = line.strip_prefix("// --model ") {
            options.model = Some(model.to_string());
        }
    }
    options
}

/// What the compiler says of a file, and the codes of the errors among it.
fn told(name: &str) -> (String, Vec<&'static str>) {
    let read = |path: &str| {
        let bytes = fs::read(directory().join(path)).map_err(|_| format!("{path}: no such file"))?;
        String::from_utf8(bytes).map_err(|_| format!("{path}: not UTF-8 text"))
    };
    let text = read(name).expect("the directory lists it");
    let mut sources = Sources::new(Box::new(read));
    let file = sources.add(name, &text);
    let outcome = syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, &options(&text)));
    let found = outcome.err().unwrap_or_default();
    let shown: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
    let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    (shown.join("\n"), errors.map(|diagnostic| diagnostic.code).collect())
}

#[test]
fn every_mistake_is_told_as_it_should_be() {
    let bless = std::env::var_os("RNET_BLESS").is_some();
    let mut names: Vec<String> = fs::read_dir(directory())
        .expect("tests/errors is there")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".rnet"))
        .collect();
    names.sort();
    assert!(names.len() >= 40, "only {} files", names.len());
    let (mut wrong, mut codes) = (Vec::new(), BTreeSet::new());
    for name in &names {
        let (shown, found) = told(name);
        if found.is_empty() {
            wrong.push(format!("{name} compiles"));
        }
        codes.extend(found);
        let beside = directory().join(name).with_extension("txt");
        if bless {
            fs::write(&beside, &shown).expect("the text can be written");
        } else if fs::read_to_string(&beside).unwrap_or_default() != shown {
            wrong.push(format!("{name} is told otherwise than in {}:\n{shown}", beside.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(codes.len() >= 30, "only {codes:?}");
}
