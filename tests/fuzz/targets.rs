//! What is fuzzed: for each target a function of bytes that panics where what must hold does not. `tests/corpora.rs` runs them too.
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use tripline::decode::{self, Cells, Format, Raw, Wish, frame_text, syslog};
use tripline::framing::{Framing, csv, spool};
use tripline::model::limits::{FIELD_BYTES, FRAME_BYTES, KEPT_LINE_BYTES};
use tripline::model::{
    Batch, Digest, Field, FileId, Frame, FrameFlags, Input, OrderId, RawValue, Severity, Shown, ShownBytes, SourceName,
    Stretch, Value, WallTime,
};
use tripline::normalise::{Normaliser, ProfileRef, Wrapping, stamp::Notation};
use tripline::pipeline::stage::Empty;
use tripline::pipeline::{Core, Recorded, Rules, Scratch, Secrets};
use tripline::receive::{journal, stream};
use tripline::respond::{self, escape, wire};
use tripline::rules::{self, Tables, Texts, TrailProfile};
use tripline::source::{self, Follower, Start, TrailSpec, Until, compressed::Compression};
use tripline::{config, control, enrich, policy};

/// A target: what it is called, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

macro_rules! targets {
    ($($name:ident)*) => {
        /// Every target. To add one: a function, a line here, `fuzz_targets/NAME.rs`, a `[[bin]]`, and inputs in `corpus/NAME`.
        pub const TARGETS: &[Target] = &[$((stringify!($name), $name)),*];
    };
}

targets! {
    access
    agent
    compressed
    config
    control
    csv
    escape
    framing
    journal
    json
    json_like_serde
    keycloak
    normalise
    order_journal
    pipeline
    policy
    profile
    recognise
    runner_wire
    spool
    stamp
    stream
    syslog
}

// ---- lines into fields ----

/// Any names over any text: no panic; a second reading with used room gives the same records; what is read of a whole frame is
/// read of a clipped one. Input: the names parted by `;` up to the first newline (`r:`, `s:` and `i:` before one that wraps
/// records, splits them or lies around them), then the text.
pub fn json(data: &[u8]) {
    let (names, line) = halves(data);
    let names = String::from_utf8_lossy(names);
    let mut wish = Wish::default();
    for name in names.split(';').take(200) {
        match name.split_at_checked(2) {
            Some(("r:", name)) => wish.records.push(name.to_owned()),
            Some(("s:", name)) => wish.split = Some(name.to_owned()),
            Some(("i:", name)) => wish.inside.push(name.to_owned()),
            _ => wish.fields.push(name.to_owned()),
        }
    }
    if let Some((records, Ok(()))) = decoded(&decode::json::FORMAT, &wish, line, false) {
        let clipped = decoded(&decode::json::FORMAT, &wish, line, true);
        assert_eq!(clipped, Some((records, Ok(()))), "clipped, it reads something else");
    }
}

/// Whatever serde_json accepts (an object, or a list of objects) is read, and gives the same values, unless a key of meaning
/// stands there twice, which is said. Numbers are kept as written: the same number for serde_json.
pub fn json_like_serde(data: &[u8]) {
    let text = frame_text(data);
    let Ok(root) = serde_json::from_str::<serde_json::Value>(&text) else { return };
    let documents = match &root {
        serde_json::Value::Array(list) if list.iter().all(serde_json::Value::is_object) => list.iter().collect(),
        serde_json::Value::Object(_) => vec![&root],
        _ => return,
    };
    let names: Vec<String> = LIKE_SERDE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let plan = (decode::json::FORMAT.plan)(&Wish { fields: names, ..Wish::default() }).expect("these are names");
    let mut seen = 0;
    let result = plan.decode(&text, false, &mut Cells::default(), &mut |record| {
        let document = documents.get(seen).expect("no more records than there are documents");
        seen += 1;
        for (n, (name, steps)) in LIKE_SERDE.iter().enumerate().filter(|_| !record.ambiguous) {
            let ours = match record.get(n) {
                Raw::Absent => None,
                Raw::Null => Some(serde_json::Value::Null),
                Raw::Bool(b) => Some(b.into()),
                Raw::Text(text) => Some(text.into()),
                Raw::Number(text) | Raw::Nested(text) => {
                    Some(serde_json::from_str(text).expect("as serde_json read it"))
                }
            };
            let mut there = Vec::new();
            places(document, steps, &mut there);
            let theirs = there.iter().find(|v| !v.is_null()).or(there.first()).copied();
            assert_eq!(ours.as_ref(), theirs, "{name} of {text}");
        }
    });
    assert_eq!((result, seen), (Ok(()), documents.len()), "serde_json accepts {text}");
}

