//! What is known of somebody, or of an address, from recorded events: sessions, origins, devices, usual amounts, customers.
//!
//! Events are taken in one by one, the newest first or in any other order, and nothing of them is kept but what is shown. Every list is
//! bounded, and says when it is not the whole.
use crate::model::{Activity, Actor, EventTime, Millis, Outcome, Text};
use crate::pipeline::EventRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Origins, devices, actors and customers that are told apart, each.
const TOLD_APART: usize = 4096;
/// Exports that are told apart: a request and its download are one.
const EXPORTS: usize = 100_000;
/// Addresses, devices and customers that one session names.
const PER_SESSION: usize = 64;

/// First and last use, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The first recorded.
    pub first: EventTime,
    /// The last recorded.
    pub last: EventTime,
    /// Recorded events.
    pub events: u64,
}

impl Use {
    fn new(at: EventTime) -> Use {
        Use { first: at, last: at, events: 0 }
    }

    fn see(&mut self, at: EventTime) {
        (self.first, self.last) = (self.first.min(at), self.last.max(at));
        self.events += 1;
    }
}

/// A network, as the databases knew it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Network {
    /// The prefix; without one, the address.
    pub prefix: Option<Text>,
    /// Whose.
    pub owner: Option<Text>,
    /// The number of the autonomous system.
    pub as_number: Option<u32>,
    /// The country.
    pub country: Option<Text>,
    /// The city.
    pub city: Option<Text>,
    /// The kind that a list gives it.
    pub listed: Option<Text>,
}

/// A browser or tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Device {
    /// `Chrome`, `curl`.
    pub family: Option<Text>,
    /// The major version.
    pub version: Option<u32>,
    /// The system.
    pub os: Option<Text>,
}

impl Device {
    /// For a person: `Chrome 120 on Windows`.
    pub fn name(&self) -> String {
        let version = self.version.map(|v| format!(" {v}")).unwrap_or_default();
        let os = self.os.as_ref().map(|os| format!(" on {os}")).unwrap_or_default();
        format!("{}{version}{os}", self.family.as_deref().unwrap_or("unknown"))
    }
}

/// One session; where the trails name none, what was done on one day from one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// What stands for the session, in hexadecimal.
    pub session: Option<String>,
    /// Who acted in it; more than one of them is worth a look.
    pub actors: BTreeSet<Text>,
    /// From when to when, and how much of it is recorded.
    #[serde(flatten)]
    pub used: Use,
    /// From where.
    pub addresses: BTreeSet<IpAddr>,
    /// The countries of these.
    pub countries: BTreeSet<Text>,
    /// With what.
    pub devices: BTreeSet<String>,
    /// Acts that were refused or failed.
    pub failures: u64,
    /// The customers concerned.
    pub customers: BTreeSet<Text>,
    /// Exports asked for or fetched.
    pub exports: u64,
    /// Records of these: asked for or sent, whichever is more.
    pub records: u64,
}

/// How much of something there is on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usual {
    /// On half of the days it is no more.
    pub median: u64,
    /// On nine of ten days it is no more.
    pub p90: u64,
    /// The most on one day.
    pub max: u64,
    /// That day (its beginning, UTC).
    pub max_day: EventTime,
}

/// Amounts of days on which there is anything recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Days {
    /// How many days.
    pub active: u64,
    /// Exports.
    pub exports: Usual,
    /// Records of these.
    pub records: Usual,
    /// Different customers.
    pub customers: Usual,
}

/// One customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRow {
    /// The account.
    pub customer: Text,
    /// When and how often.
    #[serde(flatten)]
    pub used: Use,
    /// Exports of it.
    pub exports: u64,
    /// Records of these.
    pub records: u64,
}

/// What is used, when and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used<T> {
    /// What.
    #[serde(flatten)]
    pub what: T,
    /// When and how often.
    #[serde(flatten)]
    pub used: Use,
}

/// One who acted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Who {
    /// The name.
    pub name: Text,
    /// The product's own id.
    pub uid: Option<Text>,
    /// `user`, `key`, …
    pub kind: Text,
    /// The role.
    pub role: Option<Text>,
}

