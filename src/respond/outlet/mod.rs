//! The ways in which it is told what happened: one file each. All of them are fed from the ledger's outbox, each message at
//! least once and with the id of its finding or order, by which a receiver knows one that it has already.
//!
//! | table            | file            | by         | what is sent                                              |
//! | ---------------- | --------------- | ---------- | --------------------------------------------------------- |
//! | `[syslog.NAME]`  | [`local`]       | the daemon | syslog messages ([`syslog`]) to a socket of this machine   |
//! | `[syslog.NAME]`  | `relay`         | the runner | RFC 5424 messages over UDP, TCP and TLS                   |
//! | `[ocsf.NAME]`    | [`line_file`]   | the daemon | OCSF objects, one a line of a file                        |
//! | `[checkpoints.NAME]` | [`line_file`] | the daemon | signed heads of the evidence tree, one a line of a file      |
//! | `[webhook.NAME]` | [`webhook`]     | the runner | HTTP requests whose bodies name fields of a [`notice`]     |
//!
//! To add one: a file here, a variant of [`Target`], and its table in the configuration.
pub mod local;
pub mod notice;
pub mod line_file;
mod settings;
pub mod syslog;
pub mod webhook;

pub(super) mod relay;

pub use settings::{CheckpointsTarget, Form, OcsfTarget, SyslogTarget, Transport};
pub use webhook::WebhookTarget;

use crate::incident::clock::Reminder;
use crate::incident::ocsf;
use crate::ledger::outbox::Message as Row;
use crate::model::{Finding, Held, Omitted, Order, OrderState, Severity, WallTime};
use crate::respond::needs::Needs;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A finding, when it is made.
    Finding(Box<Finding>),
    /// An order, at each change.
    Order(Box<Order>),
    /// A signed head of the evidence tree, once a minute.
    Checkpoint(Checkpoint),
    /// A clock that nears its end, or has passed it.
    Reminder(WallTime, Box<Reminder>),
    /// What was left out, for this receiver was away too long.
    Omitted(WallTime, Omitted),
}

/// A signed head of the evidence tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// When it was signed.
    pub at: WallTime,
    /// The note. C2SP tlog-checkpoint.
    pub note: String,
}

impl Checkpoint {
    /// When it was signed, over how many records, and the note in base64, as syslog carries it.
    fn line(&self) -> String {
        format!("{} size=\"{}\" note=\"{}\"", self.at, self.size(), STANDARD.encode(&self.note))
    }

    /// How many records it is over.
    fn size(&self) -> &str {
        self.note.lines().nth(1).unwrap_or_default()
    }
}

impl Told {
    /// As it lies in the outbox.
    ///
    /// # Errors
    /// The row is none of ours: a newer version wrote it, or it is damaged.
    pub fn read(row: &Row) -> Result<Told, serde_json::Error> {
        match row.kind.as_str() {
            "finding" => serde_json::from_str(&row.body).map(Told::Finding),
            "reminder" => serde_json::from_str(&row.body).map(|reminder| Told::Reminder(row.made, reminder)),
            "omitted" => serde_json::from_str(&row.body).map(|omitted| Told::Omitted(row.made, omitted)),
            "checkpoint" => Ok(Told::Checkpoint(Checkpoint { at: row.made, note: row.body.clone() })),
            _ => serde_json::from_str(&row.body).map(Told::Order),
        }
    }

    /// How much it matters. Of an order: high where a person is needed, or where the session may live on.
    pub fn severity(&self) -> Severity {
        match self {
            Told::Finding(finding) => finding.severity,
            Told::Order(order) if order.verification.as_ref().is_some_and(|v| v.result == Held::NotHeld) => {
                Severity::High
            }
            Told::Checkpoint(_) => Severity::Informational,
            Told::Reminder(_, reminder) => reminder.severity(),
            Told::Omitted(_, omitted) => omitted.severity(),
            Told::Order(order) => match order.state {
                OrderState::Failed | OrderState::Unknown | OrderState::Waiting | OrderState::Held => Severity::High,
                OrderState::Done => Severity::Medium,
                OrderState::Refused | OrderState::Cancelled => Severity::Low,
                OrderState::Observed | OrderState::Pending | OrderState::Started => Severity::Informational,
            },
        }
    }

    /// As one OCSF object: see [`ocsf`].
    pub fn ocsf(&self) -> serde_json::Value {
        match self {
            Told::Finding(finding) => ocsf::told(finding),
            Told::Order(order) => ocsf::order(order),
            Told::Reminder(at, reminder) => ocsf::reminder(*at, reminder),
            Told::Omitted(at, omitted) => ocsf::omitted(*at, omitted),
            // no class of OCSF is about it: only syslog is told
            Told::Checkpoint(_) => serde_json::Value::Null,
        }
    }

    /// As one line of a file: a signed head as `verify --against` reads it, all else as OCSF.
    pub fn line(&self) -> String {
        match self {
            Told::Checkpoint(checkpoint) => checkpoint.line(),
            other => other.ocsf().to_string(),
        }
    }

    fn is_test(&self) -> bool {
        matches!(self, Told::Finding(finding) if finding.test)
    }
}

/// Where it is told, as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `[syslog.NAME]`
    Syslog(SyslogTarget),
    /// `[ocsf.NAME]`
    Ocsf(OcsfTarget),
    /// `[checkpoints.NAME]`
    Checkpoints(CheckpointsTarget),
    /// `[webhook.NAME]`
    Webhook(Box<WebhookTarget>),
}