/// A step of a field's name.
enum Step {
    Key(&'static str),
    Index(usize),
    Each,
    Lookup(&'static str, &'static str),
}

/// Names of every kind, each with its steps.
const LIKE_SERDE: &[(&str, &[Step])] = &[
    ("a", &[Step::Key("a")]),
    ("b", &[Step::Key("b")]),
    ("a.b", &[Step::Key("a"), Step::Key("b")]),
    ("a.b.c", &[Step::Key("a"), Step::Key("b"), Step::Key("c")]),
    ("c[1]", &[Step::Key("c"), Step::Index(1)]),
    ("c[1].a", &[Step::Key("c"), Step::Index(1), Step::Key("a")]),
    ("c[0].a", &[Step::Key("c"), Step::Index(0), Step::Key("a")]),
    ("c.a", &[Step::Key("c"), Step::Key("a")]),
    ("l[].v", &[Step::Key("l"), Step::Each, Step::Key("v")]),
    ("n[name=x].v", &[Step::Key("n"), Step::Lookup("name", "x"), Step::Key("v")]),
    ("n[name=y].v", &[Step::Key("n"), Step::Lookup("name", "y"), Step::Key("v")]),
    (r"d\.e", &[Step::Key("d.e")]),
];

/// Everything that `steps` lead to. What stands where a list is usual counts as its one element.
fn places<'v>(at: &'v serde_json::Value, steps: &[Step], out: &mut Vec<&'v serde_json::Value>) {
    let Some((step, rest)) = steps.split_first() else { return out.push(at) };
    let elements = || at.as_array().map_or(std::slice::from_ref(at), Vec::as_slice);
    match step {
        Step::Key(key) => at.get(key).into_iter().for_each(|v| places(v, rest, out)),
        Step::Index(n) => elements().get(*n).into_iter().for_each(|v| places(v, rest, out)),
        Step::Each => elements().iter().for_each(|v| places(v, rest, out)),
        Step::Lookup(key, is) => {
            let right = |v: &&serde_json::Value| v.get(key).and_then(serde_json::Value::as_str) == Some(is);
            elements().iter().filter(right).for_each(|v| places(v, rest, out));
        }
    }
}

/// Any access line, whole or clipped: no panic, at most one record, and the same one with used room.
pub fn access(data: &[u8]) {
    one_record(
        &decode::access::FORMAT,
        data,
        &[
            "remote_addr",
            "remote_user",
            "time_local",
            "method",
            "path",
            "protocol",
            "status",
            "bytes",
            "referer",
            "user_agent",
            "vhost",
            "query.from",
            "query.type",
            "rt",
            "sid",
            "rows",
            "request",
        ],
    );
}

/// Any line of Keycloak's log, whole or clipped: no panic, at most one record, and the same one with used room.
pub fn keycloak(data: &[u8]) {
    one_record(
        &decode::keycloak::FORMAT,
        data,
        &["time", "level", "logger", "thread", "message", "type", "userId", "username", "error", "redirect_uri"],
    );
}

/// Input: a byte whose lowest bit clips, then the line.
fn one_record(format: &Format, data: &[u8], fields: &[&str]) {
    let Some((flags, line)) = data.split_first() else { return };
    let wish = Wish { fields: fields.iter().map(|f| (*f).to_owned()).collect(), ..Wish::default() };
    let (records, _) = decoded(format, &wish, line, flags & 1 == 1).expect("these are names");
    assert!(records.len() <= 1, "{records:?}");
}

/// Every wanted value of a record, with what the record says of itself.
type Records = Vec<(Vec<String>, u32, bool, bool)>;

/// The records of a line, read twice with the same room. Nothing where the names are none.
fn decoded(format: &Format, wish: &Wish, line: &[u8], clipped: bool) -> Option<(Records, Result<(), decode::Reject>)> {
    let plan = (format.plan)(wish).ok()?;
    let text = frame_text(line);
    let mut cells = Cells::default();
    let mut read = || {
        let mut out = Records::new();
        let result = plan.decode(&text, clipped, &mut cells, &mut |record| {
            let values = (0..wish.fields.len()).map(|n| format!("{:?}", record.get(n))).collect();
            out.push((values, record.index, record.ambiguous, record.partial));
        });
        (out, result)
    };
    let first = read();
    assert_eq!(first, read(), "the room that was used before makes a difference");
    assert!(first.0.iter().enumerate().all(|(n, (_, index, ..))| *index as usize == n));
    assert!(first.0.len() <= text.len());
    Some(first)
}

