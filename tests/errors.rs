//! Mistakes in `.rnet` files, each with the text that a user reads: `tests/errors/NAME.rnet` beside `NAME.txt`; and the examples of the
//! pages in docs/errors. Comments at the head
//! of a file stand for the command line: `// --set path=value`, `// --model name`. `RNET_BLESS=1` writes the texts anew.

use rnet_compiler::diagnostic::pages::PAGES;
use rnet_compiler::diagnostic::{Diagnostic, Sources};
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
    let mut options =
        Options { mode: Mode::Train, batch: None, model: None, train: None, set: Vec::new(), memory: 16 << 30 };
    for line in text.lines() {
        if let Some(setting) = line.strip_prefix("// --set ") {
            let (path, value) = setting.split_once('=').expect("a setting is path=value");
            options.set.push((path.to_string(), value.to_string()));
        } else if let Some(model) = line.strip_prefix("// --model ") {
            options.model = Some(model.to_string());
        } else if let Some(train) = line.strip_prefix("// --train ") {
            options.train = Some(train.to_string());
        }
    }
    options
}

/// What the compiler says of a text that stands in tests/errors, warnings included.
fn told(name: &str, text: &str) -> (String, Vec<Diagnostic>) {
    let read = |path: &str| {
        let bytes = fs::read(directory().join(path)).map_err(|_| format!("{path}: no such file"))?;
        String::from_utf8(bytes).map_err(|_| format!("{path}: not UTF-8 text"))
    };
    let mut sources = Sources::new(Box::new(read));
    let file = sources.add(name, text);
    let outcome = syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, &options(text)));
    let found = outcome.map_or_else(|wrong| wrong, |elaborated| elaborated.warnings);
    let shown: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
    (shown.join("\n"), found)
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
        let text = fs::read_to_string(directory().join(name)).expect("the directory lists it");
        let (shown, found) = told(name, &text);
        if found.is_empty() {
            wrong.push(format!("{name} compiles"));
        }
        codes.extend(found.iter().map(|diagnostic| diagnostic.code));
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

/// The texts between fences of a page.
fn examples(page: &str) -> Vec<&str> {
    page.split("```rnet\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn every_page_shows_its_mistake_and_its_remedy() {
    let mut failed = Vec::new();
    for (code, page) in PAGES {
        assert!(page.starts_with(&format!("# {code}: ")), "{code} has another heading");
        let [wrong, mended] = examples(page)[..] else { panic!("{code} has a wrong text and a mended one") };
        let (shown, found) = told("example.rnet", wrong);
        if found.is_empty() || found.iter().any(|diagnostic| diagnostic.code != *code) {
            failed.push(format!("{code} is no example of itself: {shown}"));
        } else if found[0].hint.is_none() && *code != "E150" {
            // An assertion's own words are its hint.
            failed.push(format!("{code} offers no remedy: {shown}"));
        }
        let (shown, found) = told("example.rnet", mended);
        if !found.is_empty() {
            failed.push(format!("the remedy of {code} does not help: {shown}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_code_has_a_page() {
    fn codes(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).expect("the directory is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                codes(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a text");
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                let words = text.split('"').filter(|word| word.len() == 4 && word.starts_with(['E', 'W']));
                found.extend(
                    words.filter(|word| word[1..].bytes().all(|byte| byte.is_ascii_digit())).map(str::to_string),
                );
            }
        }
    }
    let mut used = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("compiler/src");
    codes(&source.join("syntax"), &mut used);
    codes(&source.join("elaborate"), &mut used);
    let paged: BTreeSet<String> = PAGES.iter().map(|(code, _)| code.to_string()).collect();
    assert_eq!(used, paged);
}
