//! Reads the text form of a graph. Text may come from outside: nothing here panics, whatever the input.

use super::{Attribute, Attributes, ElementType, Graph, NodeId, OutputKind, Place, TensorType, verify};
use crate::ops;
use std::collections::HashMap;
use std::fmt;

/// Why a text is not a graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, or what was expected.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a graph and verifies it.
///
/// # Errors
/// The first line that cannot be read, with what was expected there.
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    let mut reader = Reader::default();
    let mut last = 1;
    for (at, line) in text.lines().enumerate() {
        last = at + 1;
        reader.line(line).map_err(|message| ParseError { line: last, message })?;
    }
    let at_end = |message| ParseError { line: last, message };
    if reader.state != State::Done {
        return Err(at_end("expected `}`, here is the end".to_string()));
    }
    verify(&reader.graph).map_err(at_end)?;
    Ok(reader.graph)
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Start,
    Graph,
    Kernel(u32),
    Done,
}

#[derive(Default)]
struct Reader {
    graph: Graph,
    state: State,
    nodes: HashMap<String, NodeId>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut cursor = Cursor { rest: line };
        cursor.skip_blanks();
        if cursor.rest.is_empty() || cursor.rest.starts_with("//") {
            return Ok(());
        }
        match self.state {
            State::Start => {
                cursor.expect("graph")?;
                cursor.expect("{")?;
                self.state = State::Graph;
            }
            State::Done => return Err(format!("expected the end, here is `{}`", cursor.rest)),
            State::Graph | State::Kernel(_) => {
                if cursor.rest.starts_with('%') {
                    return self.node(cursor);
                }
                self.keyword(&mut cursor)?;
            }
        }
        cursor.end()
    }

    fn keyword(&mut self, cursor: &mut Cursor<'_>) -> Result<(), String> {
        if cursor.accept("}") {
            self.state = if self.state == State::Graph { State::Done } else { State::Graph };
            return Ok(());
        }
        if self.state != State::Graph {
            return Err(format!("expected a node or `}}` in a kernel, here is `{}`", cursor.rest));
        }
        if cursor.accept("kernel") {
            let number = cursor.token();
            let number = number.parse().map_err(|_| format!("expected a kernel's number, here is `{number}`"))?;
            self.state = State::Kernel(number);
            return cursor.expect("{");
        }
        let kind = if cursor.accept("result") {
            OutputKind::Result
        } else if cursor.accept("update") {
            OutputKind::Update
        } else {
            return Err(format!("expected a node, `kernel`, `result`, `update` or `}}`, here is `{}`", cursor.rest));
        };
        let name = cursor.word()?;
        cursor.expect("=")?;
        let value = self.operand(cursor)?;
        self.graph.output(kind, &name, value);
        Ok(())
    }

    fn operand(&self, cursor: &mut Cursor<'_>) -> Result<NodeId, String> {
        let name = cursor.node_name()?;
        self.nodes.get(&name).copied().ok_or_else(|| format!("%{name} is not defined above"))
    }

    fn node(&mut self, mut cursor: Cursor<'_>) -> Result<(), String> {
        let name = cursor.node_name()?;
        if self.nodes.contains_key(&name) {
            return Err(format!("%{name} is defined already"));
        }
        cursor.expect("=")?;
        let op = cursor.token();
        let op = ops::find(op).ok_or_else(|| format!("expected an op, here is `{op}`"))?;
        let mut operands = Vec::new();
        cursor.skip_blanks();
        if cursor.rest.starts_with('%') {
            operands.push(self.operand(&mut cursor)?);
            while cursor.accept(",") {
                operands.push(self.operand(&mut cursor)?);
            }
        }
        let attributes = cursor.attributes()?;
        cursor.expect(":")?;
        let ty = cursor.tensor_type()?;
        let place = cursor.place()?;
        cursor.end()?;
        let id = self.graph.try_add(op, &operands, attributes, place).map_err(|error| match error.hint {
            Some(hint) => format!("{} ({hint})", error.message),
            None => error.message,
        })?;
        if self.graph[id].ty != ty {
            return Err(format!("the type is written as {ty}, `{}` infers {}", op.name(), self.graph[id].ty));
        }
        if let State::Kernel(kernel) = self.state {
            self.graph[id].kernel = Some(kernel);
        }
        self.nodes.insert(name, id);
        Ok(())
    }
}

