//! The recorded form of an input: written by the ledger, with what the input led to, and read back by a replay of recorded inputs.
use super::{Changes, Outcome, Prepared};
use crate::model::{Decision, EventTime, Input, Judgement, SourceName, Text, Verdict, WallTime};
use serde_json::{Value, json};

/// One recorded input, as a row.
#[derive(Clone, Debug, PartialEq)]
pub struct InputRow {
    /// Its number.
    pub sequence: u64,
    /// When it was observed.
    pub at: WallTime,
    /// `lines`, `tick`, …
    pub kind: &'static str,
    /// JSON of it; for lines the stretches and their digests, not the lines.
    pub body: String,
    /// What it and the inputs before it led to since the last commit.
    pub ends: Ends,
}

/// How many of some changes there were after an input: what lies between the ends of two inputs, the later one led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Of [`Changes::events`].
    pub events: usize,
    /// Of [`Changes::findings`].
    pub findings: usize,
    /// Of [`Changes::orders`].
    pub orders: usize,
    /// Of [`Changes::incidents`].
    pub incidents: usize,
}

impl Changes {
    /// How many there are now.
    pub(super) fn ends(&self) -> Ends {
        Ends {
            events: self.events.len(),
            findings: self.findings.len(),
            orders: self.orders.len(),
            incidents: self.incidents.len(),
        }
    }

    /// Which of the inputs led to the change with that index, of those that `end` counts.
    pub fn input_of(&self, index: usize, end: impl Fn(&Ends) -> usize) -> usize {
        self.inputs.partition_point(|input| end(&input.ends) <= index)
    }
}

impl Outcome {
    /// The input that was folded in last is recorded as it was before: read once more, its lines may lie elsewhere and come in other
    /// pieces, though they are the same.
    pub fn recorded_as(&mut self, at: WallTime, body: String) {
        if let Some(input) = self.changes.inputs.last_mut() {
            (input.at, input.body) = (at, body);
        }
    }
}

/// When it was observed.
pub(super) fn observed(input: &Input<Prepared>) -> WallTime {
    match input {
        Input::Lines(batches) | Input::Learn(batches) => {
            batches.iter().map(|b| b.batch.observed).max().unwrap_or_default()
        }
        Input::Tick(at)
        | Input::Learned { at, .. }
        | Input::Rules { at, .. }
        | Input::Acknowledge { at, .. }
        | Input::Judge { at, .. }
        | Input::Gone { at, .. }
        | Input::Retention { at, .. }
        | Input::Reveal { at, .. }
        | Input::Hold { at, .. }
        | Input::Decide { at, .. }
        | Input::Mute { at, .. }
        | Input::Unmute { at, .. }
        | Input::Invalidate { at, .. }
        | Input::Failing { at, .. }
        | Input::TestFinding { at, .. }
        | Input::Started { at, .. }
        | Input::Ended { at, .. } => *at,
        Input::Incident(step) => step.at,
    }
}

