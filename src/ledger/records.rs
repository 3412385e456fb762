//! [`Records`]: the state of detection on disk, appended once a commit and merged now and then.
//!
//! A commit appends the cells that changed, grouped by entity, to `record_log`: a few sequential pages, whatever the number of
//! entities. What was appended lately is held in memory as well, as the *young* generation. Once that has grown to
//! `GENERATION_BYTES` it becomes the *old* one, which the following commits merge into `records`, some entities each, in the order of
//! that table; then its part of the log is dropped. Each commit merges twice as many entities as it appends, so an old generation is
//! merged before the next one has grown. All of it happens inside the one transaction, so the log in the file says at any time what
//! the generations in memory hold: opening a ledger reads the log, which is bounded, and nothing of `records`.
//!
//! A row of `records` is a bucket: the records of all entities whose keys begin with the same eight bytes, nearly always one. Cells
//! that were evicted or are past their time are left out when a row is merged, and for each new row two others are swept of them, so
//! that the table never grows to more than about twice what is kept.
use crate::detect::store::quota::Residency;
use crate::detect::store::record::{StoredCell, StoredRecord, cells, put_cell, put_record, records};
use crate::detect::{CellKey, CellRow, EntityKey, Unreadable};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap};

/// How much of encoded cells a generation holds before it is merged.
const GENERATION_BYTES: usize = 8 << 20;
/// How many entities a commit merges at least, while there is anything to merge.
const MERGE_LEAST: usize = 64;
/// How large a row of the log becomes before another is begun.
const LOG_ROW_BYTES: usize = 1 << 20;

/// How many buckets are looked through for what counts no more, each time that is dropped without a commit.
const SWEPT: usize = 2048;

/// Whether a cell that resides there still counts.
pub(super) type Keeps<'k> = &'k dyn Fn(&[u8; 8], &Residency) -> bool;

/// The part of the state on disk that is in the log and not yet merged, and how far merging and sweeping have come.
pub(super) struct Records {
    young: Generation,
    old: Generation,
    /// The entities of `old` that have not been merged, the last first.
    unmerged: Vec<EntityKey>,
    /// The bucket from which on is swept next.
    swept: i64,
    /// What a transaction that has not been committed has done.
    pending: Option<Pending>,
    /// See [`GENERATION_BYTES`].
    generation_bytes: usize,
}

impl Default for Records {
    fn default() -> Records {
        Records {
            young: Generation::default(),
            old: Generation::default(),
            unmerged: Vec::new(),
            swept: i64::MIN,
            pending: None,
            generation_bytes: GENERATION_BYTES,
        }
    }
}

/// What was appended between two rows of the log.
#[derive(Default)]
struct Generation {
    cells: HashMap<EntityKey, Vec<Appended>>,
    bytes: usize,
    /// The number of its last row.
    last: i64,
}

/// A cell that was appended.
struct Appended {
    prefix: [u8; 8],
    residency: Residency,
    cell: Vec<u8>,
}

struct Pending {
    last: Option<i64>,
    merged: usize,
    swept: i64,
}

impl Generation {
    fn put(&mut self, entity: EntityKey, new: Appended) {
        self.bytes += new.cell.len();
        let cells = self.cells.entry(entity).or_default();
        match cells.iter_mut().find(|cell| cell.prefix == new.prefix) {
            Some(known) => {
                self.bytes -= known.cell.len();
                *known = new;
            }
            None => cells.push(new),
        }
    }

    fn of(&self, entity: &EntityKey) -> &[Appended] {
        self.cells.get(entity).map_or(&[], |cells| cells)
    }
}

impl Appended {
    fn stored(&self) -> StoredCell<'_> {
        StoredCell { prefix: self.prefix, residency: self.residency, cell: &self.cell }
    }
}

