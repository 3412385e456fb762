//! Finds where a JSON document ends, byte by byte, without reading what it says; and in one that wraps a list of records, where those begin.

/// Follows strings, escapes and nesting. It may be fed in pieces.
///
/// A document that breaks off must not swallow what follows it, so it also ends where no JSON could go on: at a raw newline
/// in a string, at a bracket that closes another kind, and at a container where a key or a comma must stand. What is cut
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
                    let goes_on = match self.in_object() {
                        true => self.before == b':',
                        false => matches!(self.before, b'[' | b','),
                    };
                    if (1..=128).contains(&self.depth) && !goes_on {
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

/// How much of a document is looked at for its list of records, in bytes.
const OPENING_BYTES: usize = 64 << 10;

/// Where the first record begins in a document that is a list of records, or an object that has one under one of the names in `lists`
/// (with a dot between the names of objects in objects).
pub fn opening(document: &[u8], lists: &[String]) -> Option<usize> {
    let near = &document[..document.len().min(OPENING_BYTES)];
    match near.first()? {
        b'[' => first_object(near, 1),
        _ => opening_in(near, lists.iter().map(String::as_str).collect()),
    }
}

fn opening_in(near: &[u8], mut lists: Vec<&str>) -> Option<usize> {
    let mut at = blank(near, 1);
    // Ends: every turn reads a member, or leaves.
    loop {
        let member = Member::read(near, at).ok()?;
        let value = near.get(member.value)?;
        if *value == b'[' && lists.contains(&member.name) {
            return first_object(near, member.value + 1);
        }
        let inner = |list: &&str| list.strip_prefix(member.name).is_some_and(|rest| rest.starts_with('.'));
        if *value == b'{' && lists.iter().any(inner) {
            lists.retain(inner);
            lists.iter_mut().for_each(|list| *list = &list[member.name.len() + 1..]);
            at = blank(near, member.value + 1);
            continue;
        }
        at = blank(near, member.end?);
        if near.get(at) != Some(&b',') {
            return None;
        }
        at = blank(near, at + 1);
    }
}

fn first_object(bytes: &[u8], at: usize) -> Option<usize> {
    let at = blank(bytes, at);
    (bytes.get(at) == Some(&b'{')).then_some(at)
}

/// Where the white space at `at` ends.
pub fn blank(bytes: &[u8], at: usize) -> usize {
    at + bytes.iter().skip(at).take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Where the string that begins at `at` ends, behind its mark: none where its end is not among the bytes.
pub fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    // Ends: every turn moves `at` on.
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Where the value that begins at `at` ends: none where that is not among the bytes.
pub fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' => DocumentScan::default().feed(&bytes[at..]).map(|length| at + length),
        _ => bytes[at..].iter().position(|b| b",]}\n ".contains(b)).map(|n| at + n),
    }
}

/// Where the next member or element begins, behind one that ends at `end`.
pub fn next_item(bytes: &[u8], end: usize) -> Option<usize> {
    let at = blank(bytes, end);
    (bytes.get(at) == Some(&b',')).then(|| blank(bytes, at + 1))
}

/// The members of the object at `at`, as far as they are there.
pub fn members(bytes: &[u8], at: usize) -> impl Iterator<Item = Member<'_>> {
    let mut next = (bytes.get(at) == Some(&b'{')).then(|| blank(bytes, at + 1));
    // ends: every turn passes a member
    std::iter::from_fn(move || {
        let member = Member::read(bytes, next?).ok()?;
        next = member.end.and_then(|end| next_item(bytes, end));
        Some(member)
    })
}

/// Why there is no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMember {
    /// The bytes end in its name.
    Unfinished,
    /// Something else stands there.
    Other,
}

/// A member of an object.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its name, as written.
    pub name: &'a str,
    /// Where its value begins.
    pub value: usize,
    /// Where its value ends: none where that is not among the bytes.
    pub end: Option<usize>,
}

impl<'a> Member<'a> {
    /// The member that begins at `at`.
    ///
    /// # Errors
    /// There is none, or not enough of it.
    pub fn read(bytes: &'a [u8], at: usize) -> Result<Member<'a>, NoMember> {
        match bytes.get(at) {
            Some(b'"') => {}
            Some(_) => return Err(NoMember::Other),
            None => return Err(NoMember::Unfinished),
        }
        let end = string_end(bytes, at).ok_or(NoMember::Unfinished)?;
        let colon = blank(bytes, end);
        match bytes.get(colon) {
            Some(b':') => {}
            Some(_) => return Err(NoMember::Other),
            None => return Err(NoMember::Unfinished),
        }
        let value = blank(bytes, colon + 1);
        if value >= bytes.len() {
            return Err(NoMember::Unfinished);
        }
        let name = std::str::from_utf8(&bytes[at + 1..end - 1]).map_err(|_| NoMember::Other)?;
        Ok(Member { name, value, end: value_end(bytes, value) })
    }
}
