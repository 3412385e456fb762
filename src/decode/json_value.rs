//! Nested JSON as policies see it: the elements of a list, and an object as one text.
use super::json_text::{quote_or_escape, unescape};

/// How deep lists in lists are taken apart.
const DEPTH: usize = 8;
/// How many elements of one list are told apart; what follows them is one element, as written.
pub const ELEMENTS: usize = 1024;

/// A nested value, taken apart as far as policies look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nested {
    /// An object: its text without blanks between tokens.
    Object(String),
    /// The elements of a list, those of lists in it among them. Null is no element; an object is its text.
    List(Vec<String>),
}

/// Takes apart an object or array as written.
pub fn nested(text: &str) -> Nested {
    if !text.starts_with('[') {
        return Nested::Object(compact(text));
    }
    let mut elements = Vec::new();
    list(text, &mut elements, DEPTH);
    Nested::List(elements)
}

fn list(text: &str, out: &mut Vec<String>, depth: usize) {
    let inner = text.strip_prefix('[').unwrap_or(text);
    let mut rest = inner.strip_suffix(']').unwrap_or(inner);
    while !rest.trim_start().is_empty() {
        // Ends: every turn takes at least one byte off `rest`.
        if out.len() == ELEMENTS {
            out.push(rest.trim().to_owned());
        }
        if out.len() > ELEMENTS {
            return;
        }
        let end = element(rest);
        let one = rest[..end].trim();
        rest = rest.get(end + 1..).unwrap_or("");
        match one.as_bytes().first() {
            Some(b'"') => {
                let quoted = &one[1..];
                let mut element = String::new();
                unescape(quoted.strip_suffix('"').unwrap_or(quoted), &mut element);
                out.push(element);
            }
            Some(b'[') if depth > 0 => list(one, out, depth - 1),
            Some(b'{' | b'[') => out.push(compact(one)),
            None => {}
            Some(_) if one == "null" => {}
            Some(_) => out.push(one.to_owned()),
        }
    }
}

/// Where the first element ends: at the comma behind it, or at the text's end.
fn element(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (0, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            b',' if open == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The closing quote of the string that begins at `at`; the last byte where it has none.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        // Ends: every turn moves on, or leaves.
        at = quote_or_escape(bytes, at);
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(_) => return at,
            None => return bytes.len().saturating_sub(1),
        }
    }
}

/// Without the blanks between tokens: products differ in how they set them, and policies are written against none.
fn compact(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut from) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(text.get(from..at).unwrap_or(""));
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(text.get(from..).unwrap_or(""));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<String> {
        match nested(text) {
            Nested::List(elements) => elements,
            Nested::Object(text) => panic!("an object: {text}"),
        }
    }

    #[test]
    fn a_list_is_its_elements_and_an_object_its_text() {
        assert_eq!(elements(r#"[ "a,b", "c\"d" , 7, null, true ]"#), ["a,b", "c\"d", "7", "true"]);
        assert_eq!(elements(r#"[{"k": [1, 2], "t": "x  y"}, ["n", ["m"]]]"#), [r#"{"k":[1,2],"t":"x  y"}"#, "n", "m"]);
        assert_eq!(elements("[]"), [""; 0]);
        assert_eq!(nested(r#"{ "a" : "b: c" }"#), Nested::Object(r#"{"a":"b: c"}"#.into()));
    }

    #[test]
    fn a_long_list_is_seen_to_its_end() {
        let many: Vec<String> = (0..ELEMENTS + 500).map(|n| format!("\"e{n}\"")).collect();
        let elements = elements(&format!("[{}]", many.join(",")));
        assert_eq!(elements.len(), ELEMENTS + 1);
        assert!(elements[ELEMENTS].contains("e1523"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(text in "[\\[{][ \"\\\\,\\[\\]{}:a1é]{0,24}") {
            nested(&text);
        }
    }
}
