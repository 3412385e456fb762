//! `tripline incident …` and `tripline exposure`: what belongs together, and what left.
use super::ask::{ask, print_json};
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure};
use crate::control::answer::bounded_reason;
use crate::control::wire::{Act, Request};
use crate::incident::case::{Incident, IncidentState};
use crate::incident::exposure::{Exposure, Extent, Total};
use crate::incident::report::day;
use crate::ledger::read::FindingRow;
use crate::model::incident::{IncidentAct, IncidentStep};
use crate::model::{EventTime, Text, WallTime};
use crate::pipeline::EventRow;
use crate::resolve::{self, Columns, Manifest, Resolve};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `tripline incident …`
#[derive(Subcommand)]
pub enum Incidents {
    /// List incidents, the latest first
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// Closed ones too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Show one: its timeline from the first contact on, its findings and orders, and what left
    Show {
        /// The incident's id, or that of any finding of it, or its beginning
        id: String,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Add a note
    Note(Words),
    /// Say that people work on what it came to
    Review {
        /// The incident
        id: String,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Say that it is over; a finding of high severity opens it again
    Close(Words),
    /// Say that it is not over after all
    Reopen(Words),
    /// Say that two incidents are one; `split` undoes it
    Merge {
        /// One
        id: String,
        /// The other
        with: String,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Say that a finding does not belong to it, or an incident that was merged with it; `merge` undoes it
    Split {
        /// The incident
        id: String,
        /// The finding, or the other incident
        from: String,
        #[command(flatten)]
        asking: AskArgs,
    },
}

/// An incident, and words about it.
#[derive(Args)]
pub struct Words {
    /// The incident
    id: String,
    /// What is to be said
    #[arg(value_parser = |text: &str| bounded_reason(text).map(String::from))]
    text: String,
    #[command(flatten)]
    asking: AskArgs,
}

/// Runs `tripline incident`.
pub fn incident(command: &Incidents) -> Result<Exit, Failure> {
    match command {
        Incidents::List { limit, all, asking } => list(*limit, *all, asking),
        Incidents::Show { id, asking } => show_one(id, asking),
        Incidents::Note(words) => act(&words.id, Act::Note(words.text.clone()), &words.asking, "noted"),
        Incidents::Review { id, asking } => act(id, Act::Review, asking, "in review"),
        Incidents::Close(words) => act(&words.id, Act::Close(words.text.clone()), &words.asking, "closed"),
        Incidents::Reopen(words) => act(&words.id, Act::Reopen(words.text.clone()), &words.asking, "open again"),
        Incidents::Merge { id, with, asking } => act(id, Act::Merge(with.clone()), asking, "merged"),
        Incidents::Split { id, from, asking } => act(id, Act::Split(from.clone()), asking, "split"),
    }
}

fn act(id: &str, act: Act, asking: &AskArgs, word: &str) -> Result<Exit, Failure> {
    ask(asking, &Request::IncidentAct { id: id.to_owned(), act })?;
    say!("{word}: `tripline incident show {}` says how it stands", shown(id));
    Ok(Exit::Done)
}

fn list(limit: u32, all: bool, asking: &AskArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(asking, &Request::Incidents { limit })?;
    if asking.json {
        return print_json(&rows);
    }
    let mut rows: Vec<Incident> = super::ask::read(rows)?;
    let before = rows.len();
    rows.retain(|incident| all || incident.state != IncidentState::Closed);
    let closed = before - rows.len();
    let mut table = show::table(&["ALARM", "STATE", "SEVERITY", "WHO", "FINDINGS", "ORDERS", "ID"]);
    for incident in &rows {
        table.add_row([
            incident.alarm.to_string(),
            incident.state.name().to_owned(),
            incident.severity.name().to_owned(),
            who(incident),
            incident.findings.len().to_string(),
            incident.orders.len().to_string(),
            incident.id.to_string()[..12].to_owned(),
        ]);
    }
    match (rows.is_empty(), closed) {
        (true, 0) => say!("no incidents"),
        (true, _) => say!("no open incidents; {closed} are closed (--all)"),
        (false, _) => show::print(&table),
    }
    Ok(Exit::Done)
}

fn who(incident: &Incident) -> String {
    let named: Vec<String> = incident.actors.iter().take(3).map(|actor| shown(actor)).collect();
    let more = incident.actors.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    if named.is_empty() { "-".to_owned() } else { named.join(", ") + &more }
}

fn show_one(id: &str, asking: &AskArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(asking, &Request::Incident { id: id.to_owned() })?;
    if asking.json {
        return print_json(&rows);
    }
    for row in rows {
        let whole: Whole = serde_json::from_value(row).map_err(Failure::new)?;
        let incident = &whole.incident;
        say!(
            "{}",
            show::by_severity(
                incident.severity,
                &format!("INCIDENT {} ({}), {}", &incident.id.to_string()[..12], incident.state.name(), who(incident))
            )
        );
        let fact = |name: &str, value: String| say!("  {name:<14} {value}");
        whole.first_contact.iter().for_each(|at| fact("first contact", at.to_string()));
        fact("alarm", incident.alarm.to_string());
        whole.contained.iter().for_each(|at| fact("contained", at.to_string()));
        fact("latest", incident.last.to_string());
        let from: Vec<String> = incident.addresses.iter().map(ToString::to_string).collect();
        fact("from", from.join(", "));
        say!("\ntimeline:");
        show::print(&timeline(&whole));
        totals(&whole.totals, &whole.exposure, whole.cut);
        say!(
            "\n`tripline exposure {}` lists every export; `tripline explain ID` says why a finding came to be",
            shown(id)
        );
    }
    Ok(Exit::Done)
}

/// What the daemon says of one incident.
#[derive(serde::Deserialize)]
struct Whole {
    incident: Incident,
    first_contact: Option<EventTime>,
    contained: Option<WallTime>,
    findings: Vec<FindingRow>,
    acts: Vec<EventRow>,
    totals: BTreeMap<Text, Total>,
    exposure: Exposure,
    cut: bool,
}

/// How many acts of the intruder the timeline shows.
const ACTS: usize = 60;

fn timeline(whole: &Whole) -> comfy_table::Table {
    let mut rows: Vec<(i64, String, String)> = Vec::new();
    for act in whole.acts.iter().take(ACTS) {
        let customer = act.customer.as_deref().map(|c| format!(" of {}", shown(c))).unwrap_or_default();
        let from = act.origin.ip.map(|ip| format!(" from {ip}")).unwrap_or_default();
        let how = if act.outcome.name() == "success" { String::new() } else { format!(" ({})", act.outcome.name()) };
        let who = act.actor.as_ref().map_or_else(|| "-".to_owned(), |a| shown(&a.name));
        rows.push((act.time.0, who, format!("{}{customer}{from}{how}", act.activity.name())));
    }
    for row in &whole.findings {
        let finding = &row.finding;
        let text = format!("FOUND {} ({}): {}", shown(&finding.policy), finding.severity.name(), shown(&finding.title));
        rows.push((finding.time.0, "tripline".to_owned(), text));
    }
    for order in &whole.incident.orders {
        let held = order.verification.as_ref().map(|v| format!(", {}", v.result.name())).unwrap_or_default();
        let text = format!("ORDER {} of {}: {}{held}", shown(&order.action), order.target.name(), order.state.name());
        rows.push((order.changed.0, "tripline".to_owned(), text));
    }
    rows.extend(whole.incident.steps.iter().map(|step| (step.at.0, shown(&step.by), said(step))));
    rows.sort_by_key(|(at, ..)| *at);
    let mut table = show::table(&["TIME", "WHO", "WHAT"]);
    for (at, who, what) in rows {
        table.add_row([EventTime(at).to_string(), who, what]);
    }
    if whole.acts.len() > ACTS {
        table.add_row([String::new(), String::new(), format!("… {} acts more (--json)", whole.acts.len() - ACTS)]);
    }
    table
}

fn said(step: &IncidentStep) -> String {
    match &step.act {
        IncidentAct::Note { text } => format!("NOTE {}", shown(text)),
        IncidentAct::Review => "REVIEW begins".to_owned(),
        IncidentAct::Close { reason } => format!("CLOSED {}", shown(reason)),
        IncidentAct::Reopen { reason } => format!("REOPENED {}", shown(reason)),
        IncidentAct::Merge { with } => format!("MERGED with {with}"),
        IncidentAct::Split { from } => format!("SPLIT from {from}"),
    }
}

fn totals(totals: &BTreeMap<Text, Total>, exposure: &Exposure, cut: bool) {
    let fetched = exposure.exports.values().filter(|row| row.downloads > 0).count();
    let records: u64 = totals.values().map(|total| total.records).sum();
    let customers = totals.values().filter(|total| total.exports > 0).count();
    let estimated = if totals.values().any(|total| total.estimated) { "about " } else { "" };
    say!(
        "\nwhat left: {estimated}{records} records of {customers} customers in {fetched} exports; {} more were asked for and not fetched",
        exposure.exports.len() - fetched
    );
    if cut {
        say!("the ledger is large, and not all of it was looked at: there may be more");
    }
    if totals.is_empty() {
        return;
    }
    let mut table = show::table(&[
        "CUSTOMER",
        "EXPORTS",
        "RECORDS",
        "BYTES",
        "DATA FROM",
        "DATA TO",
        "NOT FETCHED",
        "READ ON SCREEN",
    ]);
    for (customer, total) in totals {
        let about = if total.estimated { "about " } else { "" };
        let more =
            if total.unknown > 0 { format!(" + {} exports of unknown size", total.unknown) } else { String::new() };
        let (from, to) = total.days.map(|(a, b)| (day(a), day(b))).unwrap_or_default();
        table.add_row([
            if customer.is_empty() { "(not named)".to_owned() } else { shown(customer) },
            total.exports.to_string(),
            format!("{about}{}{more}", total.records),
            total.bytes.to_string(),
            from,
            to,
            total.not_fetched.to_string(),
            total.reads.to_string(),
        ]);
    }
    show::print(&table);
}

/// `tripline exposure`
#[derive(Args)]
pub struct ExposureArgs {
    /// The incident's id, or that of any finding of it, or its beginning
    #[arg(value_name = "INCIDENT")]
    id: String,
    /// Only of this customer account
    #[arg(long, value_name = "ACCOUNT")]
    customer: Option<String>,
    /// Join what left with these message logs (CSV with a header, or JSON lines; plain or .gz): writes for each customer the exact
    /// records, the distinct numbers, and a manifest with digests, into --out
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "out")]
    resolve: Vec<PathBuf>,
    /// The folder for --resolve; a run that was ended goes on there
    #[arg(long, value_name = "DIR", requires = "resolve")]
    out: Option<PathBuf>,
    /// In whose zone the days of exports begin, and of times that state none (an IANA name)
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "resolve")]
    time_zone: String,
    /// The column of the message logs that names the customer account
    #[arg(long, value_name = "NAME", requires = "resolve")]
    account_column: Option<String>,
    /// The column with the time of a message
    #[arg(long, value_name = "NAME", requires = "resolve")]
    time_column: Option<String>,
    /// The column with the number that it went to
    #[arg(long, value_name = "NAME", requires = "resolve")]
    number_column: Option<String>,
    /// The column with the kind of log, to be compared with that of the export
    #[arg(long, value_name = "NAME", requires = "resolve")]
    kind_column: Option<String>,
    #[command(flatten)]
    asking: AskArgs,
}

