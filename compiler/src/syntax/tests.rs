//! Parsing, its errors, and the canonical text.

use super::*;
use crate::syntax::ast::*;

fn parsed(text: &str) -> Ast {
    let mut sources = Sources::without_imports();
    let file = sources.add("test.rnet", text);
    parse(&sources, file).unwrap_or_else(|wrong| {
        let shown: String = wrong.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
        panic!("{shown}")
    })
}

fn mistakes(text: &str) -> Vec<String> {
    let mut sources = Sources::without_imports();
    let file = sources.add("test.rnet", text);
    match parse(&sources, file) {
        Ok(_) => Vec::new(),
        Err(wrong) => wrong.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect(),
    }
}

fn canonical(text: &str) -> String {
    format::format(&parsed(text))
}

#[test]
fn the_canonical_text_reads_back_to_itself() {
    let text = r#"
        //! A file.
        import "blocks/cifar.rnet" as cifar
        let width = 16
        /// A residual block.
        block r = residual(conv3x3 -> bn -> relu -> conv3x3 -> bn)
        block f(c, s: int = 1, b: block = r) = if s == 1 and not (c < 3) { b } else { x => { let y = x -> conv(c, kernel = [3, 1]); add(y, y) } }
        model m(n = 3) {
          input image: f32[N, 3, 32, 32]
          let stem = image -> conv3x3(width) @frozen @lr(2)
          stem -> layer1: repeat(n, i => f([1, 2][i % 2] * 4 + -1)) -> down: (conv1x1 -> bn) -> global_avg_pool -> fc: dense(10)
        }
        data d { source = digits
          /// as usual
          train = pad(4) -> normalize }
        train { model = m(n = 2) batch = 128; steps = 64_000 optimizer = sgd(lr = 1e-4) }
    "#;
    let once = canonical(text);
    assert_eq!(canonical(&once), once);
    assert!(once.contains("steps     = 64_000"), "{once}");
    assert!(once.contains("/// A residual block."), "{once}");
    assert!(once.contains("  /// as usual\n"), "{once}");
}

#[test]
fn a_parenthesis_on_a_new_line_is_not_a_call() {
    let ast = parsed("block f = { let a = relu\n (conv3x3 -> a) }");
    let Item::Block(block) = &ast.items[0] else { panic!("a block") };
    let ExprKind::Scope(body) = &block.body.kind else { panic!("a scope: {:?}", block.body) };
    assert!(matches!(body.result.kind, ExprKind::Group(_)));
}

#[test]
fn a_mistake_in_one_item_hides_no_other() {
    let wrong = mistakes("block a = conv3x3(\nblock b = relu ->\nblock c = relu\nblock d = )\n");
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].contains("test.rnet:1:19") && wrong[0].contains("inside what begins here"), "{}", wrong[0]);
    assert!(wrong[1].contains("test.rnet:2:16") && wrong[1].contains("passes a tensor on to nothing"), "{}", wrong[1]);
    assert!(wrong[2].contains("test.rnet:4:9"), "{}", wrong[2]);
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for text in [
        format!("block f = {}relu{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("block f = {}relu", "a => ".repeat(100_000)),
        format!("block f = {}relu", "a: ".repeat(100_000)),
        format!("let a = {}1", "-".repeat(100_000)),
        format!("let a = {}true", "not ".repeat(100_000)),
        format!("let a = 1{}", " + 1".repeat(100_000)),
        format!("let a = b{}", ".c".repeat(100_000)),
        format!("let a = b{}", "(1)".repeat(100_000)),
        format!("let a = {}{{ 1 }}", "if true { 1 } else ".repeat(20_000)),
    ] {
        let wrong = mistakes(&text);
        assert!(wrong.len() == 1 && wrong[0].contains("E003"), "{}", &text[..40]);
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    let source = "model m(n = 3) { input image: f32[N, 3] image -> a: conv(\"x\\n\") @lr(1) } train { x = [1, 2.5e3] }";
    for end in 0..source.len() {
        mistakes(&source[..end]);
        mistakes(&source[end..]);
        mistakes(&format!("{}\u{e9}{}", &source[..end], &source[end..]));
    }
}
