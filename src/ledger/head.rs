//! Signs the head of the evidence tree, again and again.
use super::{Error, Ledger, sql_error, told};
use crate::model::WallTime;
use rusqlite::params;

impl Ledger {
    /// Signs the head of the evidence tree, and puts it into the outbox: to be called at a fixed rhythm, so that a head that is
    /// missing where they are kept is a sign.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub fn checkpoint(&mut self, now: WallTime) -> Result<(), Error> {
        let path = self.path();
        let c = self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery).map_err(sql_error("signing", &path))?;
        let (tree, keys) = (&mut self.tree, &self.keys);
        let mut run = || -> rusqlite::Result<()> {
            let mut new = c.prepare_cached("SELECT hash FROM leaves WHERE sequence > ? ORDER BY sequence")?;
            for hash in new.query_map([tree.size()], |r| r.get(0))? {
                tree.push(hash?);
            }
            let note = keys.sign_head(tree.size(), &tree.root(), now);
            c.execute_batch("BEGIN IMMEDIATE")?;
            let write = || -> rusqlite::Result<()> {
                c.execute("INSERT INTO checkpoints VALUES (?, ?, ?)", params![tree.size(), now.0, note])?;
                c.execute("INSERT INTO outbox (made, kind, body) VALUES (?, 'checkpoint', ?)", params![now.0, note])?;
                told::made(c, keys)?;
                c.execute_batch("COMMIT")
            };
            write().inspect_err(|_| {
                let _ = c.execute_batch("ROLLBACK");
            })
        };
        run().map_err(sql_error("signing", &path))
    }
}
