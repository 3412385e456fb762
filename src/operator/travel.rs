//! `travel`: two uses so far apart that nobody travels as fast. What is kept is where an entity was lately, and which ways it is
//! known to go.
//!
//! Not monotone: a way that was gone before is known, and what is learned depends on what came first.
use super::crowd::Users;
use super::hindsight::Hindsight;
use super::terms::{digest_crowd, digest_learning, learning, still_learning};
use super::window::Fired;
use super::{
    Cell, Change, Cohort, CohortSeen, ComparedWith, Contribution, Crowd, Evaluation, Learning, Naming, Observation,
    Operator, Reads, Report, Resolve, Terms, Words, terms,
};
use crate::model::{EventId, EventTime, Field, HashParts, Measure, Millis, Text};
use crate::syntax::FieldRef;
use crate::syntax::error::Fault;
use crate::syntax::yaml::{Node, Word};
use serde::{Deserialize, Serialize};

/// How many stays are remembered: nobody is at more places in a day.
const STAYS: usize = 32;
/// How many ways are known.
const WAYS: usize = 128;
/// A use a moment later at the same place is not written.
const GRAIN: Millis = Millis::MINUTE;

/// What a place is told by. Its coordinates follow from it, unless the trail states them itself.
const PLACE: FieldRef = FieldRef::Known(Field::Prefix);

/// Two uses too far apart for the time between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Travel {
    /// At least so fast, in km/h …
    pub speed_kmh: u32,
    /// … and so far, in km, what the database is unsure of left out on both sides.
    pub distance_km: u32,
    /// Pairs of places between which somebody went while being learned, or since, are known.
    pub learning: Learning,
    /// Places that so many others use are shared egress, which tells nothing of where somebody is.
    pub crowd: Option<Crowd>,
}

impl Travel {
    pub(super) const KEYS: &[&str] = &["speed-kmh", "distance-km", "learning", "crowd"];

    pub(super) fn read(_: &str, node: &Node, _: &[Word]) -> Result<Travel, Fault> {
        let whole = |key: &str, most, usual| match node.get(key) {
            Some(n) => Ok(n.whole(key, 1, most)? as u32),
            None => Ok(usual),
        };
        Ok(Travel {
            // Panther's 900 km/h is an airliner's; Datadog asks for 500 km besides
            speed_kmh: whole("speed-kmh", 100_000, 900)?,
            distance_km: whole("distance-km", 20_000, 500)?,
            // Entra learns a traveller's ways for 14 days or 10 logins
            learning: learning(node, Learning { days: 7, observations: 10 })?,
            crowd: terms::crowd(node)?,
        })
    }

    pub(super) fn resolve(&self, _: Resolve<'_>) -> Result<Travel, Fault> {
        Ok(self.clone())
    }

    fn digest(&self, parts: HashParts) -> HashParts {
        let parts = digest_learning(parts, self.learning).number(self.speed_kmh.into());
        digest_crowd(parts.number(self.distance_km.into()), self.crowd.as_ref())
    }
}

impl Terms for Travel {
    fn fields(&self) -> &[FieldRef] {
        &[PLACE]
    }

    fn reads(&self) -> Reads<'_> {
        Reads { value: &[PLACE], cohort: self.crowd.map_or(ComparedWith::Nobody, |_| ComparedWith::Users) }
    }

    fn learning(&self) -> Option<Learning> {
        Some(self.learning)
    }

    fn accumulation(&self, parts: HashParts, _: Naming<'_>) -> HashParts {
        // which ways are known depends on which of them were told of
        self.digest(parts).part(b"travel")
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        self.digest(parts)
    }

    fn says(&self, words: &Words<'_>) -> String {
        format!(
            "two events of {}{} {} from places at least {} km apart, with so little time between them that it takes at least {} km/h",
            words.any(),
            words.by(),
            words.within(),
            self.distance_km,
            self.speed_kmh
        )
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        let mut ways = vec![
            format!("two places less than {} km apart", self.distance_km),
            format!("so much time between them that less than {} km/h is enough", self.speed_kmh),
            format!("that way gone{} in the {} before", words.by(), words.length()),
            still_learning(&self.learning, "the same entity"),
        ];
        let shared = |n: u32| format!("a network that {n} others use too: it tells nothing of where somebody is");
        ways.extend(self.crowd.map(|crowd| shared(crowd.entities)));
        ways
    }
}

impl Hindsight for Travel {}

impl Operator for Travel {
    type Cell = Places;
    type Sight = Option<Leap>;

