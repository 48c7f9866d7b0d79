//! Places: bytes here, lines and UTF-16 units in the protocol; paths here, URIs there.

use serde_json::{Value, json};

/// The place of a byte.
pub fn of(text: &str, byte: usize) -> Value {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count();
    json!({"line": line, "character": before[start..].encode_utf16().count()})
}

/// From the place of one byte to that of another.
pub fn range(text: &str, start: usize, end: usize) -> Value {
    json!({"start": of(text, start), "end": of(text, end)})
}

/// The byte at a place; the end of the line, or of the text, where that is shorter.
pub fn byte(text: &str, position: &Value) -> usize {
    let whole = |key: &str| position[key].as_u64().and_then(|value| usize::try_from(value).ok()).unwrap_or(0);
    let mut start = 0;
    for _ in 0..whole("line") {
        match text[start..].find('\n') {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split('\n').next().unwrap_or_default();
    let mut units = whole("character");
    for (at, character) in line.char_indices() {
        if units < character.len_utf16() {
            return start + at;
        }
        units -= character.len_utf16();
    }
    start + line.len()
}

/// The path of a `file:` URI, or the URI itself.
pub fn path(uri: &str) -> String {
    let Some(encoded) = uri.strip_prefix("file://") else { return uri.to_string() };
    let (mut bytes, mut rest) = (Vec::new(), encoded.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The URI of a path.
pub fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encoded: String = path
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("file://{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_utf16_units() {
        let text = "a\n\u{1f600}\u{e9}x\nend";
        let at = text.find('x').expect("there is an x");
        assert_eq!(of(text, at), json!({"line": 1, "character": 3}));
        for (byte_at, _) in text.char_indices() {
            assert_eq!(byte(text, &of(text, byte_at)), byte_at);
        }
        assert_eq!(byte(text, &json!({"line": 1, "character": 99})), at + 1);
        assert_eq!(byte(text, &json!({"line": 99, "character": 0})), text.len());
    }

    #[test]
    fn uris_and_paths_go_both_ways() {
        for text in ["/a/b.rnet", "/with space/\u{e9}%.rnet"] {
            assert_eq!(path(&uri(text)), text);
        }
        assert_eq!(path("file:///a%20b"), "/a b");
        assert_eq!(path("untitled:1"), "untitled:1");
    }
}
