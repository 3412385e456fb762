//! Recorded events, compressed in blocks with an index by what can be asked for.
use super::evidence::{Hash, Lines};
use crate::model::EventTime;
use crate::pipeline::{EventRow, Kept, index_key};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, params};
use std::io::{BufRead, BufReader, Write};

/// Events in a block, always: where one begins and ends depends on how many events were kept before it, and not on how they were
/// committed. What does not fill one waits in the tail.
pub(super) const EVENTS: usize = 4096;

/// The lines of JSON that wait in the tail, in the order of recording: always fewer than fill a block.
pub(super) fn waiting(c: &Connection) -> rusqlite::Result<Vec<String>> {
    c.prepare_cached("SELECT body FROM tail ORDER BY sequence")?.query_map([], |r| r.get(0))?.collect()
}

/// The blocks that the lines which wait fill together with the events behind them; what is left over of these is for the tail.
pub(super) fn filled(waiting: &[String], events: &[Kept]) -> rusqlite::Result<Vec<Finished>> {
    let full = (waiting.len() + events.len()) / EVENTS * EVENTS;
    let mut blocks = Vec::new();
    let mut block = Block::default();
    for line in waiting.iter().take(full) {
        let row: EventRow = serde_json::from_str(line)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e.into()))?;
        block.add(row.time, row.keys(), line)?;
    }
    for event in events.iter().take(full - waiting.len().min(full)) {
        block.add(event.time, event.keys.iter().copied(), &event.body)?;
        if block.index.events == EVENTS as i64 {
            blocks.push(std::mem::take(&mut block).finish()?);
        }
    }
    Ok(blocks)
}

/// What of a block follows from its lines and stands beside them, so that they need not be read to be found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Index {
    times: Option<(i64, i64)>,
    events: i64,
    keys: Vec<u32>,
}

impl Index {
    fn add(&mut self, time: EventTime, keys: impl IntoIterator<Item = u32>) {
        self.keys.extend(keys);
        self.events += 1;
        let (first, last) = self.times.unwrap_or((time.0, time.0));
        self.times = Some((first.min(time.0), last.max(time.0)));
    }

    /// The keys as they are written.
    fn keys(mut self) -> Vec<u8> {
        self.keys.sort_unstable();
        self.keys.dedup();
        self.keys.iter().flat_map(|k| k.to_be_bytes()).collect()
    }
}

/// A block that is being filled.
struct Block {
    index: Index,
    lines: Lines,
    body: ZlibEncoder<Vec<u8>>,
}

impl Default for Block {
    fn default() -> Block {
        let body = ZlibEncoder::new(Vec::new(), Compression::fast());
        Block { index: Index::default(), lines: Lines::default(), body }
    }
}

impl Block {
    /// Adds an event and its line of JSON.
    fn add(&mut self, time: EventTime, keys: impl IntoIterator<Item = u32>, line: &str) -> rusqlite::Result<()> {
        self.index.add(time, keys);
        self.lines.push(line.as_bytes());
        self.body.write_all(line.as_bytes()).and_then(|()| self.body.write_all(b"\n")).map_err(failed)
    }

    fn finish(self) -> rusqlite::Result<Finished> {
        Ok(Finished {
            times: self.index.times.unwrap_or_default(),
            events: self.index.events,
            keys: self.index.keys(),
            body: self.body.finish().map_err(failed)?,
            lines: self.lines.digest(),
        })
    }
}

/// A block, compressed.
pub(super) struct Finished {
    times: (i64, i64),
    events: i64,
    keys: Vec<u8>,
    body: Vec<u8>,
    lines: Hash,
}

impl Finished {
    /// Writes it; gives the digest of its lines.
    pub(super) fn write(self, c: &Connection) -> rusqlite::Result<Hash> {
        let (first, last) = self.times;
        c.prepare_cached("INSERT INTO blocks (from_time, to_time, events, keys, body) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![first, last, self.events, self.keys, self.body])?;
        Ok(self.lines)
    }
}

fn failed(e: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(e.into())
}

/// What a block that was read back holds.
pub(super) struct Held {
    /// The digest of its lines.
    pub(super) lines: Hash,
    /// Whether what stands beside them follows from them.
    pub(super) is_indexed: bool,
}

/// Reads a block back, row and lines, as far as it can be read.
pub(super) fn held(times: (i64, i64), events: i64, keys: &[u8], body: &[u8]) -> Held {
    let (mut lines, mut index) = (Lines::default(), Index::default());
    let mut from = BufReader::new(ZlibDecoder::new(body));
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        lines.push(text);
        // one that is no event is not what was recorded, and its digest says so
        if let Ok(row) = serde_json::from_slice::<EventRow>(text) {
            index.add(row.time, row.keys());
        }
        line.clear();
    }
    let of_row = (index.times.unwrap_or_default(), index.events) == (times, events);
    Held { lines: lines.digest(), is_indexed: of_row && index.keys() == keys }
}

/// Whether the index `keys` of a block may hold what `(kind, value)` asks for.
pub(super) fn may_hold(keys: &[u8], kind: &str, value: &str) -> bool {
    let (keys, _) = keys.as_chunks::<4>();
    keys.binary_search(&index_key(kind, value).to_be_bytes()).is_ok()
}

/// The events of a block whose line of JSON is `wanted`; one that can't be read is left out.
pub(super) fn events<'a>(body: &'a [u8], wanted: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = EventRow> + 'a {
    let lines = BufReader::new(ZlibDecoder::new(body)).lines().map_while(Result::ok);
    lines.filter(move |line| wanted(line)).filter_map(|line| serde_json::from_str(&line).ok())
}