    fn observe(&self, places: &mut Places, cohort: Cohort<'_>, c: &Contribution<'_>) -> Observation<Option<Leap>> {
        let (Some((latitude, longitude, radius)), true) = (c.event.origin.place, c.value.is_some()) else {
            return Observation::nothing(None);
        };
        let mut of_crowd = None;
        if let Some(crowd) = &self.crowd
            && let Some(users) = cohort.get::<Users>()
        {
            let used = users.observe(c.entity, c.time, crowd);
            of_crowd = Some(CohortSeen::of(&used, users.expires(crowd)));
            if used.others >= crowd.entities {
                // a shared way out is nobody's place
                return Observation { cohort: of_crowd, ..Observation::nothing(Some(EventTime(i64::MAX))) };
            }
        }
        let spot = Spot { latitude, longitude, radius };
        let sight = Sight { network: c.digest, spot, place: here(c), time: c.time, event: c.event.id };
        let seen = places.observe(sight, c.span, self);
        let is_leap = seen.leap.is_some();
        Observation {
            satisfied: is_leap.then_some(c.time).into_iter().collect(),
            sight: seen.leap,
            change: if seen.changed { Change::All } else { Change::None },
            expires: places.expires(),
            noop_until: (!seen.changed && !is_leap).then_some(places.same_until(c.digest, c.time)),
            is_evidence: is_leap,
            overflowed: false,
            cohort: of_crowd,
        }
    }

    fn report(
        &self,
        _: &mut Places,
        c: &Contribution<'_>,
        at: EventTime,
        leap: &Option<Leap>,
        _: &Words<'_>,
    ) -> Report {
        let Some(leap) = leap else { return Report::default() };
        let minutes = leap.took.0 as f64 / 60_000.0;
        let measure = Measure {
            what: format!("from {} to {}", leap.from, here(c)).into(),
            value: format!("{:.0} km in {minutes:.0} min", leap.km).into(),
            against: format!("at least {} km at {} km/h", self.distance_km, self.speed_kmh).into(),
        };
        let (event, time) = leap.event;
        Report {
            first: time.min(at),
            measures: vec![measure],
            witnesses: vec![c.witness(at), (event, time, c.policy.into())],
        }
    }

    fn explain(&self, _: Option<Places>, _: Option<Cell>, _: &Contribution<'_>, _: &Words<'_>) -> Evaluation {
        Evaluation::default()
    }
}

/// The place of the event for a person: `Denver, US`.
fn here(c: &Contribution<'_>) -> Text {
    let name = [c.event.origin.city.as_deref(), c.event.origin.country.as_deref()];
    name.into_iter().flatten().collect::<Vec<_>>().join(", ").into()
}

/// Coordinates in degrees and the radius in km within which the database is sure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// Latitude, north.
    pub latitude: f32,
    /// Longitude, east.
    pub longitude: f32,
    /// Within so many km.
    pub radius: u16,
}

/// From when to when an entity used one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stay {
    network: u64,
    spot: Spot,
    /// `Denver, US`
    place: Text,
    from: EventTime,
    to: EventTime,
    event: EventId,
}

/// The places and ways of one entity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Places {
    since: Option<EventTime>,
    observations: u32,
    /// By their beginning.
    stays: Vec<Stay>,
    /// Pairs of places, the lesser digest first.
    ways: Vec<(u64, u64)>,
    fired: Fired,
    /// What the sight that came last showed: several policies may learn from this cell, and each shows it the event.
    #[serde(skip)]
    shown: Option<((EventId, EventTime), Option<Leap>)>,
}

/// A use of a network at a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Digest of the network.
    pub network: u64,
    /// Where that is.
    pub spot: Spot,
    /// The same for a person: `Denver, US`.
    pub place: Text,
    /// When.
    pub time: EventTime,
    /// In which event.
    pub event: EventId,
}

/// A way that nobody goes so fast.
#[derive(Clone, Debug, PartialEq)]
pub struct Leap {
    /// The place at the other end.
    pub from: Text,
    /// The event that showed it, and its time.
    pub event: (EventId, EventTime),
    /// The distance, less what the database is unsure of, in km.
    pub km: f64,
    /// The time between.
    pub took: Millis,
}

/// What a sight showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The fastest impossible way.
    pub leap: Option<Leap>,
    /// It must be written.
    pub changed: bool,
}

impl Places {
    /// Takes up a sight. Stays further apart than `timespan` are not compared.
    pub fn observe(&mut self, sight: Sight, timespan: Millis, terms: &Travel) -> Seen {
        let this = (sight.event, sight.time);
        if let Some((_, leap)) = self.shown.as_ref().filter(|(shown, _)| *shown == this) {
            return Seen { leap: leap.clone(), changed: false };
        }
        let seen = self.take_up(sight, timespan, terms);
        self.shown = Some((this, seen.leap.clone()));
        seen
    }

