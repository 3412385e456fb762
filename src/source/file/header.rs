//! Headers of CSV: each holds for the records behind it in its file. None is remembered elsewhere: who goes on in the middle of a
//! file finds it in the file itself, as who reads the file from its beginning does.
use super::{Generation, Reading, SKIP_BYTES};
use crate::framing::csv::{self, HeaderNames};
use crate::framing::{Framed, Framing, Open, Skip, frames};
use crate::model::Shown;
use crate::model::limits::{BATCH_BYTES, FRAME_BYTES};
use crate::source::SourceError;
use std::sync::Arc;

/// What is known of the headers of a file.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// The one that holds where reading stands.
    pub held: Option<Arc<str>>,
    /// A record had torn quotes: what then looks like a line may be a piece of a field, and no other header is taken.
    torn: bool,
    /// It has been looked for in all that lies before that.
    found: bool,
    /// Up to here it has been, in bytes.
    at: u64,
    passing: Option<Skip>,
}

impl Generation {
    /// How it is cut: the delimiter is the one of its header.
    pub(super) fn framing(&self, reading: Reading<'_>) -> Framing {
        let stated = reading.names.and_then(|names| names.stated.as_ref());
        let header = self.headers.held.as_ref().or(stated);
        match (reading.framing, header.and_then(|header| csv::delimiter(header))) {
            (Framing::Csv(_), Some(delimiter)) => Framing::Csv(delimiter),
            (framing, _) => framing,
        }
    }

    /// The frames of `bytes`, which lie at `at`, before the first header that is another than the one that holds. Where that is the
    /// first of them it holds from now on, and is covered alone.
    pub(super) fn up_to_header(&mut self, names: &HeaderNames, bytes: &[u8], at: u64, framed: Framed) -> Framed {
        let held = self.headers.held.clone();
        let delimiter = held.as_ref().or(names.stated.as_ref()).and_then(|header| csv::delimiter(header));
        for (n, frame) in framed.frames.iter().enumerate() {
            let bytes = &bytes[frame.start as usize..frame.end as usize];
            let text = String::from_utf8_lossy(bytes);
            let record = csv::unmarked(&text);
            let may = !frame.flags.clipped && !self.headers.torn && held.as_deref() != Some(record);
            if may && names.is_header(record, held.as_deref()) {
                let mut frames = framed.frames;
                let frame = frames[n];
                frames.truncate(n);
                let to = frames.last().map_or(frame.to, |before| before.to);
                if frames.is_empty() {
                    tracing::info!("{:?}: from byte {} on its columns are {}", self.path, frame.from, Shown(record));
                    self.headers.held = Some(record.into());
                }
                return Framed { frames, covered: (to - at) as usize, open: Open::Nothing };
            }
            let Some(delimiter) = delimiter.filter(|_| !self.headers.torn && bytes.contains(&b'"')) else { continue };
            let mut fields = csv::Fields::of(record, delimiter);
            fields.by_ref().for_each(drop);
            if fields.broken {
                tracing::warn!(
                    "{:?}: the quotes of the record at byte {} are torn: what follows may be pieces of a field, and no other header is taken in this file",
                    self.path,
                    frame.from
                );
                self.headers.torn = true;
            }
        }
        framed
    }

    /// Whether it reads on in what lies before the next record, or in one that is too long to keep, some of it with each call.
    pub fn is_looking(&self) -> bool {
        self.caught_up.is_none() && (self.long.is_some() || (!self.headers.found && self.headers.at > 0))
    }

    /// Finds the header that holds at `offset`, among the records before it; some of them with each call. Whether it has been found.
    pub(super) fn look_for_header(&mut self, reading: Reading<'_>, names: &HeaderNames) -> Result<bool, SourceError> {
        if self.headers.found || self.offset == 0 {
            self.headers.found = true;
            return Ok(true);
        }
        let until = self.headers.at.saturating_add(SKIP_BYTES);
        let mut bytes = vec![0; BATCH_BYTES];
        // ends: every turn moves on
        while self.headers.at < self.offset {
            if self.headers.at >= until {
                return Ok(false);
            }
            let count = self.read_at(self.headers.at, &mut bytes)?;
            let passed = self.look_in(reading, names, &bytes[..count], count < bytes.len());
            if passed == 0 {
                // these are not the bytes that were read, as the witness will say
                break;
            }
            self.headers.at += passed as u64;
        }
        self.headers.found = true;
        Ok(true)
    }

    /// Looks for headers in these bytes, behind those that were looked at. How many of them it has passed. `all`: nothing follows them.
    fn look_in(&mut self, reading: Reading<'_>, names: &HeaderNames, bytes: &[u8], all: bool) -> usize {
        let mut passed = 0;
        if let Some(skip) = &mut self.headers.passing {
            match skip.feed(bytes) {
                Some(end) => passed = end,
                None => return bytes.len(),
            }
            self.headers.passing = None;
        }
        let start = self.headers.at;
        // whether records are cut as they were by who had read them depends on so much behind them
        let enough = csv::QUOTED_BYTES + FRAME_BYTES;
        // ends: every turn passes something
        loop {
            let (rest, at) = (&bytes[passed..], start + passed as u64);
            if at >= self.offset || rest.is_empty() || (!all && rest.len() <= enough && passed > 0) {
                return passed;
            }
            let mut framed = frames(self.framing(reading), reading.lists, rest, at, self.last && all);
            if framed.covered == 0 && all && framed.open == Open::Held {
                // who had read it took it for the end
                framed = frames(self.framing(reading), reading.lists, rest, at, true);
            }
            framed.frames.retain(|frame| frame.from < self.offset);
            let framed = self.up_to_header(names, rest, at, framed);
            match framed.open {
                Open::Long(skip) if framed.covered == 0 => {
                    self.headers.passing = Some(skip);
                    return bytes.len();
                }
                _ if framed.covered == 0 => return passed,
                _ => passed += framed.covered,
            }
        }
    }
}
