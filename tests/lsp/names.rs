//! Where names are used, what they are, and what it takes to call them otherwise.

use super::editor::{Editor, TEXT, URI, place, sectioned};
use serde_json::{Value, json};
use std::fs;

/// The text with edits made, the last first so that none moves another.
fn edited(text: &str, edits: &Value) -> String {
    let byte = |place: &Value| {
        let line = place["line"].as_u64().expect("a line") as usize;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        start + place["character"].as_u64().expect("a character") as usize
    };
    let mut edits: Vec<(usize, usize, &str)> = edits
        .as_array()
        .expect("a list of edits")
        .iter()
        .map(|edit| {
            (byte(&edit["range"]["start"]), byte(&edit["range"]["end"]), edit["newText"].as_str().expect("a text"))
        })
        .collect();
    edits.sort_unstable();
    let mut text = text.to_string();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, new);
    }
    text
}

fn renamed(editor: &mut Editor, text: &str, word: &str, more: usize, new: &str) -> Value {
    let (line, character) = place(text, word, more);
    let position = json!({"line": line, "character": character});
    editor.request("textDocument/rename", json!({"textDocument": {"uri": URI}, "position": position, "newName": new}))
}

#[test]
fn a_new_name_is_written_wherever_the_old_one_stood() {
    let mut editor = Editor::new();
    editor.open(URI, TEXT);
    for (word, more, new, from, to) in [
        ("unit(c", 0, "cell", &["unit("][..], &["cell("][..]),
        // A parameter with the keywords of its calls, and no other `s`.
        ("s = 1", 0, "by", &["(c, s = 1", "= s)", "s = 2"], &["(c, by = 1", "= by)", "by = 2"]),
        // The name of another block's keyword is free.
        ("s = 1", 0, "stride", &["(c, s = 1", "= s)", "s = 2"], &["(c, stride = 1", "= stride)", "stride = 2"]),
        ("stem ->", 2, "trunk", &["stem"], &["trunk"]),
        ("image ->", 0, "x", &["image"], &["x"]),
        ("dense(classes", 6, "k", &["classes"], &["k"]),
    ] {
        let answer = renamed(&mut editor, TEXT, word, more, new);
        assert!(answer["error"].is_null(), "{word}: {answer}");
        let expected = from.iter().zip(to).fold(TEXT.to_string(), |text, (from, to)| text.replace(from, to));
        assert_eq!(edited(TEXT, &answer["result"]["changes"][URI]), expected, "{word}: {answer}");
    }
    for (word, more, new, why) in [
        ("relu", 0, "f", "a word of the language"),
        ("stride", 0, "f", "an argument of `conv3x3`"),
        ("unit(c", 0, "let", "a keyword"),
        ("unit(c", 0, "2x", "no name"),
        ("unit(c", 0, "net", "already"),
        ("unit(c", 0, "global_avg_pool", "already"),
        ("s = 1", 0, "c", "already"),
        ("s = 1", 0, "relu", "already"),
        ("->", 0, "f", "no name stands here"),
    ] {
        let answer = renamed(&mut editor, TEXT, word, more, new);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(why), "{word} to {new}: {answer}");
    }
    editor.leave();
}

#[test]
fn other_files_follow() {
    let mut editor = Editor::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(directory.path().join(name), text).expect("it can be written");
        format!("file://{}/{name}", directory.path().display())
    };
    let blocks = write("blocks.rnet", "block unit(c) = conv3x3(c)\n");
    let net = "import \"blocks.rnet\" as b\n\nblock twice(c) = b.unit(c) -> b.unit(c = c)\n";
    let other = write("net.rnet", net);
    write("unrelated.rnet", "block unit(c) = conv3x3(c)\n");
    editor.open(&blocks, "block unit(c) = conv3x3(c)\n");
    let at = |more: u64| json!({"line": 0, "character": more});
    let mut rename = |more, new: &str| {
        editor
            .ask("textDocument/rename", json!({"textDocument": {"uri": blocks}, "position": at(more), "newName": new}))
    };
    let changes = rename(6, "cell")["changes"].clone();
    assert_eq!(changes.as_object().map(|changes| changes.len()), Some(2), "{changes}");
    assert_eq!(edited(net, &changes[&other]), net.replace("unit", "cell"));
    let changes = rename(11, "wide")["changes"].clone();
    assert_eq!(edited(net, &changes[&other]), net.replace("c = c", "wide = c"));
    let mut references = |declaration: bool| {
        let context = json!({"includeDeclaration": declaration});
        let parameters = json!({"textDocument": {"uri": blocks}, "position": at(6), "context": context});
        editor.ask("textDocument/references", parameters).as_array().expect("a list").len()
    };
    assert_eq!((references(true), references(false)), (3, 2));
    editor.leave();
}

