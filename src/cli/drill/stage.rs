//! Where a scenario is played: it chooses victims, networks and customers by chance, and makes events in the trails' own shapes.
use super::seen::{Known, Seen};
use crate::enrich::{Cache, Enricher};
use crate::model::{
    Activity, Actor, ActorKind, Cause, Digest, Event, EventId, EventTime, Export, Field, HashParts, Millis, Origin,
    Outcome, Text, WallTime,
};
use crate::normalise::Specimen;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Addresses that are tried before it is said that there is no such network.
const TRIES: usize = 20_000;

/// What records can say, by profile.
pub type Specimens = BTreeMap<Arc<str>, Vec<Specimen>>;

/// Why a scenario can't be built from these trails.
pub type Lack = String;

/// Numbers by chance, the same for the same seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    /// A length of that many seconds.
    pub fn seconds(&mut self, from: u64, to: u64) -> Millis {
        Millis::SECOND.times(self.between(from, to) as i64)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() { None } else { of.get((self.next() % of.len() as u64) as usize) }
    }
}

/// Which network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A country, a network and an owner that nobody here ever used.
    Abroad,
    /// The victim's own provider, in another network of it: a residential proxy.
    SameOwner,
    /// One that a network list calls hosting or VPN.
    Listed,
    /// Another provider of the victim's own country, which nobody here ever used.
    SameCountry,
}

/// Somebody at a computer: with which credentials, from where.
#[derive(Clone)]
pub struct Hand {
    /// As whom.
    pub actor: Actor,
    /// In which session.
    pub session: Option<Text>,
    /// From where.
    pub origin: Origin,
}

/// The stage of one scenario.
pub struct Stage<'a> {
    /// What the trails show.
    pub seen: &'a Seen,
    enricher: &'a Enricher,
    specimens: &'a Specimens,
    cache: Cache,
    /// Of this scenario and seed: everything that is made is named by it.
    own: Digest,
    /// Chance.
    pub dice: Dice,
    /// What is made, in any order.
    pub events: Vec<Event>,
    /// What happens next happens at this time.
    pub now: EventTime,
    /// Who is attacked, for the table.
    pub victim: Option<Text>,
    /// Their role, where the trails say one.
    pub role: Option<Text>,
    sessions: u64,
}

