//! What the correlation types mean that are the project's own, worked out slowly.
//!
//! Written from what the book and the documentation of `policy::extension` and `detect` say, not from the engine. Where
//! a narrow reading and a wide one are both theirs, an answer is open (`None`), and nothing is expected.
use super::reference::{Act, Bound, DAY, Groups, Held, Hit, Name, agreed, in_range, tuple};
use std::collections::{BTreeMap, BTreeSet};

/// `concurrent`: whether a value came back after another one so often.
pub fn alternates(fields: &[Name], bounds: &[Bound], hits: &[Hit], acts: &[Act]) -> bool {
    let once = [Bound("gte", 1)];
    let bounds = if bounds.is_empty() { &once[..] } else { bounds };
    let values: Vec<_> = hits.iter().map(|h| tuple(fields, &acts[h.act])).collect();
    let back = |n: &usize| values[*n - 1] != values[*n] && values[..*n].contains(&values[*n]);
    in_range(bounds, (1..values.len()).filter(back).count() as f64)
}

/// What is left of the hits where of a run of the same none is kept that comes so soon after another: what comes late, or in the same
/// moment, may have belonged between them, and that they came back after it is lost.
pub fn thinned(hits: &[Hit], soon: i64, same: impl Fn(&Hit, &Hit) -> bool) -> Vec<Hit> {
    let mut arrived = hits.to_vec();
    arrived.sort_by_key(|h| (h.act, h.via));
    let mut kept: Vec<Hit> = Vec::new();
    for hit in arrived {
        let before = kept.iter().filter(|h| **h < hit).max();
        if !before.is_some_and(|h| hit.time - h.time <= soon && same(h, &hit)) {
            kept.push(hit);
        }
    }
    kept.sort();
    kept
}

/// `absence`: so many of the others since the first came last, which is a timespan ago at least.
///
/// What comes within a 32nd of the timespan is as good as what came before it, so it may have come last a little earlier.
/// Where some came late, it is exact by the recorded order: open, unless that and the order of time say the same.
pub fn absent(bounds: &[Bound], groups: &Groups, span: i64) -> Vec<Held> {
    let mut held = Vec::new();
    for (entity, hits) in groups {
        let mut until = 0;
        for one in hits.chunk_by(|a, b| a.act == b.act) {
            let mut answers = Vec::new();
            for here in one {
                until += 1;
                let arrived = &hits[..until];
                let in_time: Vec<Hit> = arrived.iter().copied().filter(|h| h.time <= here.time).collect();
                let answer = agreed([arrived, &in_time].map(|hits| is_absent(bounds, hits, here.time, span)));
                answers.push(if here.via == 0 { Some(false) } else { answer });
            }
            held.extend(Held::of(entity, one[0].act, one[0].time, &answers));
        }
    }
    held
}

fn is_absent(bounds: &[Bound], hits: &[Hit], now: i64, span: i64) -> Option<bool> {
    let came = hits.iter().filter(|h| h.via == 0).map(|h| h.time).max();
    let Some(last) = came else { return Some(false) };
    let earliest = last - span / 32;
    // whether what came in the same moment came since, nobody says, nor of what was there before the first came, late
    let arrived = hits.iter().filter(|h| h.via == 0).map(|h| h.act).max();
    let since = |h: &&Hit| h.via != 0 && h.time > last && h.time <= now && Some(h.act) > arrived;
    let least = hits.iter().filter(since).count();
    let most = hits.iter().filter(|h| h.via != 0 && h.time >= earliest).count();
    let counts = (least..=most).map(|n| in_range(bounds, n as f64));
    let silent = [now - last >= span, now - earliest >= span];
    agreed(counts.flat_map(|enough| silent.map(|silent| Some(enough && silent))))
}

/// `risk`.
#[derive(Clone, Debug)]
pub struct Risk {
    /// For each rule what it weighs, in halves; there may be more than rules.
    pub halves: Vec<u32>,
    /// Those that are related to one another.
    pub related: Vec<usize>,
    pub bounds: Vec<Bound>,
}

