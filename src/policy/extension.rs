//! The correlation types that are ours, for what Sigma cannot say: their keys, defaults and meaning.
//!
//! - `new_value`: a value (or tuple of up to five fields) that the entity has not used within `timespan`.
//! - `travel`: two uses so far apart that nobody travels as fast.
//! - `concurrent`: values that alternate, as one session does that two people use.
//! - `baseline`: an amount far from the entity's own past, and from its peers'.
//! - `absence`: what should be there is not, while the rest goes on.
//! - `risk`: several weak signs weighed into one.
use super::correlation::{Range, length, range, tuple};
use super::document::only;
use super::error::{Fault, did_you_mean, quoted};
use super::field::FieldRef;
use super::yaml::{Node, Word};
use crate::model::Millis;

/// What makes a value new. Its timespan says how long a value unseen is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct NewValue<F = FieldRef> {
    /// The tuple, at most five fields.
    pub fields: Vec<F>,
    /// How long nothing is new.
    pub learning: Learning,
    /// For how long after it was first seen a value counts as new; zero: only in the event that first shows it.
    pub new_for: Millis,
    /// Whose use of the value makes it ordinary for everybody.
    pub crowd: Option<Crowd>,
}

/// How long an entity is only watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    /// So many days after it was first seen …
    pub days: u32,
    /// … and until it has been seen so often.
    pub observations: u32,
}

/// What so many entities use is ordinary: a carrier's or VPN's new network, a new office, a conference. For `new_value` those
/// count for whom it is new as well; for `travel`, all who use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// So many others …
    pub entities: u32,
    /// … within so long.
    pub within: Millis,
}

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

/// Values that come, go, and come back.
#[derive(Clone, Debug, PartialEq)]
pub struct Concurrent<F = FieldRef> {
    /// The tuple that is one origin, device or user.
    pub fields: Vec<F>,
    /// How often a value came back after another one.
    pub range: Range,
}

/// An amount far from what is usual. Its timespan is the window of the amount.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline<F = FieldRef> {
    /// What is measured.
    pub measure: Amount<F>,
    /// For how long the past counts.
    pub history: Millis,
    /// How long nothing is far.
    pub learning: Learning,
    /// Which percentile of the days' largest amounts is usual. Not the largest: one bad day must not raise it.
    pub percentile: u8,
    /// The fields that peers have in common; empty: nobody is compared with others.
    pub peers: Vec<F>,
    /// Below this amount nothing is far, however little is usual.
    pub floor: i64,
    /// How many times the usual amount, of the entity's own and of its peers'.
    pub range: Range,
}

/// What is measured in a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount<F = FieldRef> {
    /// How many events.
    Count,
    /// The sum of a field.
    Sum(F),
    /// How many different values of a tuple.
    Distinct(Vec<F>),
}

/// What is expected does not come. Of the rules the first is what is expected; the others show that it should have come.
#[derive(Clone, Debug, PartialEq)]
pub struct Absence {
    /// How many events of the others there must be in the timespan without one of the first.
    pub range: Range,
}

/// Signs weighed into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// For each rule what it weighs.
    pub weights: Vec<f64>,
    /// For each rule which signs are related to it: of those the heaviest counts whole, the next a quarter, the one after a
    /// sixteenth, and so on, so that however many say the same, they weigh no more than a third above the heaviest.
    pub groups: Vec<u16>,
    /// How heavy all must be together.
    pub range: Range,
}

impl Risk {
    /// What the rules that `is_there` weigh together, and each of them.
    pub fn weigh(&self, is_there: impl Fn(usize) -> bool) -> (f64, Vec<(usize, f64)>) {
        let mut present: Vec<usize> = (0..self.weights.len()).filter(|rule| is_there(*rule)).collect();
        present.sort_by(|a, b| self.weights[*b].total_cmp(&self.weights[*a]).then(a.cmp(b)));
        let mut met: Vec<u16> = Vec::new();
        let mut parts = Vec::new();
        for rule in present {
            let group = self.groups[rule];
            // related signs say much the same: a new network is in a new country as a rule
            let before = met.iter().filter(|g| **g == group).count() as i32;
            met.push(group);
            parts.push((rule, self.weights[rule] * 0.25f64.powi(before)));
        }
        (parts.iter().map(|(_, weight)| weight).sum(), parts)
    }
}

