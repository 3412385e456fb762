//! Which detections can ever fire on which trails, and what keeps the others from it.
//!
//! It follows from the specimens of the trails' profiles ([`crate::normalise::Specimen`]) and from what the policies select, group by and
//! measure; no line is read for it. What is said to be able to fire can be fed by a record of the trail; whether such a record ever
//! comes, and often enough, is not said.
use super::Rules;
use crate::enrich::Known;
use crate::model::{Field, SourceName, Value};
use crate::normalise::Specimen;
use crate::operator::{self, Terms};
use crate::policy::{Body, Correlation, FieldRef, Knowledge, Lack, Matcher, PolicySet};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What can be found, of the policies that make findings. Foreign rules are counted apart: most are for products of others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// How many policies make findings.
    pub detections: usize,
    /// Those that can't fire on a trail's own records, by trail.
    pub trails: BTreeMap<SourceName, Vec<Blind>>,
    /// Those that can't fire whatever all trails together say.
    pub blind: Vec<Blind>,
    /// The foreign rules that can match no record of any trail: for how many of them that is so is for people to see, not what they are.
    #[serde(skip)]
    pub dead: Vec<Dead>,
}

/// A foreign rule that can match nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Its place in [`PolicySet::rules`].
    pub rule: usize,
    /// What keeps it from matching what comes nearest; nothing where no trail is of its log source.
    pub lacks: Vec<Lack>,
}

/// A policy that can't fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    /// Its name.
    pub policy: Arc<str>,
    /// What keeps it from firing, for people.
    pub why: String,
}

/// How many conditions are named of one policy.
const NAMED: usize = 2;
/// How much is said of what a field must be, in characters.
const WANTED: usize = 80;

impl Rules {
    /// What can be found in these trails. Worked out when it is asked for first.
    pub fn coverage(&self) -> &Coverage {
        self.coverage.get_or_init(|| self.work_out())
    }

    fn work_out(&self) -> Coverage {
        let mut views: Vec<View<'_>> = self
            .trails
            .iter()
            .map(|(name, profile)| View::new(self, name, self.normaliser.specimens(*profile)))
            .collect();
        let set = self.engine.policies();
        let detections = || set.rules.iter().filter(|policy| policy.alerts && !policy.off && !policy.is_foreign());
        let blind = |views: &[View<'_>]| {
            let mut found = Vec::new();
            let fed = Feeding { rules: self, views }.all(set);
            for (policy, fed) in set.rules.iter().zip(fed) {
                if let Err(why) = fed
                    && policy.alerts
                    && !policy.off
                    && !policy.is_foreign()
                {
                    found.push(Blind { policy: policy.name.clone(), why });
                }
            }
            found
        };
        let trails = views.iter().map(|view| (view.name.clone(), blind(std::slice::from_ref(view)))).collect();
        let is_named = views.iter().any(|view| view.others_name_sessions);
        views.iter_mut().for_each(|view| view.others_name_sessions = is_named);
        Coverage {
            detections: detections().count(),
            trails,
            blind: blind(&views),
            dead: Feeding { rules: self, views: &views }.dead(set),
        }
    }
}

/// What a trail can say.
struct View<'r> {
    name: SourceName,
    rules: &'r Rules,
    spooled: bool,
    /// Servers name sessions in trails that are looked at with it.
    others_name_sessions: bool,
    specimens: Vec<Specimen>,
}

