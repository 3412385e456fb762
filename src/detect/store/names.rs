//! Who a trail's ids are: the name under which each was known first, so that one who is renamed stays who it was.
//!
//! An id has a record of its own, with one cell: fetched before an event is folded in, bounded by a quota, written in the same
//! transaction as any other. An id whose cell was evicted is known by the name that it has from then on.
use super::{Acting, CellKey, EntityKey};
use crate::detect::State;
use crate::model::{EventTime, HashParts, Millis, SourceName, Text};
use crate::operator::cell::{CellKind, Names};

/// What stands for a policy in the keys of these cells: of no policy, for those are digests of what they accumulate.
pub const PREFIX: [u8; 8] = *b"names of";
/// For how long an id is known after it acted last.
const KEPT: Millis = Millis::DAY.times(400);
/// How often that is written down anew.
const RENEWED: Millis = Millis::DAY.times(30);

/// What is known of the id of an event's actor.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// The name that it is known by, where that is another than the one stated.
    pub known_as: Option<Text>,
    /// The name before, where it acts under the stated one for the first time since it had another.
    pub before: Option<Text>,
}

/// The record with an id's names.
pub fn key(trail: &SourceName, uid: &str) -> EntityKey {
    let digest = HashParts::new("actor names").part(trail.as_str().as_bytes()).part(uid.as_bytes()).finish().short();
    EntityKey(digest)
}

/// Words that products write where they know no id.
const NOBODY: [&str; 10] =
    ["unknown", "none", "null", "nil", "anonymous", "system", "not available", "notavailable", "n/a", "undefined"];

/// Whether the id tells somebody from others: neither blank, nor all zeros, nor a word for nobody.
pub fn tells_apart(uid: &str) -> bool {
    uid.bytes().any(|b| b.is_ascii_alphanumeric() && b != b'0' || !b.is_ascii())
        && !uid.contains(char::REPLACEMENT_CHARACTER)
        && !NOBODY.iter().any(|word| uid.trim().eq_ignore_ascii_case(word))
}

impl State {
    /// Those of these records that have to be loaded before [`State::called`] is asked.
    pub fn missing_names(&self, ids: impl Iterator<Item = EntityKey>) -> Vec<EntityKey> {
        let mut missing: Vec<EntityKey> = ids.filter(|id| self.store.may_be_on_disk(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// By which name the actor is known who states an id, and the name `stated`. Only an event that `names_it` says how: what
    /// was refused may state anything.
    pub fn called(&mut self, id: EntityKey, stated: &Text, names_it: bool, acting: Acting) -> Called {
        let at = self.store.slot(CellKey { entity: id, prefix: PREFIX });
        // what the event before was about says nothing of this one
        self.memos.begin();
        self.acts(acting);
        let expires = self.store.expires(at).unwrap_or(EventTime(i64::MIN));
        let Some(names) = self.store.cell(at).as_mut().and_then(Names::of) else {
            if names_it {
                *self.store.get(at) = Names { first: stated.clone(), last: stated.clone() };
                self.wrote(at, acting.at.plus(KEPT));
            }
            return Called::default();
        };
        let known_as = (names.first != *stated).then(|| names.first.clone());
        let before = (names_it && names.last != *stated).then(|| std::mem::replace(&mut names.last, stated.clone()));
        if before.is_some() || names_it && acting.at.plus(KEPT).since(expires) >= RENEWED {
            self.wrote(at, acting.at.plus(KEPT));
        }
        Called { known_as, before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(state: &mut State, day: i64, uid: &str, name: &str, succeeded: bool) -> (Option<String>, Option<String>) {
        let acting = Acting { at: EventTime(0).plus(Millis::DAY.times(day)), ..Acting::default() };
        let Called { known_as, before } =
            state.called(key(&SourceName("portal".into()), uid), &name.into(), succeeded, acting);
        (known_as.map(String::from), before.map(String::from))
    }

    #[test]
    fn an_id_is_known_by_its_first_name_and_each_change_is_said_once() {
        let mut state = State::new(0);
        state.nothing_is_stored();
        let text = |name: &str| Some(name.to_owned());
        assert_eq!(ask(&mut state, 0, "u1", "typed", false), (None, None), "what was refused names nobody");
        assert_eq!(ask(&mut state, 0, "u1", "ana", true), (None, None));
        assert_eq!(ask(&mut state, 1, "u1", "typed", false), (text("ana"), None));
        assert_eq!(ask(&mut state, 1, "u1", "ana.new", true), (text("ana"), text("ana")));
        assert_eq!(ask(&mut state, 2, "u1", "ana.new", true), (text("ana"), None));
        assert_eq!(ask(&mut state, 3, "u1", "ana.newer", true), (text("ana"), text("ana.new")));
        assert_eq!(ask(&mut state, 4, "u1", "ana", true), (None, text("ana.newer")));
        assert_eq!(ask(&mut state, 5, "u2", "ana.new", true), (None, None), "another id is somebody else");
        // written where it says something new, and once a month
        state.take_changed();
        ask(&mut state, 20, "u1", "ana", true);
        assert!(state.take_changed().is_empty());
        ask(&mut state, 40, "u1", "ana", true);
        assert_eq!(state.take_changed().len(), 1);
    }

    #[test]
    fn what_is_nobodys_id_is_none() {
        for uid in ["", "-", "0", "00000000-0000-0000-0000-000000000000", "Unknown", " N/A ", "Not Available"] {
            assert!(!tells_apart(uid), "{uid}");
        }
        for uid in ["7", "u1", "00000000-0000-0000-0000-000000000001", "00u1", "ü"] {
            assert!(tells_apart(uid), "{uid}");
        }
    }
}