impl Risk {
    /// Whether what is there is heavy enough together.
    pub fn is_heavy(&self, within: &[Hit]) -> bool {
        let weight = |rule: &usize| f64::from(self.halves[*rule]) / 2.0;
        let there: BTreeSet<usize> = within.iter().map(|h| h.via).collect();
        let alone: f64 = there.iter().filter(|r| !self.related.contains(r)).map(weight).sum();
        let mut related: Vec<f64> = there.iter().filter(|r| self.related.contains(r)).map(weight).collect();
        related.sort_by(|a, b| b.total_cmp(a));
        // the heaviest whole, the next a quarter, the one after a sixteenth
        let together: f64 = related.iter().zip([1.0, 0.25, 0.0625, 0.015_625]).map(|(w, part)| w * part).sum();
        in_range(&self.bounds, alone + together)
    }
}

/// Where somebody can be: latitude and longitude in degrees, and within how many km the database is sure.
pub const PLACES: [(f32, f32, u16); 6] = [
    // Denver, Boulder, Chicago, Amsterdam, Paris, Auckland
    (39.74, -104.99, 50),
    (40.01, -105.27, 20),
    (41.88, -87.63, 100),
    (52.37, 4.90, 20),
    (48.86, 2.35, 200),
    (-36.85, 174.76, 5),
];

/// Their names.
pub const CITIES: [&str; PLACES.len()] = ["Denver", "Boulder", "Chicago", "Amsterdam", "Paris", "Auckland"];

/// How far two places are from each other on a sphere, in km, what the database is unsure of left out on both sides.
fn apart(a: usize, b: usize) -> f64 {
    let on_sphere = |(latitude, longitude, _): (f32, f32, u16)| {
        let (latitude, longitude) = (f64::from(latitude).to_radians(), f64::from(longitude).to_radians());
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
    };
    let (p, q) = (on_sphere(PLACES[a]), on_sphere(PLACES[b]));
    let cosine: f64 = (0..3).map(|n| p[n] * q[n]).sum();
    6371.0 * cosine.clamp(-1.0, 1.0).acos() - f64::from(PLACES[a].2) - f64::from(PLACES[b].2)
}

/// `travel`.
#[derive(Clone, Debug)]
pub struct Travel {
    pub speed_kmh: u32,
    pub distance_km: u32,
    pub days: u32,
    pub observations: u32,
    /// So many others within so many seconds make a place nobody's.
    pub crowd: Option<(u32, u32)>,
}

/// A use of a place by an entity.
#[derive(Clone, Copy, Debug)]
struct Use {
    time: i64,
    act: usize,
    place: usize,
    /// By how many of the rules.
    rules: usize,
}

/// What an entity has shown so far.
#[derive(Default)]
struct Ways {
    uses: Vec<Use>,
    /// Those that were gone one after the other, and no leap was told of.
    known: BTreeSet<(usize, usize)>,
    /// Of these it is open.
    maybe: BTreeSet<(usize, usize)>,
}

/// A use at the same place a moment later is not written.
const MOMENT: i64 = 60_000;

impl Travel {
    pub fn held(&self, groups: &Groups, acts: &[Act], span: i64) -> Vec<Held> {
        let mut held = Vec::new();
        // an act without a place says nothing, and is one use by however many of the rules
        let mut all: Vec<(&String, Use)> = Vec::new();
        for (entity, hits) in groups {
            for one in hits.chunk_by(|a, b| a.act == b.act) {
                let Hit { time, act, .. } = one[0];
                all.extend(acts[act].place.map(|place| (entity, Use { time, act, place, rules: one.len() })));
            }
        }
        all.sort_by_key(|(entity, u)| (u.act, *entity));
        let mut ways: BTreeMap<&String, Ways> = BTreeMap::new();
        for (n, (entity, here)) in all.iter().enumerate() {
            // whether a place that came to be shared was so before, or is so by the same act, nobody says
            let then = |u: &Use, others: usize| {
                let uses = &all[..all.partition_point(|(_, v)| v.act < others)];
                self.is_shared(u.place, u.time, entity, uses)
            };
            let shared = |u: &Use| {
                agreed([self.is_shared(u.place, here.time, entity, &all[..=n]), then(u, u.act), then(u, u.act + 1)])
            };
            let own = ways.entry(entity).or_default();
            let answer = self.answer(own, here, span, &shared);
            held.extend(Held::of(entity, here.act, here.time, &[answer]));
            let plain = answer == Some(false) && shared(here) == Some(false) && !own.stays(here, span);
            own.take_up(*here, span, plain, &shared);
        }
        held
    }