    fn take_up(&mut self, sight: Sight, timespan: Millis, terms: &Travel) -> Seen {
        let since = self.since.map_or(sight.time, |since| since.min(sight.time));
        let counted = self.observations < terms.learning.observations;
        let changed = self.since != Some(since) || counted;
        self.since = Some(since);
        let learned = !counted && sight.time.since(since) >= Millis::DAY.times(i64::from(terms.learning.days));
        self.observations += u32::from(counted);
        if let Some(stay) = self.stays.iter_mut().find(|s| s.is_going_on(&sight, timespan)) {
            let longer = sight.time.0 > stay.to.0 + GRAIN.0;
            if longer {
                stay.to = sight.time;
            }
            // it is compared again only after an absence: somebody else's use in between is that one's sight
            return Seen { leap: None, changed: changed || longer };
        }
        let leaps = self.stays.iter().filter(|s| s.network != sight.network);
        let leaps = leaps.filter_map(|s| s.leap(&sight, timespan, terms));
        let leap = leaps.filter(|leap| !self.knows(&leap.from, &sight.place)).max_by(|a, b| a.km.total_cmp(&b.km));
        let leap = leap.filter(|_| learned);
        if leap.is_none()
            // where it was last, not where it came last
            && let Some(before) = self.stays.iter().filter(|s| s.to <= sight.time).max_by_key(|s| s.to)
        {
            let way = way(&before.place, &sight.place);
            if !self.ways.contains(&way) {
                if self.ways.len() >= WAYS {
                    self.ways.remove(0);
                }
                self.ways.push(way);
            }
        }
        let at = self.stays.partition_point(|s| s.from <= sight.time);
        let Sight { network, spot, place, time, event } = sight;
        self.stays.insert(at, Stay { network, spot, place, from: time, to: time, event });
        if self.stays.len() > STAYS {
            self.stays.remove(0);
        }
        Seen { leap, changed: true }
    }

    /// Until when a further sight like that at `at` changes nothing.
    pub fn same_until(&self, network: u64, at: EventTime) -> EventTime {
        let newest = self.stays.iter().filter(|s| s.network == network && s.from <= at).map(|s| s.to).max();
        newest.map_or(EventTime(i64::MIN), |to| to.plus(GRAIN))
    }

    /// The ways to where `shown` was, and from there, are known: they were gone honestly. Says whether that is to be written.
    pub fn release(&mut self, shown: EventTime) -> bool {
        let before = self.ways.len();
        let is_there = |stay: &Stay| stay.from <= shown && shown.0 <= stay.to.0 + GRAIN.0;
        for i in 1..self.stays.len() {
            if !is_there(&self.stays[i - 1]) && !is_there(&self.stays[i]) {
                continue;
            }
            let way = way(&self.stays[i - 1].place, &self.stays[i].place);
            if !self.ways.contains(&way) {
                self.ways.push(way);
            }
        }
        let changed = self.ways.len() > before;
        let excess = self.ways.len().saturating_sub(WAYS);
        self.ways.drain(..excess);
        changed
    }

    fn knows(&self, a: &str, b: &str) -> bool {
        self.ways.contains(&way(a, b))
    }

    pub(super) fn fired_mut(&mut self) -> &mut Fired {
        &mut self.fired
    }

    /// When nothing of it can matter any more. Ways are forgotten after a year.
    pub fn expires(&self) -> EventTime {
        self.stays.last().map_or(EventTime::default(), |s| s.to).plus(Millis::DAY.times(400))
    }
}

impl Stay {
    /// Whether the sight is of the same use: of that network, with no more than a quarter of the timespan between.
    fn is_going_on(&self, sight: &Sight, timespan: Millis) -> bool {
        self.network == sight.network
            && sight.time >= self.from
            && sight.time.0 <= self.to.0.saturating_add(timespan.0 / 4)
    }

    fn leap(&self, sight: &Sight, timespan: Millis, terms: &Travel) -> Option<Leap> {
        let took = if sight.time < self.from { self.from.0 - sight.time.0 } else { (sight.time.0 - self.to.0).max(0) };
        let unsure = f64::from(self.spot.radius) + f64::from(sight.spot.radius);
        let km = distance_km(&self.spot, &sight.spot) - unsure;
        // a clock that is off by a second must not make a neighbour's walk a leap
        let hours = (took.max(1000) as f64) / 3_600_000.0;
        let impossible = km >= f64::from(terms.distance_km) && km / hours >= f64::from(terms.speed_kmh);
        (took <= timespan.0 && impossible).then(|| Leap {
            from: self.place.clone(),
            event: (self.event, self.from),
            km,
            took: Millis(took),
        })
    }
}