/// What is shown, each list with the newest or most used first but the sessions, of which the newest is the last.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shown {
    /// From when to when, and how much is recorded; nothing where there is nothing.
    pub used: Option<Use>,
    /// Who.
    pub actors: Vec<Used<Who>>,
    /// The newest sessions.
    pub sessions: Vec<SessionRow>,
    /// There are older ones.
    pub more_sessions: bool,
    /// Networks, the last used first.
    pub origins: Vec<Used<Network>>,
    /// Devices, the last used first.
    pub devices: Vec<Used<Device>>,
    /// Usual amounts.
    pub days: Days,
    /// Customers, the most served first.
    pub customers: Vec<CustomerRow>,
    /// Something was more than is told apart: the amounts are at least these.
    pub more: bool,
}

/// One export, asked for and fetched.
struct ExportSeen {
    first: EventTime,
    records: u64,
    customer: Option<Text>,
    session: Key,
}

/// What is a session: what stands for it, or a day and an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Session(String),
    Day(i64, Option<IpAddr>),
}

/// What has been taken in.
pub struct History {
    limit: usize,
    used: Option<Use>,
    actors: BTreeMap<Who, Use>,
    sessions: BTreeMap<Key, SessionRow>,
    more_sessions: bool,
    origins: BTreeMap<Network, Use>,
    devices: BTreeMap<Device, Use>,
    exports: BTreeMap<String, ExportSeen>,
    customers: BTreeMap<Text, Use>,
    /// Days with anything recorded, and the customers of each.
    days: BTreeMap<i64, BTreeSet<Text>>,
    pairs: usize,
    more: bool,
}

impl History {
    /// Nothing yet; at most `limit` sessions will be shown.
    pub fn new(limit: usize) -> History {
        History {
            limit: limit.max(1),
            used: None,
            actors: BTreeMap::new(),
            sessions: BTreeMap::new(),
            more_sessions: false,
            origins: BTreeMap::new(),
            devices: BTreeMap::new(),
            exports: BTreeMap::new(),
            customers: BTreeMap::new(),
            days: BTreeMap::new(),
            pairs: 0,
            more: false,
        }
    }

    /// Takes an event in.
    pub fn add(&mut self, event: &EventRow) {
        let at = event.time;
        self.used.get_or_insert_with(|| Use::new(at)).see(at);
        if let Some(Actor { name, uid, kind, role, .. }) = &event.actor {
            let who = Who { name: name.clone(), uid: uid.clone(), kind: kind.name().into(), role: role.clone() };
            see(&mut self.actors, who, at, &mut self.more);
        }
        see(&mut self.origins, network(event), at, &mut self.more);
        let device = device(event);
        if device != Device::default() {
            see(&mut self.devices, device, at, &mut self.more);
        }
        self.customer(event);
        let key = key(event);
        self.session(key.clone(), event);
        self.export(key, event);
    }

    fn customer(&mut self, event: &EventRow) {
        let day = event.time.episode(Millis::DAY);
        let days = self.days.len();
        let of_day = match self.days.get_mut(&day) {
            Some(of_day) => of_day,
            None if days < EXPORTS => self.days.entry(day).or_default(),
            None => return self.more = true,
        };
        let Some(customer) = &event.customer else { return };
        if !of_day.contains(customer) {
            if self.pairs >= EXPORTS {
                return self.more = true;
            }
            self.pairs += 1;
            of_day.insert(customer.clone());
        }
        see(&mut self.customers, customer.clone(), event.time, &mut self.more);
    }

    fn session(&mut self, key: Key, event: &EventRow) {
        let fresh = || SessionRow {
            session: event.session.clone(),
            actors: BTreeSet::new(),
            used: Use::new(event.time),
            addresses: BTreeSet::new(),
            countries: BTreeSet::new(),
            devices: BTreeSet::new(),
            failures: 0,
            customers: BTreeSet::new(),
            exports: 0,
            records: 0,
        };
        let row = self.sessions.entry(key).or_insert_with(fresh);
        row.used.see(event.time);
        row.failures += u64::from(event.outcome == Outcome::Failure);
        keep(&mut row.actors, event.actor.as_ref().map(|a| a.name.clone()));
        keep(&mut row.addresses, event.origin.ip);
        keep(&mut row.countries, event.origin.country.clone());
        let device = device(event);
        keep(&mut row.devices, (device != Device::default()).then(|| device.name()));
        keep(&mut row.customers, event.customer.clone());
        // twice the room, so that one that is still being read is not let go for an older one
        if self.sessions.len() > 2 * self.limit {
            self.more_sessions = true;
            let mut ends: Vec<EventTime> = self.sessions.values().map(|row| row.used.last).collect();
            ends.sort_unstable();
            let newest = ends[ends.len() - self.limit];
            self.sessions.retain(|_, row| row.used.last >= newest);
        }
    }

