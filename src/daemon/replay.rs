//! Replay: the same engine over files from their beginning to their end, merged by event time. It never runs a hook.
//!
//! Each trail is read and prepared on a thread of its own. Here the trails meet: up to the time that every trail has
//! reached, their lines are folded in as one input ([`align`]), so that the order does not depend on how the threads ran.
use super::watching::Watching;
use crate::ledger::{CommitError, Error, Ledger};
use crate::model::{Input, SourceName, WallTime};
use crate::pipeline::{Core, Outcome, Prepared, Rules, Scratch, align};
use crate::source::{Cursor, Follower, SourceError, TrailSpec};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Batches that a trail's thread may be ahead.
const AHEAD: usize = 4;
/// Lines folded in before a commit, at most: a larger transaction costs memory, a smaller one time.
const LINES_PER_COMMIT: usize = 1 << 17;

/// Why a replay ended early.
#[derive(Debug)]
pub enum ReplayError {
    /// A trail can't be read.
    Source(SourceError),
    /// The ledger can't be written.
    Ledger(Error),
    /// A recorded input can't be had again.
    Recorded(String),
    /// The file with the line to be explained can't be read.
    Line(std::io::Error),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplayError::Source(e) => e.fmt(f),
            ReplayError::Ledger(e) => e.fmt(f),
            ReplayError::Recorded(why) => f.write_str(why),
            ReplayError::Line(e) => write!(f, "looking for the line to be explained: {e}"),
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<Error> for ReplayError {
    fn from(e: Error) -> Self {
        ReplayError::Ledger(e)
    }
}

/// Where a replay's time went, each thread's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shares {
    /// Lines folded in.
    pub lines: u64,
    /// Waiting for the trails' threads, which read, decode and match.
    pub waiting: Duration,
    /// Loading state and folding lines in.
    pub advancing: Duration,
    /// Committing.
    pub committing: Duration,
}

/// Folds the trails into the ledger from where it stands. `progress` is told the bytes folded in.
///
/// # Errors
/// A trail can't be read, or the ledger can't be written.
pub fn replay(
    rules: &Arc<Rules>,
    ledger: &mut Ledger,
    trails: Vec<TrailSpec>,
    now: WallTime,
    seed: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Shares, ReplayError> {
    replay_watching(rules, ledger, trails, now, seed, None, progress)
}

/// The same, and watches for one event.
///
/// # Errors
/// As [`replay`]; or the file in which the event stands can't be read.
pub fn replay_watching(
    rules: &Arc<Rules>,
    ledger: &mut Ledger,
    trails: Vec<TrailSpec>,
    now: WallTime,
    seed: u64,
    watching: Option<&mut Watching>,
    progress: &mut dyn FnMut(u64),
) -> Result<Shares, ReplayError> {
    let cursors: Vec<Cursor> = ledger.cursors()?.into_iter().map(super::cursor).collect();
    let own = |name: &SourceName| cursors.iter().filter(|c| c.source == *name).cloned().collect();
    let files = trails.into_iter().map(|spec| (own(&spec.name), vec![spec])).collect();
    let outcome = Core::new(rules.clone(), ledger.recorded()?, true, seed).begin();
    let reading = Reading { rules, now, seed };
    let (_, shares) = reading.fold(ledger, outcome, files, &mut Watched(watching), progress)?;
    Ok(shares)
}

/// What is done with the batches of trails that meet.
pub(super) trait Fold {
    /// What is folded in of them; nothing: they are passed over.
    ///
    /// # Errors
    /// It can't go on.
    fn input(&mut self, outcome: &mut Outcome, batches: Vec<Prepared>) -> Result<Option<Input<Prepared>>, ReplayError>;
    /// It has been folded in, and is not committed yet.
    fn after(&mut self, outcome: &Outcome);
}

/// All of it is replayed, and perhaps somebody watches for one event.
struct Watched<'a>(Option<&'a mut Watching>);

impl Fold for Watched<'_> {
    fn input(&mut self, outcome: &mut Outcome, batches: Vec<Prepared>) -> Result<Option<Input<Prepared>>, ReplayError> {
        if let Some(watching) = &mut self.0 {
            watching.before(outcome, &batches).map_err(ReplayError::Line)?;
        }
        Ok(Some(Input::Lines(batches)))
    }

    fn after(&mut self, outcome: &Outcome) {
        if let Some(watching) = &mut self.0 {
            watching.after(outcome);
        }
    }
}

