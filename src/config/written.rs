//! What was written: the TOML file as the operator's hand left it. Unknown keys are errors.
use super::address::Address;
use crate::decode::address::Proxies;
use crate::model::{EventTime, Millis, Severity, Vouched};
use crate::normalise::{OneOrMore, Sender, Senders, Trust, Wrapping};
use crate::policy::{Tuning, did_you_mean};
use crate::respond::outlet::{CheckpointsTarget, OcsfTarget, SyslogTarget, Target, WebhookTarget};
use crate::respond::{ActionSpec, RunnerTable};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The whole file. A key that is not known is an error. `${NAME}` in a value is taken from the environment; `$${` stands for a plain
/// `${`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where the ledger (`ledger.sqlite`) and its key lie.
    #[serde(default = "state_dir")]
    pub state_dir: PathBuf,
    /// The socket that the commands ask through.
    #[serde(default = "control_socket")]
    pub control_socket: PathBuf,
    /// The group that may use that socket. Without it: root and the daemon's own user and group.
    #[serde(default)]
    pub control_group: Option<String>,
    /// A folder whose `detections/*.yml` and `profiles/*.toml`, also in subfolders, are added to the shipped ones; a file with the name
    /// of a shipped one takes its place. Without it: only the shipped ones.
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
    /// Inputs that lines and the clock made, in days: what a replay of the daemon's own inputs needs.
    pub inputs_days: u32,
    /// Events, with their redacted lines, in days: what `explain`, incidents and exposures rest on.
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

/// `[receiver]`: the process that takes in the trails with `receive`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receiver {
    /// `true`: systemd starts it (`tripline-receiver.service`). Without it: the daemon starts a receiver of its own.
    #[serde(default)]
    pub unit: bool,
    /// The journal that `journal:` reads, where it is not this machine's own: one that systemd-journal-remote writes. Without it: this
    /// machine's.
    #[serde(default)]
    pub journal_directory: Option<PathBuf>,
    /// The most bytes that may wait on disk for the daemon, for each trail. At that, nothing more is taken in. Without it: 1 GiB.
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

/// `[[rules]]`: once for each collection of Sigma rules that others write, such as a copy of SigmaHQ's. A rule that cannot be used is
/// set aside and the rest load; `tripline check` and the daemon's log give one line for each reason. Foreign rules ask for no order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The folder, which is read with its subfolders (`*.yml`, `*.yaml`), or one file.
    pub path: PathBuf,
    /// The rules see only the records of these trails. Without it: all trails.
    #[serde(default)]
    pub trails: Option<Vec<String>>,
    /// The lowest level whose rules are loaded. Lower rules, and rules without a level, are loaded only where a loaded correlation
    /// refers to them. Without it: all levels.
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

/// `[[trail]]`: once for each trail, which is one logical source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trail {
    /// Names the trail in findings and commands. What has been read is remembered under this name: keep it.
    pub name: String,
    /// Its files, as paths and globs. Rotated files, compressed ones (`.gz`, `.zst`) too, are found beside the file: what was written
    /// just before it was rotated (by renaming, or by `copytruncate`), or while the daemon was down, is read from there, and not again.
    /// They must lie in the file's own folder, under its name with a number or a date behind it. Where they are moved into another
    /// (`olddir`), or have it before their ending (`extension`), name those too: `["/var/log/portal.jsonl",
    /// "/var/log/old/portal.jsonl*"]`, `["/var/log/portal.jsonl", "/var/log/portal.[0-9]*"]`; what a `copytruncate` puts there while
    /// the daemon is down is then a gap. Name files by a pattern where each new one has a name of its own, `portal-2026112310.jsonl`.
    /// Without it: required, or `receive`.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Or where its records come in: a list of addresses, `udp:ADDR:PORT`, `tcp:ADDR:PORT`, `unixgram:PATH`, `lines:PATH`,
    /// `journal:UNIT`, `stdin`. Without it: its files are read.
    #[serde(default)]
    pub receive: Vec<Address>,
    /// Of what is received by syslog, only what these programs say; so several trails can share a socket. Without it: all programs.
    #[serde(default)]
    pub apps: Option<Vec<String>>,
    /// Of what is received by syslog, only what these hosts say. Without it: all hosts.
    #[serde(default)]
    pub hosts: Option<Vec<String>>,
    /// What each line of its files begins with.
    #[serde(default)]
    pub envelope: Option<Envelope>,
    /// What its fields mean: the name of a profile, or a list where the trail holds several sorts of records (`["entra-signin",
    /// "entra-audit"]`): each record is read with the profile by which it is recognised. Without it: recognised by its first lines;
    /// name it, so that nothing depends on them.
    #[serde(default)]
    pub profile: Option<OneOrMore>,
    /// Where a trail that was never seen starts.
    #[serde(default)]
    pub start: Start,
    /// The zone of stamps that state none: an IANA name, such as `Europe/Vienna`. Without it: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// How its bytes are cut into records. CSV is cut into records by itself. Without it: as the profile's format needs it: a record a
    /// line; of JSON also documents over several lines, and those of more than 1 MiB record by record (`{"Records":[…]}`, `[…]`).
    #[serde(default)]
    pub framing: Option<Framing>,
    /// Networks of the proxies before the product, and `private` for private addresses, which is what holds without it: of a list of
    /// addresses the first from the right that is none of theirs is where a request came from.
    #[serde(default)]
    pub trusted_proxies: Option<Proxies>,
    /// Who may send what is received: networks for `udp:` and `tcp:` (`203.0.113.0/24`), users for `unixgram:` and `lines:` (`uid:33`).
    /// For what others send no server vouches, so that no order follows from it. Without it: nobody but `stdin` and units of the journal
    /// (`journal:UNIT`).
    #[serde(default)]
    pub senders: Vec<Sender>,
    /// Who vouches for the names of its actors: `server` where what it writes as a name is what was authenticated, `client` where it
    /// copies what was sent. Nothing is done to somebody whom only a client named. Without it: as its profile says.
    #[serde(default)]
    pub actor_vouched_by: Option<Vouched>,
}