/// Any record under any header: no panic, twice the same, and never more than one record. A record that is no header shows every
/// field, and whatever was written as CSV comes out as it went in. Input: a line that is the header, then the record.
pub fn csv(data: &[u8]) {
    let (header, record) = halves(data);
    let (header, record) = (frame_text(header), frame_text(record));
    let delimiter = csv::delimiter(&header).unwrap_or(b',');
    let names: Vec<String> = csv::Fields::of(&header, delimiter).map(|name| name.into_owned()).collect();
    let plan = (decode::csv::FORMAT.plan)(&Wish { fields: names.clone(), ..Wish::default() }).expect("these are names");
    let plan = plan.under(&header).expect("CSV has headers");
    let mut cells = Cells::default();
    let mut read = || {
        let mut out = Vec::new();
        let result = plan.decode(&record, false, &mut cells, &mut |record| {
            out.push((0..names.len()).map(|n| record.get(n).text().map(str::to_owned)).collect::<Vec<_>>());
        });
        (out, result)
    };
    let first = read();
    assert_eq!(first, read(), "the room that was used before makes a difference");
    assert!(first.0.len() <= 1);
    let shown = plan.shown(&record).expect("there is a header");
    assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok_and(|v| v.is_object()), "{shown}");
    let fields: Vec<String> = record.split('\t').map(str::to_owned).collect();
    let quoted: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
    let line = quoted.join(",");
    let mut back = csv::Fields::of(&line, b',');
    assert!(back.by_ref().eq(fields.iter().map(String::as_str)) && !back.broken, "{line}");
    assert_eq!(csv::end(format!("{line}\n").as_bytes(), b',', true), csv::End::At(line.len()));
}

/// Any line has a message, which is its end, and what is around it is taken from what stands before that.
pub fn syslog(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    for open in [syslog::open as fn(&str) -> (syslog::Envelope<'_>, &str), syslog::open_json] {
        let (envelope, message) = open(&line);
        let before = line.strip_suffix(message).expect("the message is the line's end");
        for part in [envelope.timestamp, envelope.host, envelope.app].into_iter().flatten() {
            assert!(before.contains(part) && !part.is_empty(), "{part:?} of {line:?}");
        }
    }
}

/// Any text as a time in any notation and zone: none, or one between 1970 and the end of 9999, which can be shown. Input: a byte
/// for notation and zone, then the text.
pub fn stamp(data: &[u8]) {
    static ZONES: LazyLock<[jiff::tz::TimeZone; 4]> = LazyLock::new(|| {
        let posix = |text: &str| jiff::tz::TimeZone::posix(text).expect("a zone");
        [jiff::tz::TimeZone::UTC, posix("CET-1CEST,M3.5.0,M10.5.0/3"), posix("<-12>12"), posix("<+14>-14")]
    });
    const NOTATIONS: [Notation; 7] = [
        Notation::Rfc3339,
        Notation::Clf,
        Notation::EpochSeconds,
        Notation::EpochMilliseconds,
        Notation::EpochMicroseconds,
        Notation::GregorianSeconds,
        Notation::MonthFirst,
    ];
    let Some((which, text)) = data.split_first() else { return };
    let (notation, zone) = (NOTATIONS[*which as usize % 7], &ZONES[*which as usize / 7 % 4]);
    if let Some(time) = notation.read(&String::from_utf8_lossy(text), zone) {
        assert!((0..=253_402_300_799_999).contains(&time.0), "{time:?}");
        assert!(time.to_string().starts_with(|c: char| c.is_ascii_digit()));
    }
}

// ---- records into events ----

/// Raw fields that a policy could want.
const RAW: [&str; 4] = ["details.result", "ua", "a[0].b", "Records[].x"];

/// Every shipped profile, each also with spool headers and in a zone, and with all that and syslog's envelope around it.
static NORMALISER: LazyLock<(Normaliser, Vec<(ProfileRef, Wrapping)>)> = LazyLock::new(|| {
    let mut normaliser = Normaliser::new(&[], &RAW.map(str::to_owned)).expect("what is shipped is right");
    let plain: Vec<ProfileRef> = normaliser.profiles().collect();
    let mut all: Vec<_> = plain.iter().map(|profile| (*profile, Wrapping::default())).collect();
    for wrapping in [Wrapping { spooled: true, syslog: false }, Wrapping { spooled: true, syslog: true }] {
        for profile in &plain {
            let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
            all.push((
                normaliser.for_trail(*profile, Some(zone), wrapping, tripline::normalise::Trust::default()),
                wrapping,
            ));
        }
    }
    (normaliser, all)
});

/// Any line under any shipped profile: no panic; the same line gives the same events twice; each value and the kept line are
/// bounded. Input: a byte that names profile and wrapping, a byte of flags, then the line (spooled: after a header).
pub fn normalise(data: &[u8]) {
    let [which, flags, bytes @ ..] = data else { return };
    let (normaliser, profiles) = &*NORMALISER;
    let (profile, wrapping) = profiles[*which as usize % profiles.len()];
    let start = match wrapping.spooled {
        true => bytes.iter().position(|b| *b == b'\n').map_or(0, |newline| newline + 1),
        false => 0,
    };
    let flags = FrameFlags { clipped: flags & 1 == 1, unterminated: flags & 2 == 2, after_loss: flags & 4 == 4 };
    let batch = batch(bytes, start, flags);
    let frame = batch.frames[0];
    let mut scratch = tripline::normalise::Scratch::default();
    let mut read = || {
        let mut events = Vec::new();
        let result = normaliser.normalise(profile, &batch, &frame, &mut scratch, &mut events);
        (events, result)
    };
    let first = read();
    assert_eq!(first, read(), "the same line, read again");
    assert!(first.0.len() <= bytes.len());
    for event in &first.0 {
        assert!(event.time.to_string().len() > 10);
        assert!(event.unmapped.iter().all(|(index, _)| index < RAW.len()));
        for field in Field::ALL {
            if let Value::Text(text) = event.get(*field) {
                assert!(text.len() <= FIELD_BYTES, "{field:?} has {} bytes", text.len());
            }
        }
        // policies see values whole, and no more of a line than there is, however many of its records share them
        let texts = |value: &RawValue| match value {
            RawValue::Null => 0,
            RawValue::Text(text) => text.len(),
            RawValue::List(list) => list.iter().map(|text| text.len()).sum(),
        };
        assert!(event.unmapped.iter().all(|(_, value)| texts(value) <= 3 * bytes.len() + FIELD_BYTES));
    }
    let kept = normaliser.redact(profile, batch.bytes(&frame), None);
    assert!(kept.len() <= KEPT_LINE_BYTES);
}

/// Any first lines of a trail are recognised as the same product twice, or as none, and the share is one.
pub fn recognise(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|b| *b == b'\n').take(64).collect();
    let (normaliser, _) = &*NORMALISER;
    let found = normaliser.recognise(&lines);
    assert_eq!(found, normaliser.recognise(&lines));
    if let Some(found) = found {
        assert!((0.5..=1.0).contains(&found.share), "{}", found.share);
        assert_eq!(normaliser.format(found.profile), found.format);
    }
}

