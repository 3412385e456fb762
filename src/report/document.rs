//! What happened, in sections. Every value is a plain text with whatever a trail wrote in it: who renders it escapes it.
use super::timeline::timeline;
use super::{Report, counted, grouped};
use crate::incident::days::DayRow;
use crate::incident::exposure::{By, Extent, days};
use crate::model::order::{Order, Purpose};
use crate::model::{EventTime, Shown, WallTime};
use crate::pipeline::EventRow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A report to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The heading.
    pub title: String,
    /// What happened, in a few sentences.
    pub summary: Vec<String>,
    /// The rest.
    pub sections: Vec<Section>,
}

/// One section.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its parts.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Names and values.
    Facts(Vec<(&'static str, String)>),
    /// A table; the flag of a row says that it is worth a look.
    Table {
        /// The heads of its columns.
        head: Vec<&'static str>,
        /// Its rows.
        rows: Vec<(bool, Vec<String>)>,
    },
    /// Records by day, the incident's against ordinary ones.
    Days(Vec<DayRow>),
    /// Amounts by name: what left, and what was asked for.
    Bars(Vec<Bar>),
}

/// What left of one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Whose.
    pub name: String,
    /// How much left.
    pub left: u64,
    /// How much was asked for; at least what left.
    pub asked: u64,
    /// In words.
    pub words: String,
}

/// Acts of the intruder in the timeline.
const ACTS: usize = 200;
/// Exports in the table: all of them are in `exports.csv`.
const EXPORTS: usize = 200;
/// Customers in the chart.
const BARS: usize = 40;

/// Writes the report.
pub fn document(report: &Report) -> Document {
    let incident = &report.case.incident;
    let id = incident.id.to_string();
    Document {
        title: format!("Incident {}: {}", &id[..12], who(report)),
        summary: summary(report),
        sections: vec![
            Section { title: "In short", blocks: vec![Block::Facts(facts(report))] },
            ordinary(report),
            happened(report),
            origins(report),
            left(report),
            ended(report),
            duties(report),
            found(report),
            limits(report),
        ],
    }
}

fn who(report: &Report) -> String {
    let actors = &report.case.incident.actors;
    let first = actors.iter().take(3).map(|a| shown(a)).collect::<Vec<_>>().join(", ");
    match actors.len() {
        0 => "nobody named".into(),
        1..=3 => first,
        n => format!("{first} and {} more", n - 3),
    }
}

/// A time to the second, as people read it.
pub(super) fn moment(at: EventTime) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => at.to_string(),
    }
}

pub(super) fn clock(at: WallTime) -> String {
    moment(EventTime(at.0))
}

fn shown(text: &str) -> String {
    Shown(text).to_string()
}

fn length(ms: i64) -> String {
    match ms / 1000 {
        s if s < 120 => counted(s.max(0).unsigned_abs(), "second"),
        s if s < 7200 => counted((s / 60).unsigned_abs(), "minute"),
        s if s < 172_800 => counted((s / 3600).unsigned_abs(), "hour"),
        s => counted((s / 86_400).unsigned_abs(), "day"),
    }
}

/// What happened, each sentence from recorded facts alone.
pub(super) fn summary(report: &Report) -> Vec<String> {
    let case = &report.case;
    let (incident, sums) = (&case.incident, report.sums());
    let mut said = Vec::new();
    let contact = case.first_contact.unwrap_or(incident.first);
    said.push(format!(
        "From {} on, the credentials of {} were used in a way that their history does not explain; tripline raised the alarm {} later, at {}.",
        moment(contact),
        who(report),
        length(incident.alarm.0 - contact.0),
        moment(incident.alarm)
    ));
    said.push(match (sums.exports, sums.not_fetched) {
        (0, 0) => "No export of message logs is recorded in it.".into(),
        (0, n) => format!("{} of message logs were asked for. None was fetched.", counted(n, "export")),
        (left, rest) => format!(
            "{} of message logs left: {} of {}{}.",
            counted(left, "export"),
            sums.in_words(),
            counted(sums.customers, "customer"),
            if rest > 0 {
                format!(
                    "; {} more were asked for and not fetched ({} in all were asked for)",
                    grouped(rest),
                    counted(sums.asked, "record")
                )
            } else {
                String::new()
            }
        ),
    });
    if sums.reads > 0 {
        said.push(format!(
            "Message logs were also read on the screen, {}; of {} nothing else left.",
            counted(sums.reads, "time"),
            counted(sums.only_read, "customer")
        ));
    }
    said.push(match (case.contained, ends(report).count()) {
        (Some(at), _) => format!("It was contained at {}: what was ended stayed ended.", clock(at)),
        (None, 0) => "Nothing was ordered to end it.".into(),
        (None, _) => "Whether it is contained is not known yet: see what was done.".into(),
    });
    said
}

