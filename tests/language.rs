//! Every example of docs/language.md compiles without a warning, is laid out as `rnet fmt` would, and has the weights that the text says.

use rnet_compiler::diagnostic::Sources;
use rnet_compiler::elaborate::{Mode, Options, elaborate};
use rnet_compiler::graph::{Attribute, verify};
use rnet_compiler::syntax::{self, tidy};

const MODEL: &str = "\nmodel added {\n  input image: f32[N, 3, 32, 32]\n  image -> flatten -> dense(10)\n}\n";

#[test]
fn the_specification_means_what_it_says() {
    let path = format!("{}/docs/language.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).expect("the specification is there");
    let fences: Vec<(&str, &str)> =
        page.split("```").skip(1).step_by(2).filter_map(|fence| fence.split_once('\n')).collect();
    let mut names = Vec::new();
    let (mut examples, mut lists) = (0, 0);
    for (kind, text) in fences {
        if kind == "weights" {
            assert_eq!(names, text.lines().collect::<Vec<_>>(), "weights of the example before");
            lists += 1;
            continue;
        }
        assert_eq!(kind, "rnet", "an example of another kind: {text}");
        let mut whole = text.to_string();
        if !whole.lines().any(|line| line.starts_with("model ")) {
            whole.push_str(MODEL);
        }
        let mut sources = Sources::without_imports();
        let file = sources.add("example.rnet", &whole);
        let options =
            Options { mode: Mode::Train, batch: None, model: None, train: None, set: Vec::new(), memory: 1 << 34 };
        let outcome = syntax::parse(&sources, file).and_then(|ast| elaborate(&mut sources, &ast, &options));
        let shown = |found: &[rnet_compiler::diagnostic::Diagnostic], sources: &Sources| -> String {
            found.iter().map(|diagnostic| diagnostic.render(sources, false)).collect()
        };
        let elaborated = outcome.unwrap_or_else(|found| panic!("{text}\n{}", shown(&found, &sources)));
        assert!(elaborated.warnings.is_empty(), "{text}\n{}", shown(&elaborated.warnings, &sources));
        verify(&elaborated.graph).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"));
        assert_eq!(tidy::tidy(&sources, file).expect("it parses"), whole, "the layout of an example");
        let graph = &elaborated.graph;
        names = graph
            .ids()
            .into_iter()
            .filter(|id| graph[*id].op.name() == "parameter")
            .filter_map(|id| match graph[id].attributes.get("name") {
                Some(Attribute::Text(name)) => Some(name.clone()),
                _ => None,
            })
            .collect();
        examples += 1;
    }
    assert!(examples >= 9 && lists >= 3, "{examples} examples, {lists} lists of weights");
}
