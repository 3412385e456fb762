//! Logins that are found at a known rate, and batches as a reader would make them, of lines that stand in no file. The library's own
//! tests use them, too.
use std::path::Path;
use std::sync::Arc;
use tripline::ledger::Keys;
use tripline::model::limits::WITNESS_BYTES;
use tripline::model::{Batch, Digest, EventTime, FileId, Frame, FrameFlags, Severity, SourceName, Stretch, WallTime};
use tripline::orders::Settings;
use tripline::pipeline::Rules;
use tripline::rules::{self, Tables, Texts, TrailProfile};

/// 2026-03-01T00:00Z.
pub const BEGINNING: i64 = 1_772_323_200_000;

/// Logins of many, one a second; every tenth of somebody with a new address, so that something is found.
const POLICY: &str = "
title: A tenth login
name: tenth
level: high
logsource: { product: ocsf }
detection: { sel: { src_endpoint.ip: 192.0.2.TENTH }, condition: sel }
tripline: { episode: 1h }
";

/// Rules under which one login in ten is found: those from that address (0 to 9). There is an action `end-session`.
pub fn rules(keys: &Keys, tenth: usize) -> Arc<Rules> {
    let mut texts = Texts::shipped();
    texts.detections = vec![("tenth.yml".into(), POLICY.replace("TENTH", &tenth.to_string()))];
    let profiles = [TrailProfile::plain(SourceName("portal".into()), "tripline-portal")];
    let settings = Settings { actions: [("end-session".into(), Default::default())].into(), ..Settings::default() };
    let rules = rules::compile(&texts, Tables::default(), &profiles, settings, Severity::Medium, keys.secrets());
    rules.expect("the policy compiles").into()
}

/// The login that is the `n`th of those that come one a second.
pub fn line(n: usize) -> String {
    let ts = EventTime(BEGINNING + n as i64 * 1000);
    let ip = n % 10;
    format!(
        r#"{{"ts":"{ts}","id":"ev-{n}","event":"session.login","outcome":"success","actor":{{"id":"u{n}","name":"u{n}","type":"staff"}},"session":"s-{n:08}","ip":"192.0.2.{ip}"}}"#
    )
}

/// A batch of these lines of the trail `portal`, observed at `observed`; `from` is where they begin in its one file. What stands before
/// them is blanks.
pub fn batch(lines: &[String], from: u64, observed: WallTime) -> Batch {
    let before = usize::try_from(from).map_or(WITNESS_BYTES, |from| from.min(WITNESS_BYTES));
    let mut data = vec![b' '; before];
    let mut frames = Vec::new();
    for line in lines {
        let start = data.len() as u32;
        data.extend_from_slice(line.as_bytes());
        data.push(b'\n');
        let end = data.len() as u32 - 1;
        let flags = FrameFlags::default();
        let at = |place: u32| from + u64::from(place) - before as u64;
        frames.push(Frame { start, end, from: at(start), to: at(end) + 1, flags });
    }
    let to = from + (data.len() - before) as u64;
    Batch {
        source: SourceName("portal".into()),
        path: Path::new("portal.jsonl").into(),
        stretch: Stretch { file: FileId { device: 1, inode: 1, born_ns: 1, ..FileId::default() }, from, to },
        discontinuity: None,
        observed,
        header: None,
        witness: Digest::of(&data[data.len().saturating_sub(WITNESS_BYTES)..]),
        data: data.into(),
        frames,
        size: to,
    }
}