fn ends(report: &Report) -> impl Iterator<Item = &Order> {
    report.case.incident.orders.iter().filter(|order| order.purpose == Purpose::End)
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let case = &report.case;
    let (incident, sums) = (&case.incident, report.sums());
    let mut facts = vec![
        ("Incident", incident.id.to_string()),
        ("State", format!("{}, severity {}", incident.state.name(), incident.severity.name())),
        ("First contact", moment(case.first_contact.unwrap_or(incident.first))),
        ("Alarm", format!("{} (known {})", moment(incident.alarm), clock(incident.known))),
        ("Contained", case.contained.map_or_else(|| "not yet".into(), clock)),
        ("Records that left", sums.in_words()),
        ("Customers", grouped(sums.customers)),
        ("Only read on the screen", counted(sums.only_read, "more customer")),
    ];
    facts.extend(days(sums.everything, sums.days).map(|days| ("Days of the data", days)));
    let letterhead = &report.letterhead;
    facts.extend(letterhead.provider.clone().map(|name| ("Provider", name)));
    facts.extend(letterhead.contact.clone().map(|whom| ("Contact", whom)));
    facts.push(("Report made", clock(report.made)));
    facts
}

fn ordinary(report: &Report) -> Section {
    let days = report.case.days.clone();
    let most = |of: fn(&DayRow) -> u64| days.iter().map(of).max().unwrap_or(0);
    let text = format!(
        "Records of message logs that left on each day. On a day of ordinary work it was {} at most; in the incident, {} on one day.",
        counted(most(|d| d.own), "record"),
        counted(most(|d| d.incident), "record")
    );
    Section { title: "Against ordinary days", blocks: vec![Block::Text(text), Block::Days(days)] }
}

fn happened(report: &Report) -> Section {
    let (moments, more) = timeline(&report.case, ACTS);
    let rows = moments.into_iter().map(|m| (m.marked, vec![moment(m.at), shown(&m.who), shown(&m.what)]));
    let mut blocks = vec![Block::Table { head: vec!["Time", "Who", "What"], rows: rows.collect() }];
    if more > 0 {
        blocks.push(Block::Text(format!("{} more are in events.jsonl.", counted(more as u64, "act"))));
    }
    Section { title: "What happened", blocks }
}

fn origins(report: &Report) -> Section {
    type From = (Option<IpAddr>, String, String);
    let mut by: BTreeMap<From, (EventTime, EventTime, u64)> = BTreeMap::new();
    for act in &report.case.acts {
        let key = (act.origin.ip, place(act), device(act));
        let seen = by.entry(key).or_insert((act.time, act.time, 0));
        (seen.0, seen.1, seen.2) = (seen.0.min(act.time), seen.1.max(act.time), seen.2 + 1);
    }
    let mut rows: Vec<_> = by.into_iter().collect();
    rows.sort_by_key(|(_, (first, ..))| *first);
    let rows = rows.into_iter().map(|((ip, place, device), (first, last, acts))| {
        let ip = ip.map_or_else(|| "not stated".into(), |ip| ip.to_string());
        (false, vec![ip, place, device, moment(first), moment(last), grouped(acts)])
    });
    let head = vec!["Address", "Network", "Device", "First act", "Last act", "Acts"];
    Section { title: "From where", blocks: vec![Block::Table { head, rows: rows.collect() }] }
}

fn place(act: &EventRow) -> String {
    let o = &act.origin;
    let owner = o.as_name.as_deref().map(shown);
    let number = o.as_number.map(|n| format!("AS{n}"));
    let place =
        [o.city.as_deref(), o.country.as_deref()].into_iter().flatten().map(shown).collect::<Vec<_>>().join(", ");
    let parts: Vec<String> = [owner, number, Some(place)].into_iter().flatten().filter(|p| !p.is_empty()).collect();
    if parts.is_empty() { "not known".into() } else { parts.join(", ") }
}

