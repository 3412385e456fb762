//! Rows of a message log: CSV with a header, or JSON lines; plain or gzip.
use super::{ResolveError, day_of, failed};
use crate::decode::{Cells, Format, Plan, Wish};
use crate::normalise::stamp::Notation;
use crate::source::compressed;
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest row, in bytes.
const ROW_BYTES: u64 = 1 << 20;

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
}

impl Default for Columns {
    /// What products call them.
    fn default() -> Columns {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect();
        Columns {
            account: names("account account_id account_sid accountSid customer customer_id tenant"),
            time: names("ts time timestamp date date_sent dateSent sent_at created_at start_time"),
            number: names("to to_number number msisdn phone phone_number recipient destination callee"),
            kind: names("kind type message_type log_type product"),
        }
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub account: Option<&'a str>,
    time: Option<&'a str>,
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
        let text = self.time?.trim();
        let digits = text.len() >= 9 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let notation = match digits {
            // seconds have ten digits until the year 2286
            true if text.split('.').next().is_some_and(|whole| whole.len() > 11) => Notation::EpochMilliseconds,
            true => Notation::EpochSeconds,
            false => Notation::Rfc3339,
        };
        let day = text.len() == 10 && !digits;
        let whole = day.then(|| format!("{text}T00:00:00"));
        day_of(notation.read(whole.as_deref().unwrap_or(text), zone)?.0, zone)
    }
}

/// The rows of one file.
pub(super) struct Rows {
    path: PathBuf,
    read: Arc<AtomicU64>,
    kind: Kind,
    line: Vec<u8>,
}

enum Kind {
    Csv {
        reader: Box<csv::Reader<Box<dyn Read>>>,
        delimiter: u8,
        head: Vec<u8>,
        at: [Option<usize>; 4],
        record: csv::StringRecord,
    },
    Json {
        reader: BufReader<Box<dyn Read>>,
        plan: Box<dyn Plan>,
        cells: Cells,
        counts: [usize; 4],
        text: [Option<String>; 4],
    },
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
        let read = Arc::new(AtomicU64::new(0));
        let file = Counted(File::open(path).map_err(failed(path))?, read.clone());
        let mut bytes = BufReader::with_capacity(1 << 18, compressed::plain(path, file));
        let first = bytes.fill_buf().map_err(failed(path))?.first().copied();
        let wanted = [&columns.account, &columns.time, &columns.number, &columns.kind];
        let kind = match first {
            Some(b'{') => json(bytes, wanted).map_err(|e| ResolveError(format!("{}: {e}", path.display())))?,
            _ => comma_separated(bytes, wanted).map_err(failed(path))?,
        };
        if let Kind::Csv { at: [account, time, ..], .. } = &kind {
            for (found, what, names) in [(account, "account", &columns.account), (time, "time", &columns.time)] {
                if found.is_none() {
                    return Err(ResolveError(format!(
                        "{}: no column is called {}: name it with --{what}-column",
                        path.display(),
                        names.join(", ")
                    )));
                }
            }
        }
        Ok(Rows { path: path.to_owned(), read, kind, line: Vec::new() })
    }

    /// Whether its rows have no kind, and no number.
    pub fn lacks(&self) -> (bool, bool) {
        match &self.kind {
            Kind::Csv { at, .. } => (at[3].is_none(), at[2].is_none()),
            // each row says so by itself
            Kind::Json { .. } => (false, false),
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
        let Rows { path, read, kind, line } = self;
        line.clear();
        match kind {
            Kind::Csv { reader, delimiter, at, record, .. } => {
                let more = reader.read_record(record).map_err(|e| ResolveError(format!("{}: {e}", path.display())))?;
                if !more {
                    return Ok(None);
                }
                write_record(record, *delimiter, line).map_err(failed(path))?;
                let column = |n: usize| at[n].and_then(|n| record.get(n)).filter(|text| !text.is_empty());
                let [account, time, number, kind] = [0, 1, 2, 3].map(column);
                Ok(Some(Row { account, time, number, kind, line, read: read.load(Ordering::Relaxed) }))
            }
            Kind::Json { reader, plan, cells, counts, text } => {
                let length = reader.by_ref().take(ROW_BYTES).read_until(b'\n', line).map_err(failed(path))?;
                if length == 0 {
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
                let [account, time, number, kind] = text.each_ref().map(|t| t.as_deref().filter(|t| !t.is_empty()));
                Ok(Some(Row { account, time, number, kind, line, read: read.load(Ordering::Relaxed) }))
            }
        }
    }
}

fn json(bytes: BufReader<Box<dyn Read>>, wanted: [&Vec<String>; 4]) -> Result<Kind, String> {
    let fields = wanted.iter().flat_map(|names| names.iter().cloned()).collect();
    let format = Format::named("json").ok_or("no JSON here")?;
    let plan = (format.plan)(&Wish { fields, ..Wish::default() })?;
    let counts = wanted.map(Vec::len);
    Ok(Kind::Json { reader: bytes, plan, cells: Cells::default(), counts, text: Default::default() })
}

fn comma_separated(mut bytes: BufReader<Box<dyn Read>>, wanted: [&Vec<String>; 4]) -> std::io::Result<Kind> {
    let head = bytes.fill_buf()?;
    let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| first.iter().filter(|b| *b == delimiter).count();
    let delimiter = [b',', b';', b'\t', b'|'].into_iter().max_by_key(|d| (count(d), *d == b',')).unwrap_or(b',');
    let boxed: Box<dyn Read> = Box::new(bytes);
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).buffer_capacity(1 << 18).from_reader(boxed);
    let names = reader.headers().map_err(std::io::Error::other)?.clone();
    let column = |wanted: &Vec<String>| {
        let is = |name: &String| {
            names.iter().position(|n| n.trim_start_matches('\u{feff}').trim().eq_ignore_ascii_case(name))
        };
        wanted.iter().find_map(is)
    };
    let mut head = Vec::new();
    write_record(&names, delimiter, &mut head)?;
    let at = wanted.map(column);
    Ok(Kind::Csv { reader: Box::new(reader), delimiter, head, at, record: csv::StringRecord::new() })
}

/// Writes a record so that whoever reads it has the same fields.
fn write_record(record: &csv::StringRecord, delimiter: u8, out: &mut Vec<u8>) -> std::io::Result<()> {
    let quoted = |field: &str| field.bytes().any(|b| b == delimiter || matches!(b, b'"' | b'\n' | b'\r'));
    for (n, field) in record.iter().enumerate() {
        if n > 0 {
            out.push(delimiter);
        }
        match quoted(field) {
            true => {
                out.push(b'"');
                out.extend(field.bytes().flat_map(|b| if b == b'"' { vec![b'"', b'"'] } else { vec![b] }));
                out.push(b'"');
            }
            false => out.extend_from_slice(field.as_bytes()),
        }
    }
    out.push(b'\n');
    Ok(())
}