fn way(a: &str, b: &str) -> (u64, u64) {
    let digest = |place: &str| {
        let mut first = [0; 8];
        first.copy_from_slice(&crate::model::HashParts::new("place").part(place.as_bytes()).finish().0[..8]);
        u64::from_be_bytes(first)
    };
    let (a, b) = (digest(a), digest(b));
    (a.min(b), a.max(b))
}

/// The way along the surface of a sphere of the Earth's mean radius, in km (the haversine formula).
fn distance_km(a: &Spot, b: &Spot) -> f64 {
    let radians = |degrees: f32| f64::from(degrees).to_radians();
    let (lat_a, lat_b) = (radians(a.latitude), radians(b.latitude));
    let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
    let h = half(lat_a, lat_b) + lat_a.cos() * lat_b.cos() * half(radians(a.longitude), radians(b.longitude));
    2.0 * 6371.0 * h.sqrt().min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENVER: Spot = Spot { latitude: 39.74, longitude: -104.99, radius: 50 };
    const AMSTERDAM: Spot = Spot { latitude: 52.37, longitude: 4.90, radius: 20 };

    fn terms() -> Travel {
        Travel { speed_kmh: 900, distance_km: 500, learning: Learning { days: 7, observations: 3 }, crowd: None }
    }

    fn at(hours: i64, network: u64, spot: Spot, place: &str) -> Sight {
        let time = EventTime(0).plus(Millis::HOUR.times(hours));
        let event = EventId(((hours as u128) << 64 | u128::from(network)).to_be_bytes());
        Sight { network, spot, place: place.into(), time, event }
    }

    fn learned() -> Places {
        let mut places = Places::default();
        for day in 0..10 {
            places.observe(at(24 * day, 1, DENVER, "Denver, US"), Millis::DAY, &terms());
        }
        places
    }

    #[test]
    fn distances_are_right() {
        let km = distance_km(&DENVER, &AMSTERDAM);
        assert!((7_600.0..7_800.0).contains(&km), "{km}");
    }

    #[test]
    fn a_leap_is_found_and_a_flight_is_not() {
        let mut places = learned();
        let seen = places.observe(at(24 * 9 + 1, 2, AMSTERDAM, "Amsterdam, NL"), Millis::DAY, &terms());
        let leap = seen.leap.expect("an hour is too short");
        assert_eq!((&*leap.from, leap.took), ("Denver, US", Millis::HOUR));
        let mut places = learned();
        let flight = places.observe(at(24 * 9 + 11, 2, AMSTERDAM, "Amsterdam, NL"), Millis::DAY, &terms());
        assert_eq!(flight.leap, None, "eleven hours are a flight");
        assert_eq!(places.observe(at(24 * 10, 1, DENVER, "Denver, US"), Millis::DAY, &terms()).leap, None);
        let again = places.observe(at(24 * 10 + 1, 2, AMSTERDAM, "Amsterdam, NL"), Millis::DAY, &terms());
        assert_eq!(again.leap, None, "the way is known");
    }

    #[test]
    fn nothing_is_a_leap_while_learning_and_the_way_is_known_then() {
        let mut places = Places::default();
        places.observe(at(0, 1, DENVER, "Denver, US"), Millis::DAY, &terms());
        assert_eq!(places.observe(at(1, 2, AMSTERDAM, "Amsterdam, NL"), Millis::DAY, &terms()).leap, None);
        assert!(places.knows("Amsterdam, NL", "Denver, US"));
    }

    #[test]
    fn a_way_leads_from_where_somebody_was_last() {
        let mut places = Places::default();
        for (hour, network, place) in [(0, 1, "Denver, US"), (1, 2, "Boulder, US"), (2, 1, "Denver, US")] {
            places.observe(at(hour, network, DENVER, place), Millis::DAY, &terms());
        }
        places.observe(at(11, 3, AMSTERDAM, "Amsterdam, NL"), Millis::DAY, &terms());
        assert!(places.knows("Denver, US", "Amsterdam, NL"));
    }

    #[test]
    fn a_leap_is_not_learned() {
        let mut places = learned();
        places.observe(at(24 * 9 + 1, 2, AMSTERDAM, "Amsterdam, NL"), Millis::DAY, &terms());
        assert!(!places.knows("Amsterdam, NL", "Denver, US"));
    }
}