fn device(act: &EventRow) -> String {
    let o = &act.origin;
    match (&o.device_family, &o.device_os) {
        (Some(family), Some(os)) => shown(&format!("{family} on {os}")),
        (Some(one), None) | (None, Some(one)) => shown(one),
        (None, None) => "not known".into(),
    }
}

fn customer(name: &str) -> String {
    if name.is_empty() { "(not named)".to_owned() } else { shown(name) }
}

fn left(report: &Report) -> Section {
    let mut blocks = vec![Block::Bars(bars(report))];
    let mut rows: Vec<_> = report.case.exposure.exports.iter().collect();
    rows.sort_by_key(|(_, row)| row.requested.iter().chain(&row.fetches).map(|by| by.at).min());
    let more = rows.len().saturating_sub(EXPORTS);
    let table = rows.into_iter().take(EXPORTS).map(|(id, row)| {
        let dash = || "-".to_owned();
        let by = |by: Option<&By>| {
            let who = by.and_then(|by| by.actor.as_deref()).map(shown);
            by.map_or_else(dash, |by| format!("{} {}", moment(by.at), who.unwrap_or_default()))
        };
        let days = days(row.everything, row.days).unwrap_or_else(dash);
        let left = match (row.extent(), row.records()) {
            (Extent::Nothing, _) if row.refused > 0 => "nothing: refused".to_owned(),
            (Extent::Nothing, _) => "nothing".to_owned(),
            (extent, Some(n)) => {
                format!("{}{} ({})", if row.estimated { "about " } else { "" }, grouped(n), extent.name())
            }
            (extent, None) => extent.name().to_owned(),
        };
        let cells = vec![
            row.customer.as_deref().map_or_else(dash, shown),
            row.kind.as_deref().map_or_else(dash, shown),
            days,
            row.asked.map_or_else(dash, grouped),
            left,
            by(row.requested.as_ref()),
            by(row.fetches.iter().find(|by| by.outcome.name() != "failure")),
            shown(id),
        ];
        (row.downloads > 0, cells)
    });
    let head = vec!["Customer", "Kind", "Days", "Asked for", "Left", "Asked for by", "Fetched by", "Export"];
    blocks.push(Block::Table { head, rows: table.collect() });
    if more > 0 {
        blocks.push(Block::Text(format!("{} more are in exports.csv.", counted(more as u64, "export"))));
    }
    for (kind, fields) in &report.letterhead.fields {
        blocks.push(Block::Text(format!("A record of the kind {} holds: {}.", shown(kind), shown(fields))));
    }
    Section { title: "What left, by customer and export", blocks }
}

fn bars(report: &Report) -> Vec<Bar> {
    let mut asked: BTreeMap<&str, u64> = BTreeMap::new();
    for row in report.case.exposure.exports.values() {
        let name = row.customer.as_deref().unwrap_or_default();
        let of = row.asked.or(row.fetched).unwrap_or(0);
        let sum = asked.entry(name).or_default();
        *sum = sum.saturating_add(of);
    }
    let mut bars: Vec<Bar> = report
        .case
        .totals
        .iter()
        .map(|(name, total)| {
            let about = if total.estimated { "about " } else { "" };
            let asked = asked.get(name.as_str()).copied().unwrap_or(0).max(total.records);
            let unknown = if total.unknown > 0 {
                format!(", and {} of unknown size", counted(total.unknown, "export"))
            } else {
                String::new()
            };
            let words = format!("{about}{} of {} asked for{unknown}", grouped(total.records), grouped(asked));
            Bar { name: customer(name), left: total.records, asked, words }
        })
        .collect();
    bars.sort_by_key(|bar| std::cmp::Reverse((bar.left, bar.asked)));
    bars.truncate(BARS);
    bars
}

fn ended(report: &Report) -> Section {
    let rows = report.case.incident.orders.iter().map(|order| {
        let check = match &order.verification {
            Some(v) => {
                format!("{}{}", v.result.name(), v.note.as_deref().map(|n| format!(": {n}")).unwrap_or_default())
            }
            None => "-".into(),
        };
        let why = order.refusal.map(|r| format!(" ({})", r.name())).unwrap_or_default();
        let cells = vec![
            clock(order.made),
            shown(&order.action),
            format!("{} of {}", order.target.name(), shown(order.actor.as_deref().unwrap_or("-"))),
            format!("{}{why}", order.state.name()),
            clock(order.changed),
            shown(&check),
        ];
        (order.purpose == Purpose::End, cells)
    });
    let rows: Vec<_> = rows.collect();
    let blocks = match rows.is_empty() {
        true => vec![Block::Text("Nothing was ordered.".into())],
        false => {
            vec![Block::Table { head: vec!["Ordered", "Action", "Target", "State", "Since", "Did it hold"], rows }]
        }
    };
    Section { title: "What was done", blocks }
}