impl Records {
    /// What the log of an open file says.
    pub(super) fn read(c: &Connection) -> rusqlite::Result<Records> {
        let mut of = Records::default();
        let mut statement = c.prepare("SELECT sequence, body FROM record_log ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for record in records(row.get_ref(1)?.as_blob()?) {
                let StoredRecord { entity, cells: stored } = record.map_err(unreadable)?;
                for cell in cells(stored) {
                    let StoredCell { prefix, residency, cell } = cell.map_err(unreadable)?;
                    of.young.put(EntityKey(entity), Appended { prefix, residency, cell: cell.to_vec() });
                }
            }
            of.young.last = row.get(0)?;
        }
        of.age();
        Ok(of)
    }

    /// Appends the cells that changed, which are sorted, and merges some of what was appended before, inside the caller's transaction.
    pub(super) fn write(&mut self, c: &Connection, changed: &[CellRow], keeps: Keeps<'_>) -> rusqlite::Result<()> {
        let (last, entities) = append(c, changed)?;
        let (mut merged, mut swept) = (0, self.swept);
        if !self.unmerged.is_empty() {
            merged = self.unmerged.len().min(MERGE_LEAST.max(2 * entities));
            let new = self.merge(c, merged, keeps)?;
            swept = sweep(c, swept, 2 * new, keeps)?;
            if merged == self.unmerged.len() {
                c.prepare_cached("DELETE FROM record_log WHERE sequence <= ?")?.execute([self.old.last])?;
            }
        }
        self.pending = Some(Pending { last, merged, swept });
        Ok(())
    }

    /// Takes note that the transaction of the last [`Records::write`] was committed, and of the cells that it appended.
    pub(super) fn committed(&mut self, changed: Vec<CellRow>) {
        let Some(Pending { last, merged, swept }) = self.pending.take() else { return };
        for CellRow { key, cell, residency } in changed {
            self.young.put(key.entity, Appended { prefix: key.prefix, residency, cell });
        }
        self.young.last = last.unwrap_or(self.young.last);
        self.swept = swept;
        self.unmerged.truncate(self.unmerged.len() - merged);
        if self.unmerged.is_empty() {
            self.old = Generation::default();
            self.age();
        }
    }

    /// Takes note that it was not.
    pub(super) fn rolled_back(&mut self) {
        self.pending = None;
    }

    /// Makes the young generation the old one, where it has grown enough.
    fn age(&mut self) {
        if self.young.bytes < self.generation_bytes {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        self.young.last = self.old.last;
        self.unmerged = self.old.cells.keys().copied().collect();
        self.unmerged.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Merges the next entities of the old generation; says how many buckets are new.
    fn merge(&self, c: &Connection, entities: usize, keeps: Keeps<'_>) -> rusqlite::Result<usize> {
        let mut new = 0;
        let first = self.unmerged.len() - entities;
        // the entities of one bucket follow one another
        for group in self.unmerged[first..].chunk_by(|a, b| bucket(a) == bucket(b)) {
            let bucket = bucket(&group[0]);
            let stored = stored_bucket(c, bucket)?;
            let mut body = Vec::new();
            for entity in group {
                let before = stored.as_deref().map(|body| record_of(body, entity)).transpose()?.flatten();
                let merged = join(before.unwrap_or_default(), self.old.of(entity), keeps)?;
                if !merged.is_empty() {
                    put_record(entity, &merged, &mut body);
                }
            }
            for record in records(stored.as_deref().unwrap_or_default()) {
                let record = record.map_err(unreadable)?;
                if !group.contains(&EntityKey(record.entity)) {
                    put_record(&EntityKey(record.entity), record.cells, &mut body);
                }
            }
            new += usize::from(stored.is_none() && !body.is_empty());
            put_bucket(c, bucket, &body)?;
        }
        Ok(new)
    }

    /// The cells of an entity: the newest there is of each policy.
    pub(super) fn fetch(&self, c: &Connection, entity: &EntityKey) -> rusqlite::Result<Vec<CellRow>> {
        let row = |cell: StoredCell<'_>| {
            let key = CellKey { entity: *entity, prefix: cell.prefix };
            CellRow { key, cell: cell.cell.to_vec(), residency: cell.residency }
        };
        let mut all: Vec<CellRow> = self.young.of(entity).iter().map(Appended::stored).map(row).collect();
        let has = |all: &[CellRow], cell: &StoredCell<'_>| all.iter().any(|newer| newer.key.prefix == cell.prefix);
        for cell in self.old.of(entity).iter().map(Appended::stored) {
            if !has(&all, &cell) {
                all.push(row(cell));
            }
        }
        let newer = all.len();
        let body = stored_bucket(c, bucket(entity))?;
        let below = body.as_deref().map(|body| record_of(body, entity)).transpose()?.flatten().unwrap_or_default();
        for cell in cells(below) {
            let cell = cell.map_err(unreadable)?;
            if !has(&all[..newer], &cell) {
                all.push(row(cell));
            }
        }
        Ok(all)
    }

    /// Sweeps some buckets of cells that count no more.
    pub(super) fn sweep(&mut self, c: &Connection, keeps: Keeps<'_>) -> rusqlite::Result<()> {
        self.swept = sweep(c, self.swept, SWEPT, keeps)?;
        Ok(())
    }
}