    fn export(&mut self, session: Key, event: &EventRow) {
        let (Some(export), true) = (&event.export, event.outcome != Outcome::Failure) else { return };
        if !matches!(event.activity, Activity::ExportRequested | Activity::Download) {
            return;
        }
        let id = export.job.as_ref().map_or_else(|| event.id.to_string(), ToString::to_string);
        if self.exports.len() >= EXPORTS && !self.exports.contains_key(&id) {
            return self.more = true;
        }
        let fresh = || ExportSeen { first: event.time, records: 0, customer: None, session: session.clone() };
        let seen = self.exports.entry(id).or_insert_with(fresh);
        seen.records = seen.records.max(export.records.unwrap_or(0));
        seen.customer = seen.customer.take().or_else(|| event.customer.clone());
        // whoever asked for it: a download may be of another session, or of none
        if event.time < seen.first || event.activity == Activity::ExportRequested {
            (seen.first, seen.session) = (event.time, session);
        }
    }

    /// What is shown of it.
    pub fn shown(mut self) -> Shown {
        let mut of_day: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        let mut of_customer: BTreeMap<Text, (u64, u64)> = BTreeMap::new();
        for export in self.exports.into_values() {
            let add = |(exports, records): &mut (u64, u64)| {
                (*exports, *records) = (*exports + 1, records.saturating_add(export.records));
            };
            add(of_day.entry(export.first.episode(Millis::DAY)).or_default());
            if let Some(customer) = export.customer {
                add(of_customer.entry(customer).or_default());
            }
            if let Some(row) = self.sessions.get_mut(&export.session) {
                (row.exports, row.records) = (row.exports + 1, row.records.saturating_add(export.records));
            }
        }
        let day = |day: &i64| of_day.get(day).copied().unwrap_or_default();
        let days = Days {
            active: self.days.len() as u64,
            exports: usual(self.days.keys().map(|d| (*d, day(d).0))),
            records: usual(self.days.keys().map(|d| (*d, day(d).1))),
            customers: usual(self.days.iter().map(|(d, customers)| (*d, customers.len() as u64))),
        };
        let row = |(customer, used)| {
            let (exports, records) = of_customer.get(&customer).copied().unwrap_or_default();
            CustomerRow { customer, used, exports, records }
        };
        let mut customers: Vec<CustomerRow> = self.customers.into_iter().map(row).collect();
        customers.sort_by_key(|c| std::cmp::Reverse((c.used.events, c.used.last)));
        let mut sessions: Vec<SessionRow> = self.sessions.into_values().collect();
        sessions.sort_by_key(|s| (s.used.last, s.used.first));
        let older = sessions.len().saturating_sub(self.limit);
        sessions.drain(..older);
        Shown {
            used: self.used,
            actors: last_first(self.actors),
            sessions,
            more_sessions: self.more_sessions || older > 0,
            origins: last_first(self.origins),
            devices: last_first(self.devices),
            days,
            customers,
            more: self.more,
        }
    }
}

fn key(event: &EventRow) -> Key {
    match &event.session {
        Some(session) => Key::Session(session.clone()),
        None => Key::Day(event.time.episode(Millis::DAY), event.origin.ip),
    }
}

fn network(event: &EventRow) -> Network {
    let o = &event.origin;
    Network {
        prefix: o.prefix.clone().or_else(|| o.ip.map(|ip| ip.to_string().into())),
        owner: o.as_name.as_deref().map(Text::from),
        as_number: o.as_number,
        country: o.country.clone(),
        city: o.city.as_deref().map(Text::from),
        listed: o.listed.clone(),
    }
}

fn device(event: &EventRow) -> Device {
    let o = &event.origin;
    Device { family: o.device_family.clone(), version: o.device_version, os: o.device_os.clone() }
}

fn see<K: Ord>(map: &mut BTreeMap<K, Use>, key: K, at: EventTime, more: &mut bool) {
    if map.len() >= TOLD_APART && !map.contains_key(&key) {
        *more = true;
    } else {
        map.entry(key).or_insert(Use::new(at)).see(at);
    }
}

