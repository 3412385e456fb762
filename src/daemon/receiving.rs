//! Looks after the receiver, which is a process of its own: whether it is there, and what it says that it can't take in.
use crate::config::address::Address;
use crate::config::{Config, spool_dir};
use crate::health::Health;
use crate::receive::standing::{self, Said};
use crate::source::{self, Cursor, Follower, TrailSpec};
use std::path::PathBuf;

/// Deletes the spool files of which all is committed, when nobody follows them any more and the receiver has gone on to a next one.
pub fn clear(trails: Vec<TrailSpec>, cursors: &[Cursor]) {
    for trail in trails.into_iter().filter(TrailSpec::is_series) {
        let own = cursors.iter().filter(|cursor| cursor.source == trail.name).cloned().collect();
        let mut follower = Follower::open(trail, own);
        // what can't be looked at is looked at again after the next start
        let _ = follower.reconcile();
        for file in source::spent(&follower.status()) {
            if let Err(e) = std::fs::remove_file(&file) {
                tracing::warn!("{}: cannot be deleted: {e}", file.display());
            }
        }
    }
}

/// Under which names in [`Health`] it is told of.
pub const PART: &str = "receiver";

/// Under which names it is told of trails that anybody can write.
pub const SENDERS: &str = "senders";

/// The spools that a receiver should be writing.
pub struct Receiving {
    spools: Vec<(String, PathBuf)>,
    /// The trails of which it is not said who may send them, with what that means.
    open: Vec<(String, String)>,
    settings: String,
    how: &'static str,
    /// How the one that we started ended.
    ended: Option<String>,
}

impl Receiving {
    /// As the configuration has it. What is piped in only has no receiver that should always be there.
    pub fn new(config: &Config) -> Receiving {
        let written = &config.written;
        let received =
            |trail: &&crate::config::written::Trail| trail.receive.iter().any(|from| *from != Address::Stdin);
        let spools = written.trail.iter().filter(received);
        Receiving {
            spools: spools.map(|t| (t.name.clone(), spool_dir(&written.state_dir, &t.name))).collect(),
            open: written
                .trail
                .iter()
                .filter_map(|trail| Some((trail.name.clone(), written_by_anybody(trail)?)))
                .collect(),
            settings: crate::receive::settings_digest(config),
            how: match written.receiver.unit {
                true => "systemctl restart tripline-receiver",
                false => "restart tripline",
            },
            ended: None,
        }
    }

    /// The receiver that we started has ended, and we have given up the right to start another.
    pub fn ended(&mut self, how: std::process::ExitStatus) {
        self.ended = Some(format!("it ended ({how}), what it said is in the log"));
    }

    /// Another configuration holds: says no more of this one's trails.
    pub fn replace(&mut self, new: Receiving, health: &Health) {
        self.spools.iter().for_each(|(trail, _)| health.well(&format!("{PART} of {trail}")));
        self.open.iter().for_each(|(trail, _)| health.well(&format!("{SENDERS} of {trail}")));
        *self = Receiving { ended: self.ended.take(), ..new };
    }

    /// Says in `health` what is wrong with each trail's receiver, and what no longer is.
    pub fn look(&self, health: &Health) {
        self.open.iter().for_each(|(trail, why)| health.wrong(&format!("{SENDERS} of {trail}"), why.as_str()));
        for (trail, spool) in &self.spools {
            let part = format!("{PART} of {trail}");
            match standing::heard(spool).map(|said| self.wrong(said)) {
                Ok(None) => health.well(&part),
                Ok(Some(why)) => health.wrong(&part, why),
                Err(e) => health.wrong(&part, format!("{}: {e}", spool.display())),
            }
        }
    }

    fn wrong(&self, said: Option<Said>) -> Option<String> {
        let how = self.how;
        match said {
            None => {
                let why = self.ended.as_deref().unwrap_or("none is running");
                Some(format!("{why}, and nothing is received: {how}"))
            }
            Some(said) if !said.wrong.is_empty() => {
                let each: Vec<String> = said.wrong.iter().map(|(what, why)| format!("{what}: {why}")).collect();
                Some(each.join("; "))
            }
            Some(said) if said.settings != self.settings && !said.settings.is_empty() => {
                Some(format!("it runs with another configuration than the daemon: {how}"))
            }
            Some(_) => None,
        }
    }
}

/// What it means that anybody can write the trail by some of its ways.
fn written_by_anybody(trail: &crate::config::written::Trail) -> Option<String> {
    let open: Vec<String> =
        trail.receive.iter().filter(|way| !way.is_settled(&trail.senders)).map(ToString::to_string).collect();
    let ways = open.join(" and ");
    (!open.is_empty()).then(|| {
        format!(
            "anybody who reaches {ways} can write this trail, so it is not believed and no order follows from it: set `senders` in its \
             [[trail]]"
        )
    })
}