impl<'a> Stage<'a> {
    /// An empty stage for the scenario of that name.
    pub fn new(
        seen: &'a Seen,
        enricher: &'a Enricher,
        specimens: &'a Specimens,
        seed: u64,
        scenario: &str,
        attempt: u64,
    ) -> Stage<'a> {
        let own = HashParts::new("drill").part(&seed.to_be_bytes()).part(scenario.as_bytes());
        let own = own.number(attempt as i64).finish();
        let mut start = [0; 8];
        start.copy_from_slice(&own.0[..8]);
        Stage {
            seen,
            enricher,
            specimens,
            cache: Cache::new(seed),
            own,
            dice: Dice(u64::from_be_bytes(start)),
            events: Vec::new(),
            now: seen.end.plus(Millis::HOUR),
            victim: None,
            role: None,
            sessions: 0,
        }
    }

    fn name(&self, what: &str, number: u64) -> Digest {
        HashParts::new("drill made").part(&self.own.0).part(what.as_bytes()).number(number as i64).finish()
    }

    /// Chooses a person who is known, and goes to an hour at which they work.
    pub fn person(&mut self) -> Result<(Text, &'a Known), Lack> {
        let people = self.seen.known(ActorKind::User);
        let (name, known) = *self.dice.one(&people).ok_or("nobody has exported and been seen for two weeks")?;
        self.attack(name, known);
        let day = self.now.episode(Millis::DAY) + 1;
        let offset = self.dice.seconds(0, 3000);
        self.now = EventTime(day * Millis::DAY.0 + known.hour() * Millis::HOUR.0).plus(offset);
        Ok((name.clone(), known))
    }

    /// Chooses a key that is known.
    pub fn key(&mut self) -> Result<(Text, &'a Known), Lack> {
        let keys = self.seen.known(ActorKind::Key);
        let (name, known) = *self.dice.one(&keys).ok_or("no key has pulled records for two weeks")?;
        self.attack(name, known);
        Ok((name.clone(), known))
    }

    /// Chooses so many people who are known, the first as [`Stage::person`] does.
    pub fn gang(&mut self, many: usize) -> Result<Vec<&'a Known>, Lack> {
        let (first, known) = self.person()?;
        let mut others = self.seen.known(ActorKind::User);
        others.retain(|(name, _)| **name != first);
        let mut gang = vec![known];
        while gang.len() < many && !others.is_empty() {
            let at = self.dice.between(0, others.len() as u64 - 1) as usize;
            gang.push(others.swap_remove(at).1);
        }
        let found = gang.len();
        if found < many {
            return Err(format!(
                "it takes {many} people who have exported and been seen for two weeks, and there are {found}"
            ));
        }
        Ok(gang)
    }

    /// The known key that serves the most customers.
    pub fn busiest_key(&mut self) -> Result<(Text, &'a Known), Lack> {
        let keys = self.seen.known(ActorKind::Key);
        let most = keys.into_iter().max_by_key(|(name, known)| (known.customers.len(), *name));
        let (name, known) = most.ok_or("no key has pulled records for two weeks")?;
        self.attack(name, known);
        Ok((name.clone(), known))
    }

    /// Chooses a service account that is known: a program that acts in sessions.
    pub fn service(&mut self) -> Result<&'a Known, Lack> {
        let mut programs = self.seen.known(ActorKind::Key);
        programs.retain(|(_, known)| known.sample.session.is_some());
        let (name, known) = *self.dice.one(&programs).ok_or("no service account acts in a session in these trails")?;
        self.attack(name, known);
        Ok(known)
    }

    /// The next night at an hour at which they are at work least.
    pub fn night(&mut self, known: &Known) -> EventTime {
        let day = self.now.episode(Millis::DAY) + 1;
        let offset = self.dice.seconds(0, 3000);
        EventTime(day * Millis::DAY.0 + known.idle_hour() * Millis::HOUR.0).plus(offset)
    }

    fn attack(&mut self, name: &Text, known: &Known) {
        self.victim = Some(name.clone());
        self.role = known.sample.actor.as_ref().and_then(|actor| actor.role.clone());
    }

    /// Somebody else than the victim, as they usually are.
    pub fn colleague(&mut self, not: &str) -> Option<Hand> {
        let others: Vec<_> = self.seen.known(ActorKind::User).into_iter().filter(|(name, _)| *name != not).collect();
        let (_, known) = *self.dice.one(&others)?;
        self.own(known).ok()
    }

    /// The person or key as they usually are.
    pub fn own(&mut self, known: &Known) -> Result<Hand, Lack> {
        let origin = known.home().ok_or("the trails do not say from where people come")?.clone();
        self.hand(known, origin)
    }

    /// Their credentials in other hands, from such a network and another computer, in a session of its own.
    pub fn thief(&mut self, known: &Known, network: Network) -> Result<Hand, Lack> {
        let mut origin = self.network(known, network)?;
        origin.user_agent = self.computer(known);
        self.enricher.enrich(&mut origin, &mut self.cache);
        self.hand(known, origin)
    }

    /// The same with the victim's own browser.
    pub fn disguised(&mut self, known: &Known, network: Network) -> Result<Hand, Lack> {
        let mut origin = self.network(known, network)?;
        origin.user_agent = known.home().and_then(|home| home.user_agent.clone());
        self.from(known, origin)
    }

    /// Their credentials on a server that anybody can rent: of the network lists, or abroad where these name none.
    pub fn rented(&mut self, known: &Known, own_browser: bool) -> Result<Hand, Lack> {
        let network = if self.network(known, Network::Listed).is_ok() { Network::Listed } else { Network::Abroad };
        if own_browser { self.disguised(known, network) } else { self.thief(known, network) }
    }

    /// Their credentials at that place, in another session of its own.
    pub fn from(&mut self, known: &Known, mut origin: Origin) -> Result<Hand, Lack> {
        self.enricher.enrich(&mut origin, &mut self.cache);
        self.hand(known, origin)
    }

    fn hand(&mut self, known: &Known, origin: Origin) -> Result<Hand, Lack> {
        let actor = known.sample.actor.clone().ok_or("an actor without a name")?;
        self.sessions += 1;
        let id = self.name("session", self.sessions);
        let session = known.sample.session.is_some().then(|| Text::from(format!("drill-{}", &id.to_string()[..16])));
        Ok(Hand { actor, session, origin })
    }

    /// Nobody whom a trail could name, at that place.
    pub fn nobody(&mut self, from: &Origin) -> Result<Hand, Lack> {
        let keys = self.seen.known(ActorKind::Key);
        let (_, known) = *keys.first().ok_or("no key has pulled records for two weeks")?;
        let hand = self.hand(known, from.clone())?;
        Ok(Hand { session: None, ..hand })
    }

    /// A user agent that the victim never used: a colleague's, where there is one.
    fn computer(&mut self, known: &Known) -> Option<Text> {
        let name = known.sample.actor.as_ref().map(|a| a.name.clone()).unwrap_or_default();
        let own = known.home().and_then(|o| o.device_family.clone());
        let mut others: Vec<Text> =
            self.seen.agents.iter().filter(|(_, who)| !who.contains(&name)).map(|(agent, _)| agent.clone()).collect();
        others.retain(|agent| {
            let device = crate::enrich::device(agent);
            device.kind == "browser" && !matches!(device.os.as_deref(), Some("iOS" | "Android")) && device.family != own
        });
        let made = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0";
        Some(self.dice.one(&others).cloned().unwrap_or_else(|| made.into()))
    }

    fn network(&mut self, known: &Known, wanted: Network) -> Result<Origin, Lack> {
        let home = known.home().cloned().unwrap_or_default();
        let seen: Vec<IpAddr> = self.seen.actors.values().filter_map(|k| k.home()?.ip).collect();
        for n in 0..TRIES {
            let near = if wanted == Network::SameOwner { home.ip } else { self.dice.one(&seen).copied() };
            let ip = self.address(near, n);
            let mut origin = Origin { ip: Some(ip), ..Origin::default() };
            self.enricher.enrich(&mut origin, &mut self.cache);
            if self.fits(&origin, &home, known, wanted) {
                return Ok(origin);
            }
        }
        Err(match wanted {
            Network::Listed => "no network list calls any network that was tried hosting or VPN".into(),
            _ => "no such network was found in the databases".into(),
        })
    }

    /// An address at the same first byte as one that was seen, or two, or anywhere.
    fn address(&mut self, near: Option<IpAddr>, n: usize) -> IpAddr {
        let any = (self.dice.next() as u32).to_be_bytes();
        let near = match near {
            Some(IpAddr::V4(ip)) => ip.octets(),
            _ => [198, 51, any[2], any[3]],
        };
        let [a, b] = match n % 3 {
            0 => [near[0], near[1]],
            1 => [near[0], any[1]],
            _ => [any[0] % 223 + 1, any[1]],
        };
        IpAddr::V4(Ipv4Addr::new(a, b, any[2], any[3]))
    }

    fn fits(&self, origin: &Origin, home: &Origin, known: &Known, wanted: Network) -> bool {
        let Some(prefix) = &origin.prefix else { return false };
        let unused = !self.seen.prefixes.contains(prefix) && !known.was_in(prefix);
        // what no database knows can only be told apart by its network
        let placed = |origin: &Origin| origin.country.is_some() || self.seen.countries.is_empty();
        match wanted {
            Network::Abroad => {
                unused
                    && placed(origin)
                    && origin.country.as_ref().is_none_or(|c| !self.seen.countries.contains(c))
                    && origin.as_number.is_none_or(|owner| !self.seen.owners.contains(&owner))
                    && origin.listed.is_none()
            }
            Network::SameOwner => {
                !known.was_in(prefix)
                    && origin.as_number == home.as_number
                    && origin.country == home.country
                    && origin.listed.is_none()
            }
            Network::SameCountry => {
                let other = origin.as_number.is_none() || origin.as_number != home.as_number;
                unused && other && origin.country == home.country && origin.listed.is_none()
            }
            Network::Listed => {
                let bought = matches!(origin.listed.as_deref(), Some("hosting" | "vpn"));
                unused && bought && !known.used_owner(origin.as_number)
            }
        }
    }

    /// The largest customers: those that the actor never touched first, and a chosen half of these where there are enough.
    pub fn strangers(&mut self, known: &Known, count: usize) -> Result<Vec<(Text, u64)>, Lack> {
        let all = self.customers(usize::MAX);
        let (mut strange, served): (Vec<_>, Vec<_>) = all.into_iter().partition(|(c, _)| !known.customers.contains(c));
        strange.truncate(2 * count);
        while strange.len() > count {
            let at = self.dice.between(0, strange.len() as u64 - 1) as usize;
            strange.remove(at);
        }
        let missing = count - strange.len();
        strange.extend(served.into_iter().take(missing));
        if strange.is_empty() { Err("the trails name no customers".into()) } else { Ok(strange) }
    }

    /// The largest of all customers.
    pub fn customers(&self, count: usize) -> Vec<(Text, u64)> {
        let mut all: Vec<(Text, u64)> = self.seen.customers.iter().map(|(c, r)| (c.clone(), *r)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(count);
        all
    }

    /// So many customers, chosen from all.
    pub fn some_customers(&mut self, count: usize) -> Result<Vec<(Text, u64)>, Lack> {
        let mut all = self.customers(usize::MAX);
        let mut some = Vec::new();
        while some.len() < count && !all.is_empty() {
            let at = self.dice.between(0, all.len() as u64 - 1) as usize;
            some.push(all.swap_remove(at));
        }
        if some.is_empty() { Err("the trails name no customers".into()) } else { Ok(some) }
    }

    /// The customers that the actor serves.
    pub fn its_customers(&self, known: &Known) -> Vec<(Text, u64)> {
        self.customers(usize::MAX).into_iter().filter(|(customer, _)| known.customers.contains(customer)).collect()
    }

    /// So many seconds go by.
    pub fn pause(&mut self, from: u64, to: u64) {
        let length = self.dice.seconds(from, to);
        self.wait(length);
    }

    /// Time goes on.
    pub fn wait(&mut self, length: Millis) {
        self.now = self.now.plus(length);
    }

    /// Makes an event in the shape that the trails have for it.
    ///
    /// # Errors
    /// They show no such event.
    pub fn act(&mut self, hand: &Hand, activity: Activity) -> Result<&mut Event, Lack> {
        self.act_so(hand, activity, Outcome::Success)
    }

    /// The same, with another outcome.
    ///
    /// # Errors
    /// The trails show no such event.
    pub fn act_so(&mut self, hand: &Hand, activity: Activity, outcome: Outcome) -> Result<&mut Event, Lack> {
        let kind = hand.actor.kind;
        let shape = self.seen.shape_of(kind, activity, outcome);
        let shape = shape.or_else(|| self.seen.shape_of(kind, activity, Outcome::Success));
        let mut event =
            shape.ok_or_else(|| format!("no {} of a {} in these trails", activity.name(), kind.name()))?.clone();
        let number = self.events.len() as u64;
        let digest = self.name("event", number);
        event.id = EventId(digest.short());
        (event.evidence.digest, event.evidence.own_id) = (digest.short(), true);
        (event.evidence.from, event.evidence.to, event.evidence.index) = (number, number + 1, 0);
        event.evidence.redacted = "made by tripline drill".into();
        (event.time, event.observed) = (self.now, WallTime(self.now.0));
        (event.outcome, event.marks) = (outcome, Default::default());
        (event.customer, event.customer_kind, event.target, event.export) = (None, None, None, None);
        // a trail that does not say who acted does not say it of the thief either
        if event.actor.is_some() {
            event.actor = Some(hand.actor.clone());
        }
        if let Some(session) = &mut event.session {
            match &hand.session {
                Some(id) => session.id = id.clone(),
                None => event.session = None,
            }
        }
        event.origin = hand.origin.clone();
        (event.reason, event.cause) = (None, None);
        self.events.push(event);
        self.events.last_mut().ok_or_else(|| "nothing was made".into())
    }

    /// Makes a refused login or second factor, as a trail's profile could have read it.
    ///
    /// # Errors
    /// The trails show no such event.
    pub fn refused(&mut self, hand: &Hand, activity: Activity, cause: Cause) -> Result<&mut Event, Lack> {
        let event = self.act_so(hand, activity, Outcome::Failure)?;
        event.cause = Some(cause);
        Ok(event)
    }

    /// Leaves out of what was made what no record of its trail says.
    ///
    /// # Errors
    /// A trail's profile could not have read such an event at all.
    pub fn settle(&mut self) -> Result<(), Lack> {
        for event in &mut self.events {
            let of = self.specimens.get(&event.product).map_or(&[][..], Vec::as_slice);
            let alike: Vec<&Specimen> = of.iter().filter(|specimen| specimen.is_like(event)).collect();
            if alike.is_empty() {
                let cause = event.cause.map(|cause| format!(" for {}", cause.name())).unwrap_or_default();
                let (act, outcome) = (event.activity.name(), event.outcome.name());
                return Err(format!("no record of {} is a {act} of outcome {outcome}{cause}", event.product));
            }
            let says = |field| alike.iter().any(|specimen| specimen.can_have(field));
            if !says(Field::Customer) {
                (event.customer, event.customer_kind) = (None, None);
            }
            if !says(Field::Target) {
                event.target = None;
            }
            if let Some(export) = &mut event.export {
                export.records = export.records.filter(|_| says(Field::ExportRecords));
                export.bytes = export.bytes.filter(|_| says(Field::ExportBytes));
            }
        }
        Ok(())
    }

    /// Asks for an export of the last `days` days of a customer, and fetches it where the trails show fetches.
    ///
    /// # Errors
    /// The trails show no exports.
    pub fn export(&mut self, hand: &Hand, (customer, records): &(Text, u64), days: i64) -> Result<(), Lack> {
        let last = self.now.episode(Millis::DAY) as i32;
        let job = self.name("job", self.events.len() as u64);
        let job = Text::from(format!("drill-{}", &job.to_string()[..12]));
        let shape = |activity| self.seen.shape_of(hand.actor.kind, activity, Outcome::Success).cloned();
        let (asked, fetched) = (shape(Activity::ExportRequested), shape(Activity::Download));
        let export = |shape: &Event| {
            let had = shape.export.clone().unwrap_or_default();
            Export {
                job: had.job.map(|_| job.clone()),
                kind: had.kind,
                first_day: had.first_day.map(|_| last - days as i32),
                last_day: had.last_day.map(|_| last - 1),
                records: had.records.map(|_| *records),
                records_estimated: had.records_estimated,
                everything: false,
                bytes: had.bytes.map(|_| records.saturating_mul(BYTES_PER_RECORD)),
            }
        };
        // a program without a session pulls from the list API
        let is_key = hand.actor.kind == ActorKind::Key && hand.session.is_none();
        if let Some(shape) = asked.as_ref().filter(|_| !is_key) {
            let export = export(shape);
            let event = self.act(hand, Activity::ExportRequested)?;
            (event.customer, event.export) = (Some(customer.clone()), Some(export));
            self.wait(Millis::SECOND.times(8));
        }
        if let Some(shape) = fetched {
            let export = export(&shape);
            // where a request was made and the fetch names its job, its customer is the request's
            let names = shape.customer.is_some().then(|| customer.clone());
            let event = self.act(hand, Activity::Download)?;
            (event.customer, event.export) = (names, Some(export));
        }
        if asked.is_none() || is_key {
            return self
                .seen
                .shape_of(hand.actor.kind, Activity::Download, Outcome::Success)
                .map(drop)
                .ok_or_else(|| "no exports in these trails".into());
        }
        Ok(())
    }

    /// A minute of ordinary work: one page of a customer that the actor serves.
    ///
    /// # Errors
    /// The trails show no pages.
    pub fn work(&mut self, hand: &Hand, known: &Known) -> Result<(), Lack> {
        let own: Vec<&Text> = known.customers.iter().collect();
        let customer = self.dice.one(&own).map(|c| (*c).clone());
        self.act(hand, Activity::View)?.customer = customer;
        Ok(())
    }
}

/// As many bytes as the shipped profile reckons with.
pub const BYTES_PER_RECORD: u64 = 105;
