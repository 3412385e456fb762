//! How text that somebody else chose is shown: nothing in it can move a cursor, end a line, or turn the direction of writing.
use std::borrow::Cow;
use std::fmt::{self, Write};

/// Shows text with every control byte as `\xHH` and every invisible or direction-changing character as `\u{HHHH}`.
///
/// A backslash stays as it is, so that `CORP\anna` reads as it was written; what is shown is for reading, not for parsing back.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            show(c, f)?;
        }
        Ok(())
    }
}

/// Shows bytes: as [`Shown`] where they are UTF-8, and `\xHH` for each byte that is not.
pub struct ShownBytes<'a>(pub &'a [u8]);

impl fmt::Display for ShownBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            Shown(chunk.valid()).fmt(f)?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// JSON in which nothing stands raw that [`Shown`] spells out: it says the same, for such a character can only stand in a string.
/// JSON itself spells out what is below U+0020 alone, and a terminal takes U+009B for the beginning of a command.
pub fn json_shown(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.contains('\x7f') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) || c == '\x7f' {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn show(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", c as u32),
        c if is_hidden(c) => write!(f, "\\u{{{:x}}}", c as u32),
        c => f.write_char(c),
    }
}

/// C1 controls, zero-width characters, line and paragraph separators, direction marks, the byte-order mark, and
/// interlinear and tag characters: none of them can be seen, all of them change what is seen.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}'
    )
}

/// The first part of `text` that is no longer than `bytes` and ends between two characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_without_what_cannot_be_seen() {
        let value = serde_json::json!({"a\u{2028}": "Müller \x1b[2J\u{85}\u{2029}\u{9b}31m\x7f \u{e0041} 日本", "b": ["plain"]});
        let text = value.to_string();
        let shown = json_shown(&text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(shown.contains("Müller \\u001b[2J\\u0085\\u2029\\u009b31m\\u007f \\udb40\\udc41 日本"), "{shown}");
        assert!(matches!(json_shown("{\"plain\":1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        for (text, shown) in [
            ("anna", "anna"),
            ("CORP\\anna", "CORP\\anna"),
            ("a\nb\0c\x1b[2J\x7f", "a\\x0ab\\x00c\\x1b[2J\\x7f"),
            ("\u{9b}2J \u{202e}gpj", "\\u{9b}2J \\u{202e}gpj"),
            ("Zoë 東京", "Zoë 東京"),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
        assert_eq!(ShownBytes(b"a\xff\xc3\n").to_string(), "a\\xff\\xc3\\x0a");
    }

    #[test]
    fn a_cut_never_falls_inside_a_character() {
        assert_eq!(cut("aë", 2), "a");
        assert_eq!(cut("aë", 3), "aë");
        assert_eq!(cut("", 3), "");
    }
}
