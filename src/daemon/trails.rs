//! One thread for each trail: follows its files, prepares what it reads, and hands it to the writer.
//!
//! The door to the writer is bounded: when the writer is behind, the thread waits, and the file is the queue.
use super::doors::{Hints, Read, Stop, ToWriter};
use super::gate::Gate;
use crate::health::Health;
use crate::model::Input;
use crate::pipeline::{Prepared, Rules, Scratch};
use crate::source::{self, Cursor, FileState, FileStatus, Follower, TrailSpec, Watcher};
use crossbeam_channel::Sender;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often files are looked at when nothing hints that they grew. inotify only shortens this.
const LOOK: Duration = Duration::from_secs(1);

/// What the trails' files are like now, by trail.
pub type Files = Arc<Mutex<BTreeMap<String, Vec<FileStatus>>>>;

/// The running threads.
pub struct Trails {
    /// When it is dropped, they end.
    going: Sender<Infallible>,
    gate: Arc<Gate>,
    threads: Vec<JoinHandle<()>>,
}

/// What every trail's thread is given.
#[derive(Clone)]
pub struct Surroundings {
    /// The rules that lines are prepared under.
    pub rules: Arc<Rules>,
    /// The writer.
    pub to: ToWriter,
    /// What is wrong.
    pub health: Health,
    /// Where the state of the files is shown.
    pub files: Files,
    /// Keys in-memory maps.
    pub seed: u64,
    /// Whether to ask the kernel for hints.
    pub watch: bool,
    /// Where the other trails have come to.
    pub gate: Arc<Gate>,
}

impl Trails {
    /// Starts following from the committed cursors.
    pub fn start(specs: Vec<TrailSpec>, cursors: Vec<Cursor>, around: &Surroundings) -> std::io::Result<Trails> {
        let (going, stop) = Stop::new();
        let mut threads = Vec::new();
        let most_open = descriptors() / specs.len().max(1);
        for spec in specs {
            let own = cursors.iter().filter(|c| c.source == spec.name).cloned().collect();
            let (around, stop) = (around.clone(), stop.clone());
            let name = format!("trail {}", spec.name);
            threads.push(
                std::thread::Builder::new().name(name).spawn(move || follow(spec, own, most_open, &around, &stop))?,
            );
        }
        Ok(Trails { going, gate: around.gate.clone(), threads })
    }

    /// A trail whose thread has died, if there is one.
    pub fn dead(&self) -> Option<String> {
        let dead = self.threads.iter().find(|t| t.is_finished())?;
        Some(dead.thread().name().unwrap_or("a trail").to_owned())
    }

    /// Stops following. What the threads have handed over may still wait at the door.
    pub fn stop(self) {
        drop(self.going);
        self.gate.end();
        for thread in self.threads {
            // a thread that panicked has said so already; the others go on to their end
            let _ = thread.join();
        }
    }
}

/// How many descriptors trails may hold together: half of what we may have, for the ledger and those who ask need some too.
fn descriptors() -> usize {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    most.and_then(|most| usize::try_from(most / 2).ok()).unwrap_or(usize::MAX)
}

fn follow(spec: TrailSpec, cursors: Vec<Cursor>, most_open: usize, around: &Surroundings, stop: &Stop) {
    let name = spec.name.clone();
    let what = format!("trail {name}");
    let (series, mut spool) = (spec.is_series(), Spent::default());
    let hints = Hints::default();
    let mut watcher = if around.watch { Watcher::new(hints.sender()) } else { Watcher::disabled() };
    let mut follower = Follower::open(spec, cursors);
    follower.keep_open(most_open);
    let mut scratch = Scratch::new(around.seed);
    while !stop.is_told() {
        for problem in follower.reconcile() {
            around.health.wrong(&what, problem.to_string());
        }
        watcher.watch(&follower.directories());
        let looked = Instant::now();
        let mut is_at_end = true;
        let failed = loop {
            match follower.next(super::wall_now()) {
                Ok(Some(batch)) => {
                    let prepared = around.rules.prepare(batch, &mut scratch);
                    // a backlog must not keep a rotation from being seen
                    if !pass(prepared, around, stop) || looked.elapsed() >= LOOK {
                        is_at_end = false;
                        break None;
                    }
                }
                Ok(None) => {
                    let files = follower.forgettable();
                    if !files.is_empty() {
                        let gone = Input::Gone { at: super::wall_now(), source: name.clone(), files };
                        around.to.read(Read::Then(Box::new(gone), None), stop);
                    }
                    break None;
                }
                Err(e) => break Some(e),
            }
        };
        let files = follower.status();
        match failed {
            Some(e) => around.health.wrong(&what, e.to_string()),
            None if files
                .iter()
                .any(|f| matches!(f.state, FileState::Denied | FileState::Refused(_) | FileState::Failing(_))) => {}
            None => around.health.well(&what),
        }
        let behind =
            files.iter().any(|f| f.state == FileState::Following && f.consumed < f.size) && looked.elapsed() >= LOOK;
        let watching = format!("watching {name}");
        match watcher.degraded() {
            Some(why) => around.health.wrong(&watching, format!("{why}: files are looked at every second instead")),
            None => around.health.well(&watching),
        }
        if series {
            spool.delete(source::spent(&files), around);
        }
        around.files.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), files);
        if follower.is_looking() {
            // it will have old lines to give
            around.gate.looks(&name);
            continue;
        }
        if is_at_end && !behind {
            around.gate.ended(&name);
        }
        if !behind {
            hints.wait(stop, LOOK);
        }
    }
}

/// Spool files that were handed over to their end, to be deleted when that is on disk.
#[derive(Default)]
struct Spent {
    files: Vec<PathBuf>,
    committed: Option<oneshot::Receiver<Result<(), String>>>,
}

impl Spent {
    /// Deletes those of the last call, if all that was handed over by then is committed, and asks the same of `files`.
    fn delete(&mut self, files: Vec<PathBuf>, around: &Surroundings) {
        match self.committed.as_mut().map(|committed| committed.try_recv()) {
            Some(Err(oneshot::error::TryRecvError::Empty)) => return,
            Some(Ok(Ok(()))) => {
                for file in self.files.drain(..) {
                    if let Err(e) = std::fs::remove_file(&file) {
                        // it is asked for again, and takes room until then
                        tracing::warn!("{}: cannot be deleted: {e}", file.display());
                    }
                }
                self.committed = None;
                return;
            }
            Some(Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed)) | None => self.committed = None,
        }
        if files.is_empty() {
            return;
        }
        let (answer, committed) = oneshot::channel();
        let tick = Input::Tick(super::wall_now());
        // where there is no room, the writer is busy: the next time will do
        if around.to.offer_read(Read::Then(Box::new(tick), Some(answer))) {
            (self.files, self.committed) = (files, Some(committed));
        }
    }
}

/// Hands lines over as far as the other trails have come, until all are handed over or we are to stop. What is not handed over is
/// not committed, and is read again after the next start.
fn pass(prepared: Prepared, around: &Surroundings, stop: &Stop) -> bool {
    let mut waiting = Some(prepared);
    while let Some(prepared) = waiting.take() {
        let Some(next) = prepared.begins() else {
            return around.to.read(Read::Lines(Box::new(prepared)), stop);
        };
        let Some(horizon) = around.gate.turn(prepared.source(), next) else { return false };
        let (first, rest) = prepared.cut_after(horizon);
        if let Some(first) = first {
            around.gate.reaches(first.source(), first.reaches());
            if !around.to.read(Read::Lines(Box::new(first)), stop) {
                return false;
            }
        }
        waiting = rest;
    }
    true
}
