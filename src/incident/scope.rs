//! Which recorded acts are an incident's: the intruder's, and not those of whose credentials they are.
//!
//! Of everybody whom an incident is about, the acts in the sessions of its findings, and those from the addresses of its findings,
//! before the alarm too. Where an address is strange for somebody, their own acts from elsewhere are their own; where every
//! address is theirs of old, it is somebody who works here, and what they did in those sessions is all there is to go by.
use crate::model::{EventTime, Finding, Millis, Text};
use crate::pipeline::EventRow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// An address or network is somebody's own if it was used so long before the alarm.
const OWN_AFTER: Millis = Millis::DAY.times(14);
/// How long before the first alarm an intruder's acts are looked for.
pub const LOOK_BACK: Millis = Millis::DAY.times(60);
/// How long after the last finding acts are still taken for the incident's: one that nobody ended goes on.
pub const LOOK_AHEAD: Millis = Millis::DAY.times(14);

/// The acts that are the incident's, of all recorded `acts` of those it is about, in time order.
pub fn scope(findings: &[&Finding], acts: &[EventRow]) -> Vec<EventRow> {
    let mut by_actor: BTreeMap<&str, Vec<&EventRow>> = BTreeMap::new();
    for act in acts {
        by_actor.entry(act.actor.as_ref().map_or("", |a| a.name.as_str())).or_default().push(act);
    }
    let mut taken = Vec::new();
    for (actor, mut acts) in by_actor {
        acts.sort_by_key(|act| (act.time, act.id));
        let theirs: Vec<&Finding> =
            findings.iter().copied().filter(|f| f.subject.actor.as_deref() == Some(actor)).collect();
        if let Some(alarm) = theirs.iter().map(|f| f.time).min() {
            taken.extend(of_actor(&theirs, &acts, alarm));
        }
    }
    taken.sort_by_key(|act| (act.time, act.id));
    taken.dedup_by_key(|act| act.id);
    taken
}

fn of_actor(findings: &[&Finding], acts: &[&EventRow], alarm: EventTime) -> Vec<EventRow> {
    let own = Own::of(acts, alarm);
    let strange = |act: &EventRow| !own.has_network(act);
    let sessions: BTreeSet<String> =
        findings.iter().filter_map(|f| Some(crate::model::id::hex(&f.subject.session?.digest))).collect();
    let addresses: BTreeSet<IpAddr> = findings.iter().filter_map(|f| f.subject.ip).collect();
    // an intruder may sit in a network that its victim uses too, but hardly at an address and with a device that they had of old
    let from_strange = |act: &EventRow| {
        let new = act.origin.ip.is_some_and(|ip| addresses.contains(&ip) && !own.addresses.contains(&ip));
        new && (strange(act) || !own.devices.contains(&device(act)))
    };
    let by_stranger = acts.iter().any(|act| from_strange(act));
    // a session that a stranger has been in: what its owner did in it is not the stranger's
    let shared: BTreeSet<&String> =
        acts.iter().filter(|act| strange(act)).filter_map(|act| act.session.as_ref()).collect();
    let last = findings.iter().map(|f| f.time).max().unwrap_or(alarm).plus(LOOK_AHEAD);
    let is_of = |act: &EventRow| {
        let in_session =
            act.session.as_ref().is_some_and(|s| sessions.contains(s) && (!shared.contains(s) || strange(act)));
        // without a session, from an address of old: between the first and the last act that a finding rests on
        let at_work = sessions.is_empty()
            && !by_stranger
            && findings.iter().any(|f| f.subject.ip == act.origin.ip && (f.first..=f.time).contains(&act.time));
        from_strange(act) || in_session || at_work
    };
    let in_time = |act: &EventRow| act.time >= alarm.minus(LOOK_BACK) && act.time <= last;
    acts.iter().filter(|act| in_time(act) && is_of(act)).map(|act| (*act).clone()).collect()
}

/// The networks, addresses and devices that somebody used of old.
struct Own {
    networks: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
    devices: BTreeSet<(Option<Text>, Option<Text>)>,
}

impl Own {
    fn of(acts: &[&EventRow], alarm: EventTime) -> Own {
        let begin = acts.first().map_or(alarm, |act| act.time);
        // where what is recorded does not reach back so far, what was used on its first day is of old
        let before = alarm.minus(OWN_AFTER).max(begin.plus(Millis::DAY)).min(alarm.minus(Millis::HOUR));
        let old = || acts.iter().take_while(|act| act.time <= before);
        Own {
            networks: old().filter_map(|act| network(act)).collect(),
            addresses: old().filter_map(|act| act.origin.ip).collect(),
            devices: old().map(|act| device(act)).collect(),
        }
    }

    /// Whether the act came from one of these networks, or from nowhere that is known.
    fn has_network(&self, act: &EventRow) -> bool {
        network(act).is_none_or(|network| self.networks.contains(&network))
    }
}

/// Family and system.
fn device(act: &EventRow) -> (Option<Text>, Option<Text>) {
    (act.origin.device_family.clone(), act.origin.device_os.clone())
}

fn network(act: &EventRow) -> Option<String> {
    let prefix = act.origin.prefix.as_ref().map(ToString::to_string);
    prefix.or_else(|| Some(act.origin.ip?.to_string()))
}
