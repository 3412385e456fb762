//! [`Foreign`]: rules of others, in a folder of their own, and [`Taken`]: what became of them.
//!
//! A rule set of thousands that somebody else writes is not edited here. A rule that cannot be used is set aside and the rest
//! load; nobody is told that such rules have no tests; and what stands under `tripline` in them is not read, so that no
//! foreign rule asks for an order.
use super::{Body, Policy};
use crate::model::{Severity, Text};
use crate::syntax::error::LoadError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rules of others.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    /// Where they lie, for people.
    pub name: String,
    /// The files: names and texts.
    pub files: Vec<(String, String)>,
    /// Only for the events of these trails; without it of all.
    pub trails: Option<Arc<[Text]>>,
    /// Rules of a lower level, and those without one, are left out unless a correlation that is taken refers to them.
    pub level: Option<Severity>,
}

/// What became of the rules of one [`Foreign`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Where they lie, for people.
    pub name: String,
    /// How many are loaded.
    pub loaded: usize,
    /// How many of those are for products that no profile reads: no event can match them.
    pub for_no_profile: usize,
    /// How many are left out for their level.
    pub below_level: usize,
    /// The reasons for which rules are set aside, the most frequent first.
    pub set_aside: Vec<SetAside>,
}

/// A reason for which rules are set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// How many.
    pub rules: usize,
    /// Why, in the words for the first of them, which names its file and line.
    pub first: String,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rules {}: {} loaded", self.name, self.loaded)?;
        for (count, what) in [
            (self.for_no_profile, "of them for products that no profile reads"),
            (self.below_level, "left out for their level"),
            (self.set_aside.iter().map(|reason| reason.rules).sum(), "set aside"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for SetAside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.rules {
            1 => write!(f, "set aside: {}", self.first),
            n => write!(f, "set aside, with {} others for that reason: {}", n - 1, self.first),
        }
    }
}

/// What became of all of them: `rules` are those that are loaded, each fault has the number of its `foreign`, and so has
/// each of those left out for their level in `below`.
pub(super) fn taken(
    foreign: &[Foreign],
    rules: &[Policy],
    faults: Vec<(usize, LoadError)>,
    below: &[usize],
) -> Vec<Taken> {
    let mut taken: Vec<Taken> = foreign.iter().map(|f| Taken { name: f.name.clone(), ..Taken::default() }).collect();
    for rule in rules {
        if let Some(of) = rule.foreign.and_then(|number| taken.get_mut(number)) {
            of.loaded += 1;
            let nowhere = matches!(&rule.body, Body::Detection(m) if m.products().is_some_and(<[_]>::is_empty));
            of.for_no_profile += usize::from(nowhere);
        }
    }
    for number in below {
        taken[*number].below_level += 1;
    }
    let mut reasons: BTreeMap<(usize, String), SetAside> = BTreeMap::new();
    for (number, fault) in faults {
        let reason = reasons.entry((number, kind_of(&fault.message)));
        reason.or_insert_with(|| SetAside { rules: 0, first: fault.to_string() }).rules += 1;
    }
    for ((number, _), reason) in reasons {
        taken[number].set_aside.push(reason);
    }
    taken.iter_mut().for_each(|t| t.set_aside.sort_by_key(|reason| std::cmp::Reverse(reason.rules)));
    taken
}

/// The message without what differs from rule to rule, which stands in backquotes.
fn kind_of(message: &str) -> String {
    let mut quoted = false;
    let mut kind = String::new();
    for part in message.split('`') {
        kind.push_str(if quoted { "`" } else { part });
        quoted = !quoted;
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_of_one_kind_whatever_they_name() {
        assert_eq!(kind_of("there is no `a` (did you mean `b`?)"), kind_of("there is no `c` (did you mean `d`?)"));
        assert_ne!(kind_of("there is no `a`"), kind_of("`a` is not there"));
    }
}
