//! The two digests of a policy: of what is accumulated, and of what is decided.
//!
//! They are made from the meaning of the file's text, not from how it is laid out: the order of keys, comments and quotes
//! around words make no difference. Titles, descriptions, levels, tags, responses and tests are in neither.
use super::correlation::{Correlation, CorrelationKind, Range};
use super::extension::{Amount, Crowd, Learning, Travel};
use super::field::FieldRef;
use super::yaml::{Kind, Node};
use crate::model::{Digest, HashParts, Millis};

/// Feeds a tree. Maps in the order of their keys; the lengths of lists and maps before what is in them.
pub(super) fn tree(parts: HashParts, node: &Node) -> HashParts {
    match &node.kind {
        Kind::Null => parts.part(b"null"),
        Kind::Bool(b) => parts.part(b"bool").number((*b).into()),
        Kind::Int(n) => parts.part(b"int").number(*n),
        Kind::Float(n) => parts.part(b"float").part(&n.to_le_bytes()),
        Kind::Text(text) => parts.part(b"text").part(text.as_bytes()),
        Kind::List(list) => {
            let parts = parts.part(b"list").number(list.len() as i64);
            list.iter().fold(parts, tree)
        }
        Kind::Map(map) => {
            let mut sorted: Vec<_> = map.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
            let parts = parts.part(b"map").number(map.len() as i64);
            sorted.iter().fold(parts, |parts, (key, value)| tree(parts.part(key.text.as_bytes()), value))
        }
    }
}

/// What a correlation accumulates: over what, by which keys, how long, of which fields. `rules` are the digests of what
/// the rules it refers to accumulate.
pub(super) fn accumulation(correlation: &Correlation, rules: &[Digest], raw: &[String]) -> Digest {
    let name = |field: &FieldRef| field.name(raw).as_bytes().to_vec();
    let mut parts = HashParts::new("tripline correlation accumulation 1");
    parts = parts.number(rules.len() as i64);
    for rule in rules {
        parts = parts.part(&rule.0);
    }
    parts = parts.number(correlation.group_by.len() as i64);
    for key in &correlation.group_by {
        parts = key.fields.iter().fold(parts, |parts, f| parts.part(&name(f)));
    }
    parts = parts.number(correlation.timespan.0);
    let (kind, fields): (&str, Vec<FieldRef>) = match &correlation.kind {
        CorrelationKind::EventCount(_) => ("event_count", vec![]),
        CorrelationKind::ValueCount { fields, .. } => ("value_count", fields.clone()),
        CorrelationKind::ValueSum { field, .. } => ("value_sum 2", vec![*field]),
        CorrelationKind::ValueAvg { field, .. } => ("value_avg 2", vec![*field]),
        CorrelationKind::ValuePercentile { field, percentile: Some(_), .. } => ("value_percentile 2", vec![*field]),
        // what is kept of an event is another thing: its value, and not an amount
        CorrelationKind::ValuePercentile { field, percentile: None, .. } => ("value_percentile share", vec![*field]),
        CorrelationKind::Temporal { ordered: false, .. } => ("temporal", vec![]),
        CorrelationKind::Temporal { ordered: true, .. } => ("temporal_ordered", vec![]),
        CorrelationKind::NewValue(new) => {
            // what is counted, and which values were known when the learning ended, depends on how long it lasts
            parts = learning(parts, new.learning);
            ("new_value", new.fields.clone())
        }
        CorrelationKind::Travel(travel) => {
            // which ways are known depends on which of them were told of
            parts = terms(parts, travel);
            ("travel", vec![])
        }
        CorrelationKind::Concurrent(concurrent) => ("concurrent", concurrent.fields.clone()),
        CorrelationKind::Baseline(baseline) => {
            parts = parts.number(baseline.history.0).number(baseline.peers.len() as i64);
            parts = baseline.peers.iter().fold(parts, |parts, f| parts.part(&name(f)));
            match &baseline.measure {
                Amount::Count => ("baseline of count", vec![]),
                Amount::Sum(field) => ("baseline of sum", vec![*field]),
                Amount::Distinct(fields) => ("baseline of distinct", fields.clone()),
            }
        }
        CorrelationKind::Absence(_) => ("absence", vec![]),
        CorrelationKind::Risk(_) => ("risk", vec![]),
    };
    fields.iter().fold(parts.part(kind.as_bytes()), |parts, f| parts.part(&name(f))).finish()
}

/// What is decided: the accumulation, the thresholds and the episode, and which policy decides it (its `name`; without
/// one its `id`; without either its title), for two policies that look for the same are still two.
pub(super) fn decision(
    identity: &str,
    accumulation: Digest,
    kind: Option<&CorrelationKind>,
    episode: Millis,
) -> Digest {
    let parts = HashParts::new("tripline decision 1").part(identity.as_bytes()).part(&accumulation.0).number(episode.0);
    let parts = match kind {
        None => parts,
        Some(CorrelationKind::EventCount(r) | CorrelationKind::ValueCount { range: r, .. }) => range(parts, r),
        Some(CorrelationKind::ValueSum { range: r, .. } | CorrelationKind::ValueAvg { range: r, .. }) => {
            range(parts, r)
        }
        Some(CorrelationKind::ValuePercentile { range: r, percentile, .. }) => match percentile {
            Some(n) => range(parts.part(&n.to_le_bytes()), r),
            None => range(parts, r),
        },
        Some(CorrelationKind::Temporal { range: Some(r), .. }) => range(parts, r),
        Some(CorrelationKind::Temporal { range: None, .. }) => parts,
        Some(CorrelationKind::NewValue(new)) => {
            crowd(learning(parts, new.learning).number(new.new_for.0), new.crowd.as_ref())
        }
        Some(CorrelationKind::Travel(travel)) => terms(parts, travel),
        Some(CorrelationKind::Concurrent(concurrent)) => range(parts, &concurrent.range),
        Some(CorrelationKind::Baseline(b)) => {
            range(learning(parts, b.learning).number(b.percentile.into()).number(b.floor), &b.range)
        }
        Some(CorrelationKind::Absence(absence)) => range(parts, &absence.range),
        Some(CorrelationKind::Risk(risk)) => {
            let weights = risk.weights.iter().zip(&risk.groups);
            let weighed = |parts: HashParts, (w, g): (&f64, &u16)| parts.part(&w.to_le_bytes()).number((*g).into());
            range(weights.fold(parts, weighed), &risk.range)
        }
    };
    parts.finish()
}

fn range(parts: HashParts, range: &Range) -> HashParts {
    range
        .bounds
        .iter()
        .fold(parts, |parts, (comparison, bound)| parts.number(*comparison as i64).part(&bound.to_le_bytes()))
}

fn terms(parts: HashParts, travel: &Travel) -> HashParts {
    let parts = learning(parts, travel.learning).number(travel.speed_kmh.into());
    crowd(parts.number(travel.distance_km.into()), travel.crowd.as_ref())
}

fn crowd(parts: HashParts, crowd: Option<&Crowd>) -> HashParts {
    crowd.iter().fold(parts, |parts, c| parts.number(c.entities.into()).number(c.within.0))
}

fn learning(parts: HashParts, learning: Learning) -> HashParts {
    parts.number(learning.days.into()).number(learning.observations.into())
}