    /// Whether somebody who went those ways leaps to this place.
    fn answer(&self, own: &Ways, here: &Use, span: i64, shared: &dyn Fn(&Use) -> Option<bool>) -> Option<bool> {
        let mut all = vec![self.learned(own, here, shared), not(shared(here))];
        // it is told when somebody comes to a place, not again while he stays
        all.push(if own.stays(here, span) { None } else { Some(true) });
        // stays further apart than the timespan are not compared
        let near: Vec<&Use> = own.uses.iter().filter(|u| (u.time - here.time).abs() <= span).collect();
        let leaps = near.into_iter().map(|from| {
            let way = way(from, here);
            let known = if own.known.contains(&way) {
                Some(true)
            } else if own.maybe.contains(&way) {
                None
            } else {
                Some(false)
            };
            let lately = ((from.time - here.time).abs() < span - MOMENT).then_some(true);
            and(&[self.is_leap(from, here), not(known), lately, not(shared(from))])
        });
        all.push(or(&leaps.collect::<Vec<_>>()));
        and(&all)
    }

    /// Whether the entity has been watched for long enough. Uses that come a moment later, or at a shared place, may count or not;
    /// those by several of the rules once or as often.
    fn learned(&self, own: &Ways, here: &Use, shared: &dyn Fn(&Use) -> Option<bool>) -> Option<bool> {
        let enough = |uses: &[&Use], often: usize| {
            let since = uses.iter().map(|u| u.time).min().map_or(here.time, |since| since.min(here.time));
            here.time - since >= i64::from(self.days) * DAY && often >= self.observations as usize
        };
        let all: Vec<&Use> = own.uses.iter().collect();
        let mut surely: Vec<&Use> = Vec::new();
        for u in own.uses.iter().filter(|u| u.time <= here.time) {
            let again =
                own.uses.iter().any(|v| v.act < u.act && v.place == u.place && (v.time - u.time).abs() <= MOMENT);
            if !again && shared(u) == Some(false) {
                surely.push(u);
            }
        }
        let often = all.iter().map(|u| u.rules).sum();
        agreed([enough(&all, often), enough(&surely, surely.len())].map(Some))
    }

    /// Whether it is as far and as fast; nothing where a minute or a hundredth more or less would matter.
    fn is_leap(&self, from: &Use, to: &Use) -> Option<bool> {
        let km = apart(from.place, to.place);
        let faster = |ms: i64, km: f64| km * 3_600_000.0 / ms as f64 >= f64::from(self.speed_kmh);
        let took = (to.time - from.time).abs();
        if km < f64::from(self.distance_km) {
            return Some(false);
        }
        let fast = faster(took.max(1), km);
        (faster(took + MOMENT, km * 0.99) == faster((took - MOMENT).max(1), km * 1.01)).then_some(fast)
    }

    /// Whether so many others use the place that it tells nothing. Their last uses are kept coarsely.
    fn is_shared(&self, place: usize, now: i64, entity: &String, uses: &[(&String, Use)]) -> Option<bool> {
        let Some((entities, within)) = self.crowd else { return Some(false) };
        let within = i64::from(within) * 1000;
        let others = |within: i64, after: i64| {
            let lately = |(_, u): &&(&String, Use)| u.place == place && u.time > now - within && u.time <= now + after;
            let others = uses.iter().filter(lately).map(|(other, _)| *other).filter(|other| *other != entity);
            others.collect::<BTreeSet<_>>().len() >= entities as usize
        };
        let ever = others(i64::MAX / 4, i64::MAX / 4);
        (others(within - within / 8, 0) == ever).then_some(ever)
    }
}