/// All cells in a file, entity by entity, for who reads it beside the writer: what is in the log first taken into memory.
pub(super) struct Scan {
    appended: BTreeMap<EntityKey, Vec<Appended>>,
    /// The bucket that comes next.
    from: i64,
}

impl Scan {
    /// Begins at the first bucket.
    pub(super) fn begin(c: &Connection) -> rusqlite::Result<Scan> {
        let Records { young, mut old, .. } = Records::read(c)?;
        for (entity, cells) in young.cells {
            cells.into_iter().for_each(|cell| old.put(entity, cell));
        }
        Ok(Scan { appended: old.cells.into_iter().collect(), from: i64::MIN })
    }

    /// Gives the cells of the next `rows` buckets to `each`; after the last bucket those of what is only in the log. Says whether there
    /// is more.
    pub(super) fn next(
        &mut self,
        c: &Connection,
        rows: u32,
        mut each: impl FnMut(&EntityKey, StoredCell<'_>),
    ) -> rusqlite::Result<bool> {
        let sql = "SELECT bucket, body FROM records WHERE bucket >= ? ORDER BY bucket LIMIT ?";
        let mut statement = c.prepare_cached(sql)?;
        let mut found = statement.query(params![self.from, rows])?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            count += 1;
            self.from = row.get::<_, i64>(0)?.wrapping_add(1);
            for record in records(row.get_ref(1)?.as_blob()?) {
                let record = record.map_err(unreadable)?;
                let entity = EntityKey(record.entity);
                let newer = self.appended.remove(&entity).unwrap_or_default();
                for cell in cells(record.cells) {
                    let cell = cell.map_err(unreadable)?;
                    if newer.iter().all(|newer| newer.prefix != cell.prefix) {
                        each(&entity, cell);
                    }
                }
                newer.iter().for_each(|cell| each(&entity, cell.stored()));
            }
        }
        if count == rows && self.from != i64::MIN {
            return Ok(true);
        }
        for (entity, cells) in std::mem::take(&mut self.appended) {
            cells.iter().for_each(|cell| each(&entity, cell.stored()));
        }
        Ok(false)
    }
}

/// Appends what changed to the log; says which row is the last, and how many entities there are.
fn append(c: &Connection, changed: &[CellRow]) -> rusqlite::Result<(Option<i64>, usize)> {
    let mut put = c.prepare_cached("INSERT INTO record_log (body) VALUES (?)")?;
    let (mut body, mut record) = (Vec::new(), Vec::new());
    let (mut last, mut entities) = (None, 0);
    for group in changed.chunk_by(|a, b| a.key.entity == b.key.entity) {
        record.clear();
        for CellRow { key, cell, residency } in group {
            put_cell(&StoredCell { prefix: key.prefix, residency: *residency, cell }, &mut record);
        }
        put_record(&group[0].key.entity, &record, &mut body);
        entities += 1;
        if body.len() >= LOG_ROW_BYTES {
            last = Some(put.insert([&body])?);
            body.clear();
        }
    }
    if !body.is_empty() {
        last = Some(put.insert([&body])?);
    }
    Ok((last, entities))
}

/// In which bucket an entity's record lies; in the order of the keys.
fn bucket(entity: &EntityKey) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&entity.0[..8]);
    (u64::from_be_bytes(first) ^ 1 << 63) as i64
}

fn stored_bucket(c: &Connection, bucket: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    c.prepare_cached("SELECT body FROM records WHERE bucket = ?")?.query_row([bucket], |r| r.get(0)).optional()
}

