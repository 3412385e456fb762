//! The seal over the outbox: up to which message all have had, how many there were, and how far each outlet has got. Messages are no
//! evidence and have no leaves; by the seal `verify` sees nevertheless that one is gone that nobody has had.
use super::Keys;
use super::evidence::{Hash, Lines};
use crate::model::id::hex;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The row of `meta` that holds it.
const ROW: &str = "outbox";

/// What is sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    /// Messages up to this number have been dropped, as all had them.
    gone: u64,
    /// The number of the last message that was made.
    last: u64,
    /// Before this number only messages of [`OTHERS`] are left.
    omitted: u64,
    /// The digest of those.
    others: Option<String>,
    /// How far the outlets have got.
    outlets: BTreeMap<String, u64>,
    /// Whether, once, other messages were there than should have been.
    was_changed: bool,
}

/// Messages that repeat no record: their bodies are under the seal.
const OTHERS: &str = "kind IN ('reminder', 'omitted')";

/// The row.
#[derive(Serialize, Deserialize)]
struct Sealed {
    told: Told,
    seal: String,
}

fn seal_of(keys: &Keys, told: &Told) -> String {
    keys.seal_of_outbox(&serde_json::to_string(told).unwrap_or_default())
}

fn write(c: &Connection, keys: &Keys, told: Told) -> rusqlite::Result<()> {
    let seal = seal_of(keys, &told);
    let json = serde_json::to_string(&Sealed { told, seal }).unwrap_or_default();
    c.prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?.execute([ROW, &json])?;
    Ok(())
}

/// What is sealed; nothing where no seal of these keys is there.
fn read(c: &Connection, keys: &Keys) -> rusqlite::Result<Option<Told>> {
    let sql = "SELECT value FROM meta WHERE key = ?";
    let row: Option<String> = c.prepare_cached(sql)?.query_row([ROW], |r| r.get(0)).optional()?;
    let sealed = row.and_then(|json| serde_json::from_str::<Sealed>(&json).ok());
    Ok(sealed.filter(|sealed| sealed.seal == seal_of(keys, &sealed.told)).map(|sealed| sealed.told))
}

/// Begins the seal of a ledger that is made.
pub(super) fn begin(c: &Connection, keys: &Keys) -> rusqlite::Result<()> {
    write(c, keys, Told::default())
}

/// Seals what the caller's transaction has made of the outbox by `change`. A seal that was broken stays so.
fn again(c: &Connection, keys: &Keys, change: impl FnOnce(&mut Told) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let Some(mut told) = read(c, keys)? else { return Ok(()) };
    change(&mut told)?;
    write(c, keys, told)
}

/// The number of the last message, as SQLite counts them.
fn last(c: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)";
    c.prepare_cached(sql)?.query_row([], |r| r.get(0))
}

/// The digest of the messages that repeat no record; nothing where there are none.
fn others(c: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = format!("SELECT json_array(sequence, made, kind, body) FROM outbox WHERE {OTHERS} ORDER BY sequence");
    let (mut lines, mut any) = (Lines::default(), false);
    let mut statement = c.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        any = true;
        lines.push(row.get_ref(0)?.as_str()?.as_bytes());
    }
    let digest: Hash = lines.digest();
    Ok(any.then(|| hex(&digest)))
}

/// Messages that repeat records were made.
pub(super) fn made(c: &Connection, keys: &Keys) -> rusqlite::Result<()> {
    again(c, keys, |told| {
        told.last = last(c)?;
        Ok(())
    })
}

/// A message was made that repeats no record.
pub(super) fn reminded(c: &Connection, keys: &Keys, before: bool) -> rusqlite::Result<()> {
    again(c, keys, |told| {
        told.was_changed |= !before;
        (told.last, told.others) = (last(c)?, others(c)?);
        Ok(())
    })
}

/// Messages were dropped: those up to `gone`, and before `omitted` those that were made one.
pub(super) fn dropped(
    c: &Connection,
    keys: &Keys,
    before: bool,
    gone: Option<u64>,
    omitted: Option<u64>,
) -> rusqlite::Result<()> {
    again(c, keys, |told| {
        told.was_changed |= !before;
        told.gone = told.gone.max(gone.unwrap_or(0));
        told.omitted = told.omitted.max(omitted.unwrap_or(0));
        told.others = others(c)?;
        Ok(())
    })
}

/// Outlets get on, or are others from now on, as `change` writes it in the caller's transaction.
pub(super) fn delivered(
    c: &Connection,
    keys: &Keys,
    change: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let before = outlets(c)?;
    change()?;
    again(c, keys, |told| {
        told.was_changed |= before != told.outlets;
        told.outlets = outlets(c)?;
        Ok(())
    })
}

fn outlets(c: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    c.prepare_cached("SELECT name, delivered FROM outlets")?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
}

/// Whether the messages are those that should be there, by number, and those that repeat no record by body, too.
pub(super) fn is_whole(c: &Connection, keys: &Keys) -> rusqlite::Result<bool> {
    let Some(told) = read(c, keys)? else { return Ok(false) };
    let from = told.gone.max(told.omitted.saturating_sub(1));
    let sql = format!(
        "SELECT count(*) FILTER (WHERE sequence > ?1), count(*) FILTER (WHERE sequence <= ?1 AND NOT {OTHERS}), \
         coalesce(max(sequence), 0) FROM outbox"
    );
    let (newer, left, newest): (u64, u64, u64) =
        c.prepare_cached(&sql)?.query_row([from], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    Ok(!told.was_changed
        && newer == told.last.saturating_sub(from)
        && left == 0
        && newest <= told.last
        && last(c)? == told.last
        && others(c)? == told.others
        && outlets(c)? == told.outlets)
}
