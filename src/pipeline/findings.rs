//! Findings: from a policy's firing, and the few that tripline makes about itself and its trails.
use super::Rules;
use super::cursors::Touch;
use super::numbers::Oddity;
use super::prepare::Line;
use crate::detect::Firing;
use crate::detect::store::quota::{EvictionNotice, TrustTier};
use crate::framing::spool::Header;
use crate::model::finding::{Ask, Witness};
use crate::model::order::{Held, Purpose};
use crate::model::{
    Actor, Batch, Discontinuity, Event, EventTime, Finding, FindingId, HashParts, Measure, Millis, Order, OrderState,
    Severity, SourceName, Subject, Text, TrailPart, WallTime,
};
use crate::orders;
use std::sync::Arc;

/// The finding of a policy that fired at `event`.
pub(super) fn from_firing(rules: &Rules, event: &Event, firing: Firing) -> Finding {
    let policy = &rules.engine.policies().rules[usize::from(firing.policy)];
    let id = HashParts::new("finding").part(&policy.decision.0).part(&firing.entity).number(firing.episode).finish();
    // of a backlog nothing is ended: what cannot be told to be fresh is taken for old
    let asks = if event.marks.unplaced || !firing.asks { Vec::new() } else { policy.asks.clone() };
    let unknown = event.marks.unplaced.then(|| Measure {
        what: "when it happened".into(),
        value: "unknown: it states no time, and its trail was read long after it was written".into(),
        against: "known, or no order is given".into(),
    });
    Finding {
        id: FindingId(id.short()),
        policy: policy.name.clone(),
        decision: Some(policy.decision_text()),
        title: policy.title.clone(),
        severity: policy.severity,
        time: firing.time,
        observed: event.observed,
        first: firing.first,
        entity: firing.label,
        subject: subject(rules, event),
        measures: firing.measures.into_iter().chain(unknown).collect(),
        witnesses: firing.witnesses.into_iter().map(|(event, time, what)| Witness { event, time, what }).collect(),
        tags: policy.tags.clone(),
        asks,
        test: false,
        silenced: None,
    }
}