impl Target {
    /// All of them by their tables' names, such as `syslog.siem`.
    pub fn all(
        syslog: &BTreeMap<String, SyslogTarget>,
        ocsf: &BTreeMap<String, OcsfTarget>,
        checkpoints: &BTreeMap<String, CheckpointsTarget>,
        webhook: &BTreeMap<String, WebhookTarget>,
    ) -> BTreeMap<String, Target> {
        let syslog = syslog.iter().map(|(name, t)| (format!("syslog.{name}"), Target::Syslog(t.clone())));
        let ocsf = ocsf.iter().map(|(name, t)| (format!("ocsf.{name}"), Target::Ocsf(t.clone())));
        let checkpoints =
            checkpoints.iter().map(|(name, t)| (format!("checkpoints.{name}"), Target::Checkpoints(t.clone())));
        let webhook = webhook.iter().map(|(name, t)| (format!("webhook.{name}"), Target::Webhook(Box::new(t.clone()))));
        syslog.chain(ocsf).chain(checkpoints).chain(webhook).collect()
    }

    /// Whether the runner sends it, because it leaves this machine.
    pub fn leaves(&self) -> bool {
        match self {
            Target::Syslog(target) => target.transport != Transport::Unix,
            Target::Ocsf(_) | Target::Checkpoints(_) => false,
            Target::Webhook(_) => true,
        }
    }

    /// Whether this is told there. A test is told everywhere; syslog and files get every order, whatever became of it.
    pub fn wants(&self, told: &Told) -> bool {
        let least = match (self, told) {
            (Target::Checkpoints(_), Told::Omitted(_, omitted)) => return omitted.heads > 0,
            (Target::Syslog(_), Told::Omitted(..)) => return true,
            (_, Told::Omitted(_, omitted)) => return omitted.findings + omitted.orders > 0,
            (Target::Checkpoints(_), told) => return matches!(told, Told::Checkpoint(_)),
            (_, Told::Checkpoint(_)) => return matches!(self, Target::Syslog(_)),
            (Target::Syslog(_) | Target::Ocsf(_), Told::Order(_)) => return true,
            (Target::Syslog(target), _) => target.severity,
            (Target::Ocsf(target), _) => target.severity,
            (Target::Webhook(target), _) => target.severity,
        };
        told.severity() >= least || told.is_test()
    }

    /// What is wrong with it, as far as can be told without looking at the disk.
    pub fn fault(&self) -> Option<String> {
        match self {
            Target::Syslog(target) => target.fault(),
            Target::Ocsf(target) => target.fault(),
            Target::Checkpoints(target) => target.fault(),
            Target::Webhook(target) => target.fault(),
        }
    }

    /// What it needs of the machine.
    pub fn needs(&self) -> Needs {
        let needs = Needs::default();
        match self {
            Target::Syslog(target) => {
                let key = needs.secret(target.credential.as_deref(), target.secret_file.as_deref());
                key.address(&target.address).file(target.ca_file.as_deref()).file(target.certificate_file.as_deref())
            }
            Target::Ocsf(OcsfTarget { path, .. }) | Target::Checkpoints(CheckpointsTarget { path }) => {
                Needs { writes: vec![path.clone()], ..needs }
            }
            Target::Webhook(target) => {
                let secret = needs.secret(target.credential.as_deref(), target.secret_file.as_deref());
                let needs = secret.url(&target.url).file(target.ca_file.as_deref());
                target.sign.iter().fold(needs, |needs, sign| sign.needs(needs))
            }
        }
    }

    /// The message for the runner: what of this leaves the machine.
    pub fn message(&self, told: &Told, sender: &syslog::Sender) -> String {
        match self {
            Target::Syslog(target) => {
                let facility = syslog::facility(&target.facility).unwrap_or(::syslog::Facility::LOG_AUTHPRIV);
                syslog::Message::of(told).render(target.form(), sender, facility, target.limit())
            }
            Target::Ocsf(_) | Target::Checkpoints(_) => told.line(),
            Target::Webhook(_) => notice::Notice::of(told).to_json(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_told_by_every_outlet_that_would_have_had_it() {
        let body = r#"{"last":19,"findings":17,"orders":2,"heads":3,"since":981,"until":997}"#.to_owned();
        let told = Told::read(&Row { sequence: 19, made: WallTime(5), kind: "omitted".into(), body }).unwrap();
        let syslog: SyslogTarget = toml::from_str("severity = 'critical'").unwrap();
        let sender = syslog::Sender::new("portal", 7);
        let targets = [
            (Target::Syslog(syslog), "OMITTED [tripline@32473 id=\"19\" severity=\"high\" findings=\"17\""),
            (Target::Ocsf(toml::from_str("path = '/x'\nseverity = 'critical'").unwrap()), "\"class_uid\":0,"),
            (
                Target::Webhook(toml::from_str("url = 'https://x.example'\nseverity = 'critical'").unwrap()),
                "\"kind\":\"omitted\"",
            ),
        ];
        for (target, shows) in &targets {
            assert!(target.wants(&told));
            let message = target.message(&told, &sender);
            assert!(message.contains(*shows) && message.contains("tripline findings list --since"), "{message}");
        }
        let heads = Target::Checkpoints(toml::from_str("path = '/x'").unwrap());
        assert!(heads.wants(&told));
        let only_heads = Told::Omitted(WallTime(5), Omitted { heads: 1, ..Omitted::default() });
        assert_eq!(targets.map(|(target, _)| target.wants(&only_heads)), [true, false, false], "syslog has heads too");
        let (at, nothing) = (WallTime(5), Omitted::default());
        assert!(!heads.wants(&Told::Omitted(at, Omitted { findings: 1, ..nothing })));
    }
}
