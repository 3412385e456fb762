//! Records of CSV (RFC 4180), and which of them are headers. Pure.
//!
//! A file says once, or again whenever its writer starts, which column holds what, and with which delimiter: a header holds for
//! the records behind it, in its file.
use memchr::memchr;
use std::borrow::Cow;
use std::sync::Arc;

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
pub fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

/// A record without the byte order mark that stands before it where files were strung together.
pub fn unmarked(record: &str) -> &str {
    record.trim_start_matches('\u{feff}')
}

/// The delimiter of a header: the only one that stands in it, in quotes or not. The comma where there is none.
pub fn delimiter(header: &str) -> Option<u8> {
    let mut there = DELIMITERS.iter().copied().filter(|d| header.contains(char::from(*d)));
    let found = there.next().unwrap_or(b',');
    there.next().is_none().then_some(found)
}

/// The names of the columns that somebody reads: by them a header is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderNames {
    names: Vec<String>,
    /// The header that holds where a file has stated none.
    pub stated: Option<Arc<str>>,
}

impl HeaderNames {
    /// Those of `names`, and the header that holds for files without one.
    ///
    /// # Errors
    /// What is stated is no header by these names.
    pub fn new(names: impl IntoIterator<Item = String>, stated: Option<String>) -> Result<HeaderNames, String> {
        let mut names: Vec<String> = names.into_iter().map(|name| plain(&name)).collect();
        names.sort();
        names.dedup();
        let without = HeaderNames { names, stated: None };
        match stated {
            Some(stated) if !without.is_header(&stated, None) => Err(format!(
                "{stated:?} is no header of this profile: it names two of the raw fields that the profile reads, with one of , ; | or tab between \
                 its names and none of the others in them, and no name that is a number"
            )),
            stated => Ok(HeaderNames { stated: stated.map(Into::into), ..without }),
        }
    }

    /// Whether `record` is a header, where `before` held until now.
    ///
    /// It has one delimiter, no quotes but those around its fields, and no field that is a number or a time; and it names more than
    /// half as many of the columns that somebody reads as the one before, and three (the first one two) where there are so many. Who
    /// can write into a field of a record, or two, makes no header of it.
    pub fn is_header(&self, record: &str, before: Option<&str>) -> bool {
        let Some(known) = self.known(record) else { return false };
        match before.and_then(|before| self.known(before)) {
            Some(had) => known * 2 > had && known >= had.min(3),
            None => self.resembles(record),
        }
    }

    /// Whether `record` has a header's form, and names two of the columns that somebody reads (one, where there is but one).
    pub fn resembles(&self, record: &str) -> bool {
        self.known(record).is_some_and(|known| known > 0 && known >= self.names.len().min(2))
    }

    /// How many of the names are in `record`; nothing where it is not of a header's form.
    fn known(&self, record: &str) -> Option<usize> {
        let mut fields = Fields::of(record, delimiter(record)?);
        let mut known = Vec::new();
        for field in fields.by_ref() {
            if field.contains('"') || is_value(&field) {
                return None;
            }
            known.extend(self.names.binary_search(&plain(&field)));
        }
        known.sort_unstable();
        known.dedup();
        (!fields.broken).then_some(known.len())
    }
}

/// Whether a field is a number or a time, which no column is called.
fn is_value(field: &str) -> bool {
    let of_a_value = |c: char| c.is_ascii_digit() || " +-.:/TZAPM".contains(c);
    let field = field.trim();
    let begins = |c: char| c.is_ascii_digit() || "+-".contains(c);
    field.starts_with(begins) && field.contains(|c: char| c.is_ascii_digit()) && field.chars().all(of_a_value)
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

    fn names(names: &[&str], stated: Option<&str>) -> HeaderNames {
        HeaderNames::new(names.iter().map(|n| (*n).to_owned()), stated.map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_header_names_what_is_read() {
        let names = names(&["time", "actor", "ip", "action", "ua"], None);
        let is = |record, before| names.is_header(record, before);
        for header in
            ["Time,Actor,T1,-x,5 min,-", "Time,Actor,x,y", "\"time\";\"actor\"", "actor\ttime", "time,actor,2fa,"]
        {
            assert!(is(header, None), "{header}");
        }
        let before = Some("time,actor,ip,action");
        for header in ["ip;time;actor", "Action,Actor,UA,note", "time,actor,ip,action"] {
            assert!(is(header, before), "another order, another delimiter, a column less or another one: {header}");
        }
        assert!(!is("time,actor", before), "half of them");
    }

    #[test]
    fn who_writes_into_fields_makes_no_header() {
        let names = names(&["time", "actor", "ip", "action", "ua"], None);
        let before = Some("time,actor,ip,action,ua");
        for record in [
            "2026-03-01T00:00:01Z,actor,ip,action,ua",
            "1772323201,actor,ip,action,ua",
            "3/1/2026 4:05:03 AM,actor,ip,action,ua",
            "Mar 1 00:00,actor,192.0.2.1,login,ua",
            "2026-03-01,eve,192.0.2.1,login,\"x;time;actor;ip;action;ua\"",
            "\"March\",\"eve\",\"home\",\"login\",\"x;time;actor;ip;action;ua\"",
            "March,eve,home,login,x;time;actor;ip;action;ua;y",
            "time,actor,ip,action,\"ua",
            "time,actor,ip,action,\"ua\"\"\"",
        ] {
            for before in [before, None] {
                assert!(!names.is_header(record, before), "{record}");
            }
        }
        let two = self::names(&["time", "actor"], None);
        assert!(!two.is_header("March,actor", Some("time,actor")), "of two, both");
        assert!(!HeaderNames::default().is_header("", None) && !HeaderNames::default().is_header("a,b", Some("a,b")));
    }

    #[test]
    fn what_a_profile_states_is_a_header() {
        let wanted = || ["time", "actor"].map(str::to_owned);
        let stated = HeaderNames::new(wanted(), Some("time;actor;x".into())).unwrap();
        assert!(stated.is_header("actor,time", None) && !stated.is_header("march,actor", None));
        assert!(stated.resembles("actor|other|time") && !stated.resembles("1,actor,time"));
        for wrong in ["time actor", "time;x", "time;actor,x", ""] {
            assert!(HeaderNames::new(wanted(), Some(wrong.into())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_header_has_one_delimiter() {
        for (header, is) in
            [("a;b", Some(b';')), ("a\tb", Some(b'\t')), ("a", Some(b',')), ("a,b;c", None), ("\"a,b\"|c", None)]
        {
            assert_eq!(delimiter(header), is, "{header}");
        }
    }

    proptest! {
        /// Whatever the crate writes is read as it was.
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

        /// Whether its end is said does not depend on what has arrived of what follows, near the bound of quotes either.
        #[test]
        fn an_end_once_said_is_the_end(
            begin in "[a\",\n]{0,20}", filled in prop::option::of(QUOTED_BYTES - 40..QUOTED_BYTES),
            rest in "[a\",\n]{0,60}", less in 0_usize..80,
        ) {
            let bytes = [begin.as_bytes(), &vec![b'x'; filled.unwrap_or(0)], rest.as_bytes()].concat();
            let bytes = bytes.as_slice();
            let some = &bytes[..bytes.len().saturating_sub(less)];
            if let End::At(n) = end(some, b',', false) {
                prop_assert_eq!((end(bytes, b',', false), end(bytes, b',', true)), (End::At(n), End::At(n)));
            }
        }
    }
}
