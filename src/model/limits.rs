//! Every bound in one place. At a bound something is said; nothing is only dropped.
use super::time::Millis;

/// The longest frame that is decoded whole, in bytes; a longer one is clipped and counted.
pub const FRAME_BYTES: usize = 1 << 20;
/// How many lines of its other stream may stand between the parts in which a container runtime has split a record, before the record counts
/// as broken off: the streams are written side by side, and what waits for the end of one is both.
pub const LINES_BETWEEN_PARTS: usize = 64;
/// The most that one batch may hold, in bytes of frames.
pub const BATCH_BYTES: usize = 4 << 20;
/// The most frames in one batch. Of strangers each of them is seven kilobytes when it is ready to be folded in, and some ten
/// batches of a trail may be on their way.
pub const BATCH_FRAMES: usize = 2048;
/// How many bytes before a cursor its witness covers (rotation by copytruncate keeps identity, not content): several lines, for lines of
/// one length may end alike, and what tells them apart, their time and id, stands first.
pub const WITNESS_BYTES: usize = 4096;
/// How many witnessed bytes tell a file from all others: fewer, such as a common header, begin other files too.
pub const SURE_WITNESS_BYTES: usize = 256;
/// Of how many files of one trail on one machine it is remembered up to where they were folded in: a reader follows 4,096 at once, and
/// gives up those that are gone.
pub const FILES_PER_TRAIL: usize = 1 << 16;
/// The longest that read lines wait for their commit while more are coming.
pub const COMMIT_AFTER: Millis = Millis(200);
/// How late a line may be and still count in the window it belongs to. Cloud trails deliver a day late at worst
/// (T56 of `docs/src/explain/faults.md`); two days leave room.
pub const LATENESS: Millis = Millis::DAY.times(2);
/// How many episodes in which a policy fired are remembered for one entity: all that a line within the lateness bound can fall into.
pub const EPISODES: usize = 128;
/// No policy's episode is shorter.
pub const SHORTEST_EPISODE: Millis = Millis::MINUTE.times(30);
const _: () = assert!(SHORTEST_EPISODE.0 * EPISODES as i64 >= LATENESS.0 + SHORTEST_EPISODE.0);
/// How long after its newest record was written a trail may have been read for the arrival of a record without a time to say when that
/// happened: by more it is another day's.
pub const UNDATED_LAG: Millis = Millis::DAY;
/// How far ahead of our clock a stamp may be: two machines without NTP drift by minutes, not hours.
pub const FUTURE_SKEW: Millis = Millis::MINUTE.times(10);
/// How far behind the time of its reading an event may be counted that states a time yet to come, so that those of a burst that was read at
/// once don't all lie in one moment: a day's backlog.
pub const FUTURE_SPREAD: Millis = Millis::DAY;
/// How many event ids of a source are remembered to recognise a line sent twice: a day of 3 events a second.
pub const REMEMBERED_IDS: usize = 1 << 18;
/// The longest value of one field that is kept, in bytes.
pub const FIELD_BYTES: usize = 4096;
/// How much of longer values, which policies see whole and nothing keeps, the events of one frame hold together, in bytes.
pub const LONG_BYTES: usize = 4 * FRAME_BYTES;
/// The longest kept (redacted) line, in bytes.
pub const KEPT_LINE_BYTES: usize = 4096;
/// How many addresses of one list (`X-Forwarded-For`) are looked at, from its right: no request passes more proxies.
pub const ADDRESSES: usize = 64;
/// How many networks of trusted proxies one trail names: those of the largest clouds are some hundreds.
pub const TRUSTED_PROXIES: usize = 1024;
/// How often a path is decoded before it is held against patterns: a proxy decodes it, the server behind it, and what that runs.
pub const PATH_DECODINGS: usize = 3;
/// From how many bytes on an answer is no page: documents of pages and answers of interfaces have tens of kilobytes, and a million are
/// ten thousand records of message logs.
pub const PAGE_BYTES: u64 = 1_000_000;
/// How many days of data an export counts as having whose range can't be read: ten years, more than anybody keeps.
pub const EVERYTHING_DAYS: i64 = 3650;
/// How many contributing events a finding names.
pub const EVIDENCE_PER_FINDING: usize = 16;
/// How many contributions one window keeps before the oldest are folded together.
pub const WINDOW_ENTRIES: usize = 4096;
/// How many values one entity's `new_value` or `value_count` state keeps.
pub const VALUES_PER_ENTITY: usize = 4096;
/// How many findings of one policy in one hour of event time are recorded singly; the rest are summed up in one.
pub const FINDINGS_PER_POLICY_HOUR: u32 = 200;
/// How many projected values (events that look alike to some policies but for their time) a thread remembers: half a kilobyte each.
pub const PROJECTED_VALUES: usize = 1 << 14;
/// How many cells of strangers one policy keeps: names, addresses and sessions that anybody can make up. More than the
/// customers' keys of a large provider; at 200 bytes a cell, 13 MB of disk for a policy.
pub const STRANGERS_PER_POLICY: u32 = 1 << 16;
/// How many cells of staff one policy keeps, and how many of others that it has known for long: more than any provider has.
pub const KNOWN_PER_POLICY: u32 = 1 << 20;
/// How many changed cells wait in memory before they are committed, whatever the hour: half a kilobyte each.
pub const UNWRITTEN_CELLS: usize = 1 << 16;
/// How many cells of state the cache in front of SQLite holds.
pub const CACHED_CELLS: usize = 1 << 17;
/// Of how many stored records that the cache does not hold it is remembered that they are there, so that no others need be looked
/// for: 16 MB at most.
pub const KNOWN_ON_DISK: usize = 1 << 20;
/// A session's longest life unless the configuration says otherwise: orders older than this are not carried out, and
/// sealed session ids are forgotten after it.
pub const SESSION_LIFE: Millis = Millis::HOUR.times(24);
/// One frame of the control protocol and of the runner's, in bytes.
pub const CONTROL_FRAME_BYTES: usize = 64 << 10;
/// The longest reason for a verdict on a finding, in bytes: a paragraph; what is longer belongs into a ticket.
pub const REASON_BYTES: usize = 1024;
/// What is kept of a hook's output, in bytes.
pub const HOOK_OUTPUT_BYTES: usize = 64 << 10;
/// The longest syslog message, in bytes (RFC 5424 asks receivers for 2,048 and allows more).
pub const SYSLOG_BYTES: usize = 8192;
/// The longest syslog message to a socket of this machine, in bytes: rsyslog takes 8,192 by default, and journald, which passes it on,
/// writes a header of its own.
pub const SYSLOG_LOCAL_BYTES: usize = 8000;
/// The longest syslog message sent by UDP, in bytes.
pub const SYSLOG_UDP_BYTES: usize = 2048;
/// How many values of one record are looked at for people who write a profile.
pub const RECORD_VALUES: usize = 4096;
/// How many records of a sample a profile is drafted from, the first ones.
pub const SAMPLE_RECORDS: usize = 10_000;
/// How many keys of a sample, or of a trail that is tried, are told apart.
pub const SAMPLE_KEYS: usize = 512;
/// How many values of one key of a sample are told apart.
pub const SAMPLE_VALUES: usize = 256;
/// What is shown of a value that no profile reads, in bytes.
pub const SHOWN_VALUE_BYTES: usize = 160;
/// Rows that one question may give, at most.
pub const MOST_ROWS: u32 = 10_000;
/// What all connections of the receiver hold together of messages that have not wholly arrived, or wait for their spool, in bytes.
pub const UNFINISHED_BYTES: usize = 32 << 20;
/// What each connection holds of a message beside that, in bytes: one that fits in is in nobody's way.
pub const UNFINISHED_FREE_BYTES: usize = 16 << 10;
/// How long a message that needs more may take to arrive: a mebibyte over a line of 150 kbit/s.
pub const UNFINISHED_FOR: Millis = Millis::MINUTE;
/// How long a smaller one may: a program behind a pipe may hold the end of a line back until its next act.
pub const UNFINISHED_SMALL_FOR: Millis = Millis::HOUR;
/// What is on its way to the spool of one trail, in bytes.
pub const QUEUED_BYTES: usize = 8 << 20;
/// How many connections one socket has at a time; further ones wait.
pub const CONNECTIONS_PER_SOCKET: usize = 256;
/// How many of them one sender has at a time; further ones are closed, so that none takes the places of all others.
pub const CONNECTIONS_PER_SENDER: usize = CONNECTIONS_PER_SOCKET / 4;
/// A connection that has handed on nothing for so long is silent: where another one waits, it gives its place up.
pub const SILENT_FOR: Millis = Millis::SECOND.times(10);
