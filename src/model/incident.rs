//! What people say of incidents. An incident is named by the first of its findings.
use super::Text;
use super::id::FindingId;
use super::time::WallTime;
use serde::{Deserialize, Serialize};

/// What a person does about an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum IncidentAct {
    /// A note, for whoever reads the incident later.
    Note {
        /// At most [`super::limits::REASON_BYTES`].
        text: Text,
    },
    /// Somebody is working on what it came to.
    Review,
    /// It is over.
    Close {
        /// What it was; at most [`super::limits::REASON_BYTES`].
        reason: Text,
    },
    /// It is not over after all.
    Reopen {
        /// Why; at most [`super::limits::REASON_BYTES`].
        reason: Text,
    },
    /// It is a breach: clocks that run from a determination begin.
    Determine {
        /// On what that rests; at most [`super::limits::REASON_BYTES`].
        reason: Text,
    },
    /// A duty was met: somebody was told.
    Told {
        /// The clock, `profile/duty`.
        clock: Text,
        /// Who was told, and by what way; at most [`super::limits::REASON_BYTES`].
        how: Text,
    },
    /// A duty need not be met.
    Waive {
        /// The clock, `profile/duty`.
        clock: Text,
        /// The decision and its basis; at most [`super::limits::REASON_BYTES`].
        reason: Text,
    },
    /// Another incident is the same one. Undone by a split of the two.
    Merge {
        /// A finding of the other.
        with: FindingId,
    },
    /// A finding does not belong to it; of one by which an incident was merged with it, that incident does not. Undone by a merge.
    Split {
        /// That finding, or one of the other incident's.
        from: FindingId,
    },
}

/// One such act, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentStep {
    /// A finding of the incident.
    pub of: FindingId,
    /// What was done.
    #[serde(flatten)]
    pub act: IncidentAct,
    /// When.
    pub at: WallTime,
    /// Who, by peer credentials.
    pub by: Text,
}