/// Runs `tripline exposure`.
pub fn exposure(args: &ExposureArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(&args.asking, &Request::Exposure { id: args.id.clone(), customer: args.customer.clone() })?;
    if let (Some(out), Some(row)) = (&args.out, rows.first()) {
        return resolve(args, out, row);
    }
    if args.asking.json {
        return print_json(&rows);
    }
    for row in rows {
        let read = |key: &str| row[key].clone();
        let exposure: Exposure = serde_json::from_value(read("exposure")).map_err(Failure::new)?;
        let sums: BTreeMap<Text, Total> = serde_json::from_value(read("totals")).map_err(Failure::new)?;
        exports(&exposure);
        totals(&sums, &exposure, row["cut"] == Value::Bool(true));
    }
    Ok(Exit::Done)
}

fn exports(exposure: &Exposure) {
    let mut rows: Vec<_> = exposure.exports.iter().collect();
    rows.sort_by_key(|(_, row)| row.requested.iter().chain(&row.fetches).map(|by| by.at).min());
    let mut table = show::table(&[
        "ASKED FOR",
        "BY",
        "CUSTOMER",
        "KIND",
        "DATA FROM",
        "DATA TO",
        "RECORDS",
        "LEFT",
        "BYTES",
        "FETCHED",
        "BY",
        "FROM",
        "EXPORT",
    ]);
    for (id, row) in rows {
        let dash = || "-".to_owned();
        let requested = row.requested.as_ref();
        let fetch = row.fetches.iter().find(|by| by.outcome.name() != "failure");
        let name =
            |by: Option<&crate::incident::exposure::By>| by.and_then(|by| by.actor.as_deref()).map_or_else(dash, shown);
        let (from, to) = row.days.map(|(a, b)| (day(a), day(b))).unwrap_or_else(|| (dash(), dash()));
        let about = if row.estimated { "about " } else { "" };
        let left = match (row.extent(), row.records()) {
            (Extent::Nothing, _) if row.refused > 0 => "nothing (refused)".to_owned(),
            (Extent::Nothing, _) => "nothing".to_owned(),
            (extent, Some(records)) => format!("{about}{records} ({})", extent.name()),
            (extent, None) => extent.name().to_owned(),
        };
        table.add_row([
            requested.map_or_else(dash, |by| by.at.to_string()),
            name(requested),
            row.customer.as_deref().map_or_else(dash, shown),
            row.kind.as_deref().map_or_else(dash, shown),
            from,
            to,
            row.asked.map_or_else(dash, |n| n.to_string()),
            left,
            row.bytes.to_string(),
            fetch.map_or_else(dash, |by| by.at.to_string()),
            name(fetch),
            fetch.and_then(|by| by.ip).map_or_else(dash, |ip| ip.to_string()),
            shown(id),
        ]);
    }
    show::print(&table);
}