/// The names of the types.
pub(super) const TYPES: &[&str] = &["new_value", "travel", "concurrent", "baseline", "absence", "risk"];

/// One of them as it stands in a file.
pub(super) enum Written {
    NewValue(NewValue<Word>),
    Travel(Travel),
    Concurrent(Concurrent<Word>),
    Baseline(Baseline<Word>),
    Absence(Absence),
    Risk(Risk),
}

/// The keys that the type has beside those of all correlations.
pub(super) fn keys(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "new_value" => &["fields", "learning", "new-for", "crowd"],
        "travel" => &["speed-kmh", "distance-km", "learning", "crowd"],
        "concurrent" => &["fields", "condition"],
        "baseline" => &["measure", "field", "history", "learning", "percentile", "peers", "floor", "condition"],
        "absence" => &["condition"],
        "risk" => &["weights", "related", "condition"],
        _ => return None,
    })
}

/// Reads what is the type's own; nothing where there is no such type.
pub(super) fn read(name: &str, node: &Node, rules: &[Word]) -> Option<Result<Written, Fault>> {
    Some(match name {
        "new_value" => new_value(node).map(Written::NewValue),
        "travel" => travel(node).map(Written::Travel),
        "concurrent" => concurrent(node).map(Written::Concurrent),
        "baseline" => baseline(node).map(Written::Baseline),
        "absence" => absence(node, rules).map(Written::Absence),
        "risk" => risk(node, rules).map(Written::Risk),
        _ => return None,
    })
}

fn need<'n>(node: &'n Node, key: &str) -> Result<&'n Node, Fault> {
    node.get(key).ok_or_else(|| Fault::at(node.line, format!("the correlation has no {}", quoted(key))))
}

fn fields(node: &Node) -> Result<Vec<Word>, Fault> {
    tuple(need(node, "fields")?, "fields")
}

fn new_value(node: &Node) -> Result<NewValue<Word>, Fault> {
    Ok(NewValue {
        fields: fields(node)?,
        // A working week, and enough sightings that a value is more than chance: Microsoft Entra's minimum for sign-ins is
        // five days; two more make sure of a weekend.
        learning: learning(node, Learning { days: 7, observations: 5 })?,
        new_for: node.get("new-for").map_or(Ok(Millis(0)), |n| length(n, "new-for"))?,
        crowd: crowd(node)?,
    })
}

fn travel(node: &Node) -> Result<Travel, Fault> {
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
        crowd: crowd(node)?,
    })
}

fn concurrent(node: &Node) -> Result<Concurrent<Word>, Fault> {
    let once = Range { bounds: vec![(super::correlation::Comparison::Gte, 1.0)] };
    Ok(Concurrent { fields: fields(node)?, range: node.get("condition").map_or(Ok(once), |c| range(c, &[]))? })
}

fn baseline(node: &Node) -> Result<Baseline<Word>, Fault> {
    let measure_node = need(node, "measure")?;
    let measure = measure_node.text("measure")?;
    let field = |key| {
        node.get("field").map_or_else(
            || Err(Fault::at(node.line, format!("to measure {} takes a `field`", quoted(key)))),
            |f| tuple(f, "field"),
        )
    };
    let measure = match measure.as_str() {
        "count" if node.get("field").is_some() => {
            return Err(Fault::at(node.line, "to measure `count` takes no `field`: every event counts one"));
        }
        "count" => Amount::Count,
        "sum" => match &field("sum")?[..] {
            [one] => Amount::Sum(one.clone()),
            _ => return Err(Fault::at(node.line, "to measure `sum` takes one field")),
        },
        "distinct" => Amount::Distinct(field("distinct")?),
        other => {
            let near = did_you_mean(other, ["count", "sum", "distinct"]);
            let message = format!("`measure` is one of count, sum, distinct, and not {}{near}", quoted(other));
            return Err(Fault::at(measure_node.line, message));
        }
    };
    Ok(Baseline {
        measure,
        history: node.get("history").map_or(Ok(Millis::DAY.times(60)), |n| length(n, "history"))?,
        learning: learning(node, Learning { days: 14, observations: 5 })?,
        percentile: node.get("percentile").map_or(Ok(90), |n| n.whole("percentile", 50, 100))? as u8,
        peers: node.get("peers").map_or(Ok(Vec::new()), |n| tuple(n, "peers"))?,
        floor: node.get("floor").map_or(Ok(1), |n| n.whole("floor", 1, i64::MAX))?,
        range: range(need(node, "condition")?, &[])?,
    })
}

