//! [`Elements`]: the rows of a message log that is a JSON document: a list of rows, or a page of an API that holds one.
use crate::framing::json::{DocumentScan, blank, members, opening, value_end};
use std::io::{BufRead, BufReader, Read};

/// How much of a document is looked at for where its rows begin, in bytes.
const NEAR: usize = 64 << 10;
/// How deep in a page its list of rows may lie: `{"response":{"messages":[…]}}`.
const DEPTH: usize = 3;

/// Where the rows of a document lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Each line is one.
    Lines,
    /// They are the elements of a list.
    List,
    /// They are the elements of the list of this name, a dot between the names of objects in objects.
    Page(String),
}

impl Form {
    /// Of a log that begins like this; `is_row` knows a row by its keys.
    pub fn of(near: &[u8], is_row: impl Fn(&[&str]) -> bool) -> Form {
        let at = blank(near, 0);
        if near.get(at) == Some(&b'[') {
            return Form::List;
        }
        if is_row(&keys(near, at)) {
            return Form::Lines;
        }
        let mut found = Vec::new();
        lists(near, at, "", DEPTH, &mut found);
        let of_rows = |(_, at): &&(String, usize)| is_row(&keys(near, blank(near, at + 1)));
        // a page that holds none yet has nothing but an empty list
        let is_empty = |(_, at): &&(String, usize)| near.get(blank(near, at + 1)) == Some(&b']');
        let list = found.iter().find(of_rows).or_else(|| found.iter().find(is_empty));
        list.map_or(Form::Lines, |(name, _)| Form::Page(name.clone()))
    }
}

/// The keys of the object at `at`, as far as it is there.
fn keys(bytes: &[u8], at: usize) -> Vec<&str> {
    members(bytes, at).map(|member| member.name).collect()
}

/// The lists in the object at `at`: what they are called, and where they begin.
fn lists(bytes: &[u8], at: usize, within: &str, depth: usize, found: &mut Vec<(String, usize)>) {
    for member in members(bytes, at) {
        let name = format!("{within}{}", member.name);
        match bytes.get(member.value) {
            // a dot in a name parts names
            _ if member.name.contains(['.', '\\']) => {}
            Some(b'[') => found.push((name, member.value)),
            Some(b'{') if depth > 1 => lists(bytes, member.value, &format!("{name}."), depth - 1, found),
            _ => {}
        }
    }
}

/// Reads them one after another, however long the document is.
pub(super) struct Elements {
    reader: BufReader<Box<dyn Read>>,
    /// What is read, of which all before `at` is used.
    ahead: Vec<u8>,
    at: usize,
    list: Option<String>,
    is_in_list: bool,
}

impl Elements {
    pub fn new(reader: BufReader<Box<dyn Read>>, list: Option<String>) -> Elements {
        Elements { reader, ahead: Vec::new(), at: 0, list, is_in_list: false }
    }

    /// Appends the next row to `row`, in one line and without what is beyond `most` bytes of it; false at the end.
    pub fn next(&mut self, row: &mut Vec<u8>, most: usize) -> std::io::Result<bool> {
        loop {
            // Ends: every turn uses a byte, or leaves.
            let Some(byte) = self.past(b" \t\r\n,\x1e")? else { return Ok(false) };
            match (self.is_in_list, byte) {
                (true, b'{') => return self.object(row, most).map(|()| true),
                (true, b']') => {
                    self.at += 1;
                    self.is_in_list = false;
                    self.leave(self.list.as_ref().map_or(0, |list| list.split('.').count()))?;
                }
                // an element that is no row
                (true, b'[') => self.leave(0)?,
                (true, _) => self.at += value_end(self.rest(), 0).unwrap_or(1).max(1),
                (false, _) => self.enter()?,
            }
        }
    }

    /// Into the list of the document at hand, or past a document that has none.
    fn enter(&mut self) -> std::io::Result<()> {
        while self.rest().len() < NEAR && self.more()? {}
        let rest = self.rest();
        let found = match (&self.list, rest.first()) {
            (None, Some(b'[')) => Some(1),
            (Some(list), Some(b'{')) => opening(rest, std::slice::from_ref(list)),
            _ => None,
        };
        self.is_in_list = found.is_some();
        self.at += found.unwrap_or(0);
        if found.is_none() { self.leave(0) } else { Ok(()) }
    }

