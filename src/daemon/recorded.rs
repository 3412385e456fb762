//! Replay of a ledger's own recorded inputs: the same inputs in the same order give the same ledger.
//!
//! The ledger does not keep the lines, but which stretch of which file each input covered and the digest of its frames.
//! The files are read again from their beginning, cut where the inputs were cut, and must give the same digests.
use super::replay::ReplayError;
use crate::ledger::{Ledger, Reader};
use crate::model::{Batch, Digest, Discontinuity, FileId, Input, SourceName, Stretch, WallTime};
use crate::pipeline::{Core, InputRow, Prepared, Rules, Scratch, prepare::lines_digest};
use crate::source::{Follower, TrailSpec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A recorded stretch, as [`Prepared`] describes it.
#[derive(Deserialize)]
struct Recorded {
    source: String,
    path: String,
    file: FileId,
    from: u64,
    to: u64,
    discontinuity: Option<Discontinuity>,
    observed: WallTime,
    digest: String,
}

/// What a replay of recorded inputs came to.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Inputs folded in.
    pub inputs: u64,
    /// Where other policies, profiles or tables held than now: from there on the result may differ.
    pub other_rules: Vec<u64>,
}

/// Folds the inputs of the ledger that `from` reads into `into`, under `rules`; what was learned from old files under `learning`
/// ([`Rules::learning`]), from those files.
///
/// # Errors
/// A trail can't be read, no longer holds the recorded lines, or a ledger fails.
pub fn replay_inputs(
    (rules, learning): (&Arc<Rules>, &Arc<Rules>),
    from: &Reader,
    into: &mut Ledger,
    trails: Vec<TrailSpec>,
    seed: u64,
) -> Result<Replayed, ReplayError> {
    let mut files =
        Files { specs: trails.into_iter().map(|spec| (spec.name.clone(), spec)).collect(), open: BTreeMap::new() };
    let mut learns = false;
    let mut outcome = Core::new(rules.clone(), into.recorded()?, false, seed).begin();
    let mut scratch = Scratch::new(seed);
    let mut replayed = Replayed::default();
    let mut next = 1;
    // ends where no further input is recorded
    loop {
        let rows = from.inputs(next, 1024)?;
        let Some(last) = rows.last() else { break };
        next = last.sequence + 1;
        for row in rows {
            if row.sequence != outcome.core().next_sequence() {
                return Err(gone(
                    &row,
                    "those before it have gone at the end of their retention: only a whole record can be replayed"
                        .into(),
                ));
            }
            let input = match row.kind.as_str() {
                "lines" => Input::Lines(lines(&row, &mut files, rules, &mut scratch)?),
                "learn" => Input::Learn(lines(&row, &mut files, rules, &mut scratch)?),
                _ => InputRow::fact(&row.kind, row.at, &row.body).ok_or_else(|| gone(&row, "can't be read".into()))?,
            };
            if let Input::Rules { digest, .. } = &input
                && *digest != rules.digest
            {
                replayed.other_rules.push(row.sequence);
            }
            if learns != matches!(input, Input::Learn(_)) {
                learns = !learns;
                outcome.set_rules(if learns { learning.clone() } else { rules.clone() });
            }
            outcome = outcome.fold(input, &*into)?;
            outcome.recorded_as(row.at, row.body);
            replayed.inputs += 1;
            if outcome.is_full() {
                outcome = super::replay::commit(into, outcome)?.begin();
            }
        }
        outcome = super::replay::commit(into, outcome)?.begin();
    }
    Ok(replayed)
}

fn gone(row: &crate::ledger::read::RecordedInput, why: String) -> ReplayError {
    ReplayError::Recorded(format!("input {}: {why}", row.sequence))
}

fn lines(
    row: &crate::ledger::read::RecordedInput,
    files: &mut Files,
    rules: &Rules,
    scratch: &mut Scratch,
) -> Result<Vec<Prepared>, ReplayError> {
    let recorded: Vec<Recorded> =
        serde_json::from_str(&row.body).map_err(|e| gone(row, format!("can't be read: {e}")))?;
    let mut prepared = Vec::new();
    for stretch in recorded {
        let name = SourceName(stretch.source.as_str().into());
        let old = (row.kind == "learn").then_some(&*stretch.path);
        let again = files.of(&name, old).ok_or_else(|| gone(row, format!("the configuration has no trail {name}")))?;
        let pieces = again.take(&stretch).map_err(|e| match e {
            Missing::Source(e) => ReplayError::Source(e),
            Missing::Lines(why) => gone(row, why),
        })?;
        let pieces: Vec<Prepared> = pieces
            .into_iter()
            .map(|mut piece| {
                piece.observed = stretch.observed;
                rules.prepare(piece, scratch)
            })
            .collect();
        if lines_digest(&pieces).to_string() != stretch.digest {
            let Recorded { path, from, to, .. } = &stretch;
            return Err(gone(row, format!("{path}: bytes {from} to {to} are not those that were recorded")));
        }
        prepared.extend(pieces);
    }
    Ok(prepared)
}

