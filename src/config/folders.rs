//! Folders of policies and profiles: which files there are, in subfolders too, and what lies there and is not read.
use super::FILE_BYTES;
use crate::policy::{FILES, SetAside};
use crate::rules::ConfigError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How deep subfolders are looked into.
const DEPTH: usize = 16;

/// The files of a folder and its subfolders with that ending, by name: what names them, and where they are. One that almost
/// has the ending is an error: it would be left out in silence.
pub(super) fn files(folder: &Path, ending: &str) -> std::io::Result<Vec<(String, PathBuf)>> {
    let fits = |path: &Path| match path.extension().and_then(|e| e.to_str()) {
        Some(e) if e == ending => Ok(true),
        Some(e) if e == "yaml" || e.eq_ignore_ascii_case(ending) => {
            let what = format!("{} is not read: let its name end in .{ending}", path.display());
            Err(std::io::Error::other(what))
        }
        _ => Ok(false),
    };
    let mut found = Vec::new();
    let aside = &mut |path: &Path, why: std::io::Error| match path == folder {
        true => Err(why),
        false => Err(std::io::Error::new(why.kind(), format!("{}: {why}", path.display()))),
    };
    walk(folder, String::new(), &[], &fits, &mut found, aside)?;
    Ok(found)
}

/// Rules of others.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The files: names and texts.
    pub files: Vec<(String, String)>,
    /// What is set aside, for it can't be read.
    pub unread: Vec<Unread>,
}

/// A file or folder that can't be read.
#[derive(Debug)]
pub(super) struct Unread {
    path: PathBuf,
    /// In the same words where the reason is the same.
    why: String,
}

impl Rules {
    /// The reasons for which something is set aside, each with the first file or folder.
    pub fn set_aside(unread: Vec<Unread>) -> Vec<SetAside> {
        let mut reasons: BTreeMap<String, SetAside> = BTreeMap::new();
        for Unread { path, why } in unread {
            let first = format!("{}: {why}", path.display());
            reasons.entry(why).or_insert_with(|| SetAside { rules: 0, first }).rules += 1;
        }
        reasons.into_values().collect()
    }
}

/// The rules under a path, which is a folder or a single file. What can't be read in it is set aside: others write it.
pub(super) fn rules(path: &Path) -> Result<Rules, ConfigError> {
    let fault = |why: &dyn std::fmt::Display| ConfigError::one(format!("[[rules]] path {}: {why}", path.display()));
    let meta = std::fs::metadata(path).map_err(|e| fault(&e))?;
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    match meta.is_dir() {
        false => found.push((String::new(), path.to_owned())),
        true => {
            let is_rule = |path: &Path| Ok(path.extension().is_some_and(|e| e == "yml" || e == "yaml"));
            let aside = &mut |path: &Path, why: std::io::Error| {
                unread.push(Unread { path: path.to_owned(), why: why.to_string() });
                Ok(())
            };
            walk(path, String::new(), &[], &is_rule, &mut found, aside).map_err(|e| fault(&e))?;
        }
    }
    if found.is_empty() && unread.is_empty() {
        return Err(fault(&"there is no rule in it (*.yml, *.yaml, in subfolders too)"));
    }
    if found.len() > FILES {
        return Err(fault(&format!("it holds {} files, and at most {FILES} are read", found.len())));
    }
    let mut rules = Rules { unread, ..Rules::default() };
    for (_, path) in found {
        match rule(&path) {
            Ok(text) => rules.files.push((path.display().to_string(), text)),
            Err(why) => rules.unread.push(Unread { path, why }),
        }
    }
    Ok(rules)
}

fn rule(path: &Path) -> Result<String, String> {
    let unread = |e: std::io::Error| format!("it can't be read: {e}");
    // a pipe would never end
    let meta = std::fs::metadata(path).map_err(unread)?;
    if !meta.is_file() {
        return Err("it is no file".to_owned());
    }
    if meta.len() > FILE_BYTES {
        return Err(format!("it is longer than {FILE_BYTES} bytes"));
    }
    String::from_utf8(std::fs::read(path).map_err(unread)?).map_err(|_| "it is no UTF-8".to_owned())
}

/// Files right in the folder that holds `detections` and `profiles`, which look as if they were meant to be read.
pub(super) fn beside(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let meant = |path: &PathBuf| {
        path.is_file() && path.extension().is_some_and(|e| ["yml", "yaml", "toml"].iter().any(|known| e == *known))
    };
    let mut found: Vec<PathBuf> = entries.filter(meant).collect();
    found.sort();
    found
}