/// The recorded form of an input.
pub(super) fn describe(input: &Input<Prepared>) -> (&'static str, String) {
    let (kind, body) = match input {
        Input::Lines(batches) => ("lines", json!(batches.iter().map(Prepared::record).collect::<Vec<_>>())),
        Input::Learn(batches) => ("learn", json!(batches.iter().map(Prepared::record).collect::<Vec<_>>())),
        Input::Learned { files, by, .. } => ("learned", json!({"files": files, "by": by})),
        Input::Tick(_) => ("tick", json!({})),
        Input::Rules { digest, silences, .. } => ("rules", json!({"digest": digest.to_string(), "silences": silences})),
        Input::Acknowledge { finding, by, .. } => ("acknowledge", json!({"finding": finding.to_string(), "by": by})),
        Input::Judge { judgement: j, by, .. } => (
            "judge",
            json!({
                "finding": j.finding.to_string(), "policy": j.policy, "actor": j.actor, "time": j.time,
                "honest": j.honest, "learns": j.learns, "reason": j.reason, "by": by,
            }),
        ),
        Input::Gone { source, files, .. } => ("gone", json!({"source": source.as_str(), "files": files})),
        Input::Retention { forgotten, .. } => ("retention", json!(forgotten)),
        Input::Incident(step) => ("incident", json!(step)),
        Input::Reveal { session, reason, by, .. } => {
            ("reveal", json!({"session": session, "reason": reason, "by": by}))
        }
        Input::Hold { on, by, .. } => ("hold", json!({"on": on, "by": by})),
        Input::Decide { order, decision, by, .. } => {
            ("decide", json!({"order": order.to_string(), "decision": decision, "by": by}))
        }
        Input::Mute { mute, .. } => ("mute", json!({"mute": mute})),
        Input::Unmute { id, by, .. } => ("unmute", json!({"id": id, "by": by})),
        Input::Invalidate { ask, subject, reason, by, .. } => {
            ("invalidate", json!({"ask": ask, "subject": subject, "reason": reason, "by": by}))
        }
        Input::Failing { part, why, .. } => ("failing", json!({"part": part, "why": why})),
        Input::TestFinding { by, .. } => ("test-finding", json!({"by": by})),
        Input::Started { order, .. } => ("started", json!({"order": order.to_string()})),
        Input::Ended { order, verdict, .. } => {
            let (word, note) = match verdict {
                Verdict::Done(note) => ("done", note.as_str()),
                Verdict::Failed(note) => ("failed", note.as_str()),
                Verdict::NotRun(note) => ("not-run", note.as_str()),
                Verdict::Unknown(note) => ("unknown", note.as_str()),
                Verdict::NeverSeen => ("never-seen", ""),
            };
            ("ended", json!({"order": order.to_string(), "verdict": word, "note": note}))
        }
    };
    (kind, body.to_string())
}

