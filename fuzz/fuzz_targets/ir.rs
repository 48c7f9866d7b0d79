//! The IR's text: what reads as a graph verifies, prints, and reads back as the same graph.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use rnet_compiler::graph::{parse, verify};

fuzz_target!(|text: &str| -> Corpus {
    let graph = match parse(text) {
        Ok(graph) => graph,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return Corpus::Keep;
        }
    };
    verify(&graph).expect("a graph that was read verifies");
    let printed = graph.to_string();
    let again = parse(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.to_string(), printed, "the printed graph is not settled");
    Corpus::Keep
});
