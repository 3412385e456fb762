//! Folders of policies and profiles: which files there are, in subfolders too, and what lies there and is not read.
use super::{ConfigError, read_text};
use crate::policy::FILES;
use std::path::{Path, PathBuf};

/// How deep subfolders are looked into: a symbolic link that leads back ends here.
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
    walk(folder, String::new(), DEPTH, &fits, &mut found)?;
    Ok(found)
}

/// The rules under a path, which is a folder or a single file.
pub(super) fn rules(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let fault = |why: &dyn std::fmt::Display| ConfigError::one(format!("[[rules]] path {}: {why}", path.display()));
    let meta = std::fs::metadata(path).map_err(|e| fault(&e))?;
    let mut found = Vec::new();
    match meta.is_dir() {
        false => found.push((String::new(), path.to_owned())),
        true => {
            let is_rule = |path: &Path| Ok(path.extension().is_some_and(|e| e == "yml" || e == "yaml"));
            walk(path, String::new(), DEPTH, &is_rule, &mut found).map_err(|e| fault(&e))?;
        }
    }
    if found.is_empty() {
        return Err(fault(&"there is no rule in it (*.yml, *.yaml, in subfolders too)"));
    }
    if found.len() > FILES {
        return Err(fault(&format!("it holds {} files, and at most {FILES} are read", found.len())));
    }
    found.into_iter().map(|(_, path)| Ok((path.display().to_string(), read_text(&path)?))).collect()
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

/// Takes up the files of `folder` that fit, those of a folder before those of its subfolders. What begins with a dot is
/// nobody's policy.
fn walk(
    folder: &Path,
    prefix: String,
    depth: usize,
    fits: &dyn Fn(&Path) -> std::io::Result<bool>,
    found: &mut Vec<(String, PathBuf)>,
) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
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
    if depth == 0 && !folders.is_empty() {
        return Err(std::io::Error::other(format!("{}: its subfolders are too deep", folder.display())));
    }
    folders.into_iter().try_for_each(|(prefix, path)| walk(&path, prefix, depth - 1, fits, found))
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
        assert_eq!(rules(dir.path()).expect("read").len(), 3);
        assert_eq!(beside(dir.path()).len(), 1);
        put("a/w.yaml");
        assert!(names("yml").expect_err("nearly").to_string().contains("w.yaml is not read"));
        assert_eq!(rules(dir.path()).expect("read").len(), 4);
        assert!(rules(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn a_link_that_leads_back_ends() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("again")).expect("linked");
        assert!(files(dir.path(), "yml").expect_err("endless").to_string().contains("too deep"));
    }
}
