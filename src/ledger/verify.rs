//! Whether what was recorded is what is there: every leaf against its record, and the tree against heads held elsewhere.
use super::block::{self, Held};
use super::evidence::{self, Frontier, Hash, inclusion};
use super::note::{Checkpoint, VerifierKey};
use super::read::Reader;
use super::shown::Look;
use super::{Error, Keys, retention};
use crate::model::id::{hex, unhex};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is wrong. A record is named by its number in the list of leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The record is not what it was when it was recorded.
    Edited {
        /// Which.
        record: u64,
        /// `input`, `reading` (an input that lines or the clock made), `finding`, `order`, `incident` or `block`.
        kind: String,
        /// Whose leaf it is.
        key: String,
    },
    /// The record is gone while its leaf is there.
    Gone {
        /// Which.
        record: u64,
        /// See above.
        kind: String,
        /// See above.
        key: String,
    },
    /// Leaves are missing in the middle of the list.
    Dropped {
        /// The first.
        record: u64,
    },
    /// There is a record that has no leaf.
    Added {
        /// See above.
        kind: String,
        /// Whose leaf there is none.
        key: String,
    },
    /// A checkpoint covers more records than there are: the end was cut off, or an older copy was put in place.
    Truncated {
        /// How many records there are.
        records: u64,
        /// How many the checkpoint covers.
        covered: u64,
        /// When it was signed.
        time: String,
    },
    /// The first records are not those that a checkpoint covers: the list was written anew.
    Forked {
        /// How many records the checkpoint covers.
        covered: u64,
        /// When it was signed.
        time: String,
        /// The newest checkpoint that still fits covers so many: the first record that was changed comes after them.
        fits: u64,
    },
    /// Something of the file is not as it was made, or SQLite says that it is damaged: a query may leave out what is there.
    Damaged {
        /// What.
        what: String,
    },
    /// What is shown of a record is not what the record says.
    Shown {
        /// See above.
        kind: String,
        /// Which.
        key: String,
    },
}

/// What a verification came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// How many of them the newest checkpoint covers that fits.
    pub covered: u64,
    /// When that one was signed.
    pub time: Option<String>,
    /// How many checkpoints were held against the list.
    pub checkpoints: usize,
    /// Records that went at the end of their retention, as recorded: their leaves are there.
    pub forgotten: u64,
    /// Events that are in no block yet, and so in no record.
    pub events_waiting: u64,
    /// What is wrong, at most [`FAULTS`].
    pub faults: Vec<Fault>,
}

/// How many faults are named.
pub const FAULTS: usize = 100;

/// A proof that a record is in the tree of a checkpoint: all that another machine needs, beside the public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// `finding`, `order`, …
    pub kind: String,
    /// Whose leaf.
    pub key: String,
    /// What was recorded.
    pub body: String,
    /// The leaf's salt, in hexadecimal.
    pub salt: String,
    /// Its number in the tree, from 0.
    pub index: u64,
    /// The audit path (RFC 6962 §2.1.1), in hexadecimal.
    pub path: Vec<String>,
    /// The signed head that it leads to.
    pub checkpoint: String,
}

impl Proof {
    /// The checkpoint that it proves the record to be in.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, key: &VerifierKey) -> Result<Checkpoint, &'static str> {
        let checkpoint = key.open(&self.checkpoint).ok_or("the checkpoint in it is not signed by this key")?;
        let salt: [u8; 16] = unhex(&self.salt).ok_or("its salt is none")?;
        let path: Option<Vec<Hash>> = self.path.iter().map(|hash| unhex(hash)).collect();
        let body = evidence::body_digest(self.body.as_bytes());
        let leaf = evidence::leaf_hash(&salt, &self.kind, &self.key, &body);
        let root = evidence::root_by(leaf, self.index, checkpoint.size, &path.ok_or("a hash in it is none")?);
        match root == Some(checkpoint.root) {
            true => Ok(checkpoint),
            false => Err("the record is not in the tree of its checkpoint: it, or the proof, was changed"),
        }
    }
}

