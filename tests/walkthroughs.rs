//! Walkthroughs: each `tests/stories/verbs/NAME.md` shows verbs as a user meets them, one command after the other in an empty directory.
//! `RNET_BLESS=1` writes the answers anew.
//!
//! - A block marked `rnet FILE` is the text of that file.
//! - In a block marked `console` a line that begins with `$ ` is a command, and the lines below it are what it answers: what it prints on
//!   either stream, and its exit code where that is not 0.
//! - In a block marked `console quiet` answers are not shown: they hold times.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories/verbs")
}

fn walkthroughs() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths
}

/// A command's words; what stands between single quotes is one.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in command.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    assert!(!quoted, "a quote is not closed: {command}");
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// What a command answers, and whether it succeeds.
fn answer(command: &str, directory: &Path) -> (String, bool) {
    let words = words(command);
    assert_eq!(words[0], "rnet", "{command}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_rnet")).args(&words[1..]).current_dir(directory).output().expect("rnet runs");
    let mut text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    if !output.status.success() {
        text += &format!("[exit code {}]\n", output.status.code().expect("nobody kills it"));
    }
    (text, output.status.success())
}

/// The walkthrough with every answer as it is, and how many there are.
fn walked(text: &str) -> (String, usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "png") {
            fs::copy(&path, directory.path().join(path.file_name().expect("a file"))).expect("it can be copied");
        }
    }
    let (mut whole, mut answers) = (String::new(), 0);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        whole += &format!("{line}\n");
        let marks: Vec<&str> = line.strip_prefix("```").into_iter().flat_map(str::split_whitespace).collect();
        if marks.is_empty() {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match marks[..] {
            ["rnet", file] => {
                let text: String = block.iter().map(|line| format!("{line}\n")).collect();
                fs::write(directory.path().join(file), &text).expect("the directory can be written");
                whole += &text;
            }
            ["console"] => {
                for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
                    whole += &format!("$ {command}\n{}", answer(command, directory.path()).0);
                    answers += 1;
                }
            }
            ["console", "quiet"] => {
                for line in block {
                    let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}"));
                    let (text, succeeds) = answer(command, directory.path());
                    assert!(succeeds, "{command}: {text}");
                    whole += &format!("{line}\n");
                }
            }
            _ => panic!("no block is marked {marks:?}"),
        }
        whole += "```\n";
    }
    (whole, answers)
}

#[test]
fn commands_answer_as_they_are_told_to() {
    let bless = std::env::var_os("RNET_BLESS").is_some();
    let (mut wrong, paths) = (Vec::new(), walkthroughs());
    assert!(paths.len() >= 3, "only {paths:?}");
    for path in paths {
        let text = fs::read_to_string(&path).expect("the folder lists it");
        let (whole, answers) = walked(&text);
        assert!(answers >= 3, "{} has only {answers} commands", path.display());
        if bless {
            fs::write(&path, &whole).expect("it can be written");
        } else if text != whole {
            let other = text.lines().zip(whole.lines()).find(|(told, found)| told != found);
            wrong.push(format!("{} is otherwise: {other:?}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nRNET_BLESS=1 writes them anew", wrong.join("\n"));
}

/// A control: a walkthrough with another answer is noticed.
#[test]
fn a_wrong_answer_is_noticed() {
    let text = "```console\n$ rnet explain E999\nall is well\n```\n";
    let (whole, answers) = walked(text);
    assert_eq!(answers, 1);
    assert!(whole != text && whole.contains("[exit code 2]"), "{whole}");
}