/// Where one trail is read on, and the files that it is read from, one after the other.
pub(super) type Files = (Vec<Cursor>, Vec<TrailSpec>);

/// How trails are read.
pub(super) struct Reading<'a> {
    pub(super) rules: &'a Arc<Rules>,
    pub(super) now: WallTime,
    pub(super) seed: u64,
}

impl Reading<'_> {
    /// Reads the trails to their end, each on a thread of its own, and folds them into the ledger as `fold` says.
    ///
    /// # Errors
    /// A trail can't be read, the ledger can't be written, or `fold` can't go on.
    pub(super) fn fold(
        &self,
        ledger: &mut Ledger,
        mut outcome: Outcome,
        trails: Vec<Files>,
        fold: &mut dyn Fold,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Core, Shares), ReplayError> {
        let mut shares = Shares::default();
        std::thread::scope(|scope| {
            let mut heads: Vec<Head> = Vec::new();
            for (cursors, specs) in trails {
                let (to, from) = sync_channel(AHEAD);
                scope.spawn(move || self.read(specs, cursors, &to));
                heads.push(Head { from, batch: None, ended: false });
            }
            let mut uncommitted = 0;
            loop {
                let begun = Instant::now();
                for head in &mut heads {
                    head.fill()?;
                }
                shares.waiting += begun.elapsed();
                let begun = Instant::now();
                let batches = align::take(heads.iter_mut().map(|head| &mut head.batch));
                let ended = batches.is_empty();
                let lines: usize = batches.iter().map(|b| b.lines.len()).sum();
                let bytes = batches.iter().map(|b| b.batch.stretch.to.saturating_sub(b.batch.stretch.from)).sum();
                let input = if ended { None } else { fold.input(&mut outcome, batches)? };
                if let Some(input) = input {
                    outcome = outcome.fold(input, &*ledger)?;
                    fold.after(&outcome);
                    uncommitted += lines;
                }
                shares.lines += lines as u64;
                shares.advancing += begun.elapsed();
                progress(bytes);
                if uncommitted >= LINES_PER_COMMIT || outcome.is_full() || ended {
                    let begun = Instant::now();
                    let core = commit(ledger, outcome)?;
                    shares.committing += begun.elapsed();
                    if ended {
                        return Ok((core, shares));
                    }
                    outcome = core.begin();
                    uncommitted = 0;
                }
            }
        })
    }

    fn read(&self, specs: Vec<TrailSpec>, mut cursors: Vec<Cursor>, to: &SyncSender<Result<Prepared, SourceError>>) {
        for spec in specs {
            read(self.rules, spec, std::mem::take(&mut cursors), self.now, self.seed, to);
        }
    }
}

/// The next prepared batch of a trail.
struct Head {
    from: Receiver<Result<Prepared, SourceError>>,
    batch: Option<Prepared>,
    ended: bool,
}

impl Head {
    fn fill(&mut self) -> Result<(), ReplayError> {
        if self.batch.is_none() && !self.ended {
            match self.from.recv() {
                Ok(batch) => self.batch = Some(batch.map_err(ReplayError::Source)?),
                Err(_) => self.ended = true,
            }
        }
        Ok(())
    }
}

fn read(
    rules: &Arc<Rules>,
    spec: TrailSpec,
    cursors: Vec<Cursor>,
    now: WallTime,
    seed: u64,
    to: &SyncSender<Result<Prepared, SourceError>>,
) {
    let mut scratch = Scratch::new(seed);
    let mut follower = Follower::open(spec, cursors);
    let mut run = || -> Result<(), SourceError> {
        if let Some(problem) = follower.reconcile().into_iter().next() {
            return Err(problem);
        }
        while let Some(batch) = follower.next(now)? {
            if to.send(Ok(rules.prepare(batch, &mut scratch))).is_err() {
                return Ok(());
            }
        }
        while let Some(batch) = follower.finish(now)? {
            if to.send(Ok(rules.prepare(batch, &mut scratch))).is_err() {
                return Ok(());
            }
        }
        Ok(())
    };
    if let Err(e) = run() {
        // where nobody listens any more, the replay has ended for another reason
        let _ = to.send(Err(e));
    }
}

pub(super) fn commit(ledger: &mut Ledger, outcome: Outcome) -> Result<Core, ReplayError> {
    match ledger.commit(outcome) {
        Ok(receipt) => Ok(receipt.core),
        Err(e) => match *e {
            CommitError::Before(_, e) | CommitError::Unknown(_, e) => Err(e.into()),
        },
    }
}
