//! One thread for each trail: follows its files, prepares what it reads, and hands it to the writer.
//!
//! The channel to the writer is bounded: when the writer is behind, the thread waits, and the file is the queue.
use super::gate::Gate;
use super::writer::ToWriter;
use crate::health::Health;
use crate::model::Input;
use crate::pipeline::{Prepared, Rules, Scratch};
use crate::source::{self, Cursor, FileState, FileStatus, Follower, TrailSpec, Watcher};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
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
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What every trail's thread is given.
#[derive(Clone)]
pub struct Surroundings {
    /// The rules that lines are prepared under.
    pub rules: Arc<Rules>,
    /// The writer.
    pub to: SyncSender<ToWriter>,
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
        let stop = Arc::new(AtomicBool::new(false));
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
        Ok(Trails { stop, threads })
    }

    /// A trail whose thread has died, if there is one.
    pub fn dead(&self) -> Option<String> {
        let dead = self.threads.iter().find(|t| t.is_finished())?;
        Some(dead.thread().name().unwrap_or("a trail").to_owned())
    }

    /// Stops following. What the threads have handed over is still in the channel.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.thread().unpark();
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

fn follow(spec: TrailSpec, cursors: Vec<Cursor>, most_open: usize, around: &Surroundings, stop: &AtomicBool) {
    let name = spec.name.clone();
    let what = format!("trail {name}");
    let (series, mut spool) = (spec.is_series(), Spent::default());
    let me = std::thread::current();
    let mut watcher = if around.watch { Watcher::new(move || me.unpark()) } else { Watcher::disabled() };
    let mut follower = Follower::open(spec, cursors);
    follower.keep_open(most_open);
    let mut scratch = Scratch::new(around.seed);
    while !stop.load(Ordering::Acquire) {
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
                        // behind the lines in the channel, and so never before them
                        let gone = Input::Gone { at: super::wall_now(), source: name.clone(), files };
                        hand_over(ToWriter::Fact(Box::new(gone), None), &around.to, stop);
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
            around.gate.wait(&name);
            continue;
        }
        if is_at_end && !behind {
            around.gate.ended(&name);
        }
        if !behind {
            std::thread::park_timeout(LOOK);
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
        // where the channel is full, the writer is busy: the next time will do
        if around.to.try_send(ToWriter::Fact(Box::new(tick), Some(answer))).is_ok() {
            (self.files, self.committed) = (files, Some(committed));
        }
    }
}

/// Hands lines over as far as the other trails have come, until all are handed over or we are to stop.
fn pass(prepared: Prepared, around: &Surroundings, stop: &AtomicBool) -> bool {
    let mut waiting = Some(prepared);
    while let Some(prepared) = waiting.take() {
        let Some(next) = prepared.lines.first().map(|l| l.time) else {
            return hand_over(ToWriter::Lines(Box::new(prepared)), &around.to, stop);
        };
        let horizon = around.gate.pass(prepared.source(), next, super::wall_now());
        let (first, rest) = prepared.cut_after(horizon);
        if let Some(first) = first {
            let reached = first.reaches();
            around.gate.pass(&first.batch.source, reached, super::wall_now());
            if !hand_over(ToWriter::Lines(Box::new(first)), &around.to, stop) {
                return false;
            }
        } else if stop.load(Ordering::Acquire) {
            // not handed over and not committed: it is read again after the next start
            return false;
        } else {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        waiting = rest;
    }
    true
}

/// Waits for room in the channel, but not when we are to stop.
fn hand_over(mut message: ToWriter, to: &SyncSender<ToWriter>, stop: &AtomicBool) -> bool {
    loop {
        match to.try_send(message) {
            Ok(()) => return true,
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return false,
            Err(std::sync::mpsc::TrySendError::Full(back)) if stop.load(Ordering::Acquire) => {
                // not handed over and not committed: it is read again after the next start
                drop(back);
                return false;
            }
            Err(std::sync::mpsc::TrySendError::Full(back)) => message = back,
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
