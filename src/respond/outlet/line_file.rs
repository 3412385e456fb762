//! `[ocsf.NAME]` and `[checkpoints.NAME]`: a file to which the daemon appends one line for each message, for a shipper to follow.
//!
//! What is delivered is on disk: the file is synced before the outbox moves on. It may be rotated by renaming or by copying
//! and cutting it: it is opened anew when the path shows another file, and always written at its end. A line that was cut
//! short, by a crash or a full disk, is taken away before the next one is written, so that every line is whole.
use crate::model::json_shown;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How far back the begin of a line that was cut short is looked for, in bytes: further than any line is long.
const LINE_BYTES: u64 = 1 << 20;

/// One file.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    open: Option<File>,
}

impl LineFile {
    /// The file at `path`. Nothing is opened yet.
    pub fn new(path: &Path) -> LineFile {
        LineFile { path: path.to_owned(), open: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `lines`, none of which holds a newline, and waits until they are on disk. Blocks.
    ///
    /// # Errors
    /// The file cannot be opened or written; with its path. Nothing of `lines` is in it then, or all of them may be.
    pub fn append(&mut self, lines: &[String]) -> std::io::Result<()> {
        let appended = self.try_append(lines);
        if appended.is_err() {
            self.open = None;
        }
        appended.map_err(|e| std::io::Error::new(e.kind(), format!("cannot write {}: {e}", self.path.display())))
    }

    fn try_append(&mut self, lines: &[String]) -> std::io::Result<()> {
        let file = self.file()?;
        let before = file.metadata()?.len();
        let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            bytes.extend_from_slice(json_shown(line).as_bytes());
            bytes.push(b'\n');
        }
        if let Err(e) = file.write_all(&bytes) {
            // As it was: what is left of a line would be read as one. If this fails too, the next opening does it.
            let _ = file.set_len(before);
            return Err(e);
        }
        file.sync_data()?;
        Ok(())
    }

    /// The file that is at the path now.
    fn file(&mut self) -> std::io::Result<&mut File> {
        let there = std::fs::metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        let same = match &self.open {
            Some(file) => file.metadata().is_ok_and(|m| Some((m.dev(), m.ino())) == there),
            None => false,
        };
        if !same {
            self.open = Some(open(&self.path)?);
        }
        self.open.as_mut().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let length = file.metadata()?.len();
    let from = length.saturating_sub(LINE_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&mut file).take(LINE_BYTES).read_to_end(&mut tail)?;
    if tail.last().is_some_and(|last| *last != b'\n') {
        let whole = memchr::memrchr(b'\n', &tail).map_or(0, |at| at + 1);
        if tail[whole] != b'{' {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "its last line is none of ours"));
        }
        file.set_len(from + whole as u64)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_line_that_was_cut_short_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ocsf.jsonl");
        for (was, is) in [("", "{}\n"), ("{\"a\":1}\n{\"b", "{\"a\":1}\n{}\n"), ("{\"a", "{}\n"), ("{}\n", "{}\n{}\n")]
        {
            std::fs::write(&path, was).unwrap();
            LineFile::new(&path).append(&lines(&["{}"])).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), is, "{was:?}");
        }
    }

    #[test]
    fn it_is_rotated_in_both_ways() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ocsf.jsonl");
        let mut file = LineFile::new(&path);
        file.append(&lines(&["1", "2"])).unwrap();
        std::fs::rename(&path, dir.path().join("ocsf.jsonl.1")).unwrap();
        file.append(&lines(&["3"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3\n");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        // cut to nothing after it was copied
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        file.append(&lines(&["4"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4\n");
    }

    #[test]
    fn what_cannot_be_written_says_where() {
        let mut file = LineFile::new(Path::new("/nowhere/ocsf.jsonl"));
        assert!(file.append(&lines(&["1"])).unwrap_err().to_string().contains("/nowhere/ocsf.jsonl"));
        let dir = tempfile::tempdir().unwrap();
        assert!(LineFile::new(dir.path()).append(&lines(&["1"])).is_err());
        let other = dir.path().join("notes");
        std::fs::write(&other, "first\nsecond").unwrap();
        assert!(LineFile::new(&other).append(&lines(&["1"])).is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "first\nsecond");
    }
}
