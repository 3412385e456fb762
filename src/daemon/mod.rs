//! Start-up and the loops: trails, the single writer, delivery, questions, the clock, systemd.

mod clocks;
mod delivery;
mod gate;
pub mod learn;
pub mod met;
pub mod recorded;
pub mod replay;
pub mod rehearse;
mod silences;
mod start;
mod telling;
mod trails;
pub mod watching;
mod writer;

pub use start::{RunError, Settings, keys, run};

use crate::model::WallTime;
use crate::pipeline::CursorRow;
use crate::source::Cursor;
use std::sync::atomic::{AtomicI64, Ordering};

/// The clock of this machine.
pub fn wall_now() -> WallTime {
    WallTime(jiff::Timestamp::now().as_millisecond())
}

/// The source's view of a committed cursor.
fn cursor(row: CursorRow) -> Cursor {
    Cursor {
        source: row.source,
        path: row.path.to_path_buf(),
        file: row.file,
        offset: row.offset,
        witness: row.witness,
    }
}

/// Signs of life of the writer, for the watchdog and for `tripline status`.
#[derive(Debug, Default)]
pub struct Progress {
    beat: AtomicI64,
    committed: AtomicI64,
}

impl Progress {
    fn beat(&self) {
        self.beat.store(wall_now().0, Ordering::Relaxed);
    }

    fn committed(&self) {
        self.committed.store(wall_now().0, Ordering::Relaxed);
    }

    /// When the writer last went round its loop.
    pub fn last_beat(&self) -> WallTime {
        WallTime(self.beat.load(Ordering::Relaxed))
    }

    /// When it last committed, 0 for never.
    pub fn last_commit(&self) -> WallTime {
        WallTime(self.committed.load(Ordering::Relaxed))
    }
}