/// Any user agent is some device, whose names are bounded and of letters that are harmless.
pub fn agent(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let device = enrich::device(&text);
    for name in [device.family, device.os].into_iter().flatten() {
        assert!(name.len() <= 64 && !name.contains(char::is_control), "{name:?}");
    }
    assert!(["browser", "tool", "unknown"].contains(&device.kind));
}

fn batch(bytes: &[u8], start: usize, flags: FrameFlags) -> Batch {
    let (from, to) = (start as u64, bytes.len() as u64 + 1);
    Batch {
        source: SourceName("portal".into()),
        path: Path::new("portal.log").into(),
        stretch: Stretch { file: FileId { device: 1, inode: 2, born_ns: 3, ..FileId::default() }, from: 0, to },
        discontinuity: None,
        observed: NOW,
        data: bytes.into(),
        frames: vec![Frame { start: start as u32, end: bytes.len() as u32, from, to, flags }],
        header: None,
        witness: Digest::of(b""),
        size: to,
    }
}

/// 2025-11-24.
const NOW: WallTime = WallTime(1_764_000_000_000);

/// What is shipped, with a trail of each of these profiles.
static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let trail = |profile: &&str| TrailProfile::plain(SourceName((*profile).into()), *profile);
    let trails: Vec<_> = TRAILS.iter().map(trail).collect();
    let secrets = Secrets::new(&[7; 32]);
    let rules =
        rules::compile(&Texts::shipped(), Tables::default(), &trails, Default::default(), Severity::Low, secrets);
    Arc::new(rules.expect("what is shipped is right"))
});

