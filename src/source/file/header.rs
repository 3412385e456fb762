//! Headers of CSV: each holds for the records behind it in its file. None is remembered elsewhere: who goes on in the middle of a
//! file finds it in the file itself, as who reads the file from its beginning does.
use super::{Generation, Reading, SKIP_BYTES};
use crate::model::limits::BATCH_BYTES;
use crate::model::{Frame, Shown};
use crate::source::SourceError;
use crate::source::csv::{self, HeaderNames};
use crate::source::frame::{self, Framed, Framing, Open, Skip};
use std::sync::Arc;

/// What is known of the headers of a file.
#[derive(Debug, Default)]
pub(super) struct Headers {
    /// The one that holds where reading stands.
    pub held: Option<Arc<str>>,
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
        let text = |frame: &Frame| String::from_utf8_lossy(&bytes[frame.start as usize..frame.end as usize]);
        let is_other = |frame: &Frame| {
            let text = text(frame);
            let record = csv::unmarked(&text);
            !frame.flags.clipped && held.as_deref() != Some(record) && names.is_header(record, held.as_deref())
        };
        let Some(other) = framed.frames.iter().position(is_other) else { return framed };
        let mut frames = framed.frames;
        let header = frames[other];
        frames.truncate(other);
        let to = match frames.last() {
            Some(last) => last.to,
            None => {
                let text = text(&header);
                let header_text = csv::unmarked(&text);
                tracing::info!("{:?}: from byte {} on its columns are {}", self.path, header.from, Shown(header_text));
                self.headers.held = Some(header_text.into());
                header.to
            }
        };
        Framed { frames, covered: (to - at) as usize, open: Open::Nothing }
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
            // the same bytes as who read them first had seen, so that they are cut alike
            let at = self.headers.at;
            let count = self.read_at(at, &mut bytes)?;
            let read = &bytes[..count];
            let passed = match &mut self.headers.passing {
                Some(skip) => {
                    let end = skip.feed(read);
                    if end.is_some() {
                        self.headers.passing = None;
                    }
                    end.unwrap_or(count)
                }
                None => {
                    let last = self.last && count < bytes.len();
                    let mut framed = frame::frames(self.framing(reading), read, at, last);
                    framed.frames.retain(|frame| frame.from < self.offset);
                    let framed = self.up_to_header(names, read, at, framed);
                    match framed.open {
                        Open::Long(skip) if framed.covered == 0 => {
                            self.headers.passing = Some(skip);
                            count
                        }
                        _ => framed.covered,
                    }
                }
            };
            if passed == 0 {
                // these are not the bytes that were read, as the witness will say
                break;
            }
            self.headers.at += passed as u64;
        }
        self.headers.found = true;
        Ok(true)
    }
}