impl<'r> View<'r> {
    fn new(rules: &'r Rules, name: &SourceName, mut specimens: Vec<Specimen>) -> View<'r> {
        for specimen in &mut specimens {
            specimen.event.evidence.source = name.clone();
        }
        let spooled = rules.trails.get(name).is_some_and(|p| rules.normaliser.provides(*p).contains(&Field::Sender));
        let by_server = |specimen: &Specimen| specimen.event.session.as_ref().is_some_and(|s| s.vouched.is_by_server());
        let others_name_sessions = specimens.iter().any(by_server);
        View { name: name.clone(), rules, spooled, others_name_sessions, specimens }
    }

    /// Whether the field can have any value in events of the sort: the trail says it, or it is known of what the trail says.
    fn is_open(&self, specimen: &Specimen, field: FieldRef) -> bool {
        let FieldRef::Known(field) = field else {
            // a record can have any fields beside those that its profile reads
            return true;
        };
        let has = |field| specimen.can_have(field);
        let (databases, rules) = (&self.rules.enricher, self.rules);
        specimen.open.contains(&field)
            || match field {
                Field::Time | Field::PartOfWeek => true,
                Field::Sender => self.spooled,
                Field::SessionUnconfirmed => {
                    self.others_name_sessions
                        && specimen.event.session.as_ref().is_some_and(|s| !s.vouched.is_by_server())
                }
                Field::Prefix => has(Field::Ip),
                Field::SessionOrNetwork => has(Field::SessionUid) || has(Field::Ip),
                Field::AsNumber => has(Field::Ip) && databases.gives(Known::AsNumber),
                Field::AsName => has(Field::Ip) && databases.gives(Known::AsOwner),
                Field::Country => has(Field::Ip) && databases.gives(Known::Country),
                Field::City => has(Field::Ip) && databases.gives(Known::Place),
                Field::Listed => has(Field::Ip) && databases.lists_networks(),
                Field::DeviceFamily | Field::DeviceOs | Field::DeviceVersion | Field::DeviceType => {
                    has(Field::UserAgent)
                }
                Field::ActorRole => has(Field::ActorName) && !rules.directory.is_empty(),
                Field::CustomerKind => has(Field::Customer) && !rules.watch_list.is_empty(),
                _ => false,
            }
    }

    /// What is known of the fields of events of the sort.
    fn knows<'s>(&'s self, specimen: &'s Specimen) -> impl Fn(FieldRef) -> Knowledge + 's {
        move |field| match field {
            FieldRef::Known(of) if specimen.always.contains(&of) => Knowledge::There,
            field if self.is_open(specimen, field) => Knowledge::Nothing,
            _ => Knowledge::Same,
        }
    }

    fn has(&self, specimen: &Specimen, field: FieldRef) -> bool {
        self.is_open(specimen, field) || field.value(&specimen.event) != Value::Absent
    }
}

/// By which sorts of events of which trails a policy is fed: their numbers; or why by none.
type Fed = Result<Vec<(usize, usize)>, String>;

struct Feeding<'a, 'r> {
    rules: &'r Rules,
    views: &'a [View<'r>],
}

impl Feeding<'_, '_> {
    /// For each policy of the set, in its order, in which what is referred to comes first.
    fn all(&self, set: &PolicySet) -> Vec<Fed> {
        let mut fed: Vec<Fed> = Vec::with_capacity(set.rules.len());
        for policy in &set.rules {
            let of = match &policy.body {
                _ if policy.is_foreign() && !policy.referred => Err(String::new()),
                Body::Detection(matcher) => self.detection(set, matcher),
                Body::Correlation(correlation) => self.correlation(set, correlation, &fed),
            };
            fed.push(of);
        }
        fed
    }

    /// Every sort of event of every trail, with its place.
    fn each(&self) -> impl Iterator<Item = ((usize, usize), &View<'_>, &Specimen)> {
        let views = self.views.iter().enumerate();
        views.flat_map(|(n, view)| view.specimens.iter().enumerate().map(move |(i, specimen)| ((n, i), view, specimen)))
    }

    fn detection(&self, set: &PolicySet, matcher: &Matcher) -> Fed {
        let selected =
            self.each().filter(|(_, view, specimen)| matcher.can_select(&specimen.event, &view.knows(specimen)));
        let selected: Vec<_> = selected.map(|(place, ..)| place).collect();
        if !selected.is_empty() {
            return Ok(selected);
        }
        Err(match self.lacks(set, matcher) {
            None => match matcher.products() {
                Some([]) | None => "it is for no profile that there is".to_owned(),
                Some(products) => format!("it is for the events of {}", products.join(" or ")),
            },
            Some(lacks) => self.words(set, &lacks),
        })
    }

    /// The least that keeps a detection from selecting anything; nothing where no trail is of its log source.
    fn lacks(&self, set: &PolicySet, matcher: &Matcher) -> Option<Vec<Lack>> {
        let events = self.each().map(|(_, view, specimen)| (&*specimen.event, view.knows(specimen)));
        matcher.lacks(events, &set.raw_fields)
    }

    /// The foreign rules that can match nothing.
    fn dead(&self, set: &PolicySet) -> Vec<Dead> {
        let mut dead = Vec::new();
        for (rule, policy) in set.rules.iter().enumerate().filter(|(_, policy)| policy.is_foreign()) {
            let Body::Detection(matcher) = &policy.body else { continue };
            let selects = |(_, view, specimen): ((usize, usize), &View<'_>, &Specimen)| {
                matcher.can_select(&specimen.event, &view.knows(specimen))
            };
            if !self.each().any(selects) {
                dead.push(Dead { rule, lacks: self.lacks(set, matcher).unwrap_or_default() });
            }
        }
        dead
    }

