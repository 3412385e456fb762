//! One generation of a trail's file: reads on from where it stands, and notices when the bytes behind it are no longer those it read.
mod header;

use super::SourceError;
use super::cursor::Cursor;
use super::open::{OpenFile, Stat};
use crate::framing::csv::HeaderNames;
use crate::framing::{DOCUMENT_BYTES, Framed, Framing, Open, Skip, frames};
use crate::model::limits::{BATCH_BYTES, FRAME_BYTES, SURE_WITNESS_BYTES, WITNESS_BYTES};
use crate::model::{Batch, Digest, Discontinuity, FileId, Frame, FrameFlags, SourceName, Stretch, WallTime};
use std::path::Path;
use std::sync::Arc;

/// How much one call passes over, of an overlong frame or of what lies before the header that is looked for, in bytes: about a second
/// at most.
const SKIP_BYTES: u64 = if cfg!(test) { 4 << 20 } else { 256 << 20 };

/// What every read of a source needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Whose bytes they are.
    pub source: &'a SourceName,
    /// How they are cut.
    pub framing: Framing,
    /// By which its headers are known, where it has any.
    pub names: Option<&'a HeaderNames>,
    /// What the lists of records are called in its JSON documents.
    pub lists: &'a [String],
    /// The clock.
    pub now: WallTime,
}

/// One generation of a file.
#[derive(Debug)]
pub struct Generation {
    /// The name under which it was taken up.
    pub path: Arc<Path>,
    /// Which file it is, as its cursor says.
    pub id: FileId,
    /// Which file it is, as the file system says today: device numbers may change with a restart of the machine.
    pub disk: FileId,
    /// Its descriptor; none while it is idle and descriptors are scarce.
    pub open: Option<OpenFile>,
    /// Bytes before this offset were handed on.
    pub offset: u64,
    /// Its size when last looked at, in bytes as stored.
    pub size: u64,
    /// How it began when last looked at, while nothing of it has been read.
    head: Vec<u8>,
    /// When it was last written, of what it was when its bytes were last found to be those that were there, in nanoseconds
    /// since 1970.
    pub written_ns: i64,
    /// When it was last seen to have grown.
    pub grown: Option<WallTime>,
    /// Nothing will ever be appended: an unfinished frame at its end is handed out.
    pub last: bool,
    /// What the next batch has to declare.
    pub declares: Option<Discontinuity>,
    /// Where it had been read to when it was found cut short, and the witness there: a copy may hold what came behind.
    /// Nothing is read while this is here.
    pub left: Option<Left>,
    /// The bytes before `offset` that its witness is made of.
    tail: Vec<u8>,
    /// What is known of its headers, where it has any.
    headers: header::Headers,
    /// An unfinished frame at `offset` that is too long to keep.
    long: Option<Long>,
    /// Size and time of modification at which everything that can be handed on was.
    caught_up: Option<(u64, i64)>,
}

/// A place in content that is no longer where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Bytes before this offset were handed on.
    pub offset: u64,
    /// SHA-256 of the bytes before it, as many as a witness covers.
    pub witness: Digest,
}

impl Left {
    /// Whether its witness tells the file from all others.
    pub fn is_sure(&self) -> bool {
        self.offset >= SURE_WITNESS_BYTES as u64
    }
}

/// How far an overlong frame was passed over.
#[derive(Debug)]
struct Long {
    skip: Skip,
    head: Vec<u8>,
    at: u64,
    tail: Vec<u8>,
}

impl Generation {
    /// A file never seen, from its beginning.
    pub fn new(path: &Path, open: OpenFile, stat: Stat) -> Generation {
        Generation {
            path: path.into(),
            id: stat.id,
            disk: stat.id,
            open: Some(open),
            offset: 0,
            size: stat.size,
            head: Vec::new(),
            written_ns: i64::MIN,
            grown: None,
            last: false,
            declares: None,
            left: None,
            tail: Vec::new(),
            headers: header::Headers::default(),
            long: None,
            caught_up: None,
        }
    }

