//! Cuts bytes into frames: lines, JSON documents, or the records of one. Pure.
//!
//! A call sees the bytes from the cursor on and says how many of them are covered. What is not covered is an unfinished
//! frame: it is read again with the next call, so that a cursor never stands inside a frame, and how the bytes arrived
//! cannot matter. An unfinished frame beyond its limit is passed over by a [`Skip`], which needs no memory.
use super::csv::End;
use super::json::{DocumentScan, Member, NoMember, blank, opening, string_end};
use super::part::together;
use super::spool::{HEADER_BYTES, Header};
use crate::model::limits::{BATCH_BYTES, BATCH_FRAMES, FRAME_BYTES};
use crate::model::{Frame, FrameFlags};

/// The longest JSON document that is handed on whole, in bytes: one exported file of events.
pub const DOCUMENT_BYTES: usize = FRAME_BYTES * 32;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line: ends at `\n` and nothing else; a trailing `\r` and NUL runs at its edges are cut off.
    Lines,
    /// Lines of JSON. One that goes on over further lines, or begins with `[`, is a document as in [`Framing::JsonDocuments`]; and so is one
    /// that is too long for a line and holds a list of records.
    JsonLines,
    /// A balanced `{...}` or `[...]`, on one line or many. One that is longer than [`FRAME_BYTES`] and holds a list of records is cut into
    /// those, and what stands around them is passed over. What stands between documents and is not white space is a frame
    /// of its own up to the newline, so that it is counted as a reject.
    JsonDocuments,
    /// The payload of a record of a spool file ([`super::spool`]).
    Spool,
    /// A record of CSV with this delimiter: a line, and the next ones where quotes go over its end ([`super::csv`]).
    Csv(u8),
}

impl Framing {
    /// CSV before its header has shown the delimiter.
    pub const CSV: Framing = Framing::Csv(b',');
}

/// The frames of some bytes. `start` and `end` count from the first of these bytes.
#[derive(Debug)]
pub struct Framed {
    /// The frames, in order; a clipped one is the last.
    pub frames: Vec<Frame>,
    /// How many bytes are done with.
    pub covered: usize,
    /// What begins behind them.
    pub open: Open,
}

/// What is behind the covered bytes.
#[derive(Debug, PartialEq)]
pub enum Open {
    /// Nothing, or frames that did not fit into this batch.
    Nothing,
    /// An unfinished frame that may still be short enough: wait, or come back with more bytes.
    Held,
    /// An unfinished frame that is too long already. The skip has passed all the bytes given.
    Long(Skip),
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts `bytes`, which lie at offset `from` of their file. `last` says that nothing will ever follow them. `lists` names the lists of
/// records in documents.
pub fn frames(framing: Framing, lists: &[String], bytes: &[u8], from: u64, last: bool) -> Framed {
    let mut cutter = Cutter { bytes, lists, from, last, frames: Vec::new(), at: 0 };
    if from == 0 && bytes.starts_with(MARK) {
        cutter.at = MARK.len();
    }
    let open = loop {
        if cutter.full() {
            break Open::Nothing;
        }
        let step = match framing {
            Framing::Lines => cutter.line(),
            Framing::JsonLines => cutter.json(Cutter::json_line),
            Framing::JsonDocuments => cutter.json(Cutter::document),
            Framing::Spool => cutter.spooled(),
            Framing::Csv(delimiter) => cutter.csv(delimiter),
        };
        if let Some(open) = step {
            break open;
        }
    };
    Framed { frames: cutter.frames, covered: cutter.at, open }
}

struct Cutter<'a> {
    bytes: &'a [u8],
    lists: &'a [String],
    from: u64,
    last: bool,
    frames: Vec<Frame>,
    at: usize,
}

