//! Finds a trail's files: those its patterns name, and those that a rotation renamed.
use super::compressed::Compression;
use super::cursor::Cursor;
use super::open::{Stat, stat};
use super::paths::{directory_of, expand};
use super::{MAX_FILES, SourceError};
use crate::model::FileId;
use rustix::fs::FileType;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// The most entries of a directory that are looked through for a renamed file.
const ENTRIES: usize = 1 << 16;

/// A name, and what it leads to.
#[derive(Debug)]
pub struct Named {
    /// The name.
    pub path: PathBuf,
    /// What is there.
    pub found: io::Result<Stat>,
}

/// The most earlier generations that are looked through, the latest: two months of daily rotation.
const GENERATIONS: usize = 64;

/// What the patterns name now.
#[derive(Debug, Default)]
pub struct Look {
    /// Each path once, those of existing files by time of last writing, then by name.
    pub named: Vec<Named>,
    /// Where a new file would appear.
    pub directories: BTreeSet<PathBuf>,
    /// What could not be looked at.
    pub problems: Vec<SourceError>,
}

/// Looks at everything that `patterns` name.
pub fn look(patterns: &[String]) -> Look {
    let mut look = Look::default();
    let mut paths = BTreeSet::new();
    for pattern in patterns {
        let found = expand(pattern);
        look.directories.extend(found.directories);
        let unlisted = found.unlisted.into_iter();
        look.problems.extend(unlisted.map(|(path, error)| SourceError::List { path, error }));
        paths.extend(found.paths);
    }
    for path in paths {
        let found = stat(&path);
        look.named.push(Named { path, found });
    }
    // Stable: equal times leave the order of names.
    look.named.sort_by_key(|named| match &named.found {
        Ok(stat) => stat.modified_ns,
        Err(_) => i64::MIN,
    });
    if look.named.len() > MAX_FILES {
        let found = look.named.len();
        look.named.drain(..found - MAX_FILES);
        look.problems.push(SourceError::TooMany { found });
    }
    look
}

/// What is known of names in one reconcile, for looking things up.
#[derive(Debug)]
pub struct Names<'a> {
    /// Which file a name leads to.
    pub by_path: BTreeMap<&'a Path, FileId>,
    /// A name that leads to a file.
    pub by_id: BTreeMap<FileId, &'a Path>,
}