/// What is left of a line.
struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// The longest run of characters that words and numbers are made of; may be empty.
    fn token(&mut self) -> &'t str {
        self.skip_blanks();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/+".contains(c);
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    fn accept(&mut self, text: &str) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.accept(text) { Ok(()) } else { Err(self.expected(&format!("`{text}`"))) }
    }

    fn expected(&self, what: &str) -> String {
        match self.rest {
            "" => format!("expected {what}, here is the end of the line"),
            rest => format!("expected {what}, here is `{rest}`"),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.skip_blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    fn node_name(&mut self) -> Result<String, String> {
        self.skip_blanks();
        let digits = self.rest.strip_prefix('%').unwrap_or_default();
        let end = digits.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(digits.len());
        if end == 0 {
            return Err(self.expected("a node such as `%3`"));
        }
        self.rest = &digits[end..];
        Ok(digits[..end].to_string())
    }

    /// A word, plain or quoted.
    fn word(&mut self) -> Result<String, String> {
        self.skip_blanks();
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        match self.token() {
            "" => Err(self.expected("a name")),
            word => Ok(word.to_string()),
        }
    }

    /// A text in quotes, with the escapes of Rust's `{:?}`.
    fn quoted(&mut self) -> Result<String, String> {
        let unfinished = || "expected a closing `\"`".to_string();
        let mut text = String::new();
        let mut chars = self.rest.chars();
        if chars.next() != Some('"') {
            return Err(self.expected("a quoted text"));
        }
        loop {
            match chars.next().ok_or_else(unfinished)? {
                '"' => break,
                '\\' => text.push(match chars.next().ok_or_else(unfinished)? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '0' => '\0',
                    'u' => {
                        let code: String = chars.by_ref().skip(1).take_while(|&c| c != '}').collect();
                        let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                        code.ok_or("expected a character's number, as in `\\u{e9}`")?
                    }
                    same @ ('\\' | '"' | '\'') => same,
                    other => return Err(format!("expected an escape, here is `\\{other}`")),
                }),
                other => text.push(other),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    fn attributes(&mut self) -> Result<Attributes, String> {
        let mut attributes = Attributes::new();
        if !self.accept("{") || self.accept("}") {
            return Ok(attributes);
        }
        loop {
            let name = match self.token() {
                "" => return Err(self.expected("an attribute's name")),
                name => name,
            };
            self.expect("=")?;
            let value = self.attribute()?;
            if attributes.get(name).is_some() {
                return Err(format!("the attribute `{name}` is there twice"));
            }
            attributes = attributes.with(name, value);
            if !self.accept(",") {
                self.expect("}")?;
                return Ok(attributes);
            }
        }
    }

    fn attribute(&mut self) -> Result<Attribute, String> {
        self.skip_blanks();
        if self.rest.starts_with('"') {
            return self.quoted().map(Attribute::Text);
        }
        if self.rest.starts_with('[') {
            return self.list().map(Attribute::Ints);
        }
        let before = self.rest;
        let token = self.token();
        let number = || token.parse().map(Attribute::Int).ok().or_else(|| token.parse().map(Attribute::Float).ok());
        match token {
            "true" => Ok(Attribute::Bool(true)),
            "false" => Ok(Attribute::Bool(false)),
            _ => number().ok_or_else(|| Cursor { rest: before }.expected("a number, a list, a text, true or false")),
        }
    }

    fn list<T: std::str::FromStr>(&mut self) -> Result<Vec<T>, String> {
        self.expect("[")?;
        let mut values = Vec::new();
        if self.accept("]") {
            return Ok(values);
        }
        loop {
            let before = self.rest;
            let value = self.token().parse();
            values.push(value.map_err(|_| Cursor { rest: before }.expected("a whole number"))?);
            if !self.accept(",") {
                self.expect("]")?;
                return Ok(values);
            }
        }
    }

    fn tensor_type(&mut self) -> Result<TensorType, String> {
        let element = if self.accept("f32") {
            ElementType::F32
        } else if self.accept("i32") {
            ElementType::I32
        } else {
            return Err(self.expected("a type such as `f32[8,16]`"));
        };
        Ok(TensorType { element, dims: self.list()? })
    }

    fn place(&mut self) -> Result<Place, String> {
        let mut place = Place::default();
        if self.accept("@") {
            self.skip_blanks();
            let quoted = self.rest.starts_with('"');
            place.source = self.word()?;
            if place.source == "-" && !quoted {
                place.source.clear();
            }
            self.skip_blanks();
            if !self.rest.is_empty() {
                place.path = self.word()?;
            }
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::samples::Random;

    const TEXT: &str = r#"graph {
  %0 = input {dims=[8,3,8,8], element="f32", name="image"} : f32[8,3,8,8]
  %1 = parameter {dims=[4,3,3,3], element="f32", init="normal", init_value=0.27, name="conv1.weight"} : f32[4,3,3,3]   @ net.rnet:3:5 conv1
  %2 = constant {dims=[], value=1e-5} : f32[]   @ "my net.rnet:4:1" "a \"b\"\n\u{1}\0"
  kernel 1 {
    %3 = conv2d %0, %1 {dilation=[1,1], groups=1, pad=[1,1], stride=[2,2]} : f32[8,4,4,4]   @ net.rnet:3:5 conv1
  }
  kernel 0 {
    %4 = relu %3 : f32[8,4,4,4]   @ - relu
    %5 = mul %4, %4 : f32[8,4,4,4]
  }
  result logits = %5
  result "two words" = %4
}
"#;

    /// The text, in which the constant is in a kernel of its own, as every node that is not a leaf is.
    fn text() -> String {
        let constant = TEXT.lines().nth(3).expect("the fourth line").trim();
        let without = TEXT.replace(&format!("  {constant}\n"), "");
        let kernel = format!("  kernel 0 {{\n    {}\n", constant.replace("%2", "%3"));
        let renumbered =
            without.replace("%5", "%z").replace("%4", "%y").replace("%3", "%x").replace("  kernel 0 {\n", &kernel);
        renumbered.replace("%z", "%5").replace("%y", "%4").replace("%x", "%2")
    }

    #[test]
    fn reads_what_it_prints() {
        let text = text();
        let graph = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(graph.to_string(), text);
    }

    #[test]
    fn numbers_need_not_be_in_order() {
        let shuffled = text().replace("%4", "%name").replace("%0", "%77");
        assert_eq!(parse(&shuffled).unwrap().to_string(), text());
    }

    #[test]
    fn errors_name_line_and_expectation() {
        for (from, to, line, words) in [
            ("graph {", "graf {", 1, "expected `graph`"),
            ("relu %2", "relo %2", 9, "expected an op, here is `relo`"),
            ("relu %2", "relu %9", 9, "%9 is not defined above"),
            ("relu %2", "relu", 9, "takes 1 operand, here are 0"),
            ("%4 = relu", "%0 = relu", 9, "%0 is defined already"),
            ("stride=[2,2]", "stride=[2,x]", 5, "expected a whole number, here is `x]"),
            ("stride=[2,2]", "strides=[2,2]", 5, "no attribute `strides`"),
            (": f32[8,4,4,4]   @ net", ": f32[8,4,4,5]   @ net", 5, "infers f32[8,4,4,4]"),
            ("groups=1", "groups=1, groups=1", 5, "twice"),
            ("kernel 1", "kernel x", 4, "a kernel's number"),
            ("name=\"image\"", "name=\"image", 2, "closing"),
            ("result logits =", "result logits", 12, "expected `=`"),
        ] {
            let damaged = text().replacen(from, to, 1);
            assert_ne!(damaged, text(), "{from}");
            let error = parse(&damaged).expect_err(to);
            assert!(error.message.contains(words), "{error}");
            assert_eq!(error.line, line, "{error}");
        }
        assert!(parse("").unwrap_err().message.contains("expected `}`"));
    }

    /// Any damage gives an error or another graph, never a panic, and what is read prints as text that reads back.
    #[test]
    fn damaged_text_never_panics() {
        let text: Vec<char> = text().chars().collect();
        let alphabet: Vec<char> = "0123456789-.,=%{}[]\"\\@ \nexué".chars().collect();
        let mut random = Random::new(1);
        for _ in 0..3000 {
            let mut damaged = text.clone();
            for _ in 0..random.range(1, 3) {
                let at = random.range(0, damaged.len() - 1);
                match random.range(0, 2) {
                    0 => drop(damaged.remove(at)),
                    1 => damaged[at] = alphabet[random.range(0, alphabet.len() - 1)],
                    _ => damaged.insert(at, alphabet[random.range(0, alphabet.len() - 1)]),
                }
            }
            if let Ok(graph) = parse(&damaged.iter().collect::<String>()) {
                let printed = graph.to_string();
                assert_eq!(parse(&printed).expect("printed text reads back").to_string(), printed);
            }
        }
    }
}
