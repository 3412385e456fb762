//! Records of CSV (RFC 4180), and which of them are headers. Pure.
//!
//! A file says once, or again whenever its writer starts, which column holds what, and with which delimiter: a header holds for
//! the records behind it, in its file.
use memchr::memchr;
use std::borrow::Cow;

/// The delimiters that are known; a header shows which one is meant.
const DELIMITERS: &[u8] = b",;\t|";
/// A record in quotes goes over several lines at most this far, in bytes. Where its quotes are not closed by then it is taken for
/// torn, and ends with its first line: what follows it is not lost in it.
pub const QUOTED_BYTES: usize = 64 << 10;

/// Where the first record of `bytes` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Before the newline at this place.
    At(usize),
    /// Behind these bytes, or at its first newline: what follows will say.
    Unknown,
}

/// Looks for the end of the first record. `last`: nothing follows these bytes.
pub fn end(bytes: &[u8], delimiter: u8, last: bool) -> End {
    let Some(first) = memchr(b'\n', bytes) else { return End::Unknown };
    let near = &bytes[..bytes.len().min(QUOTED_BYTES)];
    let torn = if near.len() == QUOTED_BYTES { End::At(first) } else { End::Unknown };
    let mut at = 0;
    // ends: every turn passes a field and the delimiter behind it
    loop {
        if near.get(at) == Some(&b'"') {
            match closing(near, at + 1, last) {
                Some(behind) => at = behind,
                None if last => return End::At(first),
                None => return torn,
            }
        }
        match near[at..].iter().position(|b| *b == delimiter || *b == b'\n') {
            Some(n) if near[at + n] == b'\n' => return End::At(at + n),
            Some(n) => at += n + 1,
            None => return torn,
        }
    }
}

/// The place behind the quote that closes the field which began before `from`. `whole`: nothing follows these bytes.
fn closing(bytes: &[u8], from: usize, whole: bool) -> Option<usize> {
    let mut at = from;
    // ends: every turn passes a quote
    loop {
        at += memchr(b'"', bytes.get(at..)?)? + 1;
        match bytes.get(at) {
            Some(b'"') => at += 1,
            Some(_) => return Some(at),
            // it may be the first of two
            None => return whole.then_some(at),
        }
    }
}

/// The fields of one record, without their quotes.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: Option<&'a str>,
    delimiter: char,
    /// A quoted field was not closed, or something stands behind its closing quote.
    pub broken: bool,
}

impl<'a> Fields<'a> {
    /// Of `record`, which holds no newline outside of quotes.
    pub fn of(record: &'a str, delimiter: u8) -> Fields<'a> {
        Fields { rest: Some(record), delimiter: delimiter.into(), broken: false }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let text = self.rest?;
        let Some(quoted) = text.strip_prefix('"') else {
            let (field, rest) = split(text, self.delimiter);
            self.rest = rest;
            return Some(Cow::Borrowed(field));
        };
        let Some(behind) = closing(text.as_bytes(), 1, true) else {
            (self.rest, self.broken) = (None, true);
            return Some(unquoted(quoted));
        };
        let (more, rest) = split(&text[behind..], self.delimiter);
        self.rest = rest;
        if more.is_empty() {
            return Some(unquoted(&quoted[..behind - 2]));
        }
        self.broken = true;
        Some(Cow::Owned(unquoted(&quoted[..behind - 2]).into_owned() + more))
    }
}

fn split(text: &str, delimiter: char) -> (&str, Option<&str>) {
    text.split_once(delimiter).map_or((text, None), |(field, rest)| (field, Some(rest)))
}

fn unquoted(text: &str) -> Cow<'_, str> {
    match text.contains("\"\"") {
        true => Cow::Owned(text.replace("\"\"", "\"")),
        false => Cow::Borrowed(text),
    }
}

/// A header's name of a column, as it is compared.
pub fn plain(name: &str) -> &str {
    name.trim()
}

/// The delimiter of a header: the one that parts it into the most fields.
pub fn delimiter(header: &str) -> u8 {
    // the first of those that are alike: the comma
    let by = |d: &&u8| (Fields::of(header, **d).count(), std::cmp::Reverse(DELIMITERS.iter().position(|o| o == *d)));
    DELIMITERS.iter().max_by_key(by).copied().unwrap_or(b',')
}

/// The names of the columns that somebody reads: by them a header is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    /// The header that holds where a file has stated none.
    pub stated: Option<String>,
}

impl Columns {
    /// Those of `names`, and the header that holds for files without one.
    pub fn new(names: impl IntoIterator<Item = String>, stated: Option<String>) -> Columns {
        let mut names: Vec<String> = names.into_iter().map(|name| plain(&name).to_ascii_lowercase()).collect();
        names.sort();
        names.dedup();
        Columns { names, stated }
    }

