//! Start-up and the loops: trails, the single writer, delivery, questions, the clock, systemd.

mod clock_trust;
mod clocks;
mod delivery;
mod doors;
mod failing;
mod folder;
mod gate;
pub mod learn;
mod log;
pub mod met;
pub mod recorded;
pub mod replay;
mod receiving;
pub mod rehearse;
mod sequencer;
mod silences;
mod start;
mod telling;
mod trail_clocks;
mod trails;
pub mod watching;
mod writer;

pub use start::{RunError, Settings, keys, run};

use crate::model::WallTime;
use crate::pipeline::CursorRow;
use crate::source::Cursor;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    /// Milliseconds after `began`: a clock that is set, or a machine that slept, is no writer that is stuck.
    beat: AtomicU64,
    committed: AtomicI64,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { began: Instant::now(), beat: AtomicU64::new(0), committed: AtomicI64::new(0) }
    }
}

impl Progress {
    fn beat(&self) {
        self.beat.store(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn committed(&self) {
        self.committed.store(wall_now().0, Ordering::Relaxed);
    }

    /// For how long the writer has not gone round its loop.
    pub fn since_beat(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.beat.load(Ordering::Relaxed)))
    }

    /// When it last committed, 0 for never.
    pub fn last_commit(&self) -> WallTime {
        WallTime(self.committed.load(Ordering::Relaxed))
    }
}
