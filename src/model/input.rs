//! Everything that can change a result: the closed list of recorded inputs.
use super::Text;
use super::finding::{Ask, Subject};
use super::id::{Digest, FindingId, OrderId};
use super::order::{Decision, Mute};
use super::position::{Batch, FileId, SourceName};
use super::silence::Silence;
use super::time::{EventTime, WallTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One input of the core. The ledger gives each a sequence number; the same inputs in the same order give the same ledger.
///
/// `L` is a batch of lines as read, or as prepared by [`crate::pipeline`].
#[derive(Clone, Debug)]
pub enum Input<L = Batch> {
    /// Lines of one or more trails, merged by event time: each trail's own order is kept.
    Lines(Vec<L>),
    /// Old lines, from which is learned what is usual: they change the state of detection, and nothing is found, kept or told.
    Learn(Vec<L>),
    /// The end of the learning from old files.
    Learned {
        /// When.
        at: WallTime,
        /// What was learned from.
        files: Vec<LearnedFile>,
        /// Who asked for it.
        by: Text,
    },
    /// The clock, once a minute and at start.
    Tick(WallTime),
    /// Policies, reference tables, profiles or the response's settings were read; from now on these hold. By digest.
    Rules {
        /// When.
        at: WallTime,
        /// Digest of everything that was read.
        digest: Digest,
        /// The silences among it.
        silences: Vec<Silence>,
    },
    /// A person acknowledged a finding.
    Acknowledge {
        /// When.
        at: WallTime,
        /// Which.
        finding: FindingId,
        /// Who, by peer credentials.
        by: Text,
    },
    /// A person judged a finding.
    Judge {
        /// When.
        at: WallTime,
        /// What was judged, and how.
        judgement: Judgement,
        /// Who, by peer credentials.
        by: Text,
    },
    /// Files of a trail are gone, and were read to their end or declared lost: their cursors are needed no more.
    Gone {
        /// When.
        at: WallTime,
        /// Of which trail.
        source: SourceName,
        /// Which.
        files: Vec<FileId>,
    },
    /// What has been kept as long as it is to be kept goes.
    Retention {
        /// When.
        at: WallTime,
        /// Up to where.
        forgotten: Forgotten,
    },
    /// A person did something about an incident.
    Incident(super::incident::IncidentStep),
    /// A person had a sealed session id opened.
    Reveal {
        /// When.
        at: WallTime,
        /// What stands for the session, in hexadecimal.
        session: Text,
        /// Why.
        reason: Text,
        /// Who, by peer credentials.
        by: Text,
    },
    /// `tripline hold on|off`.
    Hold {
        /// When.
        at: WallTime,
        /// On or off.
        on: bool,
        /// Who, by peer credentials.
        by: Text,
    },
    /// A person decided about an order.
    Decide {
        /// When.
        at: WallTime,
        /// Which.
        order: OrderId,
        /// What.
        decision: Decision,
        /// Who, by peer credentials.
        by: Text,
    },
    /// A person put a mute on.
    Mute {
        /// When.
        at: WallTime,
        /// What it covers, until when, and who put it on.
        mute: Mute,
    },
    /// A person took a mute off before its end.
    Unmute {
        /// When.
        at: WallTime,
        /// Which.
        id: Text,
        /// Who, by peer credentials.
        by: Text,
    },
    /// A person asked that something be ended.
    Invalidate {
        /// When.
        at: WallTime,
        /// By which action, on what.
        ask: Ask,
        /// Whose it is, and in which session.
        subject: Box<Subject>,
        /// Why, in the person's words; at most [`super::limits::REASON_BYTES`].
        reason: Text,
        /// Who, by peer credentials.
        by: Text,
    },
    /// A part of tripline has failed for a while, or works again: people are told when it begins and when it ends.
    Failing {
        /// When it was told.
        at: WallTime,
        /// Which part, as `tripline status` names it.
        part: Text,
        /// What is wrong with it; nothing where it works again.
        why: Option<Text>,
    },
    /// A person asked for a test finding.
    TestFinding {
        /// When.
        at: WallTime,
        /// Who, by peer credentials.
        by: Text,
    },
    /// An order was handed to the runner.
    Started {
        /// When.
        at: WallTime,
        /// Which.
        order: OrderId,
    },
    /// The runner told how an order ended.
    Ended {
        /// When.
        at: WallTime,
        /// Which.
        order: OrderId,
        /// How.
        verdict: Verdict,
    },
}

/// Up to which record, by its number in the list of leaves, things have gone at the end of their retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Of the inputs that lines and the clock made.
    pub inputs: u64,
    /// Of the blocks of events.
    pub events: u64,
}

/// An old file that was learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedFile {
    /// As lines of which trail.
    pub source: SourceName,
    /// Where it lay.
    pub path: Text,
    /// How many lines it had.
    pub lines: u64,
    /// How many events they told, repetitions among them.
    pub events: u64,
    /// The earliest event time; nothing where no line could be read.
    pub first: Option<EventTime>,
    /// The latest event time.
    pub last: Option<EventTime>,
    /// Digest of its lines, in hexadecimal digits.
    pub digest: String,
}

/// A person's verdict on a finding, with what the core needs to act on it: it has no findings at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Which finding.
    pub finding: FindingId,
    /// Its policy.
    pub policy: Arc<str>,
    /// Whom it is about, by name; nothing where it names nobody.
    pub actor: Option<Text>,
    /// The finding's event time.
    pub time: EventTime,
    /// Honest work, or else an attack.
    pub honest: bool,
    /// Where it is honest, what it showed is learned: not while something grave that was found about the same actor may be an attack.
    pub learns: bool,
    /// Why, in the person's words; at most [`super::limits::REASON_BYTES`].
    pub reason: Text,
}

/// How the runner says that an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The hook ran and said that it is done.
    Done(Text),
    /// The hook ran and failed; its reason.
    Failed(Text),
    /// Nothing was done: the hook could not be run, or said that it can't now or never; its reason.
    NotRun(Text),
    /// It was started, and nobody knows how it ended.
    Unknown(Text),
    /// The runner has never heard of it: it may be handed over again.
    NeverSeen,
}
