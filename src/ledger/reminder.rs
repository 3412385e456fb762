//! What is told of a clock, once: the reminder and the mark that it was made, in one transaction.
use super::{Error, Ledger, sql_error, told};
use crate::model::WallTime;
use rusqlite::params;

impl Ledger {
    /// Puts a reminder into the outbox, unless one of that key was put there before; says whether it was new.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn remind(&mut self, at: WallTime, key: &str, body: &str) -> Result<bool, Error> {
        let path = self.path();
        let c = self.connection()?;
        let write = || -> rusqlite::Result<bool> {
            c.execute_batch("BEGIN IMMEDIATE")?;
            let new = c.execute("INSERT INTO reminders VALUES (?, ?) ON CONFLICT DO NOTHING", params![key, at.0])? > 0;
            if new {
                let before = told::is_whole(c, &self.keys)?;
                c.execute("INSERT INTO outbox (made, kind, body) VALUES (?, 'reminder', ?)", params![at.0, body])?;
                told::reminded(c, &self.keys, before)?;
            }
            c.execute_batch("COMMIT")?;
            Ok(new)
        };
        write()
            .inspect_err(|_| {
                let _ = c.execute_batch("ROLLBACK");
            })
            .map_err(sql_error("recording a reminder", &path))
    }
}