/// The lines of a trail lead to the same findings and orders whether they come as one batch or as two, whatever the maps' seed.
/// Input: a byte for the trail, a byte for where the batch is cut, then the lines.
pub fn pipeline(data: &[u8]) {
    let [which, cut, bytes @ ..] = data else { return };
    let batch = lines(TRAILS[*which as usize % TRAILS.len()], bytes);
    let cut = *cut as usize % (batch.frames.len() + 1);
    let folded = |batches: Vec<Batch>, seed: u64| {
        let mut scratch = Scratch::new(seed);
        let core = Core::new(RULES.clone(), Recorded::default(), false, seed);
        let outcome = batches.into_iter().fold(core.begin(), |outcome, batch| {
            let input = Input::Lines(vec![RULES.prepare(batch, &mut scratch)]);
            outcome.fold(input, &Empty).expect("nothing is stored, and so nothing unreadable")
        });
        let changes = outcome.changes();
        let found: Vec<_> = changes.findings.iter().map(|f| serde_json::to_string(f).expect("a row")).collect();
        (found, format!("{:?}", changes.orders))
    };
    let (first, second) = batch.clone().cut(cut);
    assert_eq!(folded(vec![batch], 1), folded(vec![first, second], 2));
}

/// Profiles of trails of which the shipped policies find most.
const TRAILS: [&str; 5] = ["tripline-portal", "download-log", "keycloak-events", "okta", "aws-cloudtrail"];

/// A batch of lines.
fn lines(trail: &str, bytes: &[u8]) -> Batch {
    let mut batch = batch(bytes, 0, FrameFlags::default());
    let ends = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at);
    let mut start = 0;
    batch.frames.clear();
    for end in ends.take(1000) {
        let (from, to) = (start as u64, end as u64 + 1);
        batch.frames.push(Frame { start: start as u32, end: end as u32, from, to, flags: FrameFlags::default() });
        start = end + 1;
    }
    batch.frames.retain(|frame| frame.start < frame.end);
    (batch.source, batch.stretch.to, batch.data) = (SourceName(trail.into()), start as u64, bytes[..start].into());
    batch
}

// ---- bytes into frames ----

/// However a file grows, its frames are those of the whole file: the same bytes, places, flags and headers; stretches touch, and a frame
/// lies in its stretch. Input: a byte for the framing, a byte for how it grows, then the file.
pub fn framing(data: &[u8]) {
    let [which, seed, bytes @ ..] = data else { return };
    let framing = [Framing::Lines, Framing::JsonDocuments, Framing::Spool, Framing::CSV, Framing::JsonLines]
        [*which as usize % 128 % 5];
    let bytes = inflated(*which, bytes);
    let whole = followed(framing, &bytes, &mut std::iter::once(bytes.len()));
    assert_eq!(whole, followed(framing, &bytes, &mut steps(*seed, &bytes, 12)), "it matters how the file grows");
}

type Followed = (Vec<u8>, u64, u64, FrameFlags, Option<Arc<str>>);

/// Bytes, places, flags and headers of the frames of a file that grows by those steps.
fn followed(framing: Framing, bytes: &[u8], steps: &mut dyn Iterator<Item = usize>) -> Vec<Followed> {
    let place = Place::new();
    let path = place.0.join("log");
    let mut file = std::fs::File::create(&path).expect("a scratch file");
    let paths = vec![source::literal(&path)];
    let name = SourceName("portal".into());
    let names = csv::HeaderNames::new(["time", "actor", "a"].map(str::to_owned), None).expect("none is stated");
    let names = (framing == Framing::CSV).then(|| names.into());
    let lists = ["a".to_owned(), "b.c".to_owned()].into();
    let spec = TrailSpec { name, paths, start: Start::Beginning, framing, names, lists, until: Until::Forever };
    let mut follower = Follower::open(spec, Vec::new());
    let (mut frames, mut at, mut written) = (Vec::new(), 0, 0);
    let mut take = |batch: Option<Batch>| {
        let Some(batch) = batch else { return false };
        assert_eq!(batch.stretch.from, at, "a gap or an overlap");
        at = batch.stretch.to;
        for frame in &batch.frames {
            assert!(batch.stretch.from <= frame.from && frame.from < frame.to && frame.to <= at);
            frames.push((batch.bytes(frame).to_vec(), frame.from, frame.to, frame.flags, batch.header.clone()));
        }
        true
    };
    // ends: steps are at least one byte long
    while written < bytes.len() {
        let step = steps.next().unwrap_or(usize::MAX).min(bytes.len() - written);
        file.write_all(&bytes[written..written + step]).expect("room on the disk");
        written += step;
        follower.reconcile();
        // an error is about UTF-16, which is refused
        while follower.next(NOW).is_ok_and(&mut take) {}
    }
    while follower.finish(NOW).is_ok_and(&mut take) {}
    frames
}