    /// A file never seen, from its end, which is declared. Reading starts behind the last
    /// newline, so that a line being written at this moment is not cut in its middle.
    pub fn at_end(path: &Path, open: OpenFile, stat: Stat) -> Result<Generation, SourceError> {
        let mut this = Generation::new(path, open, stat);
        let back = stat.size.min(FRAME_BYTES as u64);
        let mut end = vec![0; back as usize];
        let count = this.read_at(stat.size - back, &mut end)?;
        let unfinished = match memchr::memrchr(b'\n', &end[..count]) {
            Some(newline) => count - newline - 1,
            None if back < FRAME_BYTES as u64 => count,
            None => 0,
        };
        this.offset = stat.size - unfinished as u64;
        this.tail = this.before(this.offset)?;
        this.declares = Some(Discontinuity::StartedAtEnd);
        this.written_ns = stat.modified_ns;
        this.caught_up = Some((stat.size, stat.modified_ns));
        Ok(this)
    }

    /// The file of `cursor`, from there; from its beginning where the bytes before the cursor are not those it witnessed.
    pub fn resume(cursor: &Cursor, open: OpenFile, stat: Stat) -> Result<Generation, SourceError> {
        let mut this = Generation::new(&cursor.path, open, stat);
        this.id = cursor.file;
        this.offset = cursor.offset;
        this.tail = this.before(cursor.offset)?;
        let left = Left { offset: cursor.offset, witness: cursor.witness };
        if !this.holds(left)? {
            this.start_again(left);
        }
        Ok(this)
    }

    /// A file never seen that is a copy of `of`, which had been read to `left`, from there; nothing where it is no copy.
    pub fn of_copy(
        path: &Path,
        of: FileId,
        left: Left,
        open: OpenFile,
        stat: Stat,
    ) -> Result<Option<Generation>, SourceError> {
        let mut this = Generation::new(path, open, stat);
        if !this.holds(left)? {
            return Ok(None);
        }
        this.offset = left.offset;
        this.tail = this.before(left.offset)?;
        this.declares = Some(Discontinuity::Copy { of });
        // it was complete when the original was cut short
        this.last = true;
        Ok(Some(this))
    }

    /// Whether the bytes before `left` are those that were there.
    pub fn holds(&mut self, left: Left) -> Result<bool, SourceError> {
        let before = self.before(left.offset)?;
        let whole = before.len() as u64 == left.offset.min(WITNESS_BYTES as u64);
        Ok(whole && Digest::of(&before) == left.witness)
    }

