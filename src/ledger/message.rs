//! A message to an outlet, as it is read back from the outbox.
use crate::model::WallTime;

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number in the outbox.
    pub sequence: u64,
    /// When it was committed.
    pub made: WallTime,
    /// `finding` or `order`.
    pub kind: String,
    /// JSON of the finding or the order.
    pub body: String,
}
