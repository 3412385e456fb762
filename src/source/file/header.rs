//! Headers of CSV: each holds for the records behind it in its file. None is remembered elsewhere: who goes on in the middle of a
//! file finds it in the file itself, as who reads the file from its beginning does.
use super::{Generation, Reading};
use crate::model::Frame;
use crate::model::limits::BATCH_BYTES;
use crate::source::SourceError;
use crate::source::csv::{self, Columns};
use crate::source::frame::{self, Framed, Framing, Open, Skip};

impl Generation {
    /// How it is cut: the delimiter is the one of its header.
    pub(super) fn framing(&self, framing: Framing) -> Framing {
        match (framing, &self.header) {
            (Framing::Csv(_), Some(Some(header))) => Framing::Csv(csv::delimiter(header)),
            (framing, _) => framing,
        }
    }

    /// The frames before the first header. Where that is the first of them it holds from now on, and is covered alone.
    pub(super) fn up_to_header(&mut self, columns: &Columns, bytes: &[u8], framed: Framed) -> Framed {
        let before = self.header.clone().flatten();
        let text = |frame: &Frame| String::from_utf8_lossy(&bytes[frame.start as usize..frame.end as usize]);
        let is_header = |frame: &Frame| !frame.flags.clipped && columns.is_header(&text(frame), before.as_deref());
        let Some(at) = framed.frames.iter().position(is_header) else { return framed };
        let mut frames = framed.frames;
        let first = frames[0];
        frames.truncate(at);
        let to = match frames.last() {
            Some(last) => last.to,
            None => {
                self.header = Some(Some(text(&first).into()));
                first.to
            }
        };
        Framed { frames, covered: (to - self.offset) as usize, open: Open::Nothing }
    }

    /// Finds the header that holds at `offset`, among the records before it.
    pub(super) fn look_for_header(&mut self, reading: Reading<'_>, columns: &Columns) -> Result<(), SourceError> {
        if self.header.is_some() {
            return Ok(());
        }
        self.header = Some(None);
        let until = std::mem::replace(&mut self.offset, 0);
        let found = self.read_headers(reading, columns, until);
        self.offset = until;
        if found.is_err() {
            self.header = None;
        }
        found
    }

    fn read_headers(&mut self, reading: Reading<'_>, columns: &Columns, until: u64) -> Result<(), SourceError> {
        let mut bytes = vec![0; 2 * BATCH_BYTES];
        let mut passing: Option<Skip> = None;
        // ends: every turn moves `offset` on
        while self.offset < until {
            let most = bytes.len().min(usize::try_from(until - self.offset).unwrap_or(usize::MAX));
            let count = self.read_at(self.offset, &mut bytes[..most])?;
            let read = &bytes[..count];
            let passed = match &mut passing {
                Some(skip) => {
                    let end = skip.feed(read);
                    if end.is_some() {
                        passing = None;
                    }
                    end.unwrap_or(count)
                }
                None => {
                    let framed = frame::frames(self.framing(reading.framing), read, self.offset, false);
                    let framed = self.up_to_header(columns, read, framed);
                    if let (0, Open::Long(skip)) = (framed.covered, framed.open) {
                        passing = Some(skip);
                        count
                    } else {
                        framed.covered
                    }
                }
            };
            if passed == 0 {
                // it is shorter than it was: the witness will say so
                break;
            }
            self.offset += passed as u64;
        }
        Ok(())
    }
}
