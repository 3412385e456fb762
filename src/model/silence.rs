//! A silence: what an operator has said not to be told of, until when, and why.
use super::Text;
use super::time::EventTime;
use serde::{Deserialize, Serialize};

/// A silence as the configuration states it, and as it is recorded when it comes to hold. All lists that are not empty must
/// match a finding, each with one of its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Digest of all but its end, so that one that is extended stays the same: 16 hexadecimal digits.
    pub id: Text,
    /// Who answers for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// It covers findings whose event time is this or later …
    pub from: EventTime,
    /// … and earlier than this.
    pub until: EventTime,
    /// Names of policies, with `*`.
    pub policies: Vec<String>,
    /// Names or ids of actors, with `*`.
    pub actors: Vec<String>,
    /// Networks.
    pub networks: Vec<ipnet::IpNet>,
    /// Customer accounts, with `*`.
    pub customers: Vec<String>,
    /// Sessions, by what stands for their ids: 32 hexadecimal digits, as `tripline findings show` gives them.
    pub sessions: Vec<String>,
}

/// How a silence stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It holds.
    Active,
    /// It has not begun.
    Coming,
    /// It has ended.
    Ended,
}

impl Standing {
    /// For a person, and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Coming => "coming",
            Standing::Ended => "ended",
        }
    }
}

impl Silence {
    /// How it stands for what happens at `at`.
    pub fn standing(&self, at: EventTime) -> Standing {
        match at {
            at if at < self.from => Standing::Coming,
            at if at < self.until => Standing::Active,
            _ => Standing::Ended,
        }
    }

    /// What is known of one that the configuration has no more: whose it was and why.
    pub fn taken_out(Silenced { silence, author, reason }: Silenced) -> Silence {
        let none = Vec::new;
        let (policies, actors, customers, sessions) = (none(), none(), none(), none());
        let (from, until) = (EventTime::default(), EventTime::default());
        Silence { id: silence, author, reason, from, until, policies, actors, networks: vec![], customers, sessions }
    }

    /// What it covers, for a person: `policies trail_gap; actors ana or bo`.
    pub fn covers(&self) -> String {
        let networks: Vec<String> = self.networks.iter().map(ToString::to_string).collect();
        let lists = [
            ("policies", &self.policies),
            ("actors", &self.actors),
            ("networks", &networks),
            ("customers", &self.customers),
            ("sessions", &self.sessions),
        ];
        let given = lists.iter().filter(|(_, list)| !list.is_empty());
        given.map(|(name, list)| format!("{name} {}", list.join(" or "))).collect::<Vec<_>>().join("; ")
    }
}

/// Which silence a finding is under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silenced {
    /// [`Silence::id`].
    pub silence: Text,
    /// Who answers for it.
    pub author: String,
    /// Why.
    pub reason: String,
}
