//! Rows of a message log: CSV with a header, JSON lines, or a JSON document; plain or compressed.
use super::elements::{Elements, Form};
use super::moment::{DateOrder, Dates, moment};
use super::utf16::Utf16;
use super::{Input, ResolveError, day_of, failed};
use crate::decode::{Cells, Format, Plan, Wish};
use crate::framing::json::blank;
use crate::source::compressed;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest row, in bytes.
const ROW_BYTES: u64 = 1 << 20;

/// By how many of its first rows a log shows how it spells its keys, and whether its dates are numbers.
const SAMPLE: usize = 1000;

/// Under which names a message log has what is needed; the first that it has counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The customer account.
    pub account: Vec<String>,
    /// When the message was sent or the call made.
    pub time: Vec<String>,
    /// The number of whom it went to.
    pub number: Vec<String>,
    /// The kind of log that it is in.
    pub kind: Vec<String>,
    /// Which of a date's numbers is the day (`03/04/2026`); where it is not said, all dates of a log decide.
    pub order: Option<DateOrder>,
}

impl Default for Columns {
    /// What products call them.
    fn default() -> Columns {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect();
        Columns {
            account: names("account account_id account_sid customer customer_id tenant"),
            time: names("ts time timestamp date date_sent sent_date sent_at date_created created_at start_time"),
            number: names("to to_number number msisdn phone phone_number recipient destination callee"),
            kind: names("kind type message_type log_type product"),
            order: None,
        }
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub account: Option<&'a str>,
    time: Option<&'a str>,
    order: Option<DateOrder>,
    pub number: Option<&'a str>,
    pub kind: Option<&'a str>,
    /// As it is copied, with its newline.
    pub line: &'a [u8],
    /// How many bytes of the file had been read by then.
    pub read: u64,
}

impl Row<'_> {
    /// The day of it, as days since 1970.
    pub fn day(&self, zone: &TimeZone) -> Option<i32> {
        day_of(moment(self.time?, self.order, zone)?, zone)
    }
}