/// Where a trail never seen starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the beginning of its files: baselines are learned from what is there, and the orders that old events ask for are refused as
    /// too old.
    #[default]
    Beginning,
    /// At their end: only what comes from now on is read.
    End,
}

/// How a trail's bytes are cut into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// A record a line.
    Lines,
    /// Every record is a JSON document that may go over several lines.
    JsonDocuments,
}

/// What is around each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Envelope {
    /// Time, host and program, as syslog writes them. Headers that are not quite RFC 3164 or RFC 5424 are read, too; a record of JSON
    /// behind one that is not understood begins at its first `{`, and has no time of the envelope.
    Syslog,
}

impl Trail {
    /// Who is believed of what it says.
    pub fn trust(&self) -> Trust {
        Trust {
            proxies: self.trusted_proxies.clone().unwrap_or_default(),
            actors: self.actor_vouched_by,
            senders: (!self.receive.is_empty()).then(|| Senders {
                list: self.senders.clone(),
                is_journal_open: self.receive.iter().any(|way| way.unit().is_some() && !way.is_settled(&self.senders)),
                is_anybodys: !self.receive.iter().any(|way| way.is_settled(&self.senders)),
            }),
        }
    }

    /// What is around its lines.
    pub fn wrapping(&self) -> Wrapping {
        let by_syslog = self.receive.iter().any(Address::is_syslog);
        Wrapping { spooled: !self.receive.is_empty(), syslog: by_syslog || self.envelope == Some(Envelope::Syslog) }
    }
}

/// `[enrich]`: from which origins get a network, an owner, a country and a place. Without databases the detections that need these are
/// blind, and `tripline check` says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrich {
    /// MaxMind-format databases: City, Country, ASN, ISP, one file that has several of these, or the flat ones of IPinfo and
    /// ip-location-db. One of which nothing is read is refused; `tripline check` says which of country, place, AS number and network
    /// owner none gives.
    #[serde(default)]
    pub databases: Vec<PathBuf>,
    /// CSV files with the header `network,kind`, such as `198.51.100.0/24,hosting`; the kind can be used in policies
    /// (`src_endpoint.listed`).
    #[serde(default)]
    pub network_lists: Vec<PathBuf>,
    /// A CSV file with the header `actor,role[,hired]`: the role of people whose trail does not state it. The shipped policies leave
    /// the monthly invoice run (role `billing`) alone. Without it: roles as the trails state them.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// A CSV file with the header `customer,kind`: accounts to be looked at more closely. `canary` is an account of no customer, which
    /// nobody has cause to touch; `watched` a customer whose logs are a target.
    #[serde(default)]
    pub watch_list: Option<PathBuf>,
}

/// `[findings]`: which findings are told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// Findings of at least this severity are told to the outlets. All are recorded.
    #[serde(default = "medium")]
    pub tell: Severity,
}

impl Default for Findings {
    fn default() -> Self {
        Findings { tell: medium() }
    }
}

/// `[[silence]]`: what you do not want to be told of for a while. Set at least one of the last five; a finding is silenced if it
/// matches one entry of every list that is given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilenceTable {
    /// Who answers for it.
    pub author: String,
    /// Why: a ticket, for example.
    pub reason: String,
    /// When it ends: `2026-05-09T08:00:00Z`, or a day, which is its first moment in UTC. At most 400 days ahead.
    pub until: Moment,
    /// When it begins, written as `until` is. Without it: 400 days before its end.
    #[serde(default)]
    pub from: Option<Moment>,
    /// Names of policies, with `*`; tripline's own are `trail_gap`, `trail_overlap`, `trail_truncated`, `trail_unreadable`, `trail_clipped`,
    /// `trail_undated`, `trail_ahead`, `trail_backwards`, `trail_records_missing`, `trail_numbered_anew`, `actor_renamed`,
    /// `actor_role_disputed`, `state_pressure`, `findings_capped`, `response_limit`, `response_failed`, `tripline_failing` and
    /// `invalidated_by_hand`. Without it: any.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// Names or ids of people and keys, with `*`. Without it: any.
    #[serde(default)]
    pub actors: Option<Vec<String>>,
    /// Networks and addresses. Without it: any.
    #[serde(default)]
    pub networks: Option<Vec<String>>,
    /// Customer accounts, with `*`. Without it: any.
    #[serde(default)]
    pub customers: Option<Vec<String>>,
    /// What stands for sessions, as `tripline findings show` gives it. Without it: any.
    #[serde(default)]
    pub sessions: Option<Vec<String>>,
}

/// A moment as people write it: RFC 3339 with its zone, or a day, which is its first moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenMoment")]
pub struct Moment(pub EventTime);

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