/// A recorded stretch without lines. Nobody reads on from it, so that its witness is of nothing.
fn blank(wanted: &Recorded) -> Batch {
    Batch {
        source: SourceName(wanted.source.as_str().into()),
        path: Path::new(&wanted.path).into(),
        stretch: Stretch { file: wanted.file, from: wanted.from, to: wanted.to },
        discontinuity: None,
        observed: wanted.observed,
        data: Arc::default(),
        frames: Vec::new(),
        header: None,
        witness: Digest::of(&[]),
        size: wanted.to,
    }
}

/// The trails, and the old files that were learned from, as far as they have been read once more.
struct Files {
    specs: BTreeMap<SourceName, TrailSpec>,
    open: BTreeMap<(SourceName, Option<String>), Again>,
}

impl Files {
    /// The trail, or an old file as lines of it.
    fn of(&mut self, name: &SourceName, old: Option<&str>) -> Option<&mut Again> {
        let spec = self.specs.get(name)?;
        let open = || {
            let paths = old.map_or_else(|| spec.paths.clone(), |path| vec![crate::source::literal(Path::new(path))]);
            Again::new(TrailSpec { paths, ..spec.clone() })
        };
        Some(self.open.entry((name.clone(), old.map(ToOwned::to_owned))).or_insert_with(open))
    }
}

/// A trail read once more.
struct Again {
    follower: Follower,
    rest: Option<Batch>,
    started: bool,
}

enum Missing {
    Source(crate::source::SourceError),
    Lines(String),
}

impl Again {
    fn new(spec: TrailSpec) -> Again {
        Again { follower: Follower::open(spec, Vec::new()), rest: None, started: false }
    }

    /// The frames of a recorded stretch, in one piece or more.
    fn take(&mut self, wanted: &Recorded) -> Result<Vec<Batch>, Missing> {
        if !std::mem::replace(&mut self.started, true)
            && let Some(problem) = self.follower.reconcile().into_iter().next()
        {
            return Err(Missing::Source(problem));
        }
        let file = wanted.file;
        let mut pieces: Vec<Batch> = Vec::new();
        let mut at = wanted.from;
        while at < wanted.to || (pieces.is_empty() && wanted.discontinuity.is_some()) {
            let next = match self.rest.take() {
                Some(rest) => Some(rest),
                None => self.follower.next(wanted.observed).map_err(Missing::Source)?,
            };
            let Some(mut batch) = next else { break };
            if batch.stretch.file == file && batch.stretch.from < at {
                // nobody had read it: what lay before a trail that began at its end, or blank lines behind a stretch
                let before = batch.frames.iter().take_while(|f| f.to <= at).count();
                batch = batch.cut(before).1;
                if batch.frames.is_empty() && batch.stretch.to <= at {
                    continue;
                }
                batch.stretch.from = batch.stretch.from.max(at);
            }
            if batch.stretch.file != file || batch.stretch.from != at {
                return Err(Missing::Lines(format!(
                    "{} no longer holds bytes {} to {} where they were recorded: it was rotated away or rewritten",
                    wanted.path, wanted.from, wanted.to
                )));
            }
            let n = batch.frames.iter().take_while(|f| f.to <= wanted.to).count();
            let whole = n == batch.frames.len() && batch.stretch.to <= wanted.to;
            let (piece, rest) = if whole {
                (batch, None)
            } else {
                let (first, rest) = batch.cut(n);
                (first, Some(rest))
            };
            if n == 0 && !whole {
                // what is left lies behind the stretch
                self.rest = rest;
                break;
            }
            at = piece.stretch.to;
            pieces.push(piece);
            self.rest = rest;
        }
        // where it has no further lines, the recorded one had none either, but blank ones
        match pieces.last_mut() {
            Some(last) => last.stretch.to = wanted.to,
            None => pieces.push(blank(wanted)),
        }
        pieces[0].discontinuity.clone_from(&wanted.discontinuity);
        Ok(pieces)
    }
}