impl Reader {
    /// Verifies the whole ledger, against its own checkpoints and those given. With `keys`, every record too.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn verify(&self, keys: Option<&Keys>, checkpoints: &[Checkpoint]) -> Result<Verified, Error> {
        let mut by_size: BTreeMap<u64, Vec<&Checkpoint>> = BTreeMap::new();
        checkpoints.iter().for_each(|c| by_size.entry(c.size).or_default().push(c));
        self.read("verifying", |c| {
            // a daemon may go on writing: all is looked at as it is now
            let c = Transaction::new_unchecked(c, TransactionBehavior::Deferred)?;
            Run { c: &c, keys, by_size: &by_size, found: Verified::default() }.all(checkpoints.len())
        })
    }

    /// The checkpoints in the ledger, the oldest first, as notes.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn checkpoints(&self) -> Result<Vec<String>, Error> {
        self.read("reading checkpoints", |c| {
            c.prepare("SELECT note FROM checkpoints ORDER BY rowid")?.query_map([], |r| r.get(0))?.collect()
        })
    }

    /// The proof of the record with that key, in the tree of this checkpoint; nothing where that does not cover it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn prove(&self, keys: &Keys, kind: &str, key: &str, checkpoint: &Checkpoint) -> Result<Option<Proof>, Error> {
        self.read("proving", |c| {
            let at: Option<u64> = c
                .prepare("SELECT min(sequence) FROM leaves WHERE kind = ? AND key = ? AND sequence <= ?")?
                .query_row(params![kind, key, checkpoint.size], |r| r.get(0))?;
            let Some(sequence) = at else { return Ok(None) };
            let Some(body) = body(c, kind, key)?.and_then(|body| String::from_utf8(body).ok()) else { return Ok(None) };
            let leaves: Vec<Hash> = c
                .prepare("SELECT hash FROM leaves WHERE sequence <= ? ORDER BY sequence")?
                .query_map([checkpoint.size], |r| r.get(0))?
                .collect::<Result<_, _>>()?;
            let path = inclusion(&leaves, sequence as usize - 1);
            Ok(Some(Proof {
                kind: kind.to_owned(),
                key: key.to_owned(),
                body,
                salt: hex(&keys.leaf_salt(sequence)),
                index: sequence - 1,
                path: path.iter().map(|hash| hex(hash)).collect(),
                checkpoint: checkpoint.note.clone(),
            }))
        })
    }
}

/// The body of a record; nothing where it is gone, and of blocks, which hold many.
fn body(c: &Connection, kind: &str, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let number: i64 = key.parse().unwrap_or(-1);
    let text = |sql: &str| -> rusqlite::Result<Option<Vec<u8>>> {
        let found: Option<Option<String>> = c.prepare_cached(sql)?.query_row([number], |r| r.get(0)).optional()?;
        Ok(found.flatten().map(String::into_bytes))
    };
    match kind {
        "input" | retention::READING => c
            .prepare_cached("SELECT at, kind, body FROM inputs WHERE sequence = ?")?
            .query_row([number], |r| {
                Ok(evidence::input_body(r.get(0)?, &r.get::<_, String>(1)?, &r.get::<_, String>(2)?))
            })
            .optional(),
        "finding" => {
            let Some(id) = unhex::<16>(key) else { return Ok(None) };
            let sql = "SELECT body FROM findings WHERE id = ?";
            let found: Option<String> = c.prepare_cached(sql)?.query_row([&id[..]], |r| r.get(0)).optional()?;
            Ok(found.map(String::into_bytes))
        }
        "order" => text("SELECT body FROM order_steps WHERE sequence = ?"),
        "incident" => text("SELECT body FROM incident_steps WHERE sequence = ?"),
        _ => Ok(None),
    }
}

/// A block; nothing where it is gone.
fn block(c: &Connection, key: &str) -> rusqlite::Result<Option<Held>> {
    let sql = "SELECT from_time, to_time, events, keys, body FROM blocks WHERE id = ?";
    let held = |r: &rusqlite::Row<'_>| {
        let (keys, body) = (r.get_ref(3)?.as_blob()?, r.get_ref(4)?.as_blob()?);
        Ok(block::held((r.get(0)?, r.get(1)?), r.get(2)?, keys, body))
    };
    c.prepare_cached(sql)?.query_row([key.parse().unwrap_or(-1)], held).optional()
}

struct Run<'a> {
    c: &'a Connection,
    keys: Option<&'a Keys>,
    by_size: &'a BTreeMap<u64, Vec<&'a Checkpoint>>,
    found: Verified,
}

