//! Recorded events, compressed in blocks with an index by what can be asked for.
use super::evidence::{Hash, block_body};
use crate::model::EventTime;
use crate::pipeline::{EventRow, Kept, index_key};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, params};
use std::io::{BufRead, BufReader, Write};

/// Events in a block.
pub(super) const EVENTS: u64 = 4096;

/// Moves the oldest [`EVENTS`] of the tail into a block, inside the caller's transaction; nothing where the tail is empty.
pub(super) fn of_tail(c: &Connection) -> rusqlite::Result<Option<Hash>> {
    let rows: Vec<(i64, String)> = c
        .prepare_cached("SELECT sequence, body FROM tail ORDER BY sequence LIMIT ?")?
        .query_map([EVENTS as i64], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let Some((last, _)) = rows.last() else { return Ok(None) };
    let mut block = Block::default();
    for (_, line) in &rows {
        let row: EventRow = serde_json::from_str(line)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, e.into()))?;
        block.add(row.time, row.keys(), line)?;
    }
    c.prepare_cached("DELETE FROM tail WHERE sequence <= ?")?.execute([last])?;
    block.finish()?.write(c).map(Some)
}

/// The blocks of events that fill one each; what is left over is for the tail.
pub(super) fn of_events(events: &[Kept]) -> rusqlite::Result<Vec<Finished>> {
    let full = events.chunks_exact(EVENTS as usize);
    full.map(|events| {
        let mut block = Block::default();
        events.iter().try_for_each(|event| block.add(event.time, event.keys.iter().copied(), &event.body))?;
        block.finish()
    })
    .collect()
}

/// A block that is being filled.
struct Block {
    keys: Vec<u32>,
    times: Option<(i64, i64)>,
    events: i64,
    body: ZlibEncoder<Vec<u8>>,
}

impl Default for Block {
    fn default() -> Block {
        Block { keys: Vec::new(), times: None, events: 0, body: ZlibEncoder::new(Vec::new(), Compression::fast()) }
    }
}

impl Block {
    /// Adds an event and its line of JSON.
    fn add(&mut self, time: EventTime, keys: impl IntoIterator<Item = u32>, line: &str) -> rusqlite::Result<()> {
        self.keys.extend(keys);
        self.events += 1;
        let (first, last) = self.times.unwrap_or((time.0, time.0));
        self.times = Some((first.min(time.0), last.max(time.0)));
        self.body.write_all(line.as_bytes()).and_then(|()| self.body.write_all(b"\n")).map_err(failed)
    }

    fn finish(mut self) -> rusqlite::Result<Finished> {
        self.keys.sort_unstable();
        self.keys.dedup();
        Ok(Finished {
            times: self.times.unwrap_or_default(),
            events: self.events,
            keys: self.keys.iter().flat_map(|k| k.to_be_bytes()).collect(),
            body: self.body.finish().map_err(failed)?,
        })
    }
}

/// A block, compressed.
pub(super) struct Finished {
    times: (i64, i64),
    events: i64,
    keys: Vec<u8>,
    body: Vec<u8>,
}

impl Finished {
    /// Writes it; gives what stands for it in the evidence tree.
    pub(super) fn write(self, c: &Connection) -> rusqlite::Result<Hash> {
        let (first, last) = self.times;
        c.prepare_cached("INSERT INTO blocks (from_time, to_time, events, keys, body) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![first, last, self.events, self.keys, self.body])?;
        Ok(block_body(self.times, self.events, &self.keys, &self.body))
    }
}

fn failed(e: std::io::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(e.into())
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
