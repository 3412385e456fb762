//! Drafts of notices: Markdown templates, filled from recorded facts alone. What is not recorded is left for a person, and seen.
//!
//! A template names facts as webhooks name theirs, `{records}`; a name that does not exist is an error with its place. What stands
//! in brackets is for a person to write.
use super::document::{clock, moment};
use super::markdown::table;
use super::{Letterhead, Report, Sums, counted, grouped};
use crate::incident::clock::Recipient;
use crate::incident::exposure::{EVERYTHING, Extent, day, days};
use crate::model::incident::IncidentAct;
use crate::model::order::{Held, Purpose};
use crate::model::{EventTime, Shown, Text};
use crate::resolve::Manifest;
use crate::respond::escape::markdown as escaped;
use crate::respond::template::{Fields, Get, Template};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The shipped drafts.
const SHIPPED: [(Recipient, &str); 3] = [
    (Recipient::Authority, include_str!("../../policies/notices/authority.md")),
    (Recipient::Customer, include_str!("../../policies/notices/customer.md")),
    (Recipient::Person, include_str!("../../policies/notices/person.md")),
];

/// The shipped draft for a recipient.
pub fn shipped(to: Recipient) -> &'static str {
    SHIPPED.iter().find(|(known, _)| *known == to).map_or("", |(_, text)| text)
}

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a template may name: Markdown, escaped already.
        #[derive(Clone, Debug, Default)]
        pub struct Facts {
            $($(#[$doc])* pub $name: Option<String>,)*
        }

        impl Fields for Facts {
            const CALLED: &'static str = "a notice";
            const ABSENT: Option<&'static str> = Some("[not recorded: fill this in]");

            fn fields() -> &'static [(&'static str, Get<Facts>)] {
                &[$((stringify!($name), |f| f.$name.as_deref().map(Cow::Borrowed)),)*]
            }
        }
    };
}

facts! {
    /// Your name and address.
    provider,
    /// Whom to ask.
    contact,
    /// The incident's id.
    incident,
    /// The day on which the draft was made.
    today,
    /// The customer, in their own notice.
    customer,
    /// The first act that is the incident's.
    first_contact,
    /// When it was known.
    detected,
    /// The act that raised the alarm.
    alarm,
    /// When a person said that it is a breach, who, and on what that rests.
    determined,
    /// Since when what was ended has stayed ended.
    contained,
    /// What was found, by title.
    method,
    /// From which addresses.
    origins,
    /// Kinds of logs.
    kinds,
    /// What a record of these holds, by `[notices] fields`.
    fields,
    /// First day of the data.
    first_day,
    /// Last day of the data.
    last_day,
    /// Records that left.
    records,
    /// Records that were asked for.
    asked,
    /// Exports of which something left.
    exports,
    /// Customers whose records left.
    customers,
    /// How often logs were read on the screen, and of how many customers nothing else left.
    read,
    /// Different numbers, where the copy was made (`--resolved`).
    people,
    /// A table of the exports.
    export_table,
    /// A table of the customers.
    customer_table,
    /// What the copy holds, where it was made.
    resolved,
    /// Orders, and whether they held.
    measures,
    /// Who was told, when and how.
    notices,
    /// What the numbers rest on.
    basis,
}

