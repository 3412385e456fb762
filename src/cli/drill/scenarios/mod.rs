//! The attacks that are drilled: two open lists, ways of attack and intrusions of the public record.
mod record;
mod techniques;

use super::stage::{Lack, Stage};
use serde::Serialize;

/// One attack.
pub struct Scenario {
    /// By which it is chosen.
    pub name: &'static str,
    /// What happens, for people.
    pub what: &'static str,
    /// The intrusion that it abstracts; nothing where it is a way of attack and no one intrusion.
    pub incident: Option<Incident>,
    /// Plays it: makes its events.
    pub play: fn(&mut Stage<'_>) -> Result<(), Lack>,
}

/// An intrusion of the public record.
#[derive(Clone, Copy, Serialize)]
pub struct Incident {
    /// Who was broken into.
    #[serde(rename = "name")]
    pub who: &'static str,
    /// When.
    pub year: &'static str,
    /// Who says so: the organisation, and the title where it has one.
    pub source: &'static str,
}

impl std::fmt::Display for Incident {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} ({})", self.who, self.year, self.source)
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Scenario> {
    techniques::TECHNIQUES.iter().chain(record::RECORD)
}