/// Joins what left with message logs.
fn resolve(args: &ExposureArgs, out: &Path, row: &Value) -> Result<Exit, Failure> {
    let exposure: Exposure = serde_json::from_value(row["exposure"].clone()).map_err(Failure::new)?;
    let zone = jiff::tz::TimeZone::get(&args.time_zone).map_err(|e| Failure::new(format!("--time-zone: {e}")))?;
    let (queries, not_answerable) = resolve::queries(&exposure);
    let mut columns = Columns::default();
    for (named, column) in [
        (&args.account_column, &mut columns.account),
        (&args.time_column, &mut columns.time),
        (&args.number_column, &mut columns.number),
        (&args.kind_column, &mut columns.kind),
    ] {
        named.iter().for_each(|name| *column = vec![name.clone()]);
    }
    let incident = row["incident"].as_str().unwrap_or_default().to_owned();
    let asked =
        Manifest { incident, time_zone: args.time_zone.clone(), queries, not_answerable, ..Manifest::default() };
    let mut run = Resolve::begin(out, zone, columns, asked).map_err(Failure::new)?;
    let bar = super::replay::bar(args.resolve.iter().map(|path| path.as_path()));
    for path in &args.resolve {
        run.input(path, &mut |bytes| bar.inc(bytes)).map_err(Failure::new)?;
    }
    bar.finish_and_clear();
    run.finish().map_err(Failure::new)?;
    if args.asking.json {
        say!("{}", serde_json::to_string(&run.manifest).map_err(Failure::new)?);
        return Ok(Exit::Done);
    }
    resolved(&run.manifest, out);
    Ok(Exit::Done)
}