    /// Past a value, or what is left of those of which `open` are open.
    fn leave(&mut self, mut open: usize) -> std::io::Result<()> {
        let (mut in_string, mut is_escaped, mut is_first) = (false, false, open == 0);
        // Ends: every turn uses a byte, or leaves.
        while open > 0 || in_string || is_first {
            let Some(byte) = self.past(b"")? else { return Ok(()) };
            self.at += 1;
            is_first = false;
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_string => is_escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => open += 1,
                b'}' | b']' if !in_string => open = open.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.ahead.get(self.at..).unwrap_or_default()
    }

    /// The first byte behind those of `skipped`.
    fn past(&mut self, skipped: &[u8]) -> std::io::Result<Option<u8>> {
        loop {
            // Ends: at the end of the file.
            self.at += self.rest().iter().take_while(|b| skipped.contains(b)).count();
            let first = self.rest().first().copied();
            if first.is_some() || !self.more()? {
                return Ok(first);
            }
        }
    }

    fn more(&mut self) -> std::io::Result<bool> {
        self.ahead.drain(..self.at.min(self.ahead.len()));
        self.at = 0;
        let read = self.reader.fill_buf()?;
        let count = read.len();
        self.ahead.extend_from_slice(read);
        self.reader.consume(count);
        Ok(count > 0)
    }

    fn object(&mut self, row: &mut Vec<u8>, most: usize) -> std::io::Result<()> {
        let mut scan = DocumentScan::default();
        loop {
            // Ends: at the end of the object, or of the file.
            let rest = self.rest();
            let end = scan.feed(rest);
            let count = end.unwrap_or(rest.len());
            let room = most.saturating_sub(row.len());
            // the ends of its lines are white space
            row.extend(rest.iter().take(count.min(room)).map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
            self.at += count;
            if end.is_some() || !self.more()? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_row(keys: &[&str]) -> bool {
        keys.contains(&"account")
    }

    /// The rows of a log, read in pieces of so many bytes.
    fn rows(log: &str, piece: usize) -> (Form, Vec<String>) {
        struct Pieces(Vec<u8>, usize);
        impl Read for Pieces {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                let count = self.0.len().min(self.1).min(into.len());
                into[..count].copy_from_slice(&self.0[..count]);
                self.0.drain(..count);
                Ok(count)
            }
        }
        let form = Form::of(log.as_bytes(), is_row);
        let list = if let Form::Page(list) = &form { Some(list.clone()) } else { None };
        let boxed: Box<dyn Read> = Box::new(Pieces(log.as_bytes().to_vec(), piece));
        let mut elements = Elements::new(BufReader::new(boxed), list);
        let (mut found, mut row) = (Vec::new(), Vec::new());
        while elements.next(&mut row, 1 << 20).unwrap() {
            found.push(String::from_utf8(std::mem::take(&mut row)).unwrap());
        }
        (form, found)
    }

    #[test]
    fn lists_and_pages_are_read_row_by_row() {
        let page = |name: &str| Form::Page(name.to_owned());
        for (log, form, wanted) in [
            ("[{\"account\":1},\n {\"account\":2}]\n", Form::List, vec!["{\"account\":1}", "{\"account\":2}"]),
            (" [\n {\n  \"account\": 1\n }\n]", Form::List, vec!["{   \"account\": 1  }"]),
            ("[]", Form::List, vec![]),
            (
                r#"{"page":0,"messages":[{"account":"]}","x":[{}]},{"account":2}],"uri":"/a]{[\"","more":{"messages":[{"account":9}]}}"#,
                page("messages"),
                vec![r#"{"account":"]}","x":[{}]}"#, r#"{"account":2}"#],
            ),
            (
                "{\"messages\":[{\"account\":1}],\"page\":1}\n{\"messages\":[],\"page\":2}\n{\"messages\":[{\"account\":3}]}\n",
                page("messages"),
                vec!["{\"account\":1}", "{\"account\":3}"],
            ),
            (
                r#"{"meta":{"x":[1]},"_embedded":{"messages":[{"account":1}]},"count":1}"#,
                page("_embedded.messages"),
                vec![r#"{"account":1}"#],
            ),
            (r#"{"messages":[],"page":0}"#, page("messages"), vec![]),
        ] {
            for piece in [1, 7, 1000] {
                let (is, found) = rows(log, piece);
                assert_eq!((is, found), (form.clone(), wanted.iter().map(|row| (*row).to_owned()).collect()), "{log}");
            }
        }
        for lines in
            ["{\"account\":1}\n{\"account\":2}\n", "{\"account\":1,\"media\":[{\"account\":1}]}", "{\"x\":1}", "{"]
        {
            assert_eq!(Form::of(lines.as_bytes(), is_row), Form::Lines, "{lines}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_keeps_it_from_its_end(log in "[\\[{]([\\[{}\\],:1\\\\ ]|\"account\":|\"a\":){0,40}", piece in 1_usize..9) {
            rows(&log, piece);
        }
    }
}
