//! Lexer and parser: any text gives a tree, or diagnostics that can be shown. The canonical text of a tree parses to the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rnet_compiler::diagnostic::Sources;
use rnet_compiler::syntax::{format, parse, parse_value};

fuzz_target!(|text: &str| {
    let mut sources = Sources::without_imports();
    let file = sources.add("fuzzed.rnet", text);
    for found in [parse(&sources, file).err(), parse_value(&sources, file).err()].into_iter().flatten() {
        assert!(!found.is_empty(), "an error without a diagnostic");
        for diagnostic in &found {
            assert!(!diagnostic.render(&sources, false).is_empty());
            assert!(!diagnostic.render(&sources, true).is_empty());
        }
    }
    if let Ok(ast) = parse(&sources, file) {
        let canonical = format::format(&ast);
        let again = sources.add("canonical.rnet", &canonical);
        let same =
            parse(&sources, again).unwrap_or_else(|found| panic!("{}\n{canonical}", found[0].render(&sources, false)));
        assert_eq!(format::format(&same), canonical, "the canonical text is not settled");
    }
});
