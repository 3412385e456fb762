//! Rehearsals: made events on top of what trails have taught, in memory; the ledger that they start from stays as it is.
use super::replay::{Fold, Reading, ReplayError};
use crate::detect::Classifier;
use crate::framing::{Framing, csv};
use crate::ledger::Ledger;
use crate::model::limits::FUTURE_SKEW;
use crate::model::{Batch, Digest, Event, EventTime, FileId, Finding, Frame, Input, Millis, Order, Stretch, WallTime};
use crate::pipeline::{Core, Outcome, Prepared, Rules, Scratch};
use crate::source::{self, Follower, TrailSpec};
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of the end of a file so much is read to see up to when it goes.
const TAIL_BYTES: u64 = 256 << 10;
/// At most so many bytes of a trail's files are read, the newest files first; one file is read whole, whatever its size.
const MOST_BYTES: u64 = 4 << 30;

/// What there is to read of trails.
pub struct Recent {
    /// The trails, each with those of its files that reach into the days asked for.
    pub trails: Vec<TrailSpec>,
    /// Lines before that time are passed over.
    pub since: Option<EventTime>,
    /// How many files were left out.
    pub left_out: usize,
}

/// The last `days` of the trails, counted back from the newest line that stands in them.
///
/// # Errors
/// A trail can't be read.
pub fn recent(rules: &Rules, trails: Vec<TrailSpec>, days: u32, now: WallTime) -> Result<Recent, ReplayError> {
    let mut found = Vec::new();
    let mut newest = None;
    for spec in trails {
        let mut follower = Follower::open(spec.clone(), Vec::new());
        if let Some(problem) = follower.reconcile().into_iter().next() {
            return Err(ReplayError::Source(problem));
        }
        let files: Vec<PathBuf> = follower.status().into_iter().map(|f| f.path).collect();
        if matches!(spec.framing, Framing::Lines | Framing::JsonLines | Framing::Csv(_)) {
            newest = newest.max(files.iter().filter_map(|path| last_time(rules, &spec, path, now)).max());
        }
        found.push((spec, files));
    }
    let since = newest.map(|newest: EventTime| newest.minus(Millis::DAY.times(days.into())));
    let mut recent = Recent { trails: Vec::new(), since, left_out: 0 };
    for (spec, files) in found {
        let all = files.len();
        let paths = newest_files(files, since);
        recent.left_out += all - paths.len();
        let paths = paths.iter().map(|path| source::literal(path)).collect();
        recent.trails.push(TrailSpec { paths, ..spec });
    }
    Ok(recent)
}

/// The files that were written since then, the newest first, as many as may be read.
fn newest_files(files: Vec<PathBuf>, since: Option<EventTime>) -> Vec<PathBuf> {
    let written = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        let at = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some((i64::try_from(at.as_millis()).ok()?, meta.len()))
    };
    let mut dated: Vec<_> = files.into_iter().filter_map(|path| Some((written(&path)?, path))).collect();
    dated.sort_by(|a, b| b.cmp(a));
    let mut bytes = 0;
    dated.retain(|((at, size), _)| {
        let first = bytes == 0;
        bytes += size;
        (first || bytes <= MOST_BYTES) && since.is_none_or(|since| *at >= since.0)
    });
    dated.into_iter().map(|(_, path)| path).collect()
}

/// The latest time of the last lines of a plain file.
fn last_time(rules: &Rules, spec: &TrailSpec, path: &Path, now: WallTime) -> Option<EventTime> {
    if path.extension().is_some_and(|e| e == "gz") {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    let header = spec.names.as_ref().and_then(|names| {
        let mut first = String::new();
        std::io::BufReader::new(&file).take(TAIL_BYTES).read_line(&mut first).ok()?;
        let first = csv::unmarked(first.trim_end());
        names.is_header(first, None).then(|| first.into())
    });
    let from = size.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut data = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut data).ok()?;
    let mut frames = Vec::new();
    let mut start = 0;
    for end in data.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at) {
        // the first line is whole only at the beginning of the file
        if start > 0 || from == 0 {
            let (from, to) = (from + start as u64, from + end as u64 + 1);
            frames.push(Frame { start: start as u32, end: end as u32, from, to, flags: Default::default() });
        }
        start = end + 1;
    }
    let batch = Batch {
        source: spec.name.clone(),
        path: path.into(),
        stretch: Stretch { file: FileId::default(), from, to: size },
        discontinuity: None,
        observed: now,
        data: data.into(),
        frames,
        header,
        witness: Digest::of(b""),
        size,
    };
    let prepared = rules.prepare(batch, &mut Scratch::new(0));
    let latest = EventTime(now.0).plus(FUTURE_SKEW);
    prepared.events().filter(|e| !e.marks.time_missing && e.time <= latest).map(|e| e.time).max()
}

