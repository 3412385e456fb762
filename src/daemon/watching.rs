//! Finds the event that a replay is asked to explain: by its id, or by a line of a trail's first file.
use crate::model::{EventId, SourceName};
use crate::pipeline::watch::{Told, Wanted};
use crate::pipeline::{Outcome, Prepared};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Which event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// That of this id.
    Id(EventId),
    /// That of a line of the first file of a trail that the replay reads, counted from one.
    Line(SourceName, u64),
}

/// What is asked, and what has come of it.
#[derive(Debug)]
pub struct Watching {
    what: What,
    /// What the event came to.
    pub told: Option<Told>,
    /// Why there is no event, as far as that is known.
    pub why_not: String,
    /// The line's last byte, in which batch's file; it is met when that is folded in.
    place: Option<Wanted>,
    asked: bool,
}

impl Watching {
    /// Nothing has come of it yet.
    pub fn new(what: What) -> Watching {
        let why_not = match &what {
            What::Id(id) => format!("no event {id} was read: the trails of this replay do not have it"),
            What::Line(trail, _) => format!("the replay reads no trail {trail}, or nothing of it is left to read"),
        };
        Watching { what, told: None, why_not, place: None, asked: false }
    }

    /// Has the outcome watch for it, once it is known where to look. To be called before the batches are folded in.
    ///
    /// # Errors
    /// The file in which the line stands can't be read.
    pub fn before(&mut self, outcome: &mut Outcome, batches: &[Prepared]) -> io::Result<()> {
        if let (What::Line(trail, line), None) = (&self.what, &self.place)
            && let Some(first) = batches.iter().find(|batch| batch.source() == trail)
        {
            let path = &first.batch.path;
            match last_byte(path, *line)? {
                Some(offset) => {
                    self.why_not =
                        format!("line {line} of {} is blank, or was read in an earlier replay", path.display());
                    let (source, file) = (trail.clone(), first.batch.stretch.file);
                    self.place = Some(Wanted::Place { source, file, offset });
                }
                None => {
                    self.why_not = format!("{} has fewer than {line} lines", path.display());
                    self.place = Some(Wanted::Id(EventId([0; 16])));
                }
            }
        }
        if let Some(Wanted::Place { source, file, offset }) = &self.place {
            let of_file = batches.iter().filter(|b| b.source() == source && b.batch.stretch.file == *file);
            for (frame, line) in of_file.flat_map(|batch| batch.batch.frames.iter().zip(&batch.lines)) {
                if frame.from <= *offset && *offset < frame.to {
                    self.why_not = match &line.events {
                        Err(reason) => format!("the line was rejected: {reason}"),
                        Ok(_) => "the line holds no event that its profile maps".to_owned(),
                    };
                }
            }
        }
        let wanted = match &self.what {
            What::Id(id) => Some(Wanted::Id(*id)),
            What::Line(..) => self.place.clone(),
        };
        if let (Some(wanted), false) = (wanted, self.asked) {
            self.asked = true;
            outcome.watch(wanted);
        }
        Ok(())
    }

    /// Takes up what came of it.
    pub fn after(&mut self, outcome: &Outcome) {
        if self.told.is_none() {
            self.told = outcome.told().cloned();
        }
    }
}

/// The offset of the last byte of a line, in the decompressed content; nothing where there are not so many lines.
fn last_byte(path: &Path, line: u64) -> io::Result<Option<u64>> {
    let file = File::open(path)?;
    let mut from = BufReader::new(crate::source::compressed::plain(path, file));
    let (mut at, mut lines, mut unfinished) = (0u64, 0, false);
    // ends with the line, or with the file
    loop {
        let part = from.fill_buf()?;
        let Some(last) = part.len().checked_sub(1) else {
            // the last line may lack its newline
            return Ok((lines + 1 == line && unfinished).then(|| at - 1));
        };
        let end = part.iter().position(|b| *b == b'\n');
        let used = end.unwrap_or(last) + 1;
        from.consume(used);
        at += used as u64;
        lines += u64::from(end.is_some());
        unfinished = end.is_none();
        if end.is_some() && lines == line {
            return Ok(Some(at - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_is_found_by_its_number_in_plain_and_compressed_files() {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let text = b"one\n\nthree\nrest";
        let plain = dir.path().join("a.log");
        std::fs::write(&plain, text).expect("it can be written");
        let packed = dir.path().join("a.log.gz");
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(text).expect("memory can be written");
        std::fs::write(&packed, to.finish().expect("memory can be written")).expect("it can be written");
        for path in [plain, packed] {
            let found: Vec<Option<u64>> = (1..=5).map(|n| last_byte(&path, n).expect("it can be read")).collect();
            assert_eq!(found, [Some(3), Some(4), Some(10), Some(14), None], "{}", path.display());
            assert_eq!(last_byte(&path, 0).expect("it can be read"), None);
        }
        let ended = dir.path().join("b.log");
        std::fs::write(&ended, "one\n").expect("it can be written");
        let found: Vec<Option<u64>> = (1..=2).map(|n| last_byte(&ended, n).expect("it can be read")).collect();
        assert_eq!(found, [Some(3), None], "a newline ends a line and begins none");
    }
}