    /// Whether its first `size` bytes seem to be those of `other`: both ends of them are compared.
    pub fn begins_as(&mut self, other: &mut Generation, size: u64) -> Result<bool, SourceError> {
        for at in [size.min(WITNESS_BYTES as u64), size] {
            let these = self.before(at)?;
            if these.len() as u64 != at.min(WITNESS_BYTES as u64) || these != other.before(at)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How far it was read, or had been before it was found cut short.
    pub fn read_to(&self) -> Left {
        self.left.unwrap_or_else(|| Left { offset: self.offset, witness: Digest::of(&self.tail) })
    }

    /// The file of `cursor`, compressed since, from there: nothing where this is another one.
    pub fn resume_compressed(cursor: &Cursor, open: OpenFile, stat: Stat) -> Result<Option<Generation>, SourceError> {
        let mut this = Generation::resume(cursor, open, stat)?;
        // nobody appends to it
        this.finalise();
        Ok((this.offset > 0 && this.declares.is_none()).then_some(this))
    }

    /// Its cursor, as handed on so far.
    pub fn cursor(&self, source: &SourceName) -> Cursor {
        Cursor {
            source: source.clone(),
            path: self.path.to_path_buf(),
            file: self.id,
            offset: self.offset,
            witness: Digest::of(&self.tail),
        }
    }

    /// Whether all that was there when it was last read has been handed on, but for an unfinished frame.
    pub fn is_caught_up(&self) -> bool {
        let to_say = !matches!(self.declares, None | Some(Discontinuity::NextFile));
        self.caught_up.is_some() && !to_say
    }

    /// Whether it looks as it did when it was last read to its end.
    pub fn is_unchanged(&self, stat: &Stat) -> bool {
        self.caught_up == Some((stat.size, stat.modified_ns))
    }

    /// Says that nothing will be appended any more: what is unfinished at the end is handed out by the next reads. Once it
    /// is caught up after this, it is done.
    pub fn finalise(&mut self) {
        if !self.last {
            self.last = true;
            self.caught_up = None;
        }
    }

    /// Takes a descriptor again.
    pub fn reopen(&mut self, open: OpenFile) {
        self.open = Some(open);
        self.caught_up = None;
    }

    /// Gives up the descriptor; what was read of an unfinished frame is read again later.
    pub fn close(&mut self) {
        self.open = None;
        self.long = None;
    }

    /// The next batch, if there is anything to hand on. `scratch` is only there to be used again.
    pub fn read(&mut self, reading: Reading<'_>, scratch: &mut Vec<u8>) -> Result<Option<Batch>, SourceError> {
        let Some(stat) = self.open.as_ref().map(OpenFile::stat) else {
            let says = self.declares == Some(Discontinuity::StartedAtEnd);
            return Ok(says.then(|| self.declare(reading)));
        };
        let stat = stat.map_err(|e| self.failed(e))?;
        self.look(&stat)?;
        self.note(&stat, reading.now);
        if self.left.is_some() {
            return Ok(None);
        }
        if !matches!(self.declares, None | Some(Discontinuity::NextFile)) {
            return Ok(Some(self.declare(reading)));
        }
        if self.is_unchanged(&stat) {
            return Ok(None);
        }
        match self.long {
            Some(_) => self.pass_over(reading, &stat, scratch),
            None => self.read_frames(reading, &stat, scratch),
        }
    }

    fn read_frames(
        &mut self,
        reading: Reading<'_>,
        stat: &Stat,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Batch>, SourceError> {
        if let Some(names) = reading.names
            && (stat.size > self.offset || self.is_compressed())
            && !self.look_for_header(reading, names)?
        {
            return Ok(None);
        }
        let framing = self.framing(reading);
        let mut want = BATCH_BYTES;
        // Ends: `want` doubles up to DOCUMENT_BYTES, where an unfinished frame is `Long`.
        loop {
            let witness = self.tail.len();
            let count = self.fill(want, stat, scratch)?;
            if count < witness || scratch[..witness] != self.tail {
                self.start_again(self.read_to());
                return Ok(None);
            }
            self.written_ns = stat.modified_ns;
            let bytes = &scratch[witness..count];
            let ended = bytes.len() < want;
            refuse_utf16(&self.path, self.offset, bytes)?;
            let framed = frames(framing, reading.lists, bytes, self.offset, self.last && ended);
            let Framed { frames, covered, open } = match reading.names {
                Some(names) => self.up_to_header(names, bytes, self.offset, framed),
                None => framed,
            };
            let all = open == Open::Held || (open == Open::Nothing && covered == bytes.len());
            if ended && all {
                self.caught_up = Some((stat.size, stat.modified_ns));
            }
            if covered > 0 {
                // What was read is handed on before it is said that no more can be.
                if self.is_damaged() {
                    self.caught_up = None;
                }
                return Ok(Some(self.batch(reading, &scratch[..count], frames, covered)));
            }
            match open {
                Open::Held if !ended && want < DOCUMENT_BYTES => want *= 2,
                Open::Long(skip) => {
                    self.long = Some(Long {
                        skip,
                        head: bytes[..FRAME_BYTES.min(bytes.len())].to_vec(),
                        at: self.offset + bytes.len() as u64,
                        tail: witness_of(&scratch[..count]).to_vec(),
                    });
                    return self.pass_over(reading, stat, scratch);
                }
                _ => return self.damage().map_or(Ok(None), Err),
            }
        }
    }

    /// Reads the witnessed bytes and up to `want` behind them into `scratch`: the witness is checked at every read, at no cost.
    fn fill(&mut self, want: usize, stat: &Stat, scratch: &mut Vec<u8>) -> Result<usize, SourceError> {
        let there = stat.size.saturating_sub(self.offset);
        let most = match self.is_compressed() {
            true => want,
            false => usize::try_from(there).unwrap_or(want).min(want),
        };
        let need = self.tail.len() + most;
        if scratch.len() < need {
            scratch.resize(need, 0);
        }
        self.read_at(self.offset - self.tail.len() as u64, &mut scratch[..need])
    }

    /// Goes on through an overlong frame; at its end it becomes one clipped frame (or, if it was NULs, none).
    fn pass_over(
        &mut self,
        reading: Reading<'_>,
        stat: &Stat,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Batch>, SourceError> {
        let Some(mut long) = self.long.take() else {
            return Ok(None);
        };
        let until = long.at.saturating_add(SKIP_BYTES);
        while long.at < until {
            let witness = long.tail.len();
            scratch.resize(scratch.len().max(witness + BATCH_BYTES), 0);
            let span = &mut scratch[..witness + BATCH_BYTES];
            let count = self.read_at(long.at - witness as u64, span)?;
            if count < witness || scratch[..witness] != long.tail {
                // What was passed over has changed; whether what lies before `offset` has, the next read tells.
                self.caught_up = None;
                return Ok(None);
            }
            let bytes = &scratch[witness..count];
            let end = long.skip.feed(bytes);
            let passed = end.unwrap_or(bytes.len());
            let ended = bytes.is_empty();
            long.at += passed as u64;
            long.tail = witness_of(&scratch[..witness + passed]).to_vec();
            if end.is_some() || (ended && self.last) {
                return Ok(Some(self.clipped(reading, long, end.is_none())));
            }
            if ended {
                self.caught_up = Some((stat.size, stat.modified_ns));
                break;
            }
        }
        self.long = Some(long);
        Ok(None)
    }

    /// The batch of an overlong frame that was passed over.
    fn clipped(&mut self, reading: Reading<'_>, long: Long, unterminated: bool) -> Batch {
        let mut data = std::mem::take(&mut self.tail);
        let start = data.len();
        let mut frames = Vec::new();
        if long.skip != Skip::Nuls {
            data.extend_from_slice(&long.head);
            frames.push(Frame {
                start: start as u32,
                end: data.len() as u32,
                from: self.offset,
                to: long.at,
                flags: FrameFlags { clipped: true, unterminated, after_loss: false },
            });
        }
        self.tail = long.tail;
        self.hand_on(reading, data.into(), frames, long.at)
    }

    /// The batch of `frames`, which cover `covered` bytes behind the witnessed ones in `read`.
    fn batch(&mut self, reading: Reading<'_>, read: &[u8], mut frames: Vec<Frame>, covered: usize) -> Batch {
        let witness = self.tail.len();
        for frame in &mut frames {
            frame.start += witness as u32;
            frame.end += witness as u32;
        }
        let kept = match frames.last() {
            Some(clipped) if clipped.flags.clipped => clipped.end as usize,
            _ => witness + covered,
        };
        self.tail = witness_of(&read[..witness + covered]).to_vec();
        let to = self.offset + covered as u64;
        self.hand_on(reading, read[..kept].into(), frames, to)
    }

    /// An empty batch that declares what there is to declare.
    fn declare(&mut self, reading: Reading<'_>) -> Batch {
        let data = self.tail.as_slice().into();
        self.hand_on(reading, data, Vec::new(), self.offset)
    }

    /// Makes the batch from `offset` to `to` and moves on.
    fn hand_on(&mut self, reading: Reading<'_>, data: Arc<[u8]>, frames: Vec<Frame>, to: u64) -> Batch {
        let from = std::mem::replace(&mut self.offset, to);
        Batch {
            source: reading.source.clone(),
            path: self.path.clone(),
            stretch: Stretch { file: self.id, from, to },
            discontinuity: self.declares.take(),
            observed: reading.now,
            data,
            frames,
            header: self.headers.held.clone(),
            witness: Digest::of(&self.tail),
            size: self.size.max(to),
        }
    }

    fn is_damaged(&self) -> bool {
        self.open.as_ref().is_some_and(|o| o.damage().is_some())
    }

    /// Why a compressed file's content ends before it does.
    fn damage(&self) -> Option<SourceError> {
        let damage = self.open.as_ref()?.damage()?;
        let error = std::io::Error::new(damage.kind(), damage.to_string());
        Some(self.failed(error))
    }

    /// Notices that it is shorter than what was read of it, or, where nothing was, that it is not what it had been.
    ///
    /// # Errors
    /// It can't be read.
    pub fn look(&mut self, stat: &Stat) -> Result<(), SourceError> {
        if self.is_compressed() || self.open.is_none() {
            return Ok(());
        }
        let mut cut = stat.size < self.offset;
        if self.offset == 0 {
            let head = self.before(stat.size.min(WITNESS_BYTES as u64))?;
            // room that its writer has made and not filled yet is nothing that was there
            let filled = self.head.iter().position(|b| *b == 0).unwrap_or(self.head.len());
            cut = !head.starts_with(&self.head[..filled]) || (filled > 0 && stat.size < self.size);
            self.head = head;
            if !cut {
                self.written_ns = stat.modified_ns;
            }
        }
        if cut {
            self.start_again(self.read_to());
            self.size = stat.size;
        }
        Ok(())
    }

    /// Goes back to the beginning, for the file is no longer the one that was read.
    fn start_again(&mut self, left: Left) {
        self.declares = Some(Discontinuity::Truncated);
        self.left = Some(left);
        self.head.clear();
        self.offset = 0;
        self.tail.clear();
        self.headers = header::Headers::default();
        self.long = None;
        self.caught_up = None;
    }

    fn note(&mut self, stat: &Stat, now: WallTime) {
        if stat.size > self.size || (self.grown.is_none() && stat.size > self.offset) {
            self.grown = Some(now);
        }
        self.size = stat.size;
    }

    /// Whether offsets are of decompressed content.
    pub fn is_compressed(&self) -> bool {
        self.open.as_ref().is_some_and(OpenFile::is_compressed)
    }

    /// The bytes before `offset` that a witness there covers; fewer where the file is shorter.
    fn before(&mut self, offset: u64) -> Result<Vec<u8>, SourceError> {
        let length = offset.min(WITNESS_BYTES as u64);
        let mut tail = vec![0; length as usize];
        let count = self.read_at(offset - length, &mut tail)?;
        tail.truncate(count);
        Ok(tail)
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, SourceError> {
        let read = match &mut self.open {
            Some(open) => open.read_at(offset, into),
            None => Ok(0),
        };
        read.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: std::io::Error) -> SourceError {
        SourceError::Read { path: self.path.to_path_buf(), offset: self.offset, error }
    }
}

/// The end of `read` that a witness covers.
fn witness_of(read: &[u8]) -> &[u8] {
    &read[read.len().saturating_sub(WITNESS_BYTES)..]
}

fn refuse_utf16(path: &Path, offset: u64, bytes: &[u8]) -> Result<(), SourceError> {
    if offset > 0 || !(bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")) {
        return Ok(());
    }
    Err(SourceError::Refused {
        path: path.to_path_buf(),
        reason: "it begins with the byte order mark of UTF-16; have it written in UTF-8".into(),
    })
}
