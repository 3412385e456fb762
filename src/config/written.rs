//! What was written: the TOML file as the operator's hand left it. Unknown keys are errors.
use super::address::Address;
use crate::model::{EventTime, Millis, Severity};
use crate::normalise::Wrapping;
use crate::policy::{Tuning, did_you_mean};
use crate::respond::outlet::{CheckpointsTarget, OcsfTarget, SyslogTarget, Target, WebhookTarget};
use crate::respond::{ActionSpec, RunnerTable};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where the ledger and the keys lie.
    #[serde(default = "state_dir")]
    pub state_dir: PathBuf,
    /// The control socket.
    #[serde(default = "control_socket")]
    pub control_socket: PathBuf,
    /// The group that may use the control socket; without it: root and the daemon's own user and group.
    #[serde(default)]
    pub control_group: Option<String>,
    /// A directory whose `detections/*.yml` and `profiles/*.toml` are added to the shipped ones, and override them by name.
    #[serde(default)]
    pub policies_dir: Option<PathBuf>,
    /// `[[rules]]`
    #[serde(default)]
    pub rules: Vec<Rules>,
    /// `[[trail]]`
    #[serde(default)]
    pub trail: Vec<Trail>,
    /// `[enrich]`
    #[serde(default)]
    pub enrich: Enrich,
    /// `[findings]`
    #[serde(default)]
    pub findings: Findings,
    /// `[response]`
    #[serde(default)]
    pub response: super::response::Response,
    /// `[policy.NAME]`
    #[serde(default)]
    pub policy: BTreeMap<String, Tuning>,
    /// `[[silence]]`
    #[serde(default)]
    pub silence: Vec<SilenceTable>,
    /// `[actions.NAME]`
    #[serde(default)]
    pub actions: BTreeMap<String, ActionSpec>,
    /// `[syslog.NAME]`
    #[serde(default)]
    pub syslog: BTreeMap<String, SyslogTarget>,
    /// `[ocsf.NAME]`
    #[serde(default)]
    pub ocsf: BTreeMap<String, OcsfTarget>,
    /// `[checkpoints.NAME]`
    #[serde(default)]
    pub checkpoints: BTreeMap<String, CheckpointsTarget>,
    /// `[webhook.NAME]`
    #[serde(default)]
    pub webhook: BTreeMap<String, WebhookTarget>,
    /// `[runner]`
    #[serde(default)]
    pub runner: RunnerTable,
    /// `[receiver]`
    #[serde(default)]
    pub receiver: Receiver,
    /// `[retention]`
    #[serde(default)]
    pub retention: Retention,
    /// `[notices]`
    #[serde(default)]
    pub notices: super::notices::Notices,
}

/// `[retention]`: how long is kept what grows with the trails.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// What a replay of recorded inputs needs, in days.
    pub inputs_days: u32,
    /// Events, with the redacted lines, in days.
    pub events_days: u32,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { inputs_days: 90, events_days: 400 }
    }
}

impl From<Retention> for crate::ledger::retention::Retention {
    fn from(r: Retention) -> Self {
        Self { inputs: Millis::DAY.times(r.inputs_days.into()), events: Millis::DAY.times(r.events_days.into()) }
    }
}

/// `[receiver]`: what takes in the trails that have `receive`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// It is a unit of its own (`tripline-receiver.service`); without it `tripline run` starts it.
    #[serde(default)]
    pub unit: bool,
    /// The directory of the journal, where it is not this machine's own: one that systemd-journal-remote writes.
    #[serde(default)]
    pub journal_directory: Option<PathBuf>,
    /// The most bytes that may wait on disk for the daemon, for each trail. At that, nothing more is taken in.
    #[serde(default)]
    pub spool_bytes: Option<u64>,
}

impl Written {
    /// The outlets, by the names of their tables: `syslog.siem`.
    pub fn outlets(&self) -> BTreeMap<String, Target> {
        Target::all(&self.syslog, &self.ocsf, &self.checkpoints, &self.webhook)
    }

    /// The control socket and the state directory of a file that names neither.
    pub fn default_places() -> (PathBuf, PathBuf) {
        (control_socket(), state_dir())
    }
}

/// `[[rules]]`: Sigma rules of others. One that cannot be used is set aside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// A folder, whose subfolders are read too, or a file.
    pub path: PathBuf,
    /// Only for the records of these trails; without it of all.
    #[serde(default)]
    pub trails: Option<Vec<String>>,
    /// Only rules of this level and above; without it all.
    #[serde(default)]
    pub level: Option<Severity>,
}

impl Rules {
    /// What is wrong with it, where `names` are those of the trails.
    pub fn fault(&self, names: &BTreeSet<&String>) -> Option<String> {
        let trails = self.trails.as_ref()?;
        if trails.is_empty() {
            return Some("`trails` is empty: name at least one, or leave the key out for all".into());
        }
        let unknown = trails.iter().find(|name| !names.contains(name))?;
        let near = did_you_mean(unknown, names.iter().map(|name| name.as_str()));
        Some(format!("`trails`: there is no trail {unknown:?}{near}"))
    }
}

