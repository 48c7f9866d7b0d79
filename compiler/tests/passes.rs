//! Passes on text: `tests/passes/<pass>.ir` goes in, `tests/passes/<pass>.expected.ir` comes out. `RNET_BLESS=1` writes
//! the answers anew.

use rnet_compiler::graph::{parse, verify};
use rnet_compiler::passes::PIPELINE;
use std::fs;
use std::path::Path;

/// The passes that have a text.
const PASSES: &[&str] = &["simplify", "fold_batch_norm", "decompose", "cse", "dead_code"];

#[test]
fn passes_rewrite_text_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/passes");
    let bless = std::env::var_os("RNET_BLESS").is_some();
    for name in PASSES {
        let pass = PIPELINE.iter().find(|pass| pass.name == *name).unwrap_or_else(|| panic!("`{name}` is a pass"));
        let source = fs::read_to_string(folder.join(format!("{name}.ir"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut graph = parse(&source).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        verify(&graph).unwrap_or_else(|error| panic!("{name}: {error}"));
        let before = graph.to_string();
        (pass.run)(&mut graph);
        verify(&graph).unwrap_or_else(|error| panic!("{name}: {error}\n{graph}"));
        let found = graph.to_string();
        assert_ne!(found, before, "{name} changes nothing");
        let path = folder.join(format!("{name}.expected.ir"));
        if bless {
            fs::write(&path, &found).expect("the answer can be written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found, expected, "{name}: RNET_BLESS=1 takes what is found for the answer");
        (pass.run)(&mut graph);
        assert_eq!(graph.to_string(), found, "{name} once more changes what it has made");
    }
}