#[test]
fn a_text_has_an_outline_and_each_name_its_kind() {
    let mut editor = Editor::new();
    // What does not parse hides nothing else.
    editor.open(URI, &format!("{}\nblock broken( = relu\n", sectioned()));
    let document = json!({"textDocument": {"uri": URI}});
    let outline = editor.ask("textDocument/documentSymbol", document.clone());
    let names = |symbols: &Value| -> Vec<String> {
        let symbols = symbols.as_array().cloned().unwrap_or_default();
        symbols.iter().map(|symbol| format!("{} {}", symbol["name"], symbol["detail"]).replace('"', "")).collect()
    };
    assert_eq!(names(&outline), ["unit (c, s = 1)", "net (classes = 10)", "own data", "train "]);
    assert_eq!(names(&outline[1]["children"]), ["image f32[N, 3, 32, 32]", "stem image -> unit(16)"]);
    assert_eq!(names(&outline[2]["children"]), ["source digits", "train random_flip -> normalize"]);

    let capabilities = editor.ask("initialize", json!({"capabilities": {}}))["capabilities"].clone();
    let kinds = capabilities["semanticTokensProvider"]["legend"]["tokenTypes"].clone();
    editor.change(URI, "/// \u{1f600}\nblock f(c) = conv3x3(c, stride = 2) @frozen\n");
    editor.told(URI);
    let tokens = editor.ask("textDocument/semanticTokens/full", document)["data"].clone();
    let tokens: Vec<u64> = tokens.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    let named: Vec<String> = tokens
        .chunks(5)
        .map(|token| {
            format!("{}:{} {} {}", token[0], token[1], token[2], kinds[token[3] as usize].as_str().unwrap_or("?"))
        })
        .collect();
    let expected = [
        "1:6 1 function",
        "0:2 1 parameter",
        "0:5 7 function",
        "0:8 1 parameter",
        "0:3 6 parameter",
        "0:13 6 decorator",
    ];
    assert_eq!(named, expected);

    editor.change(URI, TEXT);
    editor.told(URI);
    let (line, character) = place(TEXT, "stem", 0);
    assert_eq!(editor.at("textDocument/documentHighlight", URI, line, character).as_array().map(Vec::len), Some(2));
    editor.leave();
}

#[test]
fn plain_mistakes_are_mended() {
    let mut editor = Editor::new();
    editor.open(URI, TEXT);
    let sectioned = sectioned();
    let classes = "dense(classes)";
    for (text, mended) in [
        (TEXT.replace("relu", "rleu"), TEXT.to_string()),
        (TEXT.replace("stride", "strid"), TEXT.to_string()),
        (sectioned.replace("optimizer = adamw", "optimiser = adamw"), sectioned.clone()),
        (sectioned.replace("adamw", "adanw"), sectioned.clone()),
        (sectioned.replace("@frozen", "@frosen"), sectioned.clone()),
        (sectioned.replace("optimizer = muon", "optimzer = muon"), sectioned.clone()),
        (
            sectioned.replace("  data = own", "  data = own\n  stop = early(3, metric = \"los\")"),
            sectioned.replace("  data = own", "  data = own\n  stop = early(3, metric = \"loss\")"),
        ),
        (TEXT.replace("let stem", "let trunk = 3\n  let stem"), TEXT.replace("let stem", "let _trunk = 3\n  let stem")),
        // An unused parameter has a keyword in a call.
        (
            TEXT.replace("(c, s = 1", "(c, s = 1, t = 1").replace("s = 2", "t = 2"),
            TEXT.replace("(c, s = 1", "(c, s = 1, _t = 1").replace("s = 2", "_t = 2"),
        ),
        (TEXT.replace(classes, "dense(classes) -> relu"), TEXT.to_string()),
    ] {
        editor.change(URI, &text);
        let told = editor.told(URI);
        assert_eq!(told.len(), 1, "{told:?}");
        let range = told[0]["range"].clone();
        let parameters = json!({"textDocument": {"uri": URI}, "range": range, "context": {"diagnostics": told}});
        let actions = editor.ask("textDocument/codeAction", parameters);
        assert_eq!(edited(&text, &actions[0]["edit"]["changes"][URI]), mended, "{actions}");
        assert_eq!(actions[0]["diagnostics"][0]["code"], told[0]["code"]);
    }
    // What the hint leaves open is not decided.
    let text = TEXT.replace("relu", "zzz");
    editor.change(URI, &text);
    let range = editor.told(URI)[0]["range"].clone();
    let parameters = json!({"textDocument": {"uri": URI}, "range": range, "context": {"diagnostics": []}});
    assert_eq!(editor.ask("textDocument/codeAction", parameters), json!([]));
    editor.leave();
}
