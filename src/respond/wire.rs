//! What the daemon and the runner say to each other: one JSON object a line over a unix stream socket.
//!
//! | daemon                      | runner                                                                          |
//! | --------------------------- | ------------------------------------------------------------------------------- |
//! | `hello`                     | `hello`: its version, actions and outlets. Comes first; another version ends it. |
//! | `run`                       | `accepted`, `started`, `ended`; or at once `busy`, or what the journal knows      |
//! | `ask`                       | `accepted`, `started` or `ended`, as the journal knows; `ended` never_seen else   |
//! | `send`                      | `sent`: what became of it                                                        |
//! | anything else               | `error`, and the connection is closed                                            |
//!
//! What is said about an order goes to every connection, since the one that asked may have gone in between. A frame is at
//! most [`CONTROL_FRAME_BYTES`] long, its newline included: a longer one is refused before it is sent.
use super::document::HookDocument;
use crate::model::limits::CONTROL_FRAME_BYTES;
use crate::model::{OrderId, Text, Verdict};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The version of this protocol. Both sides must speak the same one: they are the same binary.
pub const VERSION: u32 = 2;

/// What the daemon asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// The first frame of a connection.
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Carry out an order. Its id is the idempotency key: the runner never runs one twice, unless `retry` is set and the
    /// action declares itself idempotent.
    Run {
        /// Try once more although the journal knows the key. Refused unless the action is idempotent.
        retry: bool,
        /// What the hook is told; names the action and the order.
        document: Box<HookDocument>,
    },
    /// What does the journal know of an order?
    Ask {
        /// Which.
        #[serde(with = "hex_id")]
        order: OrderId,
    },
    /// Send a message to an outlet that leaves this machine.
    Send {
        /// The name of its table in the configuration: `syslog.siem`.
        outlet: String,
        /// Chosen by the daemon; the answer names it.
        seq: u64,
        /// For syslog the whole message, without framing; for a webhook a notice, as JSON.
        message: String,
    },
}

/// What the runner answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "re", rename_all = "snake_case")]
pub enum Reply {
    /// Answers `hello`, and is said again when the runner has read its configuration again.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The actions that can be run.
        actions: Vec<String>,
        /// The actions that are configured and cannot be run, with the reason.
        refused: Vec<(String, String)>,
        /// The outlets that it serves, by the names of their tables.
        outlets: Vec<String>,
    },
    /// The order waits for its turn. It is not in the journal yet: a runner that dies now has never seen it.
    Accepted {
        /// Which.
        #[serde(with = "hex_id")]
        order: OrderId,
    },
    /// The journal has it on disk, and the hook runs, or is about to.
    Started {
        /// Which.
        #[serde(with = "hex_id")]
        order: OrderId,
    },
    /// How it ended.
    Ended {
        /// Which.
        #[serde(with = "hex_id")]
        order: OrderId,
        /// How.
        ending: Ending,
        /// For people: exit code and output, escaped and cut.
        note: String,
    },
    /// Too many orders wait already. Nothing was done; ask again later.
    Busy {
        /// Which.
        #[serde(with = "hex_id")]
        order: OrderId,
    },
    /// What became of a message.
    Sent {
        /// The outlet's name.
        outlet: String,
        /// The daemon's number for it.
        seq: u64,
        /// What became of it.
        outcome: Outcome,
        /// The receiver asked to be left alone for so many seconds.
        wait_seconds: Option<u64>,
    },
    /// What came could not be understood. The connection ends.
    Error {
        /// Why.
        message: String,
    },
}

/// What became of a message to an outlet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As far as can be known, it arrived.
    Sent,
    /// It did not, for this reason, and must be sent again.
    Failed(String),
    /// The receiver never will take it, for this reason.
    Refused(String),
}

impl Outcome {
    /// With another reason.
    pub fn map(self, change: impl FnOnce(String) -> String) -> Outcome {
        match self {
            Outcome::Sent => Outcome::Sent,
            Outcome::Failed(why) => Outcome::Failed(change(why)),
            Outcome::Refused(why) => Outcome::Refused(change(why)),
        }
    }
}

/// How an order ended, as the runner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The hook exited with 0.
    Done,
    /// The hook exited with 75 (EX_TEMPFAIL): it could not now, and did nothing.
    Temporary,
    /// The hook exited with 65 (EX_DATAERR): it never will.
    Permanent,
    /// The hook exited with anything else, or a signal ended it.
    Failed,
    /// Nothing was run: no such action, or its executable is missing, changed or unsafe, or the journal cannot be written.
    Refused,
    /// It was started, and nobody knows how it ended: the deadline passed, or the runner died.
    Unknown,
    /// The journal has no such key.
    NeverSeen,
}

impl Ending {
    /// As the core records it.
    pub fn verdict(self, note: &str) -> Verdict {
        let note = Text::from(note);
        match self {
            Ending::Done => Verdict::Done(note),
            Ending::Failed | Ending::Permanent => Verdict::Failed(note),
            Ending::Temporary | Ending::Refused => Verdict::NotRun(note),
            Ending::Unknown => Verdict::Unknown(note),
            Ending::NeverSeen => Verdict::NeverSeen,
        }
    }
}

/// A frame that cannot be sent or understood.
#[derive(Debug)]
pub enum WireError {
    /// Longer than [`CONTROL_FRAME_BYTES`].
    TooLong,
    /// Not a request or reply of this version.
    Malformed(serde_json::Error),
    /// The connection broke.
    Broken(std::io::Error),
    /// The connection ended in the middle of a frame.
    Cut,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WireError::TooLong => write!(f, "a frame is longer than {CONTROL_FRAME_BYTES} bytes"),
            WireError::Malformed(e) => write!(f, "a frame cannot be understood: {e}"),
            WireError::Broken(e) => write!(f, "the connection broke: {e}"),
            WireError::Cut => f.write_str("the connection ended in the middle of a frame"),
        }
    }
}

impl std::error::Error for WireError {}

/// `message` as one frame, its newline included. JSON writes no raw newline, so that the frame is one line.
pub fn frame(message: &impl Serialize) -> Result<Vec<u8>, WireError> {
    let mut frame = serde_json::to_vec(message).map_err(WireError::Malformed)?;
    frame.push(b'\n');
    match frame.len() <= CONTROL_FRAME_BYTES {
        true => Ok(frame),
        false => Err(WireError::TooLong),
    }
}

/// The next frame, or nothing at the end. Reads at most [`CONTROL_FRAME_BYTES`] ahead, whatever the other side sends.
///
/// Cancel-safe: what has been read stays in `part`, which the caller keeps between calls.
pub async fn next_frame<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    part: &mut Vec<u8>,
) -> Result<Option<T>, WireError> {
    loop {
        let bytes = from.fill_buf().await.map_err(WireError::Broken)?;
        if bytes.is_empty() {
            return if part.is_empty() { Ok(None) } else { Err(WireError::Cut) };
        }
        let newline = bytes.iter().position(|b| *b == b'\n');
        let taken = newline.map_or(bytes.len(), |at| at + 1);
        if part.len() + taken > CONTROL_FRAME_BYTES {
            return Err(WireError::TooLong);
        }
        part.extend_from_slice(&bytes[..taken]);
        from.consume(taken);
        if newline.is_some() {
            let message = serde_json::from_slice(part).map_err(WireError::Malformed);
            part.clear();
            return message.map(Some);
        }
    }
}

/// Ids as 32 hexadecimal digits.
pub(super) mod hex_id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::{fmt::Display, str::FromStr};

    pub fn serialize<T: Display, S: Serializer>(id: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom("an id is 32 hexadecimal digits"))
    }
}