impl<'a> Names<'a> {
    /// Of `named`.
    pub fn of(named: &'a [Named]) -> Names<'a> {
        let there = || named.iter().filter_map(|n| Some((n.path.as_path(), n.found.as_ref().ok()?.id)));
        Names { by_path: there().collect(), by_id: there().map(|(path, id)| (id, path)).collect() }
    }
}

/// Whether `named` leads to the file of `cursor`. Device numbers may change when the machine starts again, and its own id when it is
/// set up anew around its disks: under the same name, inode and birth time are enough, and the witness has the last word.
pub fn is_file_of(cursor: &Cursor, named: &Named) -> bool {
    let Ok(stat) = &named.found else { return false };
    let moved = FileId { host: stat.id.host, device: stat.id.device, ..cursor.file };
    stat.id == cursor.file || (named.path == cursor.path && stat.id.born_ns != 0 && stat.id == moved)
}

/// Where the file `id` lies now, in the directory of `path`, where it was known.
pub fn renamed(path: &Path, id: FileId) -> Option<(PathBuf, Stat)> {
    let name = path.file_name()?;
    siblings(path)?
        // Overlay file systems list other inode numbers than they report, so names that look right are looked at too.
        .filter(|(entry, inode)| *inode == id.inode || begins_with(entry, name))
        .filter_map(|(entry, _)| {
            let path = path.with_file_name(entry);
            let stat = stat(&path).ok()?;
            (stat.id == id).then_some((path, stat))
        })
        .next()
}

/// Generations of `path` that came and were renamed while nobody looked: files beside it whose names are its name with a
/// number or a date, born after `after` and before `before`, oldest first. Needs birth times.
pub fn between(path: &Path, after: FileId, before: FileId) -> Vec<(PathBuf, Stat)> {
    let (Some(name), Some(entries)) = (path.file_name(), siblings(path)) else {
        return Vec::new();
    };
    if after.born_ns == 0 {
        return Vec::new();
    }
    let mut found: Vec<_> = entries
        .filter(|(entry, _)| is_rotated_name(entry, name))
        .map(|(entry, _)| path.with_file_name(entry))
        .filter(|path| Compression::of(path).is_none())
        .filter_map(|path| {
            let stat = stat(&path).ok()?;
            let born = stat.id.born_ns;
            let fits = stat.kind == FileType::RegularFile
                && stat.id.device == before.device
                && (after.born_ns..=before.born_ns).contains(&born)
                && ![after, before].contains(&stat.id);
            fits.then_some((path, stat))
        })
        .collect();
    found.sort_by_key(|(_, stat)| (stat.id.born_ns, stat.modified_ns));
    found.truncate(MAX_FILES);
    found
}

/// Compressed generations of `path`: files beside it whose names are its name, with a number or a date, and the ending of a
/// compression; by time of last writing, which compression keeps, the latest first.
pub fn compressed(path: &Path) -> Vec<(PathBuf, Stat)> {
    generations(path, |entry, name| stem(entry).is_some_and(|stem| stem == name || is_rotated_name(stem, name)))
}

/// Earlier generations of `path`, plain and compressed, by time of last writing, the latest first.
pub fn rotated(path: &Path) -> Vec<(PathBuf, Stat)> {
    generations(path, |entry, name| {
        let stem = stem(entry);
        is_rotated_name(stem.unwrap_or(entry), name) || stem == Some(name)
    })
}

/// The name without the ending of a compression.
fn stem(entry: &OsStr) -> Option<&OsStr> {
    Compression::stripped(entry.as_bytes()).map(|(stem, _)| OsStr::from_bytes(stem))
}

fn generations(path: &Path, is_ours: impl Fn(&OsStr, &OsStr) -> bool) -> Vec<(PathBuf, Stat)> {
    let (Some(name), Some(entries)) = (path.file_name(), siblings(path)) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter(|(entry, _)| is_ours(entry, name))
        .map(|(entry, _)| path.with_file_name(entry))
        .filter_map(|path| Some((stat(&path).ok()?, path)))
        .filter(|(stat, _)| stat.kind == FileType::RegularFile)
        .map(|(stat, path)| (path, stat))
        .collect();
    found.sort_by_key(|(_, stat)| std::cmp::Reverse(stat.modified_ns));
    found.truncate(GENERATIONS);
    found
}

/// The name that `path` had before a rotation renamed it, if one did: `log` of `log.1`.
pub fn unrotated(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes();
    let before = |length: &usize| {
        let begin = OsStr::from_bytes(&name[..*length]);
        b".-_".contains(&name[*length]) && is_rotated_name(OsStr::from_bytes(name), begin)
    };
    let length = (1..name.len()).find(before)?;
    Some(path.with_file_name(OsStr::from_bytes(&name[..length])))
}

fn siblings(path: &Path) -> Option<impl Iterator<Item = (std::ffi::OsString, u64)>> {
    let entries = std::fs::read_dir(directory_of(path)?).ok()?;
    Some(entries.take(ENTRIES).filter_map(|entry| entry.ok()).map(|entry| (entry.file_name(), entry.ino())))
}

fn begins_with(entry: &OsStr, name: &OsStr) -> bool {
    entry.as_bytes().starts_with(name.as_bytes())
}

/// Whether `entry` is how a rotation renames `name`: with a number or a date behind it, or `.old`. Anything else that
/// begins alike (`access.log` and `access.log.ssl`) may be another trail.
fn is_rotated_name(entry: &OsStr, name: &OsStr) -> bool {
    let Some(rest) = entry.as_bytes().strip_prefix(name.as_bytes()) else {
        return false;
    };
    let dated = |b: &u8| b.is_ascii_digit() || b".-_:TZ".contains(b);
    rest == b".old" || (rest.iter().any(u8::is_ascii_digit) && rest.iter().all(dated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_name_is_told_from_another_trail() {
        for (entry, rotated) in [
            ("log.1", true),
            ("log-20261123", true),
            ("log.2026-11-23T01:00:00Z", true),
            ("log.old", true),
            ("log", false),
            ("log.ssl", false),
            ("log.ssl.1", false),
            ("login.1", false),
            ("log-", false),
        ] {
            let said = is_rotated_name(entry.as_ref(), "log".as_ref());
            assert_eq!(said, rotated, "{entry}");
            let before = unrotated(Path::new(entry));
            assert_eq!(before.as_deref() == Some(Path::new("log")), rotated, "{entry}: {before:?}");
        }
    }
}
