//! Paths with wildcards: which files a trail's patterns name right now.
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The most directory entries that one pattern looks at: a folder of spam must not hold up the trail.
const ENTRIES: usize = 1 << 16;

/// What a pattern names.
#[derive(Debug, Default)]
pub struct Matches {
    /// The paths, sorted. A path without wildcards is always here, whether it exists or not.
    pub paths: Vec<PathBuf>,
    /// Directories that could not be listed.
    pub unlisted: Vec<(PathBuf, io::Error)>,
    /// The directories that were searched: a new file would appear in one of them.
    pub directories: Vec<PathBuf>,
}

/// Whether `pattern` has a wildcard (`*`, `?`, `[`).
pub fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// Expands `pattern`; wildcards may stand in any component and do not match a leading dot.
pub fn expand(pattern: &str) -> Matches {
    let mut found = Matches::default();
    let whole = PathBuf::from(pattern);
    // A file whose name happens to hold a bracket is meant as it is written.
    if !is_pattern(pattern) || whole.symlink_metadata().is_ok() {
        found.directories.extend(directory_of(&whole));
        found.paths.push(whole);
        return found;
    }
    let mut heads = vec![PathBuf::new()];
    let mut globbed = false;
    for component in whole.components() {
        match component {
            Component::Normal(name) if is_pattern(&name.to_string_lossy()) => {
                globbed = true;
                heads = heads.iter().flat_map(|head| list(head, name, &mut found)).collect();
            }
            other => {
                heads.iter_mut().for_each(|head| head.push(other));
                if globbed {
                    heads.retain(|head| head.symlink_metadata().is_ok());
                }
            }
        }
    }
    heads.sort();
    found.paths = heads;
    found
}

/// The directory that holds `path`.
pub fn directory_of(path: &Path) -> Option<PathBuf> {
    path.parent().map(|dir| match dir.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => dir.to_path_buf(),
    })
}

fn list(head: &Path, name: &OsStr, found: &mut Matches) -> Vec<PathBuf> {
    let dir = match head.as_os_str().is_empty() {
        true => Path::new("."),
        false => head,
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let gone = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
            if !gone.contains(&error.kind()) {
                found.unlisted.push((dir.to_path_buf(), error));
            }
            return Vec::new();
        }
    };
    found.directories.push(dir.to_path_buf());
    entries
        .take(ENTRIES)
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|entry: &OsString| matches(name.as_bytes(), entry.as_bytes()))
        .map(|entry| head.join(entry))
        .collect()
}

/// Whether `name` fits `pattern`, byte by byte. A star that fails later is tried one byte further on, so the time is at
/// most the product of the lengths.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    // Ends: every turn moves `n` on, or consumes pattern, or moves the retry point on by one byte of `name`.
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, n + 1));
            p += 1;
            continue;
        }
        match one(&pattern[p..], name[n]) {
            Some(used) => {
                p += used;
                n += 1;
            }
            None => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (p, n) = (after, from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// How much of `pattern` fits `byte`, if its beginning does.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let negated = matches!(class.first(), Some(b'!' | b'^'));
            let body = &class[usize::from(negated)..];
            // A `]` that stands first is meant as itself.
            let Some(end) = body.iter().skip(1).position(|&b| b == b']') else {
                return (byte == b'[').then_some(1);
            };
            let fits = in_class(&body[..=end], byte) != negated;
            fits.then_some(1 + usize::from(negated) + end + 2)
        }
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

fn in_class(mut class: &[u8], byte: u8) -> bool {
    loop {
        class = match class {
            [] => return false,
            [low, b'-', high, rest @ ..] => {
                if (*low..=*high).contains(&byte) {
                    return true;
                }
                rest
            }
            [single, rest @ ..] => {
                if *single == byte {
                    return true;
                }
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_fit_what_a_shell_would_say() {
        for (pattern, name, fits) in [
            ("*.log", "a.log", true),
            ("*.log", ".log", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[0-9][0-9].log", "07.log", true),
            ("[!0-9]*", "7a", false),
            ("[]x]", "]", true),
            ("[a", "[a", true),
            ("*", "", true),
            ("", "a", false),
            ("x[ab]y", "xby", true),
        ] {
            let said = matches(pattern.as_bytes(), name.as_bytes());
            assert_eq!(said, fits, "{pattern} against {name}");
        }
    }

    #[test]
    fn wildcards_stand_in_any_component() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/x/1.log", "b/x/2.log", "b/y/3.log", "b/x/4.txt"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let pattern = format!("{}/*/x/*.log", dir.path().display());
        let names: Vec<_> =
            expand(&pattern).paths.iter().map(|p| p.strip_prefix(dir.path()).unwrap().display().to_string()).collect();
        assert_eq!(names, ["a/x/1.log", "b/x/2.log"]);
    }

    #[test]
    fn a_name_that_holds_a_bracket_is_found_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a[1].log");
        std::fs::write(&path, "").unwrap();
        assert_eq!(expand(path.to_str().unwrap()).paths, [path]);
    }
}