/// The facts of a report; with a customer, theirs alone. `copy` is the manifest of the customers' copy, where it was made.
pub fn facts(report: &Report, customer: Option<&str>, copy: Option<&Manifest>) -> Facts {
    let case = &report.case;
    let incident = &case.incident;
    let exposure = match customer {
        Some(customer) => case.exposure.clone().of_customer(customer),
        None => case.exposure.clone(),
    };
    let sums = Sums { asked: exposure.records().0, ..Sums::of(&exposure.by_customer()) };
    let left: Vec<_> = exposure.exports.iter().filter(|(_, row)| row.downloads > 0).collect();
    let kinds: BTreeSet<&str> = left.iter().filter_map(|(_, row)| row.kind.as_deref()).collect();
    let known = |day: Option<String>| if sums.everything { Some(EVERYTHING.to_owned()) } else { day };
    let determined = incident.steps.iter().find_map(|step| match &step.act {
        IncidentAct::Determine { reason } => {
            Some(format!("{} by {}: {}", clock(step.at), text(&step.by), text(reason)))
        }
        _ => None,
    });
    let mut export_table = String::new();
    let rows: Vec<[String; 4]> = left
        .iter()
        .map(|(id, row)| {
            let days = days(row.everything, row.days).unwrap_or_else(|| "not stated".into());
            let at = row.fetches.iter().find(|by| by.outcome.name() != "failure").map(|by| moment(by.at));
            let about = if row.estimated { "about " } else { "" };
            let records = row.records().map_or_else(|| "not known".into(), |n| format!("{about}{}", grouped(n)));
            let part = if row.extent() == Extent::Part { ", cut off" } else { "" };
            [Shown(id).to_string(), days, format!("{records}{part}"), at.unwrap_or_default()]
        })
        .collect();
    table(&mut export_table, &["Export", "Days of the data", "Records", "Fetched"], rows.iter().map(|r| r.as_slice()));
    Facts {
        provider: report.letterhead.provider.as_deref().map(text),
        contact: report.letterhead.contact.as_deref().map(text),
        incident: Some(incident.id.to_string()),
        today: Some(clock(report.made).chars().take(10).collect()),
        customer: customer.map(text),
        first_contact: Some(moment(case.first_contact.unwrap_or(incident.first))),
        detected: Some(clock(incident.known)),
        alarm: Some(moment(incident.alarm)),
        determined,
        contained: case.contained.map(clock),
        method: some(method(report)),
        origins: Some(incident.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        kinds: some(kinds.iter().map(|kind| text(kind)).collect::<Vec<_>>().join(", ")),
        fields: some(held(&report.letterhead, &kinds)),
        first_day: known(sums.days.map(|(first, _)| day(first))),
        last_day: known(sums.days.map(|(_, last)| day(last))),
        records: Some(sums.in_words()),
        asked: Some(counted(sums.asked, "record")),
        exports: Some(counted(sums.exports, "export")),
        customers: Some(grouped(sums.customers)),
        read: Some(read(&sums, customer)),
        people: copy.and_then(|copy| people(copy, customer)),
        export_table: some(export_table.trim_end().to_owned()),
        customer_table: some(customers(report)),
        resolved: Some(copy.and_then(|copy| resolved(copy, customer)).unwrap_or_default()).filter(|t| !t.is_empty()),
        measures: some(measures(report)),
        notices: some(told(report)),
        basis: Some(basis(&sums, copy)),
    }
}

fn text(text: &str) -> String {
    escaped(&Shown(text).to_string())
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A list, each entry once; escapes them.
fn list(entries: impl Iterator<Item = String>) -> String {
    let mut seen = BTreeSet::new();
    let lines: Vec<String> = entries.filter(|e| seen.insert(e.clone())).map(|e| format!("- {}", text(&e))).collect();
    lines.join("\n")
}

fn held(letterhead: &Letterhead, kinds: &BTreeSet<&str>) -> String {
    let known = letterhead.fields.iter().filter(|(kind, _)| kinds.contains(kind.as_str()));
    known.map(|(kind, fields)| format!("{} ({})", text(fields), text(kind))).collect::<Vec<_>>().join("; ")
}

fn read(sums: &Sums, customer: Option<&str>) -> String {
    match (sums.reads, customer) {
        (0, _) => "no logs were read on the screen".into(),
        (n, Some(_)) => format!("logs were read on the screen, {}", counted(n, "time")),
        (n, None) => format!(
            "logs were read on the screen, {}; of {} nothing else left",
            counted(n, "time"),
            counted(sums.only_read, "customer")
        ),
    }
}

/// How many different numbers; nothing where a message log has none.
fn people(copy: &Manifest, customer: Option<&str>) -> Option<String> {
    if copy.inputs.values().any(|input| input.without_number) {
        return None;
    }
    let of = copy.customers.iter().filter(|(name, _)| customer.is_none_or(|c| c == name.as_str()));
    let numbers: u64 = of.map(|(_, c)| c.numbers).sum();
    let summed = if customer.is_none() && copy.customers.len() > 1 { " (summed over customers)" } else { "" };
    Some(format!("{}{summed}", counted(numbers, "different number")))
}

fn resolved(copy: &Manifest, customer: Option<&str>) -> Option<String> {
    let of = copy.customers.get(&Text::from(customer?))?;
    Some(format!(
        "Held against our message logs, these exports returned {} with {}.",
        counted(of.records, "record"),
        counted(of.numbers, "different number")
    ))
}

fn customers(report: &Report) -> String {
    let rows: Vec<[String; 4]> = report
        .case
        .totals
        .iter()
        .filter(|(_, total)| total.exports > 0 || total.reads > 0)
        .map(|(name, total)| {
            let sums = Sums::of([(name, total)]);
            let name = if name.is_empty() { "(not named)".into() } else { Shown(name).to_string() };
            [name, grouped(total.exports), sums.in_words(), grouped(total.reads)]
        })
        .collect();
    let mut out = String::new();
    table(&mut out, &["Customer", "Exports", "Records", "Read on screen"], rows.iter().map(|r| r.as_slice()));
    out.trim_end().to_owned()
}

/// What was found, each title once with when it was first.
fn method(report: &Report) -> String {
    let mut found: Vec<(&str, EventTime, u64)> = Vec::new();
    for finding in report.case.findings.iter().map(|row| &row.finding) {
        match found.iter_mut().find(|(title, ..)| *title == &*finding.title) {
            Some((_, _, times)) => *times += 1,
            None => found.push((&finding.title, finding.time, 1)),
        }
    }
    list(found.into_iter().map(|(title, first, times)| {
        let times = if times > 1 { format!(", {times} times") } else { String::new() };
        format!("{}: {title}{times}", moment(first))
    }))
}

fn measures(report: &Report) -> String {
    let ends = report.case.incident.orders.iter().filter(|order| order.purpose == Purpose::End);
    list(ends.map(|order| {
        let held = match order.verification.as_ref().map(|v| v.result) {
            None => "",
            Some(Held::Held) => "; it held",
            Some(Held::NotHeld) => "; it did not hold",
            Some(_) => "; whether it held is not known yet",
        };
        let who = order.who().unwrap_or_else(|| "nobody named".to_owned());
        format!(
            "{}: {} on the {} of {who}: {}{held}",
            clock(order.changed),
            order.action,
            order.target.name(),
            order.state.name()
        )
    }))
}

fn told(report: &Report) -> String {
    let done = report.clocks.iter().filter_map(|c| Some((c, c.done.as_ref()?)));
    list(done.map(|(c, done)| {
        let what = if done.waived { "not needed" } else { "told" };
        format!("{}: {what} at {} ({}): {}", c.name, clock(done.at), done.by, done.how)
    }))
}

fn basis(sums: &Sums, copy: Option<&Manifest>) -> String {
    let how = match (sums.estimated, sums.unknown) {
        (false, 0) => "Records are counted by the audit trail of the portal and the log of downloads.",
        (true, _) => "Where no trail counts records, they are reckoned from the bytes sent, and marked \"about\".",
        (false, _) => "Records are those that the trails count; of some exports none does.",
    };
    let copy = match copy {
        Some(copy) if copy.not_answerable.is_empty() => {
            " Numbers are counted in our own message logs, by the queries of the exports.".to_owned()
        }
        Some(copy) => format!(
            " Numbers are counted in our own message logs, by the queries of the exports; {} name no customer or no days, and could not be \
             looked up.",
            counted(copy.not_answerable.len() as u64, "export")
        ),
        None => String::new(),
    };
    format!(
        "{how}{copy} The recorded events, with the digests of the lines they were read from, are kept under the reference above."
    )
}

/// Fills a template.
///
/// # Errors
/// The template names something that there is not, with its line.
pub fn filled(template: &str, facts: &Facts) -> Result<String, String> {
    let parsed = Template::<Facts>::parse(template).map_err(|e| {
        match e.strip_prefix("character ").and_then(|e| e.split_once(':')) {
            Some((at, why)) => {
                let line = template.chars().take(at.parse().unwrap_or(0)).filter(|c| *c == '\n').count() + 1;
                format!("line {line}:{why}")
            }
            None => e,
        }
    })?;
    parsed.render(facts, |value| Ok(value.to_owned()))
}
