//! Recorded events, compressed in blocks with an index by what can be asked for.
use super::rows::{EventRow, key};
use crate::model::Digest;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, params};
use std::io::{BufRead, BufReader, Write};

/// Events in a block.
pub(super) const EVENTS: u64 = 4096;

/// Moves the oldest [`EVENTS`] of the tail into a block, inside the caller's transaction.
pub(super) fn make(c: &Connection) -> rusqlite::Result<Digest> {
    let rows: Vec<(i64, i64, String)> = c
        .prepare_cached("SELECT sequence, time, body FROM tail ORDER BY sequence LIMIT ?")?
        .query_map([EVENTS as i64], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut keys = Vec::with_capacity(rows.len() * 5);
    let mut body = ZlibEncoder::new(Vec::new(), Compression::fast());
    let failed = |e: std::io::Error| rusqlite::Error::ToSqlConversionFailure(e.into());
    for (_, _, line) in &rows {
        if let Ok(row) = serde_json::from_str::<EventRow>(line) {
            keys.extend(row.keys());
        }
        body.write_all(line.as_bytes()).and_then(|()| body.write_all(b"\n")).map_err(failed)?;
    }
    keys.sort_unstable();
    keys.dedup();
    let keys: Vec<u8> = keys.iter().flat_map(|k| k.to_be_bytes()).collect();
    let body = body.finish().map_err(failed)?;
    let (first, last) = (rows.first().map_or(0, |r| r.0), rows.last().map_or(0, |r| r.0));
    let times = rows.iter().map(|r| r.1);
    c.prepare_cached(
        "INSERT INTO blocks (first, last, from_time, to_time, events, keys, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![first, last, times.clone().min(), times.max(), rows.len() as i64, keys, body])?;
    c.execute("DELETE FROM tail WHERE sequence <= ?", [last])?;
    Ok(Digest::of(&body))
}

/// Whether the index `keys` of a block may hold what `(kind, value)` asks for.
pub(super) fn may_hold(keys: &[u8], kind: &str, value: &str) -> bool {
    let (keys, _) = keys.as_chunks::<4>();
    keys.binary_search(&key(kind, value).to_be_bytes()).is_ok()
}

/// The events of a block whose line of JSON is `wanted`; one that can't be read is left out.
pub(super) fn events<'a>(body: &'a [u8], wanted: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = EventRow> + 'a {
    let lines = BufReader::new(ZlibDecoder::new(body)).lines().map_while(Result::ok);
    lines.filter(move |line| wanted(line)).filter_map(|line| serde_json::from_str(&line).ok())
}