/// `[[trail]]`: one logical source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trail {
    /// Names it in findings and commands; a cursor belongs to this name, so keep it.
    pub name: String,
    /// Paths and globs of its files.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Or where its records are received.
    #[serde(default)]
    pub receive: Vec<Address>,
    /// Of what is received by syslog: only what these programs say.
    #[serde(default)]
    pub apps: Option<Vec<String>>,
    /// Of what is received by syslog: only what these hosts say.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// What is around each line of its files.
    #[serde(default)]
    pub envelope: Option<Envelope>,
    /// The profile that reads it, or those of its sorts of records; without it the product is recognised by its first lines.
    #[serde(default)]
    pub profile: Option<Names>,
    /// Where a trail never seen starts.
    #[serde(default)]
    pub start: Start,
    /// The time zone of stamps that state none (an IANA name); UTC without it.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// One record a line, or JSON documents over several lines; what the profile's format needs where nothing is said.
    #[serde(default)]
    pub framing: Option<Framing>,
}

/// Where a trail never seen starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the beginning of its files: baselines are learned from what is there.
    #[default]
    Beginning,
    /// At their end.
    End,
}

/// How a trail's bytes are cut into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// A record a line.
    Lines,
    /// JSON documents, which may go over several lines.
    JsonDocuments,
}

/// What is around each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Envelope {
    /// Time, host and program, as syslog writes them.
    Syslog,
}

impl Trail {
    /// What is around its lines.
    pub fn wrapping(&self) -> Wrapping {
        let by_syslog = self.receive.iter().any(Address::is_syslog);
        Wrapping { spooled: !self.receive.is_empty(), syslog: by_syslog || self.envelope == Some(Envelope::Syslog) }
    }
}

/// `[enrich]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrich {
    /// MaxMind databases: City, ASN, or both in one.
    #[serde(default)]
    pub databases: Vec<PathBuf>,
    /// CSV files with the header `network,kind`.
    #[serde(default)]
    pub network_lists: Vec<PathBuf>,
    /// CSV file with the header `actor,role[,hired]`.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// A CSV file of customer accounts to be looked at more closely, with the header `customer,kind`; the kinds that the
    /// shipped policies know are `canary` and `watched`.
    #[serde(default)]
    pub watch_list: Option<PathBuf>,
}

/// `[findings]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// Findings of at least this severity are told to the outlets; all are recorded.
    #[serde(default = "medium")]
    pub tell: Severity,
}

impl Default for Findings {
    fn default() -> Self {
        Findings { tell: medium() }
    }
}

/// `[[silence]]`: what operators are not told of for a while. All that is named must match.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceTable {
    /// Who answers for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub until: Moment,
    /// When it begins.
    #[serde(default)]
    pub from: Option<Moment>,
    /// Names of policies, with `*`.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// Names or ids of actors, with `*`.
    #[serde(default)]
    pub actors: Option<Vec<String>>,
    /// Networks and addresses.
    #[serde(default)]
    pub networks: Option<Vec<String>>,
    /// Customer accounts, with `*`.
    #[serde(default)]
    pub customers: Option<Vec<String>>,
    /// What stands for sessions.
    #[serde(default)]
    pub sessions: Option<Vec<String>>,
}

/// A moment as people write it: RFC 3339 with its zone, or a day, which is its first moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenMoment")]
pub struct Moment(pub EventTime);

/// One name, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a name, or a list of names")]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Names {
    /// All of them.
    pub fn list(&self) -> &[String] {
        match self {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        }
    }
}

/// TOML has times of its own; in quotes they are text.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a moment: \"2026-05-01T08:00:00Z\", or a day: \"2026-05-01\"")]
enum WrittenMoment {
    Text(String),
    Stamp(toml::value::Datetime),
}

impl TryFrom<WrittenMoment> for Moment {
    type Error = String;

    fn try_from(written: WrittenMoment) -> Result<Moment, String> {
        let text = match written {
            WrittenMoment::Text(text) => text,
            WrittenMoment::Stamp(stamp) => stamp.to_string(),
        };
        let stamp = text.parse::<jiff::Timestamp>().ok();
        let day = || Some(text.parse::<jiff::civil::Date>().ok()?.in_tz("UTC").ok()?.timestamp());
        // a civil day would be read from the front of a moment without a zone
        let day = day().filter(|_| text.len() == 10);
        let moment = stamp.or(day).ok_or_else(|| {
            format!("{text:?} is no moment: write it with its zone, as 2026-05-01T08:00:00Z, or as a day, 2026-05-01")
        })?;
        Ok(Moment(EventTime(moment.as_millisecond())))
    }
}

fn state_dir() -> PathBuf {
    "/var/lib/tripline".into()
}
fn control_socket() -> PathBuf {
    "/run/tripline/control.sock".into()
}
const fn medium() -> Severity {
    Severity::Medium
}