fn put_bucket(c: &Connection, bucket: i64, body: &[u8]) -> rusqlite::Result<()> {
    match body.is_empty() {
        true => c.prepare_cached("DELETE FROM records WHERE bucket = ?")?.execute([bucket])?,
        false => c
            .prepare_cached("INSERT INTO records VALUES (?1, ?2) ON CONFLICT DO UPDATE SET body = ?2")?
            .execute(params![bucket, body])?,
    };
    Ok(())
}

/// The cells of an entity within the body of its bucket.
fn record_of<'b>(body: &'b [u8], entity: &EntityKey) -> rusqlite::Result<Option<&'b [u8]>> {
    for record in records(body) {
        let record = record.map_err(unreadable)?;
        if record.entity == entity.0 {
            return Ok(Some(record.cells));
        }
    }
    Ok(None)
}

/// The cells of a record with newer ones in their place; those that count no more are left out.
fn join(before: &[u8], newer: &[Appended], keeps: Keeps<'_>) -> rusqlite::Result<Vec<u8>> {
    let mut joined = Vec::new();
    let mut put = |cell: &StoredCell<'_>| {
        if keeps(&cell.prefix, &cell.residency) {
            put_cell(cell, &mut joined);
        }
    };
    for cell in cells(before) {
        let cell = cell.map_err(unreadable)?;
        if newer.iter().all(|newer| newer.prefix != cell.prefix) {
            put(&cell);
        }
    }
    newer.iter().for_each(|cell| put(&cell.stored()));
    Ok(joined)
}

/// Takes cells that count no more out of `rows` buckets from `from` on; says with which to go on, the first of all after the last.
fn sweep(c: &Connection, from: i64, rows: usize, keeps: Keeps<'_>) -> rusqlite::Result<i64> {
    if rows == 0 {
        return Ok(from);
    }
    let mut next = from;
    let mut swept: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut seen = 0;
    let sql = "SELECT bucket, body FROM records WHERE bucket >= ? ORDER BY bucket LIMIT ?";
    let mut statement = c.prepare_cached(sql)?;
    let mut found = statement.query(params![from, rows as i64])?;
    while let Some(row) = found.next()? {
        seen += 1;
        let bucket: i64 = row.get(0)?;
        next = bucket.wrapping_add(1);
        let (mut body, mut shorter) = (Vec::new(), false);
        for record in records(row.get_ref(1)?.as_blob()?) {
            let record = record.map_err(unreadable)?;
            let kept = join(record.cells, &[], keeps)?;
            shorter |= kept.len() < record.cells.len();
            if !kept.is_empty() {
                put_record(&EntityKey(record.entity), &kept, &mut body);
            }
        }
        if shorter {
            swept.push((bucket, body));
        }
    }
    drop(found);
    swept.iter().try_for_each(|(bucket, body)| put_bucket(c, *bucket, body))?;
    Ok(if seen < rows { i64::MIN } else { next })
}

pub(super) fn unreadable(why: Unreadable) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Blob, why.into())
}

