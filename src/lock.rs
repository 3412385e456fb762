//! A directory that one process alone writes to: whoever holds its lock file.
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How often a lock is tried, and the pause in between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the lock file at `path`, made where it is missing, until what is returned is dropped. `None`: another has it.
///
/// A process that ends while it starts another leaves a child that holds the lock until its exec closes it: an instant,
/// for which it is worth waiting. So it waits for a second before it says that another has it.
///
/// # Errors
/// It can't be opened (a link is not followed), or the file system knows no locks.
pub fn take(path: &Path) -> std::io::Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?);
    for tried in 1..=TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if tried < TRIES => std::thread::sleep(PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => break,
            Err(e) => return Err(e.into()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_and_the_next_gets_it_when_the_last_copy_of_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = take(&path).unwrap().expect("nobody has it");
        assert!(take(&path).unwrap().is_none());
        // as a child between its fork and its exec has one
        let copy = held.try_clone().unwrap();
        drop(held);
        let closes = std::thread::spawn(move || {
            std::thread::sleep(5 * PAUSE);
            drop(copy);
        });
        assert!(take(&path).unwrap().is_some());
        closes.join().unwrap();
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("lock"), dir.path().join("other"));
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(take(&path).is_err() && !other.exists());
    }
}