/// A column's name as it is compared: `Date Sent`, `date_sent` and `dateSent` are one.
fn plain(name: &str) -> String {
    let name = name.trim_start_matches('\u{feff}');
    name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// The rows of one file.
pub(super) struct Rows {
    path: PathBuf,
    read: Arc<AtomicU64>,
    kind: Kind,
    line: Vec<u8>,
    order: Option<DateOrder>,
}

enum Kind {
    Csv {
        reader: Box<csv::Reader<Box<dyn Read>>>,
        delimiter: u8,
        head: Vec<u8>,
        at: [Option<usize>; 4],
        record: csv::ByteRecord,
    },
    Json {
        reader: Box<Json>,
        plan: Box<dyn Plan>,
        cells: Cells,
        counts: [usize; 4],
        text: [Option<String>; 4],
        /// What some row had.
        seen: [bool; 4],
    },
}

/// Where the next row of JSON comes from.
enum Json {
    Lines(BufReader<Box<dyn Read>>),
    Elements(Elements),
}

impl Json {
    /// Appends the next row; false at the end.
    fn next(&mut self, row: &mut Vec<u8>) -> std::io::Result<bool> {
        match self {
            Json::Lines(reader) => Ok(reader.by_ref().take(ROW_BYTES).read_until(b'\n', row)? > 0),
            Json::Elements(elements) => elements.next(row, ROW_BYTES as usize),
        }
    }
}

/// Counts the stored bytes, for the progress bar.
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(into)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Rows {
    pub fn open(path: &Path, columns: &Columns) -> Result<Rows, ResolveError> {
        let mut rows = Rows::of(path, columns)?;
        if columns.order.is_none() {
            rows.order = Rows::of(path, columns)?.decided()?;
        }
        Ok(rows)
    }

    /// Which number is the day in the dates of all rows, where they are numbers.
    fn decided(mut self) -> Result<Option<DateOrder>, ResolveError> {
        let (mut dates, mut rows) = (Dates::default(), 0);
        while let Some(row) = self.next()? {
            row.time.iter().for_each(|time| dates.see(time));
            rows += 1;
            if rows >= SAMPLE && dates.are_other() {
                break;
            }
        }
        dates
            .order()
            .map_err(|why| ResolveError::Unread(format!("{}: {why}: say which with --date-order", self.path.display())))
    }

    fn of(path: &Path, columns: &Columns) -> Result<Rows, ResolveError> {
        let read = Arc::new(AtomicU64::new(0));
        let file = Counted(File::open(path).map_err(failed(path))?, read.clone());
        let mut bytes = BufReader::with_capacity(1 << 18, compressed::plain(path, file));
        match bytes.fill_buf().map_err(failed(path))? {
            [0xef, 0xbb, 0xbf, ..] => bytes.consume(3),
            [first @ (0xff | 0xfe), second @ (0xff | 0xfe), ..] if first != second => {
                let little = *first == 0xff;
                bytes.consume(2);
                let plain: Box<dyn Read> = Box::new(Utf16::new(bytes, little));
                bytes = BufReader::with_capacity(1 << 18, plain);
            }
            _ => {}
        }
        let near = bytes.fill_buf().map_err(failed(path))?;
        if near.iter().all(u8::is_ascii_whitespace) {
            return Err(ResolveError::Unread(format!(
                "{}: there is nothing in it, so nothing can be looked up in it: leave it out, or get it anew",
                path.display()
            )));
        }
        let is_json = begins_json(near);
        let wanted = [&columns.account, &columns.time, &columns.number, &columns.kind];
        let kind = match is_json {
            true => json(bytes, wanted).map_err(|e| ResolveError::Failed(format!("{}: {e}", path.display())))?,
            false => comma_separated(bytes, wanted).map_err(failed(path))?,
        };
        if let Kind::Csv { at: [account, time, ..], .. } = &kind {
            for (found, what, names) in [(account, "account", &columns.account), (time, "time", &columns.time)] {
                if found.is_none() {
                    return Err(ResolveError::Unread(format!(
                        "{}: no column is called {}: name it with --{what}-column",
                        path.display(),
                        names.join(", ")
                    )));
                }
            }
        }
        Ok(Rows { path: path.to_owned(), read, kind, line: Vec::new(), order: columns.order })
    }

    /// Whether the rows that were read have no kind, and no number.
    pub fn lacks(&self) -> (bool, bool) {
        match &self.kind {
            Kind::Csv { at, .. } => (at[3].is_none(), at[2].is_none()),
            Kind::Json { seen, .. } => (!seen[3], !seen[2]),
        }
    }

    /// What is wrong with a log of which no row could be read.
    pub fn unread(&self, found: &Input) -> String {
        let path = self.path.display();
        match found.rows {
            0 => format!("{path}: it has no rows, so nothing can be looked up in it: leave it out, or get it anew"),
            rows => format!(
                "{path}: of {rows} rows none has an account and a time that can be read: name the columns with --account-column and \
                 --time-column; times may be ISO 8601, RFC 2822, seconds or milliseconds since 1970, or dates as 30/03/2026 14:03"
            ),
        }
    }

    /// What stands at the beginning of a copy.
    pub fn head(&self) -> Vec<u8> {
        match &self.kind {
            Kind::Csv { head, .. } => head.clone(),
            Kind::Json { .. } => Vec::new(),
        }
    }

    pub fn next(&mut self) -> Result<Option<Row<'_>>, ResolveError> {
        let Rows { path, read, kind, line, order } = self;
        let order = *order;
        line.clear();
        match kind {
            Kind::Csv { reader, delimiter, at, record, .. } => {
                let more = reader
                    .read_byte_record(record)
                    .map_err(|e| ResolveError::Failed(format!("{}: {e}", path.display())))?;
                if !more {
                    return Ok(None);
                }
                write_record(record, *delimiter, line).map_err(failed(path))?;
                // bytes that are no UTF-8 in columns that nobody asks about pass through
                let column = |n: usize| {
                    at[n].and_then(|n| std::str::from_utf8(record.get(n)?).ok()).filter(|text| !text.is_empty())
                };
                let [account, time, number, kind] = [0, 1, 2, 3].map(column);
                Ok(Some(Row { account, time, order, number, kind, line, read: read.load(Ordering::Relaxed) }))
            }
            Kind::Json { reader, plan, cells, counts, text, seen } => {
                if !reader.next(line).map_err(failed(path))? {
                    return Ok(None);
                }
                *text = Default::default();
                let frame = crate::decode::frame_text(line);
                // a row that can't be read has no account, and is counted
                let _ = plan.decode(&frame, false, cells, &mut |record| {
                    let mut from = 0;
                    for (n, count) in counts.iter().enumerate() {
                        let mut names = from..from + count;
                        text[n] = names.find_map(|cell| record.get(cell).text().map(str::to_owned));
                        from += count;
                    }
                });
                if line.last() != Some(&b'\n') {
                    line.push(b'\n');
                }
                text.iter().zip(seen.iter_mut()).for_each(|(text, seen)| *seen |= text.is_some());
                let [account, time, number, kind] = text.each_ref().map(|t| t.as_deref().filter(|t| !t.is_empty()));
                Ok(Some(Row { account, time, order, number, kind, line, read: read.load(Ordering::Relaxed) }))
            }
        }
    }
}