/// Whether the error is that a record can't be read.
pub(super) fn is_unreadable(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::FromSqlConversionFailure(_, _, why) if why.is::<Unreadable>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::store::quota::TrustTier;
    use crate::model::EventTime;
    use proptest::prelude::*;

    const NOW: EventTime = EventTime(1000);

    fn keeps(_: &[u8; 8], at: &Residency) -> bool {
        at.expires >= NOW
    }

    /// Entities of which some share a bucket.
    fn entity(n: u8) -> EntityKey {
        let mut key = [0; 16];
        (key[0], key[15]) = (n / 3, n % 3);
        EntityKey(key)
    }

    /// A cell of one of a few policies; an old one counts no more.
    fn row((n, policy, old, length, fill): (u8, u8, bool, usize, u8)) -> CellRow {
        let expires = if old { EventTime(0) } else { EventTime(2000) };
        let residency = Residency { tier: TrustTier::Stranger, segment: 0, born: EventTime(0), expires };
        CellRow { key: CellKey { entity: entity(n), prefix: [policy; 8] }, cell: vec![fill; length], residency }
    }

    type Kept = BTreeMap<CellKey, Vec<u8>>;

    /// What counts of what is stored.
    fn scanned(c: &Connection) -> Kept {
        let (mut all, mut scan) = (Kept::new(), Scan::begin(c).expect("it was written by this version"));
        let add = |all: &mut Kept, entity: &EntityKey, cell: StoredCell<'_>| {
            if keeps(&cell.prefix, &cell.residency) {
                let before = all.insert(CellKey { entity: *entity, prefix: cell.prefix }, cell.cell.to_vec());
                assert!(before.is_none(), "each cell is given once");
            }
        };
        while scan.next(c, 2, |entity, cell| add(&mut all, entity, cell)).expect("it was written by this version") {}
        all
    }

    fn fetched(records: &Records, c: &Connection, n: u8) -> Kept {
        let mut all = Kept::new();
        let cells = records.fetch(c, &entity(n)).expect("it was written by this version");
        for row in cells.into_iter().filter(|row| keeps(&row.key.prefix, &row.residency)) {
            assert!(all.insert(row.key, row.cell).is_none(), "each cell is given once");
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever is committed, rolled back and read anew, and however far merging has come: each cell is the one written last.
        #[test]
        fn the_newest_cell_is_found_in_memory_and_on_disk(
            commits in prop::collection::vec(
                (prop::collection::vec((0u8..40, 0u8..4, prop::bool::weighted(0.2), 0usize..40, any::<u8>()), 0..12), 0u8..8),
                1..60,
            ),
            generation in 50usize..2000,
        ) {
            let c = Connection::open_in_memory().expect("in memory");
            c.execute_batch(crate::ledger::file::SCHEMA).expect("the schema is one");
            let mut records = Records { generation_bytes: generation, ..Records::default() };
            let mut model = Kept::new();
            for (written, fate) in commits {
                let by_key: BTreeMap<CellKey, CellRow> = written.into_iter().map(row).map(|row| (row.key, row)).collect();
                let changed: Vec<CellRow> = by_key.into_values().collect();
                c.execute_batch("BEGIN").expect("none is open");
                records.write(&c, &changed, &keeps).expect("there is room");
                if fate == 0 {
                    c.execute_batch("ROLLBACK").expect("one is open");
                    records.rolled_back();
                } else {
                    c.execute_batch("COMMIT").expect("one is open");
                    for row in &changed {
                        match row.residency.expires >= NOW {
                            true => model.insert(row.key, row.cell.clone()),
                            false => model.remove(&row.key),
                        };
                    }
                    records.committed(changed);
                }
                if fate == 1 {
                    let lasting = Records::read(&c).expect("it was written by this version");
                    records = Records { generation_bytes: generation, ..lasting };
                }
                let found = scanned(&c);
                let differs = |key: &&CellKey| found.get(*key) != model.get(*key);
                prop_assert_eq!(found.keys().chain(model.keys()).find(differs), None);
                for n in [0, 1, 2, 17, 39] {
                    let of: Kept = model.iter().filter(|(key, _)| key.entity == entity(n)).map(|(k, v)| (*k, v.clone())).collect();
                    prop_assert!(fetched(&records, &c, n) == of, "entity {}", n);
                }
            }
        }
    }

    #[test]
    fn the_log_stays_short_and_what_counts_no_more_goes() {
        let c = Connection::open_in_memory().expect("in memory");
        c.execute_batch(crate::ledger::file::SCHEMA).expect("the schema is one");
        let mut records = Records { generation_bytes: 10_000, ..Records::default() };
        let one = |sql: &str| c.query_row(sql, [], |r| r.get::<_, i64>(0)).expect("one number");
        for n in 0..20_000u32 {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B9).to_be_bytes());
            // of each entity what is kept is past its time soon
            let expires = EventTime(i64::from(n) + 3000);
            let residency = Residency { tier: TrustTier::Stranger, segment: 0, born: EventTime(0), expires };
            let row =
                CellRow { key: CellKey { entity: EntityKey(key), prefix: [0; 8] }, cell: vec![7; 100], residency };
            let changed = vec![row];
            records.write(&c, &changed, &|_, at| at.expires.0 >= i64::from(n)).expect("there is room");
            records.committed(changed);
        }
        let (rows, log) = (one("SELECT count(*) FROM records"), one("SELECT count(*) FROM record_log"));
        assert!((1500..7000).contains(&rows), "{rows} rows of which at most 3,000 count");
        assert!(log <= 300, "{log} rows of the log");
    }
}
