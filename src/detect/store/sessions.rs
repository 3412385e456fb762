//! Which sessions a server has named: so that a session which only a client sends can be told from one that there is.
//!
//! A session has a record of its own, with one cell, as an [id](super::names) has. One that was evicted counts as never named.
use super::{Acting, CellKey, EntityKey};
use crate::detect::State;
use crate::model::{EventTime, HashParts, Millis};
use crate::operator::cell::{CellKind, Named};

/// What stands for a policy in the keys of these cells.
pub const PREFIX: [u8; 8] = *b"sessions";
/// For how long a session is known after a server named it last: portals that keep people signed in do so for a month.
const KEPT: Millis = Millis::DAY.times(30);
/// How often that is written down anew.
const RENEWED: Millis = Millis::DAY;

/// The record of the session with that id.
pub fn key(id: &str) -> EntityKey {
    EntityKey(HashParts::new("named sessions").part(id.as_bytes()).finish().short())
}

impl State {
    /// A server names the session in an event of that time.
    pub fn name_session(&mut self, session: EntityKey, acting: Acting) {
        let at = self.session(session, acting);
        let until = acting.at.plus(KEPT);
        let expires = self.store.expires(at).unwrap_or(EventTime(i64::MIN));
        let Some(named) = self.store.cell(at).as_mut().and_then(Named::of) else {
            *self.store.get(at) = Named { since: acting.at };
            return self.wrote(at, until);
        };
        let is_earlier = acting.at < named.since;
        named.since = named.since.min(acting.at);
        if is_earlier || until.since(expires) >= RENEWED {
            self.wrote(at, until);
        }
    }

    /// Whether a server has named the session by the time of the event.
    pub fn is_named(&mut self, session: EntityKey, acting: Acting) -> bool {
        let at = self.session(session, acting);
        self.store.cell(at).as_mut().and_then(Named::of).is_some_and(|named| named.since <= acting.at)
    }

    fn session(&mut self, session: EntityKey, acting: Acting) -> super::CellIdx {
        let at = self.store.slot(CellKey { entity: session, prefix: PREFIX });
        // what the event before was about says nothing of this one
        self.memos.begin();
        self.acts(acting);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Acting {
        Acting { at: EventTime(0).plus(Millis::HOUR.times(hour)), ..Acting::default() }
    }

    #[test]
    fn a_session_is_named_from_the_time_on_at_which_a_server_names_it() {
        let mut state = State::new(0);
        state.nothing_is_stored();
        let (one, other) = (key("s1"), key("s2"));
        assert!(!state.is_named(one, at(5)));
        state.name_session(one, at(5));
        assert_eq!([4, 5, 6].map(|hour| state.is_named(one, at(hour))), [false, true, true]);
        assert!(!state.is_named(other, at(6)));
        state.name_session(one, at(3));
        assert!(state.is_named(one, at(4)), "a late line says that it was there before");
        // written where it says something new, and once a day
        state.take_changed();
        state.name_session(one, at(6));
        assert!(state.take_changed().is_empty());
        state.name_session(one, at(40));
        assert_eq!(state.take_changed().len(), 1);
    }
}
