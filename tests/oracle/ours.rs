//! What the correlation types mean that are the project's own, worked out slowly.
//!
//! Written from what the README and the documentation of `policy::extension` say. Where a narrow reading and a wide one
//! are both theirs, nothing is expected: there these give `None`.
use super::reference::{Act, Bound, Groups, Held, Hit, Name, in_range};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000;

/// What is told where the windows of all lengths between a timespan and a 32nd less agree: of a run of the same the
/// engine keeps the last that coarsely.
fn whatever_the_grain(hits: &[Hit], span: i64, holds: &dyn Fn(&[Hit]) -> bool) -> Option<bool> {
    let last = hits.last()?;
    let within = |span: i64| -> Vec<Hit> { hits.iter().copied().filter(|h| h.time > last.time - span).collect() };
    let exact = holds(&within(span));
    let near = hits.iter().map(|h| last.time - h.time).filter(|ago| (span - span / 32..span).contains(ago));
    let all = near.chain([span - span / 32]).all(|span| holds(&within(span)) == exact);
    all.then_some(exact)
}

fn tuple(fields: &[Name], act: &Act) -> Option<Vec<String>> {
    fields.iter().map(|f| f.of(act)).collect()
}

/// `concurrent`: how often a value came back after another one.
pub fn alternate(fields: &[Name], bounds: &[Bound], hits: &[Hit], acts: &[Act], span: i64) -> Option<bool> {
    // an act without one of the fields says nothing
    if hits.last().is_none_or(|h| tuple(fields, &acts[h.act]).is_none()) {
        return Some(false);
    }
    let once = [Bound("gte", 1)];
    let bounds = if bounds.is_empty() { &once[..] } else { bounds };
    whatever_the_grain(hits, span, &|within| {
        let values: Vec<Vec<String>> = within.iter().filter_map(|h| tuple(fields, &acts[h.act])).collect();
        let back = |n: &usize| values[*n - 1] != values[*n] && values[..*n].contains(&values[*n]);
        in_range(bounds, (1..values.len()).filter(back).count() as f64)
    })
}

/// `absence`: so many of the others in the timespan, and none of the first, which had been there before.
pub fn is_absent(bounds: &[Bound], hits: &[Hit], span: i64) -> bool {
    let Some(last) = hits.last() else { return false };
    let expected: Vec<&Hit> = hits.iter().filter(|h| h.via == 0).collect();
    let within = |h: &&Hit| h.time > last.time - span;
    let others = hits.iter().filter(within).filter(|h| h.via != 0).count();
    !expected.is_empty() && !expected.iter().any(|h| within(h)) && in_range(bounds, others as f64)
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
    /// Whether what is there in the timespan is heavy enough together.
    pub fn holds(&self, hits: &[Hit], span: i64) -> Option<bool> {
        let weight = |rule: &usize| f64::from(self.halves[*rule]) / 2.0;
        whatever_the_grain(hits, span, &|within| {
            let there: BTreeSet<usize> = within.iter().map(|h| h.via).collect();
            let alone: f64 = there.iter().filter(|r| !self.related.contains(r)).map(weight).sum();
            let mut related: Vec<f64> = there.iter().filter(|r| self.related.contains(r)).map(weight).collect();
            related.sort_by(|a, b| b.total_cmp(a));
            // the heaviest whole, the next a quarter, the one after a sixteenth
            let together: f64 = related.iter().zip([1.0, 0.25, 0.0625, 0.015_625]).map(|(w, part)| w * part).sum();
            in_range(&self.bounds, alone + together)
        })
    }
}

/// Where somebody can be: latitude and longitude in degrees, and within how many km the database is sure.
pub const PLACES: [(f32, f32, u16); 5] = [
    // Denver, Boulder, Chicago, Amsterdam, Paris
    (39.74, -104.99, 50),
    (40.01, -105.27, 20),
    (41.88, -87.63, 100),
    (52.37, 4.90, 20),
    (48.86, 2.35, 200),
];

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
}

impl Travel {
    pub fn held(&self, groups: &Groups, acts: &[Act], span: i64) -> Option<Held> {
        // an act without a place says nothing, and is one use by however many of the rules
        let uses: BTreeMap<&String, Vec<Use>> = groups
            .iter()
            .map(|(entity, hits)| {
                let mut uses: Vec<Use> = hits
                    .iter()
                    .filter_map(|h| Some(Use { time: h.time, act: h.act, place: acts[h.act].place? }))
                    .collect();
                uses.dedup_by_key(|u| u.act);
                (entity, uses)
            })
            .collect();
        let mut held = Vec::new();
        for (entity, own) in &uses {
            let mut known: BTreeSet<(usize, usize)> = BTreeSet::new();
            for (n, here) in own.iter().enumerate() {
                let learned = here.time - own[0].time >= i64::from(self.days) * DAY && n >= self.observations as usize;
                let way = |from: &Use| (from.place.min(here.place), from.place.max(here.place));
                let open = |u: &&Use| !self.is_shared(u.place, here.time, entity, &uses);
                let before = own[..n].iter().filter(|u| here.time - u.time < span);
                let mut leaps = Vec::new();
                for from in before.filter(open).filter(|u| !known.contains(&way(u))) {
                    leaps.push(self.is_leap(from, here)?);
                }
                let holds = learned && open(&here) && leaps.contains(&true);
                if holds {
                    held.push(((*entity).clone(), here.act));
                } else if let Some(from) = n.checked_sub(1).map(|n| &own[n]) {
                    known.insert(way(from));
                }
            }
        }
        Some(held)
    }