/// Says that a folder can't be read; an error ends the walk.
type Aside<'a> = &'a mut dyn FnMut(&Path, std::io::Error) -> std::io::Result<()>;

/// Takes up the files of `folder` that fit, those of a folder before those of its subfolders; `above` are the folders that it lies in.
/// What begins with a dot is nobody's policy.
fn walk(
    folder: &Path,
    prefix: String,
    above: &[PathBuf],
    fits: &dyn Fn(&Path) -> std::io::Result<bool>,
    found: &mut Vec<(String, PathBuf)>,
    aside: Aside<'_>,
) -> std::io::Result<()> {
    let own = match entered(folder, above) {
        Ok(own) => own,
        Err(why) => return aside(folder, why),
    };
    let listed = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = match listed {
        Ok(entries) => entries,
        Err(why) => return aside(folder, why),
    };
    entries.sort();
    let mut folders = Vec::new();
    for path in entries {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folders.push((format!("{prefix}{name}/"), path));
        } else if fits(&path)? {
            found.push((format!("{prefix}{name}"), path));
        }
    }
    let above: Vec<PathBuf> = above.iter().cloned().chain([own]).collect();
    // ends: of a way through folders each is another one, and there are no more than DEPTH
    folders.into_iter().try_for_each(|(prefix, path)| walk(&path, prefix, &above, fits, found, aside))
}

/// Where a folder really is, which is none of those above it.
fn entered(folder: &Path, above: &[PathBuf]) -> std::io::Result<PathBuf> {
    let own = std::fs::canonicalize(folder)?;
    match above.contains(&own) {
        true => Err(std::io::Error::other("it is a link back to a folder that it lies in")),
        false if above.len() > DEPTH => Err(std::io::Error::other("it lies too deep")),
        false => Ok(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subfolders_are_read_and_what_is_nearly_a_policy_is_an_error() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "title: t\n").expect("written");
        };
        ["b.yml", "a/z.yml", "a/deep/y.yml", ".git/x.yml", "notes.txt"].iter().for_each(|name| put(name));
        let names = |ending: &str| {
            files(dir.path(), ending).map(|found| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        assert_eq!(names("yml").expect("read"), ["b.yml", "a/z.yml", "a/deep/y.yml"]);
        assert_eq!(rules(dir.path()).expect("read").files.len(), 3);
        assert_eq!(beside(dir.path()).len(), 1);
        put("a/w.yaml");
        assert!(names("yml").expect_err("nearly").to_string().contains("w.yaml is not read"));
        assert_eq!(rules(dir.path()).expect("read").files.len(), 4);
        assert!(rules(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn a_link_that_leads_back_ends() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).expect("linked");
        let said = files(dir.path(), "yml").expect_err("endless").to_string();
        assert!(said.contains("again: ") && said.contains("a link back"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_of_others_is_set_aside_and_the_rest_is_read() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("good.yml"), "title: t\n").expect("written");
        for name in ["latin.yml", "more.yml"] {
            std::fs::write(at(name), b"title: M\xfcller\n").expect("written");
        }
        std::fs::create_dir_all(at("folder.yml/deeper")).expect("made");
        std::fs::write(at("folder.yml/deeper/also.yml"), "title: t\n").expect("written");
        std::os::unix::fs::symlink(dir.path(), at("folder.yml/again")).expect("linked");
        std::os::unix::fs::symlink("nowhere", at("gone.yml")).expect("linked");
        let socket = std::os::unix::net::UnixListener::bind(at("socket.yml")).expect("bound");
        let rules = rules(dir.path()).expect("the rest is read");
        drop(socket);
        let names: Vec<&str> = rules.files.iter().filter_map(|(name, _)| name.rsplit('/').next()).collect();
        assert_eq!(names, ["good.yml", "also.yml"]);
        let said: Vec<String> = Rules::set_aside(rules.unread).iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 4, "{said:#?}");
        for (part, why) in [
            ("with 1 others for that reason: ", "latin.yml: it is no UTF-8"),
            ("", "again: it is a link back"),
            ("", "gone.yml: it can't be read: "),
            ("", "socket.yml: it is no file"),
        ] {
            assert!(said.iter().any(|said| said.contains(part) && said.contains(why)), "{why}: {said:#?}");
        }
        // where nothing can be read, that is said, too
        assert_eq!(super::rules(&at("latin.yml")).expect("looked at").unread.len(), 1);
    }
}
