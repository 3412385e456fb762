//! What the configuration changes of a policy without touching its file: `[policy.NAME]`.
//!
//! It is applied to the compiled set. What a policy accumulates stays as it is, with its digest, so nothing that was
//! learned is forgotten; the digest of what is decided follows the condition and the episode.
use super::ours::TOO_SHORT;
use super::scope::{Scope, Selection};
use super::{Body, Policy, PolicySet, digest};
use crate::model::finding::Ask;
use crate::model::{Millis, Severity, TargetKind, limits};
use crate::operator::{self, Terms, each};
use crate::syntax::error::{LoadError, did_you_mean, quoted};
use crate::syntax::range::{COMPARISONS, LONGEST, Range, length, length_text};
use crate::syntax::yaml::{Kind, Node};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `[policy.NAME]`: what is to be otherwise of one policy, shipped or your own, without touching its file. `tripline check` says what
/// that changes. Nothing that was learned or counted is forgotten by it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// `false`: the policy makes no findings; it goes on counting, for those that refer to it and for the day when it is turned on
    /// again. `true` lets one that only serves others make findings of its own. Without it: as its file says.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// How much its findings matter. Without it: the file's `level`.
    #[serde(default)]
    pub level: Option<Severity>,
    /// Bounds in place of the file's, such as `{ gte = 5 }`; bounds that are not given stay. For correlations that compare a number.
    /// Without it: the file's `condition`.
    #[serde(default)]
    pub condition: BTreeMap<String, f64>,
    /// It fires once for an entity in each stretch of this length, such as `1d`. Without it: the file's `episode`.
    #[serde(default)]
    pub episode: Option<String>,
    /// What its findings ask for, such as `[{ action = "end-session", target = "user" }]`; `[]` for nothing. Without it: the file's
    /// `response`.
    #[serde(default)]
    pub response: Option<Vec<Response>>,
    /// Findings are made of these events only: `{ "actor.user.role" = ["support", "noc*"] }`. Every field must match, with one of its
    /// values: text with `*`, networks for `src_endpoint.ip`. A list of such tables: any of them. Without it: all events.
    #[serde(default)]
    pub only: Selections,
    /// Findings are made of none of these events; written as `only` is. Without it: no exception.
    #[serde(default)]
    pub except: Selections,
}

/// What a finding asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The name of an action.
    pub action: Arc<str>,
    /// What it acts on.
    pub target: TargetKind,
}

/// One table of fields with their values, or a list of such tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selections(pub Vec<Selection>);