fn keep<T: Ord>(set: &mut BTreeSet<T>, value: Option<T>) {
    if set.len() < PER_SESSION {
        set.extend(value);
    }
}

fn last_first<T>(map: BTreeMap<T, Use>) -> Vec<Used<T>> {
    let mut list: Vec<Used<T>> = map.into_iter().map(|(what, used)| Used { what, used }).collect();
    list.sort_by_key(|u| std::cmp::Reverse((u.used.last, u.used.events)));
    list
}

/// Percentiles by nearest rank, and the most with its day: the first of several.
fn usual(days: impl Iterator<Item = (i64, u64)>) -> Usual {
    let mut amounts: Vec<(u64, i64)> = days.map(|(day, amount)| (amount, day)).collect();
    amounts.sort_by_key(|(amount, day)| (*amount, std::cmp::Reverse(*day)));
    let Some((max, day)) = amounts.last().copied() else { return Usual::default() };
    let rank = |percent: usize| amounts[(amounts.len() * percent).div_ceil(100).max(1) - 1].0;
    Usual { median: rank(50), p90: rank(90), max, max_day: EventTime(day.saturating_mul(Millis::DAY.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventId, Evidence, Export, SourceName, WallTime};

    fn event(n: i64, at: EventTime, session: Option<u8>, job: &str, records: u64, customer: &str) -> EventRow {
        let evidence = Evidence {
            source: SourceName("t".into()),
            file: crate::model::FileId::default(),
            from: 0,
            to: 0,
            index: 0,
            own_id: true,
            sender: None,
            digest: [0; 16],
            redacted: "".into(),
        };
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let mut event = Event::blank(EventId(id), WallTime(0), "t".into(), evidence);
        (event.time, event.activity, event.outcome) = (at, Activity::ExportRequested, Outcome::Success);
        event.actor = Some(Actor::named("ana"));
        event.origin.ip = Some("192.0.2.1".parse().expect("an address"));
        event.customer = Some(customer.into());
        event.export = Some(Export { job: Some(job.into()), records: Some(records), ..Export::default() });
        EventRow::new(&event, session.map(|s| [s; 16]))
    }

    fn day(n: i64) -> EventTime {
        EventTime(Millis::DAY.0 * n + 1)
    }

    #[test]
    fn amounts_are_of_days_and_an_export_counts_once() {
        let mut history = History::new(10);
        for n in 1..=10 {
            history.add(&event(n, day(n), Some(1), &format!("x{n}"), n as u64, "AC1"));
        }
        // its download, on the next day, and with more in it
        let mut download = event(99, day(11), None, "x10", 50, "AC1");
        download.activity = Activity::Download;
        history.add(&download);
        let shown = history.shown();
        assert_eq!(shown.days.active, 11);
        assert_eq!((shown.days.exports.median, shown.days.exports.p90, shown.days.exports.max), (1, 1, 1));
        let records = shown.days.records;
        assert_eq!((records.median, records.p90, records.max), (5, 9, 50));
        assert_eq!(records.max_day, EventTime(Millis::DAY.0 * 10), "the day on which it was asked for");
        assert_eq!((shown.customers[0].exports, shown.customers[0].records), (10, 95));
        assert_eq!(shown.sessions.len(), 2, "the download names no session");
        assert_eq!((shown.sessions[0].exports, shown.sessions[1].exports), (10, 0));
    }

    #[test]
    fn at_its_bounds_it_keeps_the_newest_sessions_and_says_so() {
        let mut history = History::new(3);
        for n in (0..200u8).rev() {
            history.add(&event(n.into(), day(n.into()), Some(n), &format!("x{n}"), 1, &format!("AC{n}")));
        }
        let shown = history.shown();
        let first: Vec<i64> = shown.sessions.iter().map(|s| s.used.first.episode(Millis::DAY)).collect();
        assert_eq!((first, shown.more_sessions), (vec![197, 198, 199], true));
        let mut history = History::new(3);
        for n in 0..TOLD_APART as i64 + 10 {
            history.add(&event(n, day(1), Some(1), "x", 1, &format!("AC{n}")));
        }
        let shown = history.shown();
        assert!(shown.more && shown.customers.len() == TOLD_APART);
        assert_eq!(shown.sessions[0].customers.len(), PER_SESSION);
    }
}
