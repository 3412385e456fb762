//! What a receiver says of itself beside each spool, for the daemon: the settings that it runs with, and what it can't take in.
//!
//! The two processes share nothing but the spool's folder. That the receiver lives is told by its lock, which ends with it; all else
//! by a small file of JSON that is replaced whole.
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file beside the spool's segments.
const FILE: &str = "receiver.json";
/// The lock beside them.
pub(super) const LOCK: &str = "lock";
/// More than a receiver ever says.
const MOST_BYTES: u64 = 64 << 10;

/// What a receiver says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Digest of the settings that it was started with: see [`super::settings_digest`].
    pub settings: String,
    /// What it can't read or write now, and why.
    pub wrong: BTreeMap<String, String>,
}

/// The receiver's side, for one spool.
#[derive(Debug)]
pub(crate) struct Standing {
    dir: PathBuf,
    said: Mutex<Said>,
}

impl Standing {
    /// Says the first words beside the spool in `dir`. Only whoever holds its lock may.
    pub fn new(dir: &Path, settings: &str) -> Standing {
        let said = Said { settings: settings.to_owned(), wrong: BTreeMap::new() };
        let standing = Standing { dir: dir.to_owned(), said: Mutex::new(Said::default()) };
        standing.change(|now| *now = said);
        standing
    }

    /// `what` can't be read or written.
    pub fn wrong(&self, what: &str, why: &str) {
        // where it can't be written it is said again with the next word
        let _ = self.change(|said| drop(said.wrong.insert(what.to_owned(), why.to_owned())));
    }

    /// `what` can be read or written (again); whether that is said.
    pub fn well(&self, what: &str) -> bool {
        self.change(|said| drop(said.wrong.remove(what)))
    }

    fn change(&self, how: impl FnOnce(&mut Said)) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = said.clone();
        how(&mut next);
        if next != *said {
            // where there is no room for it, it is said at the next change; the full disk is the daemon's to tell
            if self.write(&next).is_err() {
                return false;
            }
            *said = next;
        }
        true
    }

    fn write(&self, said: &Said) -> std::io::Result<()> {
        let next = self.dir.join(format!("{FILE}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(&serde_json::to_vec(said)?)?;
        std::fs::rename(&next, self.dir.join(FILE))
    }
}

/// What a receiver says beside the spool in `dir`; nothing where none is at work there.
///
/// # Errors
/// What is there can't be read.
pub fn heard(dir: &Path) -> std::io::Result<Option<Said>> {
    let lock = match File::open(dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    // for an instant: whoever takes the lock waits that long
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => return Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        Err(e) => return Err(e.into()),
    }
    let mut text = Vec::new();
    match File::open(dir.join(FILE)) {
        Ok(file) => std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_BYTES), &mut text)?,
        // it has just begun
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Said::default())),
        Err(e) => return Err(e),
    };
    Ok(Some(serde_json::from_slice(&text)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_heard_while_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(heard(dir.path()).unwrap(), None);
        let lock = crate::lock::take(&dir.path().join(LOCK)).unwrap();
        assert_eq!(heard(dir.path()).unwrap(), Some(Said::default()));
        let standing = Standing::new(dir.path(), "00ff");
        standing.wrong("journal", "no \"right\"");
        let wrong = BTreeMap::from([("journal".to_owned(), "no \"right\"".to_owned())]);
        assert_eq!(heard(dir.path()).unwrap(), Some(Said { settings: "00ff".into(), wrong }));
        standing.well("journal");
        assert_eq!(heard(dir.path()).unwrap().unwrap().wrong.len(), 0);
        drop(lock);
        assert_eq!(heard(dir.path()).unwrap(), None);
        // a look does not keep the next one out
        assert!(crate::lock::take(&dir.path().join(LOCK)).unwrap().is_some());
    }
}