impl Ways {
    /// Whether it may be the same stay at a place: there is no more than a quarter of the timespan between.
    fn stays(&self, here: &Use, span: i64) -> bool {
        self.uses.iter().any(|u| u.place == here.place && (u.time - here.time).abs() <= span / 4 + MOMENT)
    }

    /// `plain`: surely somebody comes to it, it is used by nobody else, and no leap was told of.
    fn take_up(&mut self, here: Use, span: i64, plain: bool, shared: &dyn Fn(&Use) -> Option<bool>) {
        let before = self.uses.iter().max_by_key(|u| (u.time, u.act)).copied();
        // of two places a moment apart it is open which was the last
        let alone = |before: &Use| self.uses.iter().all(|u| u.place == before.place || u.time < before.time - MOMENT);
        let before = before.filter(alone);
        self.maybe.extend(self.uses.iter().map(|u| way(u, &here)));
        if let Some(before) = before
            && plain
            // from a place that is nobody's no way is learned
            && shared(&before) == Some(false)
            && here.time >= before.time
            && here.time - before.time < span - MOMENT
        {
            self.known.insert(way(&before, &here));
        }
        self.uses.push(here);
    }
}

fn way(from: &Use, to: &Use) -> (usize, usize) {
    (from.place.min(to.place), from.place.max(to.place))
}

fn not(a: Option<bool>) -> Option<bool> {
    a.map(|a| !a)
}

/// Whether all hold; open where that hangs on something open.
fn and(all: &[Option<bool>]) -> Option<bool> {
    if all.contains(&Some(false)) { Some(false) } else { (!all.contains(&None)).then_some(true) }
}

fn or(any: &[Option<bool>]) -> Option<bool> {
    not(and(&any.iter().map(|a| not(*a)).collect::<Vec<_>>()))
}

/// What is measured.
#[derive(Clone, Debug)]
pub enum Measure {
    Count,
    Records,
    Distinct(Vec<Name>),
}

/// `baseline`.
#[derive(Clone, Debug)]
pub struct Baseline {
    pub measure: Measure,
    pub history_days: u32,
    pub days: u32,
    pub observations: u32,
    pub percentile: u32,
    /// Whether those of the same role are peers.
    pub peers: bool,
    pub floor: u32,
    pub bounds: Vec<Bound>,
}

/// What one entity's window reached on one day.
#[derive(Clone, Debug, Default)]
struct Day {
    /// The largest amount of that day: one of these.
    most: BTreeSet<u64>,
    /// Something was far from what is usual.
    far: Option<bool>,
    role: Option<String>,
}

/// Of how many days of peers a sketch tells something.
const ENOUGH_OF_PEERS: usize = 30;
/// So many ways to read a past are looked at; where there are more, all is open.
const READINGS: usize = 256;

impl Baseline {
    pub fn held(&self, groups: &Groups, acts: &[Act], span: i64) -> Vec<Held> {
        let mut held = Vec::new();
        let mut past: BTreeMap<&String, BTreeMap<i64, Day>> = BTreeMap::new();
        // of each entity all that says something, and of that what each act brings
        let mut all: Vec<(&String, Vec<Hit>, usize)> = Vec::new();
        for (entity, hits) in groups {
            let says: Vec<Hit> = hits.iter().copied().filter(|h| self.says_something(&acts[h.act])).collect();
            all.extend((0..says.len()).map(|n| (entity, says[..=n].to_vec(), says[n].act)));
        }
        all.sort_by_key(|(entity, hits, act)| (*act, *entity, hits.len()));
        for one in all.chunk_by(|a, b| (a.0, a.2) == (b.0, b.2)) {
            let answers: Vec<_> =
                one.iter().map(|(entity, hits, _)| self.answer(&mut past, entity, hits, acts, span)).collect();
            let (entity, act) = (one[0].0, one[0].2);
            held.extend(Held::of(entity, act, acts[act].time, &answers));
        }
        held
    }

