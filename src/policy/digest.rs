//! The two digests of a policy: of what is accumulated, and of what is decided.
//!
//! They are made from the meaning of the file's text, not from how it is laid out: the order of keys, comments and quotes
//! around words make no difference. Titles, descriptions, levels, tags, responses and tests are in neither.
use super::correlation::Correlation;
use crate::model::{Digest, HashParts, Millis};
use crate::operator::{Kind, Terms, each};
use crate::syntax::FieldRef;
use crate::syntax::yaml::{self, Node};

/// Feeds a tree. Maps in the order of their keys; the lengths of lists and maps before what is in them.
pub(super) fn tree(parts: HashParts, node: &Node) -> HashParts {
    match &node.kind {
        yaml::Kind::Null => parts.part(b"null"),
        yaml::Kind::Bool(b) => parts.part(b"bool").number((*b).into()),
        yaml::Kind::Int(n) => parts.part(b"int").number(*n),
        yaml::Kind::Float(n) => parts.part(b"float").part(&n.to_le_bytes()),
        yaml::Kind::Text(text) => parts.part(b"text").part(text.as_bytes()),
        yaml::Kind::List(list) => {
            let parts = parts.part(b"list").number(list.len() as i64);
            list.iter().fold(parts, tree)
        }
        yaml::Kind::Map(map) => {
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
    each!(&correlation.kind, operator => operator.accumulation(parts, &name)).finish()
}

/// What is decided: the accumulation, the thresholds and the episode, and which policy decides it (its `name`; without
/// one its `id`; without either its title), for two policies that look for the same are still two.
pub(super) fn decision(identity: &str, accumulation: Digest, kind: Option<&Kind>, episode: Millis) -> Digest {
    let parts = HashParts::new("tripline decision 1").part(identity.as_bytes()).part(&accumulation.0).number(episode.0);
    match kind {
        None => parts,
        Some(kind) => each!(kind, operator => operator.decision(parts)),
    }
    .finish()
}