fn absence(node: &Node, rules: &[Word]) -> Result<Absence, Fault> {
    if rules.len() < 2 {
        return Err(Fault::at(
            node.line,
            "`absence` takes two rules at least: first what is expected, then what shows that it should have come",
        ));
    }
    Ok(Absence { range: range(need(node, "condition")?, &[])? })
}

fn risk(node: &Node, rules: &[Word]) -> Result<Risk, Fault> {
    let place = |word: &Word| {
        rules.iter().position(|r| r.text == word.text).ok_or_else(|| {
            let near = did_you_mean(&word.text, rules.iter().map(|r| r.text.as_str()));
            Fault::at(word.line, format!("{} is not among `rules`{near}", quoted(&word.text)))
        })
    };
    let written = need(node, "weights")?;
    let mut weights = vec![f64::NAN; rules.len()];
    for (rule, weight) in written.map("weights")? {
        let heavy = weight.number(&rule.text)?;
        if !(0.0..=1000.0).contains(&heavy) {
            return Err(Fault::at(weight.line, "a weight must lie between 0 and 1000"));
        }
        weights[place(rule)?] = heavy;
    }
    if let Some(missing) = weights.iter().position(|w| w.is_nan()) {
        return Err(Fault::at(written.line, format!("{} has no weight", quoted(&rules[missing].text))));
    }
    let mut groups: Vec<u16> = (0..rules.len() as u16).collect();
    for (n, related) in node.get("related").map_or(Ok(&[][..]), |n| n.list("related"))?.iter().enumerate() {
        for word in related.texts("related")? {
            let rule = place(&word)?;
            if groups[rule] != rule as u16 {
                return Err(Fault::at(word.line, format!("{} is in two groups of `related`", quoted(&word.text))));
            }
            groups[rule] = (rules.len() + n) as u16;
        }
    }
    Ok(Risk { weights, groups, range: range(need(node, "condition")?, &[])? })
}

fn learning(node: &Node, usual: Learning) -> Result<Learning, Fault> {
    let Some(learning) = node.get("learning") else { return Ok(usual) };
    only(learning.map("learning")?, &["days", "observations"], "`learning`")?;
    let whole = |key: &str, most, usual| match learning.get(key) {
        Some(n) => Ok(n.whole(key, 0, most)? as u32),
        None => Ok(usual),
    };
    Ok(Learning {
        days: whole("days", 400, usual.days)?,
        observations: whole("observations", 1_000_000, usual.observations)?,
    })
}

fn crowd(node: &Node) -> Result<Option<Crowd>, Fault> {
    let Some(crowd) = node.get("crowd") else { return Ok(None) };
    only(crowd.map("crowd")?, &["entities", "within"], "`crowd`")?;
    let entities = need(crowd, "entities")?.whole("entities", 1, MOST_OF_CROWD)? as u32;
    Ok(Some(Crowd { entities, within: length(need(crowd, "within")?, "within")? }))
}

/// The most entities that a crowd can be told by: so many are remembered for each value.
pub const MOST_OF_CROWD: i64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_related_signs_the_heaviest_counts_whole() {
        let range = Range { bounds: vec![(super::super::correlation::Comparison::Gte, 1.0)] };
        let risk = Risk { weights: vec![4.0, 8.0, 3.0], groups: vec![7, 7, 2], range };
        assert_eq!(risk.weigh(|_| true).0, 8.0 + 1.0 + 3.0);
        assert_eq!(risk.weigh(|rule| rule != 1), (7.0, vec![(0, 4.0), (2, 3.0)]));
        let alike = Risk { groups: vec![7, 7, 7], ..risk.clone() };
        assert_eq!(alike.weigh(|_| true).0, 8.0 + 1.0 + 3.0 / 16.0);
        assert_eq!(risk.weigh(|_| false), (0.0, vec![]));
    }
}
