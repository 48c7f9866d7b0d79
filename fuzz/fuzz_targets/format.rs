//! The layout of `rnet fmt`: it keeps the tree, it keeps every comment, and it is settled.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use rnet_compiler::diagnostic::Sources;
use rnet_compiler::syntax::{format, parse, tidy};

/// The letters of all comments, which no layout may lose or reorder. Only texts without quotes are compared, for `//` in a quoted text is
/// no comment.
fn comments(text: &str) -> String {
    text.lines()
        .filter_map(|line| line.split_once("//"))
        .flat_map(|(_, comment)| comment.chars())
        .filter(|letter| !letter.is_whitespace())
        .collect()
}

fuzz_target!(|text: &str| -> Corpus {
    let mut sources = Sources::without_imports();
    let file = sources.add("fuzzed.rnet", text);
    let Ok(ast) = parse(&sources, file) else { return Corpus::Reject };
    let tidied = tidy::tidy(&sources, file).expect("it parses");
    let again = sources.add("tidied.rnet", &tidied);
    let same = parse(&sources, again).unwrap_or_else(|found| panic!("{}\n{tidied}", found[0].render(&sources, false)));
    assert_eq!(format::format(&same), format::format(&ast), "the layout has another tree");
    assert_eq!(tidy::tidy(&sources, again).expect("it parses"), tidied, "the layout is not settled");
    if !text.contains('"') {
        assert_eq!(comments(&tidied), comments(text), "a comment is lost");
    }
    Corpus::Keep
});