impl InputRow {
    /// The input that was recorded so, unless it was of lines; nothing where this version can't read it.
    pub fn fact(kind: &str, at: WallTime, body: &str) -> Option<Input<Prepared>> {
        let body: Value = serde_json::from_str(body).ok()?;
        let text = |key: &str| body[key].as_str();
        let by = || text("by").map(Text::from);
        Some(match kind {
            "tick" => Input::Tick(at),
            "learned" => Input::Learned { at, files: serde_json::from_value(body["files"].clone()).ok()?, by: by()? },
            "rules" => Input::Rules {
                at,
                digest: crate::model::Digest(crate::model::id::unhex(text("digest")?)?),
                silences: serde_json::from_value(body["silences"].clone()).unwrap_or_default(),
            },
            "acknowledge" => Input::Acknowledge { at, finding: text("finding")?.parse().ok()?, by: by()? },
            "judge" => Input::Judge {
                at,
                judgement: Judgement {
                    finding: text("finding")?.parse().ok()?,
                    policy: text("policy")?.into(),
                    actor: text("actor").map(Text::from),
                    time: EventTime(body["time"].as_i64()?),
                    honest: body["honest"].as_bool()?,
                    learns: body["learns"].as_bool()?,
                    reason: text("reason")?.into(),
                },
                by: by()?,
            },
            "gone" => {
                let files = serde_json::from_value(body["files"].clone()).ok()?;
                Input::Gone { at, source: SourceName(text("source")?.into()), files }
            }
            "retention" => Input::Retention { at, forgotten: serde_json::from_value(body).ok()? },
            "incident" => Input::Incident(serde_json::from_value(body).ok()?),
            "reveal" => {
                Input::Reveal { at, session: text("session")?.into(), reason: text("reason")?.into(), by: by()? }
            }
            "hold" => Input::Hold { at, on: body["on"].as_bool()?, by: by()? },
            "decide" => Input::Decide {
                at,
                order: text("order")?.parse().ok()?,
                decision: Decision::from_name(text("decision")?)?,
                by: by()?,
            },
            "mute" => Input::Mute { at, mute: serde_json::from_value(body["mute"].clone()).ok()? },
            "unmute" => Input::Unmute { at, id: text("id")?.into(), by: by()? },
            "invalidate" => Input::Invalidate {
                at,
                ask: serde_json::from_value(body["ask"].clone()).ok()?,
                subject: serde_json::from_value(body["subject"].clone()).ok()?,
                reason: text("reason")?.into(),
                by: by()?,
            },
            "failing" => Input::Failing { at, part: text("part")?.into(), why: text("why").map(Text::from) },
            "test-finding" => Input::TestFinding { at, by: by()? },
            "started" => Input::Started { at, order: text("order")?.parse().ok()? },
            "ended" => {
                let note = || text("note").map(Text::from);
                let verdict = match text("verdict")? {
                    "done" => Verdict::Done(note()?),
                    "failed" => Verdict::Failed(note()?),
                    "not-run" => Verdict::NotRun(note()?),
                    "unknown" => Verdict::Unknown(note()?),
                    "never-seen" => Verdict::NeverSeen,
                    _ => return None,
                };
                Input::Ended { at, order: text("order")?.parse().ok()?, verdict }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Ask;
    use crate::model::silence::Silence;
    use crate::model::{Digest, EventTime, FileId, FindingId, HostId, LearnedFile, Mute, OrderId, Subject, TargetKind};

    fn silence() -> Silence {
        Silence {
            id: "0011223344556677".into(),
            author: "ana".into(),
            reason: "a drill".into(),
            from: EventTime(1),
            until: EventTime(2),
            policies: vec!["*".into()],
            actors: vec![],
            networks: vec!["192.0.2.0/24".parse().expect("a network")],
            customers: vec!["AC1".into()],
            sessions: vec![],
        }
    }

    fn mute() -> Mute {
        Mute {
            id: "00112233".into(),
            from: WallTime(1),
            until: WallTime(2),
            reason: "a move".into(),
            by: "uid 7".into(),
            policies: vec!["odd_*".into()],
            actors: vec![],
            actions: vec![],
        }
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        let (at, by) = (WallTime(7), Text::from("uid 0"));
        let (finding, order) = (FindingId([1; 16]), OrderId([2; 16]));
        let ended = |verdict| Input::Ended { at, order, verdict };
        let judge = |actor, honest| {
            let (policy, reason) = ("odd_export".into(), "a \"trip\"\n".into());
            let judgement = Judgement { finding, policy, actor, time: EventTime(5), honest, learns: !honest, reason };
            Input::Judge { at, judgement, by: "uid 7".into() }
        };
        let file = LearnedFile {
            source: SourceName("portal".into()),
            path: "portal.log.3.gz".into(),
            lines: 7,
            events: 6,
            first: Some(EventTime(1)),
            last: None,
            digest: "00ff".into(),
        };
        let facts: Vec<Input<Prepared>> = vec![
            Input::Tick(at),
            Input::Learned { at, files: vec![file], by: by.clone() },
            Input::Rules { at, digest: Digest([3; 32]), silences: vec![silence()] },
            Input::Gone {
                at,
                source: SourceName("portal".into()),
                files: vec![FileId { host: HostId(*b"machine1"), device: 1, inode: 2, born_ns: -3 }, FileId::default()],
            },
            Input::Retention { at, forgotten: crate::model::Forgotten { inputs: 8, events: 4 } },
            Input::Acknowledge { at, finding, by: by.clone() },
            judge(Some("ana".into()), true),
            judge(None, false),
            Input::Reveal { at, session: "00ff".into(), reason: "a \"court\"".into(), by: by.clone() },
            Input::Hold { at, on: true, by: by.clone() },
            Input::Decide { at, order, decision: Decision::Approve, by: by.clone() },
            Input::Mute { at, mute: mute() },
            Input::Unmute { at, id: "00112233".into(), by: by.clone() },
            Input::Invalidate {
                at,
                ask: Ask { action: "lock".into(), target: TargetKind::Account },
                subject: Box::new(Subject { actor: Some("ana".into()), ..Subject::default() }),
                reason: "she called".into(),
                by: by.clone(),
            },
            Input::Failing { at, part: "receiver of portal".into(), why: Some("none is running".into()) },
            Input::Failing { at, part: "receiver of portal".into(), why: None },
            Input::TestFinding { at, by },
            Input::Started { at, order },
            ended(Verdict::Done("well".into())),
            ended(Verdict::Failed("no".into())),
            ended(Verdict::NotRun("gone".into())),
            ended(Verdict::Unknown("?".into())),
            ended(Verdict::NeverSeen),
        ];
        for fact in facts {
            let (kind, body) = describe(&fact);
            let again = InputRow::fact(kind, observed(&fact), &body);
            assert_eq!(again.map(|f| format!("{f:?}")), Some(format!("{fact:?}")));
        }
    }
}
