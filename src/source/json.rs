//! Finds where a JSON document ends, byte by byte, without reading what it says.

/// Follows strings, escapes and nesting. It may be fed in pieces.
///
/// A document that breaks off must not swallow what follows it, so it also ends where no JSON could go on: at a raw newline
/// in a string, at a bracket that closes another kind, and at a container in an object where a key must stand. What is cut
/// off there is no JSON, and the decoder counts it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentScan {
    /// One bit a level, innermost lowest: set for an object. Levels beyond 128 are counted only.
    kinds: u128,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// The last byte outside strings that is no white space.
    before: u8,
}

impl DocumentScan {
    /// How many of `bytes` belong to the document, once its end is among them.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                match self.string(bytes, at) {
                    Inside::Until(next) => at = next,
                    Inside::Broken(end) => return Some(end),
                }
                continue;
            }
            let byte = bytes[at];
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth > 0 && self.in_object() && self.before != b':' {
                        return Some(at);
                    }
                    self.kinds = self.kinds << 1 | u128::from(byte == b'{');
                    self.depth += 1;
                }
                b'}' | b']' => {
                    let fits = self.depth > 128 || (self.kinds & 1 == 1) == (byte == b'}');
                    self.kinds >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 || !fits {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                self.before = byte;
            }
            at += 1;
        }
        None
    }

    fn in_object(&self) -> bool {
        self.depth <= 128 && self.kinds & 1 == 1
    }

    fn string(&mut self, bytes: &[u8], at: usize) -> Inside {
        if std::mem::take(&mut self.escaped) && bytes[at] != b'\n' {
            return Inside::Until(at + 1);
        }
        let Some(next) = memchr::memchr3(b'"', b'\\', b'\n', &bytes[at..]) else {
            return Inside::Until(bytes.len());
        };
        match bytes[at + next] {
            b'"' => self.in_string = false,
            b'\\' => self.escaped = true,
            _ => return Inside::Broken(at + next),
        }
        Inside::Until(at + next + 1)
    }
}

enum Inside {
    Until(usize),
    Broken(usize),
}