    /// Whether it is as far and as fast; nothing where a minute or a hundredth more or less would matter.
    fn is_leap(&self, from: &Use, to: &Use) -> Option<bool> {
        let km = apart(from.place, to.place);
        let faster = |ms: i64, km: f64| km * 3_600_000.0 / ms as f64 >= f64::from(self.speed_kmh);
        let took = to.time - from.time;
        let far = km >= f64::from(self.distance_km);
        let fast = faster(took, km);
        let sure = faster(took + 60_000, km * 0.99) == faster((took - 60_000).max(1), km * 1.01);
        (!far || sure).then_some(far && fast)
    }

    /// Whether so many others use the place that it tells nothing.
    fn is_shared(&self, place: usize, now: i64, entity: &String, uses: &BTreeMap<&String, Vec<Use>>) -> bool {
        let Some((entities, within)) = self.crowd else { return false };
        let lately = |u: &Use| u.place == place && u.time <= now && u.time > now - i64::from(within) * 1000;
        let others = uses.iter().filter(|(other, uses)| **other != entity && uses.iter().any(lately)).count();
        others >= entities as usize
    }
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

/// The largest amount of one entity's window on a day.
#[derive(Clone, Copy, Debug)]
struct Largest {
    amount: u64,
    /// Something was far from what is usual.
    far: bool,
}

impl Baseline {
    pub fn held(&self, groups: &Groups, acts: &[Act], span: i64) -> Option<Held> {
        let mut held = Vec::new();
        // of each entity, its days
        let mut days: BTreeMap<&String, BTreeMap<i64, Largest>> = BTreeMap::new();
        let mut all: Vec<(Hit, &String, usize)> = groups
            .iter()
            .flat_map(|(entity, hits)| hits.iter().enumerate().map(move |(n, h)| (*h, entity, n)))
            .collect();
        all.sort();
        for (n, (hit, entity, own)) in all.iter().enumerate() {
            let hits = &groups[*entity];
            if !self.says_something(&acts[hit.act]) {
                continue;
            }
            let day = hit.time.div_euclid(DAY);
            let since = hits.iter().find(|h| self.says_something(&acts[h.act])).map_or(0, |h| h.time);
            let role = Name::Role.of(&acts[hit.act]);
            let past = days.get(entity).cloned().unwrap_or_default();
            let learned = hit.time - since >= i64::from(self.days) * DAY;
            let own_days = self.of_past(&past, hit.time)?;
            let usual = (learned && own_days.len() >= self.observations as usize)
                .then(|| nearest_rank(&own_days, self.percentile))
                .flatten();
            let amount = self.amount(&hits[..=*own], acts, span)?;
            let _ = (n, role);
            let far = usual.is_some_and(|usual| {
                amount >= u64::from(self.floor) && in_range(&self.bounds, amount as f64 / usual as f64)
            });
            let one = days.entry(entity).or_default().entry(day).or_insert(Largest { amount: 0, far: false });
            one.amount = one.amount.max(amount);
            one.far |= far;
            if far {
                held.push(((*entity).clone(), hit.act));
            }
        }
        held.dedup();
        Some(held)
    }

    fn says_something(&self, act: &Act) -> bool {
        match &self.measure {
            Measure::Count => true,
            Measure::Records => act.records.is_some(),
            Measure::Distinct(fields) => tuple(fields, act).is_some(),
        }
    }

    /// The amount of the window that ends with the last of the hits.
    fn amount(&self, hits: &[Hit], acts: &[Act], span: i64) -> Option<u64> {
        let now = hits.last()?.time;
        let of = |span: i64| {
            let within = hits.iter().filter(|h| h.time > now - span).map(|h| &acts[h.act]);
            match &self.measure {
                Measure::Count => within.count() as u64,
                Measure::Records => within.filter_map(|a| a.records).sum(),
                Measure::Distinct(fields) => within.filter_map(|a| tuple(fields, a)).collect::<BTreeSet<_>>().len() as u64,
            }
        };
        let exact = of(span);
        let coarse = matches!(self.measure, Measure::Distinct(_)) && of(span - span / 32) != exact;
        (!coarse).then_some(exact)
    }

    /// The largest amounts of the days before that of `now` that still count; nothing where it depends on whether a day
    /// counts by its beginning or its end.
    fn of_past(&self, days: &BTreeMap<i64, Largest>, now: i64) -> Option<Vec<u64>> {
        let today = now.div_euclid(DAY);
        let history = i64::from(self.history_days) * DAY;
        let counted = |from: i64| -> Vec<u64> {
            let past = days.range(..today).filter(|(day, one)| **day * DAY + from > now - history && !one.far);
            past.map(|(_, one)| one.amount).collect()
        };
        (counted(0) == counted(DAY)).then(|| counted(0))
    }
}

/// The smallest of the values such that at least so many percent are not larger.
fn nearest_rank(values: &[u64], percentile: u32) -> Option<u64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let not_larger = |v: u64| values.iter().filter(|w| **w <= v).count() as u64 * 100;
    sorted.iter().copied().find(|v| not_larger(*v) >= u64::from(percentile) * values.len() as u64)
}