fn duties(report: &Report) -> Section {
    let rows = report.clocks.iter().map(|c| {
        let standing = c.standing(report.made);
        let due = match (c.due, c.not_before, &c.waits_for) {
            (Some(due), ..) => clock(due),
            (None, Some(at), _) => format!("not before {}", clock(at)),
            (None, None, Some(what)) => format!("waits for {what}"),
            (None, None, None) => "without undue delay".into(),
        };
        let done = c
            .done
            .as_ref()
            .map_or_else(|| "-".into(), |d| format!("{}, {}: {}", clock(d.at), shown(&d.by), shown(&d.how)));
        (false, vec![c.to.name().to_owned(), shown(&c.what), c.rule.to_string(), due, standing.name().to_owned(), done])
    });
    let rows: Vec<_> = rows.collect();
    let blocks = match rows.is_empty() {
        true => vec![Block::Text("No clocks are configured: see [notices].".into())],
        false => vec![
            Block::Text("What the configured rules ask. This is no legal advice.".into()),
            Block::Table { head: vec!["Tell", "What", "Rule", "By", "Stands", "Done"], rows },
        ],
    };
    Section { title: "Who must be told", blocks }
}

fn found(report: &Report) -> Section {
    let mut blocks = Vec::new();
    for row in &report.case.findings {
        let f = &row.finding;
        let mut facts = vec![
            ("Finding", f.id.to_string()),
            ("What", format!("{} ({}, {})", shown(&f.title), shown(&f.policy), f.severity.name())),
            ("When", moment(f.time)),
        ];
        let measures = f.measures.iter().map(|m| format!("{}: {} (against: {})", m.what, m.value, m.against));
        facts.extend(measures.map(|m| ("Because", shown(&m))));
        let id = f.id.to_string();
        let proof = report.evidence.proofs.iter().find(|proof| proof.key == id);
        facts
            .extend(proof.map(|p| ("Proven", format!("record {} of the signed tree (proofs/{id}.json)", p.index + 1))));
        facts.extend(
            row.judged
                .as_ref()
                .map(|j| ("Verdict", format!("{} by {}: {}", row.verdict.name(), j.by, shown(&j.reason)))),
        );
        blocks.push(Block::Facts(facts));
        let lines = f.witnesses.iter().filter_map(|w| report.case.acts.iter().find(|act| act.id == w.event)).map(|e| {
            (false, vec![moment(e.time), shown(&e.source), format!("{} to {}", e.from, e.to), shown(&e.digest)])
        });
        let rows: Vec<_> = lines.collect();
        if !rows.is_empty() {
            blocks.push(Block::Table { head: vec!["Line of", "Trail", "Bytes", "Digest (SHA-256, first half)"], rows });
        }
    }
    if let Some(checkpoint) = &report.evidence.checkpoint {
        let size = checkpoint.lines().nth(1).unwrap_or_default();
        blocks.push(Block::Text(format!(
            "The ledger's signed head of {size} records is in checkpoint.txt, and the public key in key.txt; `tripline verify --proof` checks \
             a proof on any machine."
        )));
    }
    Section { title: "What was found, and what it rests on", blocks }
}

fn limits(report: &Report) -> Section {
    let mut said = vec![
        "Only what the trails say is in here: who can write to a trail, or stop it, can change what is seen.".to_owned(),
        "Records are those that the trails count. Where none counts them they are reckoned from bytes, and marked \"about\".".to_owned(),
        "Of an export that was cut off, nobody knows which of its records had left.".to_owned(),
    ];
    if report.case.cut {
        said.push("The ledger is so large that not all of it was looked at: there may be more.".into());
    }
    if report.evidence.key.is_none() {
        said.push("The installation's key could not be read: there are no proofs in this report.".into());
    }
    Section { title: "What this report does not say", blocks: said.into_iter().map(Block::Text).collect() }
}