    /// Whether `record` is a header, where `before` held until now: it names more than half of the columns that somebody reads and
    /// that were there before, and at least two (one, where there is but one). Who can write into a field or two of a record makes
    /// no header of it.
    pub fn is_header(&self, record: &str, before: Option<&str>) -> bool {
        let named = |header: &str| {
            let fields = Fields::of(header, delimiter(header));
            let known = fields.filter_map(|f| self.names.binary_search(&plain(&f).to_ascii_lowercase()).ok());
            let mut known: Vec<usize> = known.collect();
            known.sort_unstable();
            known.dedup();
            known
        };
        let here = named(record);
        let before = before.or(self.stated.as_deref()).map(named);
        let wanted = before.as_ref().map_or(self.names.len().min(2), Vec::len);
        let found = before.as_ref().map_or(here.len(), |before| here.iter().filter(|n| before.contains(n)).count());
        match before.is_some() {
            true => found * 2 > wanted && found >= wanted.min(2),
            false => wanted > 0 && found >= wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(record: &str) -> Vec<String> {
        Fields::of(record, b',').map(Cow::into_owned).collect()
    }

    #[test]
    fn fields_are_without_their_quotes() {
        for (record, are) in [
            ("a,b", &["a", "b"][..]),
            ("", &[""]),
            ("a,,", &["a", "", ""]),
            (r#""a,b","say ""hi""",c"#, &["a,b", "say \"hi\"", "c"]),
            ("\"two\nlines\",x", &["two\nlines", "x"]),
            (r#"5" disk,x"#, &["5\" disk", "x"]),
            (r#""","#, &["", ""]),
            (r#""""""#, &["\""]),
            (r#""a"b,c"#, &["ab", "c"]),
            (r#""never closed,c"#, &["never closed,c"]),
            ("\"", &[""]),
        ] {
            assert_eq!(fields(record), are, "{record}");
        }
    }

    #[test]
    fn a_record_ends_outside_of_quotes_and_a_torn_one_with_its_first_line() {
        assert_eq!(end(b"a,b\nc", b',', false), End::At(3));
        assert_eq!(end(b"a,b", b',', false), End::Unknown);
        assert_eq!(end(b"a,\"b\nc\",d\ne", b',', false), End::At(9));
        assert_eq!(end(b"a;\"b\nc\"\n", b',', false), End::At(4), "a quote within a field is none");
        assert_eq!(end(b"a;\"b\nc\"\n", b';', false), End::At(7));
        let torn = [&b"a,\"b\n"[..], &b"c,d\n".repeat(20_000)].concat();
        assert_eq!(end(&torn[..1000], b',', false), End::Unknown);
        assert_eq!(end(&torn, b',', false), End::At(4));
        assert_eq!(end(&torn[..1000], b',', true), End::At(4));
        assert_eq!(end(b"a,\"b\nc\"", b',', true), End::Unknown, "all of it is one");
        let long = [&[b'x'; QUOTED_BYTES + 7][..], b"\n"].concat();
        assert_eq!(end(&long, b',', false), End::At(QUOTED_BYTES + 7));
    }

    #[test]
    fn a_header_names_what_is_read() {
        let columns = Columns::new(["time", "actor", "ip", "action"].map(str::to_owned), None);
        let is = |record, before| columns.is_header(record, before);
        assert!(is("Time,Actor,ip,action,other", None) && is("\"time\";\"actor\"", None));
        assert!(!is("2026-01-01,ana,192.0.2.1,login", None));
        assert!(!is("2026-01-01,time,192.0.2.1,login", None), "one name may be somebody's");
        let before = Some("time,actor,ip,action");
        assert!(is("ip;time;actor", before), "another order and delimiter, and one column less");
        assert!(!is("2026-01-01,actor,ip,login", before), "whoever writes half of the fields makes none");
        let stated = Columns::new(["time", "actor"].map(str::to_owned), Some("time,actor".into()));
        assert!(stated.is_header("actor,time", None) && !stated.is_header("1,actor", None));
        assert!(!Columns::default().is_header("", None));
    }

    #[test]
    fn the_delimiter_is_the_one_that_parts_the_most() {
        for (header, is) in [("a,b;c,d", b','), ("a;b", b';'), ("a\tb|c\td", b'\t'), ("a", b','), ("\"a,b\"|c", b'|')] {
            assert_eq!(delimiter(header), is, "{header}");
        }
    }

    proptest! {
        /// Whatever a writer of CSV writes is read as it was, and as the crate reads it.
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(prop::collection::vec("[a\",;\n\r |é]{0,6}", 1..5), 1..5),
            delimiter in prop::sample::select(DELIMITERS),
        ) {
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).flexible(true).from_writer(Vec::new());
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let bytes = writer.into_inner().unwrap();
            let (mut at, mut read) = (0, Vec::new());
            while let End::At(n) = end(&bytes[at..], delimiter, false) {
                let record = std::str::from_utf8(&bytes[at..at + n]).unwrap();
                let mut fields = Fields::of(record, delimiter);
                read.push(fields.by_ref().map(Cow::into_owned).collect::<Vec<_>>());
                prop_assert!(!fields.broken);
                at += n + 1;
            }
            prop_assert_eq!(at, bytes.len());
            prop_assert_eq!(&read, &rows);
        }

        /// Whether its end is said does not depend on what has arrived of what follows.
        #[test]
        fn an_end_once_said_is_the_end(bytes in "[a\",\n]{0,40}", most in 0_usize..40) {
            let bytes = bytes.as_bytes();
            let some = &bytes[..most.min(bytes.len())];
            if let End::At(n) = end(some, b',', false) {
                prop_assert_eq!((end(bytes, b',', false), end(bytes, b',', true)), (End::At(n), End::At(n)));
            }
        }
    }
}
