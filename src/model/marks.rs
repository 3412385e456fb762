//! What to know about an event before trusting it, and how it is said.
use serde::{Deserialize, Serialize};

/// What to know about an event before trusting it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The line stated no readable time: the time is when it was read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub time_missing: bool,
    /// Its time is that of its arrival, which says nothing: its trail was read long after it was written. No window counts it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unplaced: bool,
    /// The stated time lay in the future and was clamped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub time_clamped: bool,
    /// The line came later than [`super::limits::LATENESS`]: windows count it when it arrived.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// The line was longer than the limit and was clipped.
    #[serde(default, skip_serializing_if = "is_false")]
    pub clipped: bool,
    /// A field of meaning occurred twice.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ambiguous: bool,
    /// The origin is what a client may have stated: it stands further left in a list of addresses than what the server saw, and nobody has
    /// said whose the addresses between are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub origin_stated: bool,
    /// The line states an origin that can't be read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub origin_unread: bool,
    /// The session is only what a client sent: no server has named it, though servers do name others of those that this trail copies.
    #[serde(default, skip_serializing_if = "is_false")]
    pub session_unconfirmed: bool,
}

impl Marks {
    /// What there is to know, in words.
    pub fn told(&self) -> impl Iterator<Item = &'static str> + use<> {
        let told = [
            (self.time_missing, "it states no time that can be read, and has that of its arrival"),
            (self.unplaced, "its trail was read long after it was written, so no window counts it"),
            (self.time_clamped, "the time that it states lay in the future"),
            (self.late, "it came late"),
            (self.clipped, "its line is cut"),
            (self.ambiguous, "a field of meaning stands twice"),
            (self.origin_stated, "its origin is what a client may have stated"),
            (self.origin_unread, "the origin that it states can't be read"),
            (self.session_unconfirmed, "no server has named its session"),
        ];
        told.into_iter().filter_map(|(is_so, words)| is_so.then_some(words))
    }
}

pub(super) fn is_false(mark: &bool) -> bool {
    !mark
}