fn json(mut bytes: BufReader<Box<dyn Read>>, wanted: [&Vec<String>; 4]) -> Result<Kind, String> {
    let near = bytes.fill_buf().map_err(|e| e.to_string())?;
    let form = Form::of(near, |keys| keys.iter().any(|key| wanted[0].iter().any(|name| plain(name) == plain(key))));
    let spelled = spelled(near, &form).map_err(|e| e.to_string())?;
    let wanted = wanted.map(|names| {
        let as_spelled = |name: &String| {
            let is_it = |key: &&String| plain(key) == plain(name) && *key != name;
            let others = spelled.iter().filter(is_it).map(|key| key.replace('\\', "\\\\").replace('.', "\\."));
            std::iter::once(name.clone()).chain(others).collect::<Vec<_>>()
        };
        names.iter().flat_map(as_spelled).collect::<Vec<_>>()
    });
    let fields = wanted.iter().flatten().cloned().collect();
    let format = Format::named("json").ok_or("no JSON here")?;
    let plan = (format.plan)(&Wish { fields, ..Wish::default() })?;
    let counts = wanted.map(|names| names.len());
    let reader = match form {
        Form::Lines => Json::Lines(bytes),
        Form::List => Json::Elements(Elements::new(bytes, None)),
        Form::Page(list) => Json::Elements(Elements::new(bytes, Some(list))),
    };
    Ok(Kind::Json {
        reader: Box::new(reader),
        plan,
        cells: Cells::default(),
        counts,
        text: Default::default(),
        seen: [false; 4],
    })
}

/// Whether a log is of JSON, and no CSV whose first column is in brackets.
fn begins_json(near: &[u8]) -> bool {
    let at = blank(near, 0);
    match near.get(at) {
        Some(b'{') => true,
        Some(b'[') => matches!(near.get(blank(near, at + 1)), None | Some(b'{' | b']')),
        _ => false,
    }
}

/// The keys of its first rows, as they spell them.
fn spelled(near: &[u8], form: &Form) -> std::io::Result<BTreeSet<String>> {
    let mut rows: Vec<Vec<u8>> = Vec::new();
    let list = match form {
        Form::Lines => {
            rows.extend(near.split(|b| *b == b'\n').take(SAMPLE).map(<[u8]>::to_vec));
            return Ok(keys(&rows));
        }
        Form::List => None,
        Form::Page(list) => Some(list.clone()),
    };
    let boxed: Box<dyn Read> = Box::new(std::io::Cursor::new(near.to_vec()));
    let mut elements = Elements::new(BufReader::new(boxed), list);
    let mut row = Vec::new();
    while rows.len() < SAMPLE && elements.next(&mut row, ROW_BYTES as usize)? {
        rows.push(std::mem::take(&mut row));
    }
    Ok(keys(&rows))
}

fn keys(rows: &[Vec<u8>]) -> BTreeSet<String> {
    let object = |row: &Vec<u8>| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(row).ok();
    rows.iter().filter_map(object).flat_map(|row| row.into_iter().map(|(key, _)| key)).collect()
}

fn comma_separated(mut bytes: BufReader<Box<dyn Read>>, wanted: [&Vec<String>; 4]) -> std::io::Result<Kind> {
    let head = bytes.fill_buf()?;
    let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| first.iter().filter(|b| *b == delimiter).count();
    let delimiter = [b',', b';', b'\t', b'|'].into_iter().max_by_key(|d| (count(d), *d == b',')).unwrap_or(b',');
    let boxed: Box<dyn Read> = Box::new(bytes);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).buffer_capacity(1 << 18).from_reader(boxed);
    let names = reader.byte_headers().map_err(std::io::Error::other)?.clone();
    let plains: Vec<String> = names.iter().map(|name| plain(&String::from_utf8_lossy(name))).collect();
    let column =
        |wanted: &Vec<String>| wanted.iter().find_map(|name| plains.iter().position(|have| *have == plain(name)));
    let mut head = Vec::new();
    write_record(&names, delimiter, &mut head)?;
    let at = wanted.map(column);
    Ok(Kind::Csv { reader: Box::new(reader), delimiter, head, at, record: csv::ByteRecord::new() })
}

/// Writes a record so that whoever reads it has the same fields.
fn write_record(record: &csv::ByteRecord, delimiter: u8, out: &mut Vec<u8>) -> std::io::Result<()> {
    let quoted = |field: &[u8]| field.iter().any(|b| *b == delimiter || matches!(b, b'"' | b'\n' | b'\r'));
    for (n, field) in record.iter().enumerate() {
        if n > 0 {
            out.push(delimiter);
        }
        match quoted(field) {
            true => {
                out.push(b'"');
                out.extend(field.iter().flat_map(|b| std::iter::repeat_n(*b, if *b == b'"' { 2 } else { 1 })));
                out.push(b'"');
            }
            false => out.extend_from_slice(field),
        }
    }
    out.push(b'\n');
    Ok(())
}