    /// What is lacking, for people.
    fn words(&self, set: &PolicySet, lacks: &[Lack]) -> String {
        let distinct: BTreeSet<&Lack> = lacks.iter().collect();
        let one = |lack: &&Lack| {
            let name = lack.field.name(&set.raw_fields);
            let known = match lack.field {
                FieldRef::Known(field) => Some(field),
                FieldRef::Raw(_) => None,
            };
            let (what, why) = match lack.is_there {
                true => {
                    (format!("{name} is never {}", shortened(&lack.wanted)), known.and_then(|f| self.vouched_by(f)))
                }
                false => (format!("no {name}"), known.and_then(|f| self.configured_by(f)).map(str::to_owned)),
            };
            [Some(what), why].into_iter().flatten().collect::<Vec<_>>().join(": ")
        };
        distinct.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ")
    }

    /// What would have to be configured for a field that no trail states itself.
    fn configured_by(&self, field: Field) -> Option<&'static str> {
        let databases = &self.rules.enricher;
        match field {
            Field::AsNumber | Field::AsName | Field::Country | Field::City if !databases.lacks().is_empty() => {
                Some("no database gives it")
            }
            Field::Listed if !databases.lists_networks() => Some("there is no list of networks"),
            Field::CustomerKind if self.rules.watch_list.is_empty() => Some("there is no watch list"),
            Field::ActorRole if self.rules.directory.is_empty() => Some("there is no directory of staff"),
            _ => None,
        }
    }

    /// What would have to be configured for a server's word, where anybody can write a trail.
    fn vouched_by(&self, field: Field) -> Option<String> {
        let asks = matches!(field, Field::SessionVouched | Field::ActorVouched);
        let is_open = |view: &&View<'_>| {
            view.rules.trails.get(&view.name).is_some_and(|profile| view.rules.normaliser.is_anybodys(*profile))
        };
        let open = self.views.iter().filter(|_| asks).find(is_open)?;
        Some(format!("anybody can write {}, write `senders` into its [[trail]]", open.name.as_str()))
    }

    fn correlation(&self, set: &PolicySet, correlation: &Correlation, fed: &[Fed]) -> Fed {
        let of_rule = |n: usize| self.with_keys(set, correlation, n, fed);
        let each: Vec<Fed> = (0..correlation.rules.len()).map(of_rule).collect();
        let why = |n: usize| each[n].as_ref().err().cloned();
        let is_fed: Vec<bool> = each.iter().map(Result::is_ok).collect();
        let can_hold = operator::each!(&correlation.kind, operator => operator.can_hold(&is_fed));
        if !can_hold && let Some(why) = (0..each.len()).find_map(why) {
            return Err(why);
        }
        let places: Vec<_> = each.into_iter().flatten().flatten().collect();
        match self.values(set, correlation, &places) {
            Some(why) => Err(why),
            None => Ok(places),
        }
    }

    /// What feeds the rule of that number, of which the correlation can count, sum or compare something.
    fn with_keys(&self, set: &PolicySet, correlation: &Correlation, n: usize, fed: &[Fed]) -> Fed {
        let places = fed[correlation.rules[n]].clone()?;
        let keys = correlation.group_by.iter().map(|key| key.fields[n]);
        let wanted: Vec<FieldRef> = keys.chain(correlation.values().iter().copied()).collect();
        let has = |(view, specimen): (usize, usize), field: FieldRef| {
            let view: &View<'_> = &self.views[view];
            view.has(&view.specimens[specimen], field)
        };
        let lacks = |place| wanted.iter().find(|field| !has(place, **field)).copied();
        let lacking = wanted.iter().find(|field| !places.iter().any(|place| has(*place, **field))).copied();
        let lacking = lacking.or_else(|| lacks(*places.first()?));
        let fit: Vec<_> = places.into_iter().filter(|place| lacks(*place).is_none()).collect();
        match (fit.is_empty(), lacking) {
            (true, Some(field)) => Err(self.words(set, &[Lack { field, is_there: false, wanted: String::new() }])),
            _ => Ok(fit),
        }
    }

    /// Why the values that are looked at are never as they must be.
    fn values(&self, set: &PolicySet, correlation: &Correlation, places: &[(usize, usize)]) -> Option<String> {
        if let operator::Kind::Travel(_) = &correlation.kind
            && !self.rules.enricher.gives(Known::Place)
        {
            return Some("no database gives the place of an address".to_owned());
        }
        let (fields, range) = operator::each!(&correlation.kind, operator => operator.distinct())?;
        let mut seen = BTreeSet::new();
        for (view, specimen) in places {
            let (view, specimen) = (&self.views[*view], &self.views[*view].specimens[*specimen]);
            if fields.iter().any(|field| view.is_open(specimen, *field)) {
                return None;
            }
            seen.insert(fields.iter().map(|f| format!("{:?}", f.value(&specimen.event))).collect::<Vec<_>>());
        }
        let names: Vec<&str> = fields.iter().map(|field| field.name(&set.raw_fields)).collect();
        let few = !range.can_hold(1.0, seen.len() as f64, true);
        few.then(|| format!("{} has {} different values at most", names.join(" and "), seen.len()))
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WANTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
