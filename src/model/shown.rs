//! How text that somebody else chose is shown: nothing in it can move a cursor, end a line, or turn the direction of writing.
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

fn show(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        c if c.is_ascii_control() => write!(f, "\\x{:02x}", c as u32),
        // C1 controls, zero-width characters, line and paragraph separators, direction marks, the byte-order mark, and
        // interlinear and tag characters: none of them can be seen, all of them change what is seen.
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => write!(f, "\\u{{{:x}}}", c as u32),
        c => f.write_char(c),
    }
}

/// The first part of `text` that is no longer than `bytes` and ends between two characters.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

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