/// However a stream arrives, its messages are the same; none is empty, none is longer than a frame, and without octet counts they
/// are its lines. Input: a byte for the kind, a byte for how it arrives, then the stream.
pub fn stream(data: &[u8]) {
    let [which, seed, bytes @ ..] = data else { return };
    let kind = [stream::Kind::Syslog, stream::Kind::Lines][*which as usize % 2];
    let bytes = inflated(*which, bytes);
    let whole = messages(kind, &bytes, &mut std::iter::once(bytes.len()));
    assert_eq!(whole, messages(kind, &bytes, &mut steps(*seed, &bytes, 64)), "it matters how the stream arrives");
    assert!(whole.iter().all(|(message, _)| !message.is_empty() && message.len() <= FRAME_BYTES));
    if kind == stream::Kind::Lines && bytes.len() <= FRAME_BYTES {
        let lines: Vec<&[u8]> =
            bytes.split(|b| *b == b'\n').map(stream::trimmed).filter(|line| !line.is_empty()).collect();
        assert_eq!(whole.iter().map(|(message, _)| message.as_slice()).collect::<Vec<_>>(), lines);
    }
}

fn messages(kind: stream::Kind, bytes: &[u8], steps: &mut dyn Iterator<Item = usize>) -> Vec<(Vec<u8>, FrameFlags)> {
    let mut messages = stream::Messages::new(Pieces { bytes, steps }, kind);
    ready(async {
        let mut all = Vec::new();
        while let Some(message) = messages.next().await.expect("this stream does not break") {
            all.push(message);
        }
        all
    })
}

/// Any bytes as a spool: the whole records at its beginning end where they say and are read by the framing as they lie there; a
/// header that is read and written again says the same.
pub fn spool(data: &[u8]) {
    let (end, _) = spool::whole(data);
    assert!(end <= data.len());
    assert_eq!(spool::whole(&data[..end]).0, end, "what is whole is whole by itself");
    let line = data.split(|b| *b == b'\n').next().unwrap_or_default();
    let Some(header) = spool::Header::read(line) else { return };
    let payload = &data[(line.len() + 1).min(data.len())..];
    let mut out = Vec::new();
    header.write(payload, &mut out);
    assert_eq!(spool::whole(&out).0, out.len(), "what is written is whole");
    let start = out.len() - payload.len() - 1;
    assert!(start <= spool::HEADER_BYTES);
    let again = spool::Header::before(&out, start).expect("a header is there");
    assert_eq!((again.received, again.flags, again.length), (header.received, header.flags, payload.len()));
}

/// Any line that journalctl could print: none of ours, or exactly one whole record of a spool.
pub fn journal(data: &[u8]) {
    let mut out = Vec::new();
    match journal::record(data, &mut out) {
        true => {
            assert_eq!(spool::whole(&out).0, out.len(), "one record, and whole");
            let newline = out.iter().position(|b| *b == b'\n').expect("a header ends");
            let header = spool::Header::before(&out, newline + 1).expect("a header");
            assert_eq!(header.length, out.len() - newline - 2, "one record");
            assert!(header.length <= FRAME_BYTES && header.sender.starts_with("journal:"));
        }
        false => assert!(out.is_empty()),
    }
}

/// Any bytes as a compressed file end, with the same text and the same fate however large the pieces that are asked for (of a damaged
/// gzip file, with the beginning of the same text). Input: a byte for the format, then the file. Only the first mebibyte of text
/// is asked for.
pub fn compressed(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let how = [Compression::Gzip, Compression::Zstd][*which as usize % 2];
    let read = |piece: usize, most: usize| {
        let (mut from, mut text, mut buffer) = (how.reader(bytes), Vec::new(), vec![0; piece]);
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return (text, Some(true)),
                Ok(count) => text.extend_from_slice(&buffer[..count]),
                Err(_) => return (text, Some(false)),
            }
            if text.len() >= most {
                text.truncate(most);
                return (text, None);
            }
        }
    };
    let (text, fate) = read(1 << 16, 1 << 20);
    let (short, its_fate) = read(13, 1 << 14);
    let both = text.len().min(short.len());
    assert_eq!(short[..both], text[..both]);
    if fate.is_some() && its_fate.is_some() {
        assert_eq!(fate, its_fate);
        // of the piece in which it meets damage, flate2 gives nothing: the larger the pieces, the more is missing before it
        assert!(short.len() == text.len() || (how == Compression::Gzip && fate == Some(false)));
    }
}

// ---- what people write ----

/// Any text as a policy file: policies, or errors that name a line of it; and the same twice.
pub fn policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let site = policy::Site::default();
    let load = || policy::load(&[("fuzz.yml", &text)], &site);
    match load() {
        Ok(set) => {
            let again = load().expect("it was right a moment ago");
            assert_eq!((set.digest, set.rules.len()), (again.digest, again.rules.len()));
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = text.matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() as u32 + 1;
            for error in &errors {
                assert!((1..=lines + 1).contains(&error.line), "{error} of {lines} lines");
                assert!(!error.to_string().contains(char::is_control), "{error:?}");
            }
        }
    }
}