impl<'de> Deserialize<'de> for Selections {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Selections, D::Error> {
        struct Read;
        impl<'de> serde::de::Visitor<'de> for Read {
            type Value = Selections;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a table of fields with lists of values, or a list of such tables")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Selections, A::Error> {
                let one = Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Selections(vec![one]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<Selections, A::Error> {
                let all: Vec<Selection> = Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(seq))?;
                match all.is_empty() {
                    true => Err(serde::de::Error::custom(
                        "an empty list describes nothing: leave it out, or name something",
                    )),
                    false => Ok(Selections(all)),
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Changes the policies that are named. Every fault is told; the set is of use only where there is none.
pub(super) fn apply(set: &mut PolicySet, tunings: &BTreeMap<String, Tuning>) -> Vec<LoadError> {
    let mut errors = Vec::new();
    for (name, tuning) in tunings {
        let said = match set.rules.iter_mut().find(|rule| *rule.name == **name) {
            Some(policy) => tune(policy, tuning, &mut set.raw_fields),
            None => Err(format!(
                "there is no policy {}{}: a policy is called as the `name` in its file says",
                quoted(name),
                did_you_mean(name, set.rules.iter().map(|rule| &*rule.name))
            )),
        };
        if let Err(message) = said {
            errors.push(LoadError { file: format!("[policy.{name}]").into(), line: 0, message });
        }
    }
    errors
}

fn tune(policy: &mut Policy, tuning: &Tuning, raw_fields: &mut Vec<String>) -> Result<(), String> {
    let mut tuned = Vec::new();
    if let Some(enabled) = tuning.enabled.filter(|enabled| *enabled != policy.alerts) {
        policy.alerts = enabled;
        policy.off = !enabled;
        tuned.push(match (enabled, policy.referred) {
            (true, _) => "makes findings of its own".to_owned(),
            (false, true) => "off: makes no findings, and counts for the policies that refer to it".to_owned(),
            (false, false) => "off: makes no findings".to_owned(),
        });
    }
    said_of_findings(policy, tuning)?;
    if let Some(level) = tuning.level.filter(|level| *level != policy.severity) {
        tuned.push(format!("level {} in place of {}", level.name(), policy.severity.name()));
        policy.severity = level;
    }
    for (word, bound) in &tuning.condition {
        tuned.extend(rebound(policy, word, *bound)?);
    }
    if let Some(text) = &tuning.episode {
        let episode = episode(text)?;
        if episode != policy.episode {
            tuned.push(format!("episode {text} in place of {}", length_text(policy.episode)));
            policy.episode = episode;
        }
    }
    if let Some(response) = &tuning.response {
        let asks: Vec<Ask> = response.iter().map(|r| Ask { action: r.action.clone(), target: r.target }).collect();
        if asks != policy.asks {
            tuned.push(format!("response {} in place of {}", asked(&asks), asked(&policy.asks)));
            policy.asks = asks;
        }
    }
    policy.scope = Scope::new(&tuning.only.0, &tuning.except.0, raw_fields)?;
    tuned.extend(tuning.only.0.iter().map(|s| format!("only where {}", described(s))));
    tuned.extend(tuning.except.0.iter().map(|s| format!("except where {}", described(s))));
    // which of an entity's events comes first decides, unless they are all within the scope or all without
    policy.monotone &= policy.scope.fields().all(|field| is_of_entity(policy, field));
    policy.decision =
        digest::decision(&policy.identity, policy.accumulation, kind(&mut policy.body).as_deref(), policy.episode);
    policy.tuned = tuned;
    Ok(())
}

/// Refuses what can have no effect on a policy that only serves others.
fn said_of_findings(policy: &Policy, tuning: &Tuning) -> Result<(), String> {
    let keys = [
        ("level", tuning.level.is_some()),
        ("episode", tuning.episode.is_some()),
        ("response", tuning.response.is_some()),
        ("only", !tuning.only.0.is_empty()),
        ("except", !tuning.except.0.is_empty()),
    ];
    match keys.iter().find(|(_, given)| *given) {
        Some((key, _)) if !policy.alerts && !policy.off => Err(format!(
            "`{key}` has no effect: the policy makes no findings of its own, and only serves those that refer to it. \
             Set `enabled = true`, or say it of one of those"
        )),
        _ => Ok(()),
    }
}

/// Puts another bound in the place of the one with the same word; what to say of it where it differs.
fn rebound(policy: &mut Policy, word: &str, bound: f64) -> Result<Option<String>, String> {
    let known = COMPARISONS;
    let Some((_, comparison)) = known.iter().find(|(w, _)| *w == word) else {
        return Err(format!(
            "`condition`: there is no comparison {}{}: they are gt, gte, lt, lte, eq, neq",
            quoted(word),
            did_you_mean(word, known.iter().map(|(w, _)| *w))
        ));
    };
    if !bound.is_finite() {
        return Err(format!("`condition`: {word} must be a number, and is {bound}"));
    }
    let name = policy.name.clone();
    let Some(range) = kind(&mut policy.body).and_then(range_of) else {
        return Err(format!(
            "`condition`: {} has no bounds that could be set: put a file with another policy in `policies_dir`",
            quoted(&name)
        ));
    };
    let given: Vec<&str> =
        known.iter().filter(|(_, c)| range.bounds.iter().any(|(b, _)| b == c)).map(|(w, _)| *w).collect();
    match range.bounds.iter_mut().find(|(c, _)| c == comparison) {
        Some((_, old)) if *old == bound => Ok(None),
        Some((_, old)) => Ok(Some(format!("condition {word} {bound} in place of {}", std::mem::replace(old, bound)))),
        None => Err(format!("`condition`: the policy does not compare with {word}; it has {}", given.join(", "))),
    }
}

fn kind(body: &mut Body) -> Option<&mut operator::Kind> {
    match body {
        Body::Correlation(correlation) => Some(&mut correlation.kind),
        Body::Detection(_) => None,
    }
}

fn range_of(kind: &mut operator::Kind) -> Option<&mut Range> {
    each!(kind, operator => operator.range())
}

/// Whether all events of an entity have the same value in it.
fn is_of_entity(policy: &Policy, field: super::FieldRef) -> bool {
    match &policy.body {
        Body::Correlation(c) => c.group_by.iter().any(|key| key.fields.iter().all(|f| *f == field)),
        Body::Detection(_) => false,
    }
}

fn episode(text: &str) -> Result<Millis, String> {
    let length = length(&Node { line: 0, kind: Kind::Text(text.to_owned()) }, "episode").map_err(|f| f.message)?;
    match (limits::SHORTEST_EPISODE..=LONGEST).contains(&length) {
        true => Ok(length),
        false => Err(TOO_SHORT.into()),
    }
}

fn asked(asks: &[Ask]) -> String {
    let one = |ask: &Ask| format!("{} on the {}", ask.action, ask.target.name());
    if asks.is_empty() { "nothing".into() } else { asks.iter().map(one).collect::<Vec<_>>().join(" and ") }
}

fn described(selection: &Selection) -> String {
    let one = |(field, values): (&String, &Vec<String>)| format!("{field} is {}", values.join(" or "));
    selection.iter().map(one).collect::<Vec<_>>().join(" and ")
}
