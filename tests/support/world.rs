//! A made world: trails in which is known what is an attack.
use super::text;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const PORTAL: &str = "portal-audit.jsonl";
pub const DOWNLOADS: &str = "download-access.log";

/// A file of `tests/world`: the makers of worlds, and what measures them.
pub fn of_world(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world").join(name)
}

/// Runs a Python program, which must succeed, and gives its output.
pub fn python<S: AsRef<std::ffi::OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> String {
    let out = Command::new("python3").arg(program).args(arguments).output().expect("python3, which tests/run installs");
    assert!(out.status.success(), "{}: {}", program.display(), text(&out));
    String::from_utf8(out.stdout).unwrap()
}

/// A folder with trails and what belongs to them.
pub struct World(pub PathBuf);

impl World {
    /// A small world with one attack of each kind.
    pub fn make(seed: u64) -> World {
        let mut hasher = DefaultHasher::new();
        for name in ["world.py", "mmdb.py"] {
            std::fs::read(of_world(name)).unwrap().hash(&mut hasher);
        }
        let name = format!("world-{seed}-{:016x}", hasher.finish());
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if !kept.exists() {
            let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let (seed, out) = (seed.to_string(), made.path().to_str().unwrap());
            let size = ["--days", "14", "--staff", "30", "--accounts", "60", "--per-kind", "1"];
            python(&of_world("world.py"), ["--seed", &seed, "--out", out].into_iter().chain(size));
            // another test may have been faster with the same bytes
            let _ = std::fs::rename(made.keep(), &kept);
        }
        World(kept)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}
