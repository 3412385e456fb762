//! Hints from the kernel that a directory changed. Only a hint: a lost one costs time, never a line.
use super::open::stat;
use crate::model::FileId;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Calls back when something may have changed in a watched directory.
pub struct Watcher {
    inner: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, FileId>,
    degraded: Option<String>,
}

impl Watcher {
    /// Starts watching nothing yet. `on_hint` is called on a thread of notify's; it must not block. Where the system gives no
    /// watcher, there are no hints, and [`Watcher::degraded`] says why.
    pub fn new(on_hint: impl Fn() + Send + 'static) -> Watcher {
        let handler = move |event: notify::Result<Event>| {
            // Reading and opening, ours included, is no change. An overflow comes as an event without paths, and an
            // error says that something was missed: both are hints.
            match event {
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
                _ => on_hint(),
            }
        };
        let (inner, degraded) = match notify::recommended_watcher(handler) {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Watcher { inner, watched: BTreeMap::new(), degraded }
    }

    /// A watcher that never hints: what polling alone does.
    pub fn disabled() -> Watcher {
        Watcher { inner: None, watched: BTreeMap::new(), degraded: None }
    }

    /// Watches exactly `directories` from now on. To be called after each reconcile: a directory that was removed and made
    /// again has lost its watch silently, and gets a new one here.
    pub fn watch(&mut self, directories: &[PathBuf]) {
        let Some(inner) = &mut self.inner else { return };
        let wanted: BTreeMap<PathBuf, FileId> =
            directories.iter().filter_map(|dir| Some((dir.clone(), stat(dir).ok()?.id))).collect();
        for (dir, id) in &self.watched {
            if wanted.get(dir) != Some(id) {
                // Fails where the directory is gone, and its watch with it.
                let _ = inner.unwatch(dir);
            }
        }
        let before = std::mem::take(&mut self.watched);
        self.degraded = None;
        for (dir, id) in wanted {
            match before.get(&dir) == Some(&id) {
                true => drop(self.watched.insert(dir, id)),
                false => match inner.watch(Path::new(&dir), RecursiveMode::NonRecursive) {
                    Ok(()) => drop(self.watched.insert(dir, id)),
                    Err(error) => self.degraded = Some(error.to_string()),
                },
            }
        }
    }

    /// Why hints are missing, where they are: changes are then found by reconciling only.
    pub fn degraded(&self) -> Option<&str> {
        self.degraded.as_deref()
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("watched", &self.watched)
            .field("degraded", &self.degraded)
            .finish_non_exhaustive()
    }
}