impl Run<'_> {
    fn all(mut self, checkpoints: usize) -> rusqlite::Result<Verified> {
        self.found.checkpoints = checkpoints;
        self.leaves()?;
        let (c, keys) = (self.c, self.keys);
        Look::new(c, keys, &mut |fault| self.fault(fault)).all()?;
        self.found.events_waiting = self.c.query_row("SELECT count(*) FROM tail", [], |r| r.get(0))?;
        Ok(self.found)
    }

    fn fault(&mut self, fault: Fault) {
        if self.found.faults.len() < FAULTS {
            self.found.faults.push(fault);
        }
    }

    fn leaves(&mut self) -> rusqlite::Result<()> {
        let mut tree = Frontier::default();
        let mut statement = self.c.prepare("SELECT sequence, kind, key, hash FROM leaves ORDER BY sequence")?;
        let mut rows = statement.query([])?;
        let (mut next, mut input) = (1, -1);
        let forgotten = retention::declared(self.c)?;
        self.heads(&tree);
        while let Some(row) = rows.next()? {
            let (sequence, kind, key): (u64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let hash: Hash = row.get(3)?;
            if sequence != next {
                self.fault(Fault::Dropped { record: next });
            }
            next = sequence + 1;
            if let Some(keys) = self.keys {
                let salt = keys.leaf_salt(sequence);
                match self.digest(&kind, &key)? {
                    Some(body) if evidence::leaf_hash(&salt, &kind, &key, &body) == hash => {}
                    Some(_) => self.fault(Fault::Edited { record: sequence, kind: kind.clone(), key: key.clone() }),
                    None if forgotten.covers(&kind, sequence) => self.found.forgotten += 1,
                    None => self.fault(Fault::Gone { record: sequence, kind: kind.clone(), key: key.clone() }),
                }
            }
            match kind.as_str() {
                "input" | retention::READING => input = key.parse().unwrap_or(-1),
                "finding" => self.came_with(&key, input)?,
                _ => {}
            }
            tree.push(hash);
            self.heads(&tree);
        }
        self.found.records = tree.size();
        for checkpoint in self.by_size.range(tree.size() + 1..).flat_map(|(_, all)| all) {
            let time = checkpoint.time.clone();
            self.fault(Fault::Truncated { records: tree.size(), covered: checkpoint.size, time });
        }
        self.without_leaf()
    }

    /// A finding names the input that led to it: that which its leaf stands behind.
    fn came_with(&mut self, key: &str, input: i64) -> rusqlite::Result<()> {
        let Some(id) = unhex::<16>(key) else { return Ok(()) };
        let sql = "SELECT sequence FROM findings WHERE id = ?";
        let named: Option<i64> = self.c.prepare_cached(sql)?.query_row([&id[..]], |r| r.get(0)).optional()?;
        if named.is_some_and(|named| named != input) {
            self.fault(Fault::Shown { kind: "finding".to_owned(), key: key.to_owned() });
        }
        Ok(())
    }

    /// The digest of a record's body; nothing where it is gone. Of a block, what lists and filters go by is looked at too.
    fn digest(&mut self, kind: &str, key: &str) -> rusqlite::Result<Option<Hash>> {
        if kind != "block" {
            return Ok(body(self.c, kind, key)?.map(|body| evidence::body_digest(&body)));
        }
        let held = block(self.c, key)?;
        if held.as_ref().is_some_and(|held| !held.is_indexed) {
            self.fault(Fault::Shown { kind: kind.to_owned(), key: key.to_owned() });
        }
        Ok(held.map(|held| held.lines))
    }

    /// Holds the tree against the checkpoints of its size.
    fn heads(&mut self, tree: &Frontier) {
        for checkpoint in self.by_size.get(&tree.size()).into_iter().flatten() {
            let time = checkpoint.time.clone();
            if checkpoint.root == tree.root() {
                (self.found.covered, self.found.time) = (tree.size(), Some(time));
            } else {
                let fits = self.found.covered;
                self.fault(Fault::Forked { covered: tree.size(), time, fits });
            }
        }
    }

    /// Records that no leaf is of. SQLite puts what it has to remember for it on the disk where it is much.
    fn without_leaf(&mut self) -> rusqlite::Result<()> {
        // inputs that may go have leaves of a kind of their own
        for (kind, leaves, keys) in [
            ("input", "'input', 'reading'", "CAST(sequence AS TEXT) FROM inputs"),
            ("finding", "'finding'", "lower(hex(id)) FROM findings NOT INDEXED"),
            ("order", "'order'", "CAST(sequence AS TEXT) FROM order_steps"),
            ("incident", "'incident'", "CAST(sequence AS TEXT) FROM incident_steps"),
            ("block", "'block'", "CAST(id AS TEXT) FROM blocks"),
        ] {
            let sql = format!("SELECT {keys} EXCEPT SELECT key FROM leaves WHERE kind IN ({leaves})");
            let mut statement = self.c.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                self.fault(Fault::Added { kind: kind.to_owned(), key: row.get(0)? });
            }
        }
        Ok(())
    }
}