/// Any text as a profile: a mistake with a line of it, or a profile, which then reads lines.
pub fn profile(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Normaliser::only(std::iter::once(("fuzz.toml", &*text)), &RAW.map(str::to_owned)) {
        Ok(normaliser) => {
            let profile = normaliser.profiles().next().expect("there is one");
            for line in LINES {
                let batch = batch(line.as_bytes(), 0, FrameFlags::default());
                let _ =
                    normaliser.normalise(profile, &batch, &batch.frames[0], &mut Default::default(), &mut Vec::new());
                normaliser.redact(profile, line.as_bytes(), None);
            }
            normaliser.recognise(&LINES.map(str::as_bytes));
        }
        Err(errors) => {
            let lines = text.matches('\n').count() + 1;
            assert!(errors.iter().all(|e| (1..=lines).contains(&e.line)), "{errors:?}");
        }
    }
}

/// Lines for profiles that nobody has seen before.
const LINES: [&str; 3] = [
    r#"{"ts":"2026-03-01T00:00:20Z","id":"e1","event":"a/b/c.csv","outcome":"success","actor":{"name":"ana"},"ip":"192.0.2.1"}"#,
    r#"192.0.2.1 - key-1 [01/Mar/2026:00:00:20 +0000] "GET /api/v1/AC1/messages.csv?from=2026-02-28 HTTP/1.1" 200 8804 "-" "curl/8.5""#,
    "2021-10-22 21:01:45,403 WARN  [org.keycloak.events] (default task-1) type=LOGIN_ERROR, userId=null, error=bad",
];

/// Any text as a configuration file: a configuration, or what is wrong with it, in words.
pub fn config(data: &[u8]) {
    let place = Place::new();
    let path = place.0.join("tripline.toml");
    std::fs::write(&path, data).expect("room on the disk");
    match config::Config::read(&path) {
        Ok(config) => {
            assert_eq!(config.trails(Until::Forever, &RULES).len(), config.written.trail.len());
            config.written.outlets();
        }
        Err(rules::ConfigError(faults)) => {
            assert!(faults.iter().all(|fault| !fault.trim().is_empty()) && !faults.is_empty())
        }
    }
}

/// A value that somebody else chose stays in the place that it is put into, and can be shown on a terminal.
pub fn escape(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    let unreserved = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%".contains(c));
    if let Ok(segment) = escape::path(&value) {
        assert!(unreserved(&segment) && !matches!(&*segment, "." | ".."), "{segment:?}");
        assert!(!["%2F", "%2f", "%5C", "%5c"].iter().any(|slash| segment.contains(slash)), "{segment:?}");
    }
    assert!(unreserved(&escape::query(&value)));
    if let Ok(header) = escape::header(&value) {
        assert!(header.bytes().all(|b| b.is_ascii_graphic()) && header.len() <= 1024, "{header:?}");
    }
    escape::markdown(&value);
    for shown in [Shown(&value).to_string(), ShownBytes(data).to_string()] {
        assert!(!shown.contains(|c: char| c.is_control() || "\u{202e}\u{2066}\u{feff}".contains(c)), "{shown:?}");
    }
}

// ---- what processes say to each other ----

/// Any bytes as a request or a line of an answer: refused, or what is read, written and read again is the same. Input: a byte for
/// which, then the words.
pub fn control(data: &[u8]) {
    fn check<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
        let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
        let written = serde_json::to_string(&read).expect("what was read can be written");
        let again: T = serde_json::from_str(&written).unwrap_or_else(|e| panic!("{written}: {e}"));
        let whole = |said: &T| without_fractions(serde_json::to_value(said).expect("as before"));
        assert_eq!(whole(&again), whole(&read));
    }
    match data.split_first() {
        Some((which, bytes)) if which % 2 == 0 => check::<control::wire::Request>(bytes),
        Some((_, bytes)) => check::<control::wire::Line>(bytes),
        None => {}
    }
}

/// serde_json without `float_roundtrip` does not read back every fraction that it writes: whole numbers are compared only.
fn without_fractions(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(n) if n.is_f64() => serde_json::Value::Null,
        serde_json::Value::Array(list) => list.into_iter().map(without_fractions).collect(),
        serde_json::Value::Object(map) => map.into_iter().map(|(k, v)| (k, without_fractions(v))).collect(),
        other => other,
    }
}