    /// Whether the window that ends with the last of the hits is far from what is usual; takes it up.
    fn answer<'a>(
        &self,
        past: &mut BTreeMap<&'a String, BTreeMap<i64, Day>>,
        entity: &'a String,
        hits: &[Hit],
        acts: &[Act],
        span: i64,
    ) -> Option<bool> {
        let here = hits.last()?;
        let role = Name::Role.of(&acts[here.act]);
        let amounts = self.amounts(hits, acts, span);
        let own = past.get(entity).cloned().unwrap_or_default();
        let mut answers: BTreeSet<bool> =
            amounts.iter().flat_map(|amount| self.answers(&own, *amount, hits, here)).collect();
        if self.peers {
            answers = self.beside_peers(past, &role, &amounts, here, answers);
        }
        // what came late is exact by the recorded order
        if !hits.is_sorted_by_key(|h| h.time) {
            answers = [false, true].into();
        }
        let answer = agreed(answers.into_iter().map(Some));
        let day = past.entry(entity).or_default().entry(here.time.div_euclid(DAY)).or_insert_with(|| Day {
            far: Some(false),
            role,
            ..Day::default()
        });
        day.far = or(&[day.far, answer]);
        let before = std::mem::take(&mut day.most);
        let largest = |amount: &u64| before.iter().map(|b| *b.max(amount)).collect::<Vec<_>>();
        day.most = if before.is_empty() { amounts } else { amounts.iter().flat_map(largest).collect() };
        answer
    }

    fn says_something(&self, act: &Act) -> bool {
        match &self.measure {
            Measure::Count => true,
            Measure::Records => act.records.is_some(),
            Measure::Distinct(fields) => tuple(fields, act).is_some(),
        }
    }

    /// The amount of the window that ends with the last of the hits; of different values the last use is kept coarsely, so that
    /// a window may be a little shorter.
    fn amounts(&self, hits: &[Hit], acts: &[Act], span: i64) -> BTreeSet<u64> {
        let now = hits.last().map_or(0, |h| h.time);
        let of = |span: i64| {
            let within = hits.iter().filter(|h| h.time > now - span).map(|h| &acts[h.act]);
            match &self.measure {
                Measure::Count => within.count() as u64,
                Measure::Records => within.filter_map(|a| a.records).sum(),
                Measure::Distinct(fields) => within.map(|a| tuple(fields, a)).collect::<BTreeSet<_>>().len() as u64,
            }
        };
        let coarse = if matches!(self.measure, Measure::Distinct(_)) { of(span - span / 32) } else { of(span) };
        (coarse..=of(span)).collect()
    }

    /// Whether the amount is far from the entity's own past, by every reading of it.
    fn answers(&self, own: &BTreeMap<i64, Day>, amount: u64, hits: &[Hit], here: &Hit) -> BTreeSet<bool> {
        if amount < u64::from(self.floor) {
            return [false].into();
        }
        let today = here.time.div_euclid(DAY);
        let past: Vec<(&i64, &Day)> = own.range(..today).collect();
        let Some(learned) = self.learned(hits, here) else { return [false, true].into() };
        if !learned || past.is_empty() || past.len() + 1 < self.observations as usize {
            return [false].into();
        }
        let mut readings: Vec<Vec<u64>> = vec![Vec::new()];
        for (day, one) in &past {
            let options = self.options(**day, one, here.time);
            let taken = |reading: &Vec<u64>| {
                let with = |option: &Option<u64>| reading.iter().copied().chain(*option).collect::<Vec<_>>();
                options.iter().map(with).collect::<Vec<_>>()
            };
            readings = readings.iter().flat_map(taken).collect();
            if readings.len() > READINGS {
                return [false, true].into();
            }
        }
        let mut answers = BTreeSet::new();
        for reading in readings {
            // whether days that were far or are long past count as active, nobody says, nor whether today does
            for active in [reading.len(), past.len(), past.len() + 1] {
                let enough = active >= self.observations as usize;
                match nearest_rank(&reading, self.percentile).filter(|_| enough) {
                    Some(0) => answers.extend([false, true]),
                    Some(usual) => drop(answers.insert(in_range(&self.bounds, amount as f64 / usual as f64))),
                    None => drop(answers.insert(false)),
                }
            }
        }
        answers
    }

    /// Whether the entity has been watched for so many days. Whether one who was away for longer than the past counts is
    /// somebody new, nobody says.
    fn learned(&self, hits: &[Hit], here: &Hit) -> Option<bool> {
        let mut times: Vec<i64> = hits.iter().map(|h| h.time).collect();
        times.sort_unstable();
        let history = i64::from(self.history_days) * DAY;
        let back = times.windows(2).filter(|pair| pair[1] - pair[0] > history).map(|pair| pair[1]);
        let since = back.chain(times.first().copied());
        agreed(since.map(|since| Some(here.time - since >= i64::from(self.days) * DAY)))
    }

    /// What a day of the past may count as: nothing where it was far, or was too long ago by its beginning or its end.
    fn options(&self, day: i64, one: &Day, now: i64) -> Vec<Option<u64>> {
        let history = i64::from(self.history_days) * DAY;
        let mut counts: BTreeSet<bool> = [0, DAY].map(|from| day * DAY + from > now - history).into();
        match one.far {
            Some(true) => counts = [false].into(),
            None => drop(counts.insert(false)),
            Some(false) => {}
        }
        let most = one.most.iter().copied().map(Some);
        let counted: Vec<Option<u64>> = if counts.contains(&true) { most.collect() } else { Vec::new() };
        counted.into_iter().chain(counts.contains(&false).then_some(None)).collect()
    }

    /// The same where peers count too: the amount must be as far from what is usual for them, where enough is known of them.
    fn beside_peers(
        &self,
        days: &BTreeMap<&String, BTreeMap<i64, Day>>,
        role: &Option<String>,
        amounts: &BTreeSet<u64>,
        here: &Hit,
        own: BTreeSet<bool>,
    ) -> BTreeSet<bool> {
        let all: Vec<(&i64, &Day)> = days.values().flatten().filter(|(_, one)| one.role == *role).collect();
        if all.len() < ENOUGH_OF_PEERS {
            return own;
        }
        let (today, history) = (here.time.div_euclid(DAY), i64::from(self.history_days));
        let surely =
            |(day, one): &&(&i64, &Day)| **day > today - history && one.far == Some(false) && one.most.len() == 1;
        let over = all.iter().filter(|(day, _)| **day < today);
        if !own.contains(&true) || !over.clone().all(|one| surely(&one)) || over.clone().count() < ENOUGH_OF_PEERS {
            // whether a newcomer is held against peers, nobody says
            return [false, true].into();
        }
        let peers: Vec<u64> = over.flat_map(|(_, one)| one.most.iter().copied()).collect();
        let usual = nearest_rank(&peers, self.percentile).unwrap_or(0) as f64;
        // a sketch knows amounts within 9 %, and of each entity its last day may not be over yet
        let parts = [0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2];
        let far = |amount: &u64| parts.map(|part| in_range(&self.bounds, *amount as f64 / (usual * part)));
        let far: BTreeSet<bool> = amounts.iter().flat_map(far).collect();
        own.iter().flat_map(|own| far.iter().map(move |far| *own && *far)).collect()
    }
}

/// The smallest of the values such that at least so many percent are not larger.
fn nearest_rank(values: &[u64], percentile: u32) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let not_larger = |v: u64| values.iter().filter(|w| **w <= v).count() as u64 * 100;
    sorted.iter().copied().find(|v| not_larger(*v) >= u64::from(percentile) * values.len() as u64)
}
