//! The words that every other module speaks: times, positions, inputs, events, findings, orders, and the limits on all of them.

pub mod event;
pub mod field;
pub mod finding;
pub mod id;
pub mod incident;
pub mod input;
pub mod limits;
pub mod marks;
pub mod omitted;
pub mod order;
pub mod position;
pub mod shown;
pub mod silence;
pub mod time;
pub mod unmapped;

pub use event::{Activity, Actor, ActorKind, Cause, Event, Evidence, Export, Http, Origin, Outcome, Session, Vouched};
pub use field::{Field, Value};
pub use finding::{Finding, FindingRow, FindingVerdict, Judged, Measure, Severity, Subject};
pub use id::{ContentDigest, Digest, EventId, FindingId, HashParts, OrderId};
pub use input::{Forgotten, Input, Judgement, LearnedFile, Verdict};
pub use marks::Marks;
pub use omitted::Omitted;
pub use order::{Approval, Decision, Held, Mode, Mute, Order, OrderState, Purpose, Refusal, TargetKind, Verification};
pub use position::{Batch, Discontinuity, FileId, Frame, FrameFlags, HostId, SourceName, Stretch, TrailPart};
pub use shown::{Shown, ShownBytes, cut, json_shown};
pub use time::{EventTime, Millis, WallTime};
pub use unmapped::{RawValue, Unmapped};

/// Short text from a trail: names, addresses, session ids. Inline up to 24 bytes.
pub type Text = compact_str::CompactString;
