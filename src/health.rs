//! The list of what can be wrong with us, as it is now.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong now: by what it concerns, with what to do. Shared by the loops; an empty list is health.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, String>>>);

impl Health {
    /// Something is wrong with `what`. Said once to the log when it begins or changes.
    pub fn wrong(&self, what: &str, why: impl Into<String>) {
        let why = why.into();
        let mut list = self.list();
        if list.get(what) != Some(&why) {
            tracing::warn!("{what}: {}", crate::model::Shown(&why));
            list.insert(what.to_owned(), why);
        }
    }

    /// `what` is well (again).
    pub fn well(&self, what: &str) {
        if self.list().remove(what).is_some() {
            tracing::info!("{what}: well again");
        }
    }

    /// What is wrong now, in a line as `systemctl status` shows it.
    pub fn in_a_line(&self) -> String {
        let list = self.list();
        match (list.len(), list.first_key_value()) {
            (0, _) | (_, None) => "well".to_owned(),
            (1, Some((what, why))) => format!("{what}: {why}"),
            (more, Some((what, why))) => format!("{what}: {why}; {} more: tripline status", more - 1),
        }
    }

    /// What is wrong now.
    pub fn now(&self) -> BTreeMap<String, String> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // a thread that died while it held the list left it whole: each change is one call
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