fn resolved(manifest: &Manifest, out: &Path) {
    let mut table = show::table(&["CUSTOMER", "RECORDS", "BY THE TRAIL", "NUMBERS", "FOLDER"]);
    for (account, customer) in &manifest.customers {
        let by_trail: Option<u64> =
            manifest.queries.iter().filter(|query| query.customer == *account).map(|query| query.records).sum();
        table.add_row([
            shown(account),
            customer.records.to_string(),
            by_trail.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            customer.numbers.to_string(),
            customer.folder.clone(),
        ]);
    }
    show::print(&table);
    let unreadable: u64 = manifest.inputs.values().map(|input| input.unreadable).sum();
    if unreadable > 0 {
        say!("{unreadable} rows have no account or time that can be read: they are in no copy");
    }
    if manifest.inputs.values().any(|input| input.without_kind) {
        say!("a message log has no column for the kind of log: kinds were not compared (--kind-column)");
    }
    if manifest.queries.iter().any(|query| query.extent == Extent::Part) {
        say!(
            "of exports that were cut off nobody knows which records had left: all that were asked for are in the copy"
        );
    }
    if !manifest.not_answerable.is_empty() {
        say!(
            "{} exports name no customer or no days: nothing could be looked up for them",
            manifest.not_answerable.len()
        );
    }
    say!(
        "written to {}; manifest.json there has the queries and the digest of every file",
        shown(&out.to_string_lossy())
    );
}