impl Cutter<'_> {
    /// Whether the batch must end here: at its bounds, and behind a clipped frame, whose rest would be a hole in its data.
    fn full(&self) -> bool {
        self.frames.len() >= BATCH_FRAMES
            || self.at >= BATCH_BYTES
            || self.frames.last().is_some_and(|f| f.flags.clipped)
    }

    /// Takes one line. `None`: go on.
    fn line(&mut self) -> Option<Open> {
        let rest = &self.bytes[self.at..];
        match memchr::memchr(b'\n', rest) {
            Some(length) => match together(rest, length, self.last) {
                Some(length) => {
                    let to = (self.at + length + 1).min(self.bytes.len());
                    self.push(self.at, self.at + length, to, self.at + length == self.bytes.len());
                    None
                }
                None => Some(self.unfinished_line()),
            },
            None => Some(self.unfinished_line()),
        }
    }

    fn unfinished_line(&mut self) -> Open {
        let rest = &self.bytes[self.at..];
        if self.last {
            self.push(self.at, self.bytes.len(), self.bytes.len(), true);
            return Open::Nothing;
        }
        let nuls = leading_nuls(rest);
        if nuls == rest.len() {
            // NULs up to the end may be room that a writer is about to fill: passed only when something follows.
            return match rest.len() > FRAME_BYTES {
                true => Open::Long(Skip::Nuls),
                false if rest.is_empty() => Open::Nothing,
                false => Open::Held,
            };
        }
        self.at += nuls;
        match rest.len() - nuls > FRAME_BYTES {
            true => Open::Long(Skip::Line),
            false => Open::Held,
        }
    }

    /// Takes what begins behind white space: by `begun` where it is a document. `None`: go on.
    fn json(&mut self, begun: fn(&mut Self) -> Option<Open>) -> Option<Open> {
        let rest = &self.bytes[self.at..];
        let blank = rest.iter().position(|&b| !is_blank(b)).unwrap_or(rest.len());
        if blank == rest.len() {
            let keep = rest.iter().rev().take_while(|&&b| b == 0).count();
            self.at += match self.last {
                true => blank,
                false => blank - keep,
            };
            return Some(match keep > FRAME_BYTES && !self.last {
                true => Open::Long(Skip::Nuls),
                false if keep > 0 && !self.last => Open::Held,
                false => Open::Nothing,
            });
        }
        self.at += blank;
        match rest[blank] {
            b'{' | b'[' => begun(self),
            b',' => self.next_element(),
            b'}' | b']' => self.closers(),
            _ => self.line(),
        }
    }

    /// Takes a line that begins as a document does. `None`: go on.
    fn json_line(&mut self) -> Option<Open> {
        let rest = &self.bytes[self.at..];
        let near = &rest[..rest.len().min(FRAME_BYTES + 1)];
        let Some(length) = memchr::memchr(b'\n', near) else {
            return match rest.len() > FRAME_BYTES {
                true => self.elements().unwrap_or_else(|| self.line()),
                false => self.line(),
            };
        };
        if DocumentScan::default().feed(&rest[..length]).is_some() {
            return self.line();
        }
        // It was cut, or goes on. A printer that sets lines apart ends them here, and begins the next one with white space or a bracket.
        let line = trimmed(&rest[..length]);
        match (rest[..line].last(), rest.get(length + 1)) {
            (Some(b'{' | b'[' | b',' | b':'), None) if !self.last => Some(Open::Held),
            (Some(b'{' | b'[' | b','), Some(b' ' | b'\t' | b'\r' | b'\n' | b'}' | b']' | b'"')) => self.document(),
            (Some(b'[' | b','), Some(b'{')) if opening(&rest[..length + 2], self.lists).is_some() => self.document(),
            _ => self.line(),
        }
    }

    /// Takes one document, or the first of its records. `None`: go on.
    fn document(&mut self) -> Option<Open> {
        let rest = &self.bytes[self.at..];
        // only its beginning is looked at: how much of it is here must not matter
        let near = &rest[..rest.len().min(FRAME_BYTES + 1)];
        if near.len() > FRAME_BYTES
            && DocumentScan::default().feed(near).is_none()
            && let Some(taken) = self.elements()
        {
            return taken;
        }
        self.element(self.at)
    }

    /// Takes the first record of the document at hand, with what stands before it; nothing where it has no list of records.
    fn elements(&mut self) -> Option<Option<Open>> {
        let first = opening(&self.bytes[self.at..], self.lists)?;
        Some(self.element(self.at + first))
    }

    /// Takes the document at `at`, with what stands before it. `None`: go on.
    fn element(&mut self, at: usize) -> Option<Open> {
        let mut scan = DocumentScan::default();
        match scan.feed(&self.bytes[at..]) {
            Some(length) => {
                self.push_limited(at, at + length, at + length, false, DOCUMENT_BYTES);
                None
            }
            None if self.last => {
                let end = self.bytes.len();
                self.push_limited(at, end, end, true, DOCUMENT_BYTES);
                Some(Open::Nothing)
            }
            None if self.bytes.len() - at >= DOCUMENT_BYTES => Some(Open::Long(Skip::Document(scan))),
            None => Some(Open::Held),
        }
    }

    /// Takes the element behind a comma. `None`: go on.
    fn next_element(&mut self) -> Option<Open> {
        let at = blank(self.bytes, self.at + 1);
        let ends = match self.bytes.get(at) {
            Some(b'{' | b'[') => return self.element(at),
            Some(b'"') => string_end(self.bytes, at).map(|end| blank(self.bytes, end)),
            Some(_) => self.bytes[at..].iter().position(|b| b",]}\n".contains(b)).map(|n| at + n),
            None => None,
        };
        match ends.and_then(|end| Some((end, *self.bytes.get(end)?))) {
            // it is no record, which decoding says
            Some((end, b',' | b']')) if end > at => {
                self.push(at, end, end, false);
                None
            }
            None if !self.last && self.bytes.len() - self.at <= FRAME_BYTES => Some(Open::Held),
            _ => self.line(),
        }
    }

    /// Passes over what ends a list of records: brackets, and further members of what holds it. `None`: go on.
    fn closers(&mut self) -> Option<Open> {
        let spaces =
            |at: usize| at + self.bytes.iter().skip(at).take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
        let mut at = self.at;
        // Ends: every turn passes a bracket or a member, or leaves.
        loop {
            at = spaces(at);
            match self.bytes.get(at) {
                Some(b'}' | b']') => at += 1,
                Some(b',') => match Member::read(self.bytes, blank(self.bytes, at + 1)) {
                    Ok(Member { name, value, .. }) if self.begins_list(name, value) => {
                        let first = blank(self.bytes, value + 1);
                        return self.element(first);
                    }
                    Ok(Member { end: Some(end), .. }) => at = end,
                    Ok(_) | Err(NoMember::Unfinished) if !self.last && self.bytes.len() - self.at <= DOCUMENT_BYTES => {
                        return Some(Open::Held);
                    }
                    _ => break,
                },
                None if !self.last => return Some(Open::Held),
                _ => break,
            }
        }
        self.at = at;
        None
    }

    /// Whether the value of the member is a further list of records.
    fn begins_list(&self, name: &str, value: usize) -> bool {
        let is_it = |list: &String| list.rsplit('.').next() == Some(name);
        let object = self.bytes.get(blank(self.bytes, value + 1)) == Some(&b'{');
        self.bytes[value] == b'[' && object && self.lists.iter().any(is_it)
    }

    /// Takes one record of CSV. `None`: go on.
    fn csv(&mut self, delimiter: u8) -> Option<Open> {
        // a record does not begin with what a power loss left
        let nuls = leading_nuls(&self.bytes[self.at..]);
        match super::csv::end(&self.bytes[self.at + nuls..], delimiter, self.last) {
            End::At(length) => {
                let end = self.at + nuls + length;
                self.push(self.at, end, end + 1, false);
                None
            }
            End::Unknown => Some(self.unfinished_line()),
        }
    }

    /// Takes one record of a spool file; what is none is taken as lines, which decoding rejects. `None`: go on.
    fn spooled(&mut self) -> Option<Open> {
        let rest = &self.bytes[self.at..];
        // What a power loss left is passed as in lines, also where all of the line behind it is there already: it must not
        // depend on how the bytes arrive whether a header stands at the beginning of a line.
        let nuls = leading_nuls(rest);
        let rest = match nuls < rest.len() {
            true => &rest[nuls..],
            false => rest,
        };
        self.at = self.bytes.len() - rest.len();
        let Some(newline) = rest.iter().take(HEADER_BYTES).position(|b| *b == b'\n') else {
            return self.line();
        };
        let Some(header) = Header::read(&rest[..newline]).filter(|header| header.length <= FRAME_BYTES) else {
            return self.line();
        };
        let start = self.at + newline + 1;
        let end = start + header.length;
        if self.bytes.len() <= end {
            return if self.last { Some(self.unfinished_line()) } else { Some(Open::Held) };
        }
        self.at = end + 1;
        if header.length > 0 {
            self.frames.push(Frame {
                start: start as u32,
                end: end as u32,
                from: self.from + start as u64,
                to: self.from + end as u64 + 1,
                flags: header.flags,
            });
        }
        None
    }

    fn push(&mut self, start: usize, end: usize, to: usize, unterminated: bool) {
        self.push_limited(start, end, to, unterminated, FRAME_BYTES);
    }

    /// Adds the frame at `start..end` without its edges, unless nothing is left of it, and covers up to `to`.
    fn push_limited(&mut self, start: usize, end: usize, to: usize, unterminated: bool, limit: usize) {
        self.at = to;
        let start = start + leading_nuls(&self.bytes[start..end]);
        let end = start + trimmed(&self.bytes[start..end]);
        if start == end {
            return;
        }
        let clipped = end - start > limit;
        self.frames.push(Frame {
            start: start as u32,
            end: if clipped { start + FRAME_BYTES } else { end } as u32,
            from: self.from + start as u64,
            to: self.from + to as u64,
            flags: FrameFlags { clipped, unterminated, after_loss: false },
        });
    }
}

fn leading_nuls(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&b| b == 0).count()
}

/// The length of `line` without carriage returns and NULs at its end.
fn trimmed(line: &[u8]) -> usize {
    line.iter().rposition(|&b| b != b'\r' && b != 0).map_or(0, |i| i + 1)
}

/// White space between documents, the record separator of RFC 7464, and what a power loss leaves.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x1e | 0)
}

/// Passes over what is too long to keep, in constant memory.
#[derive(Debug, PartialEq)]
pub enum Skip {
    /// The rest of a line: to behind its newline.
    Line,
    /// A run of NULs: to the first other byte. It is no frame.
    Nuls,
    /// The rest of a document: to behind its end.
    Document(DocumentScan),
}

impl Skip {
    /// Looks at the next bytes; how many of them belong to what is skipped, once its end is among them.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Skip::Line => memchr::memchr(b'\n', bytes).map(|i| i + 1),
            Skip::Nuls => bytes.iter().position(|&b| b != 0),
            Skip::Document(scan) => scan.feed(bytes),
        }
    }
}