pub(super) fn subject(rules: &Rules, event: &Event) -> Subject {
    let origin = &event.origin;
    let place: Vec<String> = [
        origin.city.as_ref().map(ToString::to_string),
        origin.country.as_ref().map(ToString::to_string),
        origin.as_number.map(|n| format!("AS{n}")),
        origin.as_name.as_ref().map(ToString::to_string),
        origin.listed.as_ref().map(|kind| format!("listed as {kind}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    Subject {
        actor: event.actor.as_ref().map(|a| a.name.clone()),
        actor_label: event.actor.as_ref().and_then(|a| a.label.clone()),
        actor_uid: event.actor.as_ref().and_then(|a| a.uid.clone()),
        is_claimed: event.actor.as_ref().is_some_and(Actor::is_claimed),
        role: event.actor.as_ref().and_then(|a| a.role.clone()),
        session: event.session.as_ref().map(|s| rules.secrets.session_ref(s)),
        ip: origin.ip,
        place: (!place.is_empty()).then(|| place.join(", ").into()),
        customer: event.customer.clone(),
        export: event.export.as_ref().and_then(|export| export.job.clone()),
        trail: Some(event.evidence.source.clone()),
    }
}

/// One marked finding, to see that it arrives.
pub(super) fn test(at: WallTime, by: &str) -> Finding {
    let id = HashParts::new("test finding").number(at.0).part(by.as_bytes()).finish();
    Finding {
        test: true,
        ..own(id.short(), "test", "A test: nothing happened", Severity::Informational, EventTime(at.0), at, by.into())
    }
}

/// A person asked that something be ended, and said why.
pub(super) fn by_hand(at: WallTime, ask: Ask, subject: Subject, reason: &str, by: &str) -> Finding {
    let id = HashParts::new("by hand").number(at.0).part(by.as_bytes()).part(ask.action.as_bytes()).finish();
    let entity = format!("by={by}").into();
    let title = "A person asked that it be ended";
    let own = own(id.short(), "invalidated_by_hand", title, Severity::Medium, EventTime(at.0), at, entity);
    let why = Measure { what: "reason".into(), value: reason.into(), against: "said by whoever asked".into() };
    Finding { subject, asks: vec![ask], measures: vec![why], ..own }
}

/// From now on orders are held: the last that a mechanism was allowed have been used up.
pub(super) fn limit(settings: &orders::Settings, order: &Order) -> Finding {
    let id = HashParts::new("response limit").part(&order.id.0).number(order.changed.0).finish();
    let title = "As many people were acted on as the limit allows, and orders about others are held (a thousand at most) until a \
                 person decides: somebody may forge trails, or this is a large attack";
    let entity = format!("order={}", order.id).into();
    let (time, at) = (EventTime(order.changed.0), order.changed);
    let mut finding = own(id.short(), LIMIT, title, Severity::Critical, time, at, entity);
    let window = settings.limit_window.0 / 1000;
    finding.measures.push(Measure {
        what: format!("people acted on within {window} s").into(),
        value: "the limit".into(),
        against: settings.most_people().to_string().into(),
    });
    finding
}

/// The policy of the finding that a limit holds orders.
pub const LIMIT: &str = "response_limit";

/// The policy of the finding that an order came to nothing.
pub const NOT_ENDED: &str = "response_failed";

/// What an order should have ended goes on, or may: nothing where it is not so, or it is tried again by itself.
pub(super) fn not_ended(order: &Order) -> Option<Finding> {
    let result = order.verification.as_ref().map(|v| v.result);
    let (what, why) = match (order.state, result) {
        _ if order.purpose == Purpose::Check || order.retry_at.is_some() => return None,
        (_, Some(Held::NotHeld)) => ("not held", order.verification.as_ref().and_then(|v| v.note.clone())),
        (OrderState::Failed, _) => ("failed", order.note.clone()),
        (OrderState::Unknown, _) => ("unknown", order.note.clone()),
        _ => return None,
    };
    let parts = HashParts::new("response failed").part(&order.id.0).part(what.as_bytes());
    let id = parts.number(order.attempt.into()).finish().short();
    let title = "An order did not end what it should have: look whether it goes on, and end it by hand";
    let at = order.changed;
    let own = own(id, NOT_ENDED, title, Severity::High, EventTime(at.0), at, format!("order={}", order.id).into());
    let subject = Subject {
        actor: order.actor.clone(),
        actor_label: order.actor_label.clone(),
        actor_uid: order.actor_uid.clone(),
        is_claimed: order.is_claimed,
        role: order.role.clone(),
        session: order.session,
        ip: order.ip,
        trail: order.trail.clone(),
        ..Subject::default()
    };
    let ended = Measure {
        what: format!("{} of {}", order.action, order.target.name()).into(),
        value: why.map_or_else(|| what.into(), |why| format!("{what}: {why}").into()),
        against: "done, and held".into(),
    };
    Some(Finding { subject, measures: vec![ended], ..own })
}

/// The policy of the findings that a part of tripline fails, or works again.
pub const FAILING: &str = "tripline_failing";

/// A part of tripline fails, or works again, where `why` is nothing; `since` is when people were told that it does not.
pub(super) fn failing(at: WallTime, part: &str, why: Option<Text>, since: Option<WallTime>) -> Finding {
    let id = HashParts::new(FAILING).part(part.as_bytes()).number(at.0).finish().short();
    let (title, value) = match (why, since) {
        (Some(why), _) => ("A part of tripline fails, and what it should see or do may be missed", why),
        (None, Some(since)) => ("A part of tripline works again", format!("since {since} it did not").into()),
        (None, None) => ("A part of tripline works again", "it did not".into()),
    };
    let mut finding = own(id, FAILING, title, Severity::High, EventTime(at.0), at, format!("part={part}").into());
    finding.measures.push(Measure { what: part.into(), value, against: "works".into() });
    finding
}

/// The policies that tripline's own findings are of, tests left out.
pub const OWN: &[&str] = &[
    FAILING,
    "findings_capped",
    "state_pressure",
    "trail_truncated",
    GAP,
    OVERLAP,
    Illegible::Unreadable.policy(),
    Illegible::Clipped.policy(),
    Illegible::Undated.policy(),
    Illegible::Ahead.policy(),
    BACKWARDS,
    RECORDS_MISSING,
    NUMBERED_ANEW,
    RENAMED,
    super::roles::DISPUTED,
    LIMIT,
    NOT_ENDED,
    "invalidated_by_hand",
];

/// Under which name the findings of a policy in an hour are counted. Those under a silence by themselves: what nobody is told
/// of must not use up what somebody would be told of.
pub(super) fn flood_key(finding: &Finding) -> Arc<str> {
    match finding.silenced {
        Some(_) => format!("silenced {}", finding.policy).into(),
        None => finding.policy.clone(),
    }
}

/// Said in place of the finding that is one too many.
pub(super) fn flood(last: &Finding) -> Finding {
    let hour = last.time.episode(Millis::HOUR);
    let id = HashParts::new("flood").part(flood_key(last).as_bytes()).number(hour).finish();
    let mut finding = own(
        id.short(),
        "findings_capped",
        "A policy fired so often that its further findings of this hour are not recorded singly",
        Severity::Medium,
        last.time,
        last.observed,
        format!("policy={}", last.policy).into(),
    );
    finding.silenced.clone_from(&last.silenced);
    finding.measures.push(Measure {
        what: "findings of the policy in one hour".into(),
        value: format!("more than {}", crate::model::limits::FINDINGS_PER_POLICY_HOUR).into(),
        against: format!("<= {}", crate::model::limits::FINDINGS_PER_POLICY_HOUR).into(),
    });
    finding
}

/// What an entity did no longer fits the state of a policy, and the oldest of it was let go.
pub(super) fn overflowed(rules: &Rules, policy: u16, event: &Event, at: EventTime) -> Finding {
    let policy = &rules.engine.policies().rules[usize::from(policy)];
    let actor = event.actor.as_ref().map_or("nobody named", |a| a.name.as_str());
    let parts = HashParts::new("state pressure").part(policy.name.as_bytes()).part(actor.as_bytes());
    let id = parts.number(at.episode(Millis::DAY)).finish().short();
    let title = "More happened than a policy keeps, and the oldest of it no longer counts";
    let entity = format!("policy={} actor.user.name={actor}", policy.name).into();
    Finding {
        subject: subject(rules, event),
        ..own(id, "state_pressure", title, Severity::Medium, at, event.observed, entity)
    }
}

/// The policy of the finding that an id acts under another name.
pub const RENAMED: &str = "actor_renamed";

/// An id acts under another name than before.
pub(super) fn renamed(rules: &Rules, event: &Event, before: &str, at: EventTime) -> Finding {
    let actor = event.actor.as_ref();
    let now = actor.and_then(|actor| actor.label.as_ref().or(Some(&actor.name))).map_or("", |name| name.as_str());
    let uid = actor.and_then(|actor| actor.uid.as_deref()).unwrap_or_default();
    let source = event.evidence.source.as_str();
    // once for each name that it takes
    let parts = [source, uid, now].iter().fold(HashParts::new(RENAMED), |parts, part| parts.part(part.as_bytes()));
    let title = "An id acts under another name than before; policies go on taking it for the same person";
    let known = actor.map_or("", |actor| actor.name.as_str());
    let entity = format!("trail={source} actor.user.name={known}").into();
    let id = parts.finish().short();
    let mut finding = own(id, RENAMED, title, Severity::Low, at, event.observed, entity);
    finding.subject = subject(rules, event);
    finding.measures.push(Measure {
        what: "name".into(),
        value: now.into(),
        against: format!("before: {before}").into(),
    });
    finding
}

/// More entities appeared than a policy has room for, and the state of those whom it saw longest ago was let go.
pub(super) fn evicted(rules: &Rules, notice: &EvictionNotice, at: EventTime, observed: WallTime) -> Finding {
    let EvictionNotice { prefix, tier, cells, room } = notice;
    let parts = HashParts::new("state let go").part(prefix).part(tier.name().as_bytes());
    let id = parts.number(at.episode(Millis::DAY)).finish().short();
    let (title, severity) = match tier {
        TrustTier::Stranger => (
            "More strangers appeared than a policy has room for, and it has forgotten those it saw longest ago",
            Severity::Medium,
        ),
        TrustTier::Familiar | TrustTier::Staff => (
            "More known people and keys appeared than a policy has room for, and it has forgotten those it saw longest ago",
            Severity::High,
        ),
    };
    let entity = format!("policy={} of={}", rules.accumulating(*prefix), tier.name());
    let mut finding = own(id, "state_pressure", title, severity, at, observed, entity.into());
    finding.measures.push(Measure {
        what: "entities let go since it was last said".into(),
        value: cells.to_string().into(),
        against: format!("room for {room}").into(),
    });
    finding
}

/// What is said of a discontinuity: nothing where nothing was lost.
pub(super) fn discontinuity(batch: &Batch, what: &Discontinuity, newest: Option<EventTime>) -> Option<Finding> {
    let (policy, title, value): (_, _, Text) = match what {
        Discontinuity::StartedAtEnd | Discontinuity::NextFile | Discontinuity::Copy { .. } => return None,
        Discontinuity::Truncated => (
            "trail_truncated",
            "A trail was cut short or rewritten under us: it is read again from its start; what was written between our last look and the cut is lost, but for what a copy beside it holds",
            "unknown: at most what was written between two looks".into(),
        ),
        Discontinuity::Lost { read_to, known_size } => (
            GAP,
            "A file of a trail is gone with an unread rest",
            match known_size {
                Some(size) => format!("bytes {read_to} to {size}").into(),
                None => format!("from byte {read_to} on, unknown how far").into(),
            },
        ),
    };
    let time = newest.unwrap_or(EventTime(batch.observed.0));
    let id = HashParts::new(policy)
        .part(batch.source.as_str().as_bytes())
        .number(batch.stretch.file.inode as i64)
        .number(batch.stretch.file.born_ns)
        .number(time.episode(Millis::HOUR))
        .finish();
    let entity: Text = format!("trail={}", batch.source).into();
    let mut finding = own(id.short(), policy, title, Severity::Medium, time, batch.observed, entity);
    finding.measures.push(Measure { what: "not read".into(), value, against: "nothing".into() });
    Some(finding)
}

/// Where a line was taken from, what came before it may be gone. `newest` is the trail's time until then. When it was received is no
/// word of whoever wrote it, and is the same however lines are batched.
pub(super) fn after_loss(source: &SourceName, line: &Line, newest: Option<EventTime>) -> Finding {
    let header = Header::before(&line.data, line.range.start as usize);
    let received = header.map_or(WallTime(newest.unwrap_or_default().0), |header| header.received);
    let id = HashParts::new(GAP).part(source.as_str().as_bytes()).part(&line.digest).number(received.0).finish();
    let title = "The journal no longer holds the entry that was read last: what came right after it may be lost";
    let (time, entity) = (EventTime(received.0), format!("trail={source}").into());
    let mut finding = own(id.short(), GAP, title, Severity::Medium, time, received, entity);
    finding.subject.trail = Some(source.clone());
    let since = newest.map_or("the beginning".into(), |newest| newest.to_string());
    let value = format!("at most what was written from {since} to {received}").into();
    finding.measures.push(Measure { what: "not read".into(), value, against: "nothing".into() });
    finding
}

/// What comes of a file does not begin where it was folded in to; `newest` is the trail's time until then.
pub(super) fn does_not_touch(batch: &Batch, touch: Touch, newest: Option<EventTime>) -> Finding {
    let stretch = &batch.stretch;
    let (policy, severity, title, at, against) = match touch {
        Touch::Fits | Touch::Overlaps(_) => (
            OVERLAP,
            Severity::Medium,
            "Lines of a trail were handed over twice: they count once",
            if let Touch::Overlaps(at) = touch { at } else { stretch.from },
            "the byte up to which it was read",
        ),
        Touch::Gap(at) => (
            GAP,
            Severity::High,
            "Lines of a trail were passed over, and what follows them is refused until it is read on from there: systemctl reload tripline",
            at,
            "the byte up to which it was read",
        ),
        Touch::TooMany => (
            GAP,
            Severity::High,
            "A trail has more files than can be remembered, and what further ones hold is refused: name fewer files",
            stretch.from,
            "65,536 files",
        ),
    };
    let time = newest.unwrap_or(EventTime(batch.observed.0));
    let source = batch.source.as_str();
    let id = HashParts::new(policy)
        .part(b"does not touch")
        .part(source.as_bytes())
        .part(&stretch.file.host.0)
        .number(stretch.file.inode as i64)
        .number(stretch.file.born_ns)
        .number(at as i64)
        .finish();
    let mut finding = own(id.short(), policy, title, severity, time, batch.observed, format!("trail={source}").into());
    finding.subject.trail = Some(batch.source.clone());
    finding.measures.push(Measure {
        what: "handed over".into(),
        value: format!("bytes {} to {} of {}", stretch.from, stretch.to, batch.path.display()).into(),
        against: format!("from {at} on, {against}").into(),
    });
    finding
}

const GAP: &str = "trail_gap";
const OVERLAP: &str = "trail_overlap";
const BACKWARDS: &str = "trail_backwards";
const RECORDS_MISSING: &str = "trail_records_missing";
const NUMBERED_ANEW: &str = "trail_numbered_anew";

/// Many events of a trail are older than its lateness bound. `at` is the trail's own time by then.
pub(super) fn backwards(event: &Event, at: EventTime) -> Finding {
    let source = &event.evidence.source;
    let parts = HashParts::new(BACKWARDS).part(source.as_str().as_bytes());
    let id = parts.number(at.episode(Millis::HOUR)).finish().short();
    let title = "A trail goes back in time: its clock was set back, or old lines were slipped in";
    let mut finding = own(id, BACKWARDS, title, Severity::Medium, at, event.observed, format!("trail={source}").into());
    finding.subject.trail = Some(source.clone());
    let behind = (at.0 - event.time.0) / Millis::DAY.0;
    finding.measures.push(Measure {
        what: "events behind the trail's newest".into(),
        value: format!("many, this one by {behind} days").into(),
        against: format!("at most {} days", crate::model::limits::LATENESS.0 / Millis::DAY.0).into(),
    });
    finding
}

/// What the numbers of a trail's records say, known when `event` was read.
pub(super) fn numbering(event: &Event, odd: Oddity, at: EventTime) -> Finding {
    let source = &event.evidence.source;
    let (policy, first, title, value, against) = match odd {
        Oddity::Missing { first, last } => {
            let title = "Records are missing from a trail: they were cut out, or never written";
            let value = format!("{} from {first} to {last}", last - first + 1);
            (RECORDS_MISSING, first, title, value, "each number one more than the one before".to_owned())
        }
        Oddity::Anew { highest, number } => {
            let title = "A trail numbers its records anew: its product was set back, or somebody replaced the trail";
            (NUMBERED_ANEW, number, title, number.to_string(), format!("more than {highest}"))
        }
    };
    let parts = HashParts::new(policy).part(source.as_str().as_bytes()).number(first as i64);
    let id = parts.number(at.episode(Millis::DAY)).finish().short();
    let entity = format!("trail={source}").into();
    let mut finding = own(id, policy, title, Severity::Medium, at, event.observed, entity);
    finding.subject.trail = Some(source.clone());
    finding.measures.push(Measure { what: "numbers of records".into(), value: value.into(), against: against.into() });
    finding
}

/// Why lines of a trail can't be relied upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Illegible {
    /// They can't be read at all.
    Unreadable,
    /// They break off.
    Clipped,
    /// They state no time that can be read.
    Undated,
    /// Nor does their arrival say when they were.
    Unplaced,
    /// They state a time that is yet to come.
    Ahead,
}

impl Illegible {
    /// The policy of the findings that say it.
    const fn policy(self) -> &'static str {
        match self {
            Illegible::Unreadable => "trail_unreadable",
            Illegible::Clipped => "trail_clipped",
            Illegible::Undated | Illegible::Unplaced => "trail_undated",
            Illegible::Ahead => "trail_ahead",
        }
    }

    /// Under which name the time of the last such finding of a trail is remembered, by the machine whose time it is.
    pub fn key(self, part: &TrailPart) -> Arc<str> {
        let beside = if self == Illegible::Unplaced { " unplaced" } else { "" };
        format!("{} {} {}{beside}", self.policy(), part.source, part.host).into()
    }
}

