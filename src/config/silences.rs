//! `[[silence]]` as written into what holds: times read, names looked up, and what is too wide or too long refused.
use super::written::{Moment, SilenceTable};
use crate::model::silence::Silence;
use crate::model::{EventTime, HashParts, Millis, id::hex};
use crate::pipeline::OWN_POLICIES;
use crate::policy::{PolicySet, Wildcard, did_you_mean};
use ipnet::IpNet;
use std::net::IpAddr;

/// The longest silence: a year and a month. What should be silent for longer is a setting of its policy.
const LONGEST: Millis = Millis::DAY.times(400);
/// The most silences: each is asked about every finding.
const MOST: usize = 1000;
/// The longest author and reason, in characters.
const CHARACTERS: [usize; 2] = [128, 512];

/// Reads them all, or says every fault. `now` is by the clock: how far ahead an end may lie depends on it where no
/// beginning is written.
pub(super) fn read(tables: &[SilenceTable], set: &PolicySet, now: EventTime) -> Result<Vec<Silence>, Vec<String>> {
    let mut faults = Vec::new();
    let mut silences: Vec<Silence> = Vec::new();
    if tables.len() > MOST {
        faults.push(format!("[[silence]]: there may be {MOST}, and are {}", tables.len()));
    }
    for (n, table) in (1..).zip(tables) {
        let mut fault = |what: String| faults.push(format!("[[silence]] {n} (of {:?}): {what}", table.author));
        match one(table, now) {
            Err(what) => fault(what),
            Ok(silence) => {
                unknown_policies(&silence, set).into_iter().for_each(&mut fault);
                if silences.iter().any(|other| other.id == silence.id) {
                    fault("it stands twice: take one of them away".into());
                }
                silences.push(silence);
            }
        }
    }
    if faults.is_empty() { Ok(silences) } else { Err(faults) }
}

fn one(table: &SilenceTable, now: EventTime) -> Result<Silence, String> {
    for ((key, text), most) in [("author", &table.author), ("reason", &table.reason)].into_iter().zip(CHARACTERS) {
        if text.trim().is_empty() {
            return Err(format!("`{key}` is empty: whoever finds it must know whom to ask and why it is there"));
        }
        if text.chars().count() > most {
            return Err(format!("`{key}` may have {most} characters"));
        }
    }
    let Moment(until) = table.until;
    let from = table.from.map(|Moment(from)| from);
    let length = until.since(from.unwrap_or(now));
    if length > LONGEST {
        return Err("it is longer than 400 days: set its policy otherwise in [policy.NAME], or end it earlier".into());
    }
    if from.is_some() && length.0 <= 0 {
        return Err("`until` is not after `from`".into());
    }
    let lists = [
        ("policies", &table.policies),
        ("actors", &table.actors),
        ("networks", &table.networks),
        ("customers", &table.customers),
        ("sessions", &table.sessions),
    ];
    if let Some((key, _)) = lists.iter().find(|(_, list)| list.as_ref().is_some_and(Vec::is_empty)) {
        return Err(format!("`{key}` is empty, and so covers nothing: leave it out, or name something"));
    }
    let blank = |list: &&Vec<String>| list.iter().any(|entry| entry.trim().is_empty());
    if let Some((key, _)) = lists.iter().find(|(_, list)| list.as_ref().filter(blank).is_some()) {
        return Err(format!("`{key}` has an empty entry, which names nobody: take it away"));
    }
    let given = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let networks = given(&table.networks).iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>()?;
    let mut silence = Silence {
        id: Default::default(),
        author: table.author.trim().to_owned(),
        reason: table.reason.trim().to_owned(),
        // without a beginning it goes back as far as one may be long
        from: from.unwrap_or(until.minus(LONGEST)),
        until,
        policies: given(&table.policies),
        actors: given(&table.actors),
        networks,
        customers: given(&table.customers),
        sessions: given(&table.sessions).iter().map(|s| session(s)).collect::<Result<_, _>>()?,
    };
    if covers_everything(&silence) {
        return Err("it covers everything: name policies, actors, networks, customers or sessions that it is for. \
                    `tripline hold on` stops all orders"
            .into());
    }
    silence.id = id(&silence, from);
    Ok(silence)
}

/// Whether no list narrows it.
fn covers_everything(silence: &Silence) -> bool {
    let any = |names: &[String]| names.is_empty() || names.iter().any(|name| Wildcard::new(name).is_anything());
    // two halves are the whole too
    let networks = IpNet::aggregate(&silence.networks);
    let all_networks = networks.is_empty() || networks.iter().any(|network| network.prefix_len() == 0);
    [&silence.policies, &silence.actors, &silence.customers].iter().all(|names| any(names))
        && all_networks
        && silence.sessions.is_empty()
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|n| n.trunc()).map_err(|_| format!("{text:?} is no network: write it as 192.0.2.0/24 or 2001:db8::/32"))
}

fn session(text: &str) -> Result<String, String> {
    match text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err("`sessions` has what stands for a session, 32 hexadecimal digits: `tripline findings show` gives it"
                .into())
        }
    }
}

/// Names that no policy has, or only one that makes no findings.
fn unknown_policies(silence: &Silence, set: &PolicySet) -> Vec<String> {
    let telling = set.rules.iter().filter(|rule| rule.alerts || rule.off).map(|rule| &*rule.name);
    let known: Vec<&str> = telling.chain(OWN_POLICIES.iter().copied()).collect();
    let unknown = silence.policies.iter().filter(|name| !known.iter().any(|k| Wildcard::new(name).matches(k)));
    unknown
        .map(|name| match set.get(name) {
            Some(_) => format!("the policy {name:?} makes no findings of its own: silence those that refer to it"),
            None => format!("there is no policy {name:?}{}", did_you_mean(name, known.iter().copied())),
        })
        .collect()
}

/// The same for a silence whose end alone was changed.
fn id(silence: &Silence, from: Option<EventTime>) -> crate::model::Text {
    let mut parts = HashParts::new("silence").part(silence.author.as_bytes()).part(silence.reason.as_bytes());
    parts = parts.number(from.map_or(i64::MIN, |from| from.0)).part(silence.covers().as_bytes());
    hex(&parts.finish().0[..8]).into()
}
