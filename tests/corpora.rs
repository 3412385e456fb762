//! Runs every input in the corpora of the fuzz targets, and every one that once broke something, through its target.
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "fuzz/targets.rs"]
mod targets;

use targets::TARGETS;

/// What a corpus may hold: the repository carries it.
const MOST_FILES: usize = 60;
const MOST_BYTES: u64 = 100 << 10;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(name)
}

/// What lies in a folder, by name; nothing where there is no folder.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

fn names(folder: &Path) -> BTreeSet<String> {
    let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    listed(folder).iter().map(stem).collect()
}

#[test]
fn every_input_holds() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        for path in [folder("corpus"), folder("regressions")].iter().flat_map(|f| listed(&f.join(name))) {
            let bytes = std::fs::read(&path).expect("a readable input");
            // the target's own message is on standard error
            if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
                broken.push(path);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn targets_folders_and_binaries_agree() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "one is there twice");
    assert_eq!(names(&folder("fuzz_targets")), targets);
    assert_eq!(names(&folder("corpus")), targets);
    assert!(names(&folder("regressions")).is_subset(&targets));
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).expect("the manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let binaries = manifest["bin"].as_array().expect("a list");
    let binary = |bin: &toml::Value| {
        let name = bin["name"].as_str().expect("a name").to_owned();
        assert_eq!(bin["path"].as_str(), Some(&*format!("fuzz_targets/{name}.rs")));
        name
    };
    assert_eq!(binaries.iter().map(binary).collect::<BTreeSet<_>>(), targets);
    for name in &targets {
        let text = std::fs::read_to_string(folder(&format!("fuzz_targets/{name}.rs"))).expect("a target");
        assert!(text.contains(&format!("tripline_fuzz::{name}(data)")), "{name} runs something else");
    }
}

/// Names and versions of a lock file's packages.
fn locked(path: &str) -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a lock file");
    let lock: toml::Table = text.parse().expect("TOML");
    let text = |package: &toml::Value, key: &str| package[key].as_str().expect("a text").to_owned();
    let packages = lock["package"].as_array().expect("a list").iter();
    packages.map(|package| (text(package, "name"), text(package, "version"))).collect()
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let ours = locked("Cargo.lock");
    let names: BTreeSet<&String> = ours.iter().map(|(name, _)| name).collect();
    let other: Vec<_> = locked("tests/fuzz/Cargo.lock")
        .into_iter()
        .filter(|package| names.contains(&package.0) && !ours.contains(package))
        .collect();
    assert!(other.is_empty(), "copy Cargo.lock to tests/fuzz and build a target: {other:?}");
}

#[test]
fn corpora_are_small() {
    for (name, _) in TARGETS {
        let files = listed(&folder("corpus").join(name));
        let bytes: u64 = files.iter().map(|f| f.metadata().expect("a file").len()).sum();
        assert!(!files.is_empty() && files.len() <= MOST_FILES, "{name}: {} files", files.len());
        assert!(bytes <= MOST_BYTES, "{name}: {bytes} bytes");
    }
}