/// Many of a trail's lines can't be relied upon: of so many in an hour so many. `at` is the trail's time, that of reading where it has
/// none, and the episode that it is of.
pub(super) fn illegible(
    source: &SourceName,
    what: Illegible,
    (at, episode): (EventTime, i64),
    observed: WallTime,
    (lines, odd): (u64, u64),
) -> Finding {
    let policy = what.policy();
    let parts = HashParts::new(policy).part(source.as_str().as_bytes()).number(episode);
    let id = if what == Illegible::Unplaced { parts.part(b"unplaced") } else { parts }.finish();
    let (title, measured, against) = match what {
        Illegible::Unreadable => (
            "Many lines of a trail can't be read: its format changed, or somebody hides in it",
            "unreadable lines in one hour",
            "fewer than one in twenty",
        ),
        Illegible::Clipped => (
            "Lines of a trail are cut, by a relay or as too long: what stood behind the cut is unknown, and somebody may hide there",
            "cut lines in one hour",
            "fewer than five",
        ),
        Illegible::Undated => (
            "Many events of a trail state no time that can be read: they count when they arrived",
            "events without a time in one hour",
            "fewer than one in twenty lines",
        ),
        Illegible::Unplaced => (
            "Events of a trail that was read long after it was written state no time that can be read: policies that count over time leave them out, and somebody may hide there",
            "events without a time in one hour",
            "none",
        ),
        Illegible::Ahead => (
            "Events of a trail state a time that is yet to come: its clock is ahead, or ours is behind, and they count when they were read",
            "events from the future in one hour",
            "fewer than five, or than one in twenty",
        ),
    };
    let mut finding = own(id.short(), policy, title, Severity::Medium, at, observed, format!("trail={source}").into());
    finding.subject.trail = Some(source.clone());
    finding.measures.push(Measure {
        what: measured.into(),
        value: format!("{odd} of {lines}").into(),
        against: against.into(),
    });
    finding
}

pub(super) fn own(
    id: [u8; 16],
    policy: &str,
    title: &str,
    severity: Severity,
    time: EventTime,
    observed: WallTime,
    entity: Text,
) -> Finding {
    Finding {
        id: FindingId(id),
        policy: policy.into(),
        decision: None,
        title: title.into(),
        severity,
        time,
        observed,
        first: time,
        entity,
        subject: Subject::default(),
        measures: Vec::new(),
        witnesses: Vec::new(),
        tags: Vec::new(),
        asks: Vec::new(),
        test: false,
        silenced: None,
    }
}