/// Teaches a throw-away ledger what the trails say, and shows every event to `see`. `rules` are those of [`Rules::learning`]: what
/// fires meanwhile keeps nothing quiet afterwards. Returns how many lines were taken.
///
/// # Errors
/// A trail can't be read, or the ledger can't be written.
pub fn teach(
    rules: &Arc<Rules>,
    ledger: &mut Ledger,
    recent: Recent,
    now: WallTime,
    see: &mut dyn FnMut(&Event),
    progress: &mut dyn FnMut(u64),
) -> Result<u64, ReplayError> {
    let trails = recent.trails.into_iter().map(|spec| (Vec::new(), vec![spec])).collect();
    let outcome = Core::new(rules.clone(), ledger.recorded()?, true, 0).begin();
    let reading = Reading { rules, now, seed: 0 };
    let mut teacher = Teacher { see, since: recent.since, lines: 0 };
    reading.fold(ledger, outcome, trails, &mut teacher, progress)?;
    Ok(teacher.lines)
}

struct Teacher<'a> {
    see: &'a mut dyn FnMut(&Event),
    since: Option<EventTime>,
    lines: u64,
}

impl Fold for Teacher<'_> {
    fn input(&mut self, _: &mut Outcome, batches: Vec<Prepared>) -> Result<Option<Input<Prepared>>, ReplayError> {
        let new = |batch: &Prepared| self.since.is_none_or(|since| batch.reaches() >= since);
        let batches: Vec<Prepared> = batches.into_iter().filter(new).collect();
        if batches.is_empty() {
            return Ok(None);
        }
        self.lines += batches.iter().map(|b| b.lines.len() as u64).sum::<u64>();
        batches.iter().flat_map(Prepared::events).for_each(|event| (self.see)(event));
        Ok(Some(Input::Learn(batches)))
    }

    fn after(&mut self, _: &Outcome) {}
}

/// What a rehearsal came to.
pub struct Rehearsed {
    /// The findings in the order in which they were made, each with the number of the event that completed it.
    pub found: Vec<(usize, Finding)>,
    /// The orders that would have been given or refused, as they stand at the end.
    pub orders: Vec<Order>,
}

/// Folds made events in on top of what the ledger holds, and writes nothing. They must be in the order of their times.
///
/// # Errors
/// The ledger can't be read.
pub fn rehearse(rules: &Arc<Rules>, ledger: &Ledger, events: &[Event]) -> Result<Rehearsed, ReplayError> {
    let mut outcome = Core::new(rules.clone(), ledger.recorded()?, true, 0).begin();
    let mut classifier = Classifier::new(0);
    let mut found: Vec<(usize, Finding)> = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let Some(prepared) = rules.prepare_events(std::slice::from_ref(event), &mut classifier) else { continue };
        let input = Input::Lines(vec![prepared]);
        let before = outcome.changes().findings.len();
        outcome = outcome.fold(input, ledger)?;
        for finding in &outcome.changes().findings[before..] {
            if found.iter().all(|(_, known)| known.id != finding.id) {
                found.push((number, finding.clone()));
            }
        }
    }
    let made = |order: &&Order| order.findings.iter().any(|id| found.iter().any(|(_, f)| f.id == *id));
    let orders = outcome.core().book().iter().filter(made).cloned().collect();
    Ok(Rehearsed { found, orders })
}
