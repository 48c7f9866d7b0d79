//! The grammar of the editor extension knows the words of the language.

use rnet_compiler::elaborate::vocabulary::KEYWORDS;
use serde_json::Value;
use std::collections::BTreeSet;

fn read(name: &str) -> Value {
    let path = format!("{}/editors/vscode/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_grammar_colours_every_keyword() {
    let grammar = read("syntaxes/rnet.tmLanguage.json");
    let patterns = grammar["patterns"].as_array().expect("a list of patterns");
    let alternatives = patterns.iter().filter_map(|pattern| {
        let name = pattern["name"].as_str()?;
        let words = pattern["match"].as_str()?.strip_prefix("\\b(?:")?.strip_suffix(")\\b")?;
        (name.starts_with("keyword.") || name.starts_with("constant.language")).then_some(words)
    });
    let known: BTreeSet<&str> =
        alternatives.flat_map(|words| words.split('|')).filter(|word| *word != "same").collect();
    assert_eq!(known, KEYWORDS.iter().copied().collect());
}

#[test]
fn the_manifest_names_files_that_are_there() {
    let manifest = read("package.json");
    let contributes = &manifest["contributes"];
    let files = [&manifest["main"], &contributes["languages"][0]["configuration"], &contributes["grammars"][0]["path"]];
    for file in files {
        let path = format!("{}/editors/vscode/{}", env!("CARGO_MANIFEST_DIR"), file.as_str().expect("a path"));
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
    read("language-configuration.json");
}