/// Any bytes between daemon and runner give the same frames however they arrive, and a frame that is written again is the same.
/// Input: a byte for the direction, a byte for how they arrive, then the bytes.
pub fn runner_wire(data: &[u8]) {
    fn frames<T: serde::de::DeserializeOwned>(
        bytes: &[u8],
        steps: &mut dyn Iterator<Item = usize>,
    ) -> (Vec<T>, Option<String>) {
        let mut from = tokio::io::BufReader::with_capacity(1 << 10, Pieces { bytes, steps });
        ready(async {
            let (mut all, mut part) = (Vec::new(), Vec::new());
            loop {
                match wire::next_frame(&mut from, &mut part).await {
                    Ok(Some(frame)) => all.push(frame),
                    Ok(None) => return (all, None),
                    Err(e) => return (all, Some(e.to_string())),
                }
            }
        })
    }
    fn check<T>(bytes: &[u8], seed: u8)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let whole = frames::<T>(bytes, &mut std::iter::once(bytes.len()));
        assert_eq!(whole, frames::<T>(bytes, &mut steps(seed, bytes, 64)), "it matters how the frames arrive");
        for message in whole.0 {
            let Ok(frame) = wire::frame(&message) else { continue };
            assert_eq!(frames::<T>(&frame, &mut std::iter::once(frame.len())), (vec![message], None));
        }
    }
    match data {
        [which, seed, bytes @ ..] if which % 2 == 0 => check::<wire::Request>(bytes, *seed),
        [_, seed, bytes @ ..] => check::<wire::Reply>(bytes, *seed),
        _ => {}
    }
}

/// Any file as the runner's journal: refused with its line, or what it knows it knows after the next start, with what was added.
pub fn order_journal(data: &[u8]) {
    let place = Place::new();
    std::fs::write(place.0.join("journal.jsonl"), data).expect("room on the disk");
    let open = || respond::journal::Journal::open(&place.0, NOW);
    let mut journal = match open() {
        Ok(journal) => journal,
        Err(respond::journal::JournalError::Damaged { line, .. }) => {
            return assert!((1..=data.iter().filter(|b| **b == b'\n').count() + 1).contains(&line));
        }
        Err(e) => panic!("{e}"),
    };
    let text = String::from_utf8_lossy(data);
    let named = text.split('"').filter_map(|word| word.parse::<OrderId>().ok());
    let (new, running) = (OrderId([0xfe; 16]), OrderId([0xfd; 16]));
    journal.started(new, NOW).expect("room on the disk");
    journal.ended(new, wire::Ending::Done, &text, NOW).expect("room on the disk");
    journal.started(running, NOW).expect("room on the disk");
    let known: BTreeMap<OrderId, _> =
        named.chain([new, running]).map(|order| (order, journal.known(order).cloned())).collect();
    assert_eq!(known[&running], Some(respond::journal::Known::Started));
    drop(journal);
    let journal = open().expect("what it wrote it reads");
    for (order, known) in known {
        assert_eq!(journal.known(order), known.as_ref(), "{order}");
    }
}

// ---- how bytes arrive ----

/// Names on the first line, the rest behind it.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let newline = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    (&data[..newline], &data[(newline + 1).min(data.len())..])
}

/// The bytes; where the highest bit of `which` is set, with more than a frame in place of the first 0xfe, or one byte less than a
/// frame in place of the first 0xfd (no UTF-8 has either): limits are far beyond what a fuzzer writes.
fn inflated(which: u8, bytes: &[u8]) -> Vec<u8> {
    let long = |byte: u8| if byte == 0xfe { FRAME_BYTES + (1 << 17) } else { FRAME_BYTES - 1 };
    match bytes.iter().position(|b| which >= 128 && matches!(b, 0xfd | 0xfe)) {
        Some(at) => [&bytes[..at], &vec![b'x'; long(bytes[at])], &bytes[at + 1..]].concat(),
        None => bytes.to_vec(),
    }
}

/// Lengths of pieces, of at least one byte, at most so many of them for all of `bytes`.
fn steps(seed: u8, bytes: &[u8], most: usize) -> impl Iterator<Item = usize> {
    let least = bytes.len() / most;
    let mut state = u32::from(seed);
    std::iter::repeat_with(move || {
        // the constants of Numerical Recipes' linear congruential generator
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + least + (state >> 24) as usize % (1 + usize::from(seed) / 4)
    })
}

/// A stream that gives so many bytes at a time, and never waits.
struct Pieces<'a> {
    bytes: &'a [u8],
    steps: &'a mut dyn Iterator<Item = usize>,
}

impl tokio::io::AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let step = self.steps.next().unwrap_or(usize::MAX).min(self.bytes.len()).min(into.remaining());
        let (now, later) = self.bytes.split_at(step);
        into.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// What comes of a future that never waits.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// A scratch directory that goes away.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tripline-fuzz-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a scratch directory");
        Place(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
