//! The commands that ask the running daemon, or where it is down the ledger.
use super::{AskArgs, Exit, Failure, show};
use crate::config::Config;
use crate::control::answer::bounded_reason;
use crate::control::client;
use crate::control::wire::Request;
use crate::ledger::read::FindingFilter;
use crate::model::{EventTime, Finding, FindingRow, FindingVerdict, Judged, Order, Severity};
use crate::pipeline::EventRow;
use crate::policy::PolicySet;
use crate::rules::Texts;
use clap::{Args, Subcommand};
use serde_json::Value;
use show::{say, shown};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// `tripline findings …`
#[derive(Subcommand)]
pub enum Findings {
    /// List findings, the newest last
    List(ListArgs),
    /// Show one finding: its numbers, events and orders, and what its session took
    Show {
        /// The finding's id, or its beginning
        id: String,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Acknowledge a finding: it has been looked at
    Ack {
        /// The finding's id, or its beginning
        id: String,
        #[command(flatten)]
        asking: AskArgs,
    },
}

/// Which findings.
#[derive(Args)]
pub struct ListArgs {
    /// At or after this time: RFC 3339 (2026-03-01T08:00Z), a day (2026-03-01), or a length back from now (2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// About this actor
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Of this policy
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Of at least this severity: informational, low, medium, high, critical
    #[arg(long, value_name = "LEVEL", value_parser = super::replay::level)]
    severity: Option<Severity>,
    /// Only those that nobody has acknowledged and no silence covers
    #[arg(long)]
    open: bool,
    /// Of which people say this: open (nothing yet), confirmed (an attack), dismissed (honest work)
    #[arg(long, value_name = "VERDICT", value_parser = verdict_word)]
    verdict: Option<FindingVerdict>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// OCSF Detection Findings (class 2004), one object a line
    #[arg(long, conflicts_with = "json")]
    ocsf: bool,
    #[command(flatten)]
    asking: AskArgs,
}

fn verdict_word(text: &str) -> Result<FindingVerdict, &'static str> {
    FindingVerdict::from_name(text).ok_or("open, confirmed or dismissed")
}

/// Asks the daemon, or its ledger where it is down; the flag says whether the daemon answered.
pub fn ask(asking: &AskArgs, request: &Request) -> Result<(Vec<Value>, bool), Failure> {
    let (socket, state) = places(asking)?;
    let policies = || policies(asking).map(Cow::Owned);
    Ok(client::ask(&socket, &state.join(crate::ledger::FILE), request, &policies)?)
}

/// The policies as they stand in the configuration; where that can't be read at the usual place, the shipped ones.
fn policies(asking: &AskArgs) -> Option<PolicySet> {
    let texts = match Config::read(&asking.config) {
        Ok(config) => config.texts().ok()?,
        Err(_) if asking.config == Path::new(super::DEFAULT_CONFIG) => Texts::shipped(),
        Err(_) => return None,
    };
    texts.compile().ok().map(|(policies, _)| policies)
}

fn places(asking: &AskArgs) -> Result<(PathBuf, PathBuf), Failure> {
    if let (Some(socket), Some(state)) = (&asking.socket, &asking.state) {
        return Ok((socket.clone(), state.clone()));
    }
    let (socket, state) = match Config::read(&asking.config) {
        Ok(config) => (config.written.control_socket, config.written.state_dir),
        // who may not read the configuration may still ask at the usual place
        Err(_) if asking.config == Path::new(super::DEFAULT_CONFIG) => {
            let usual = crate::config::written::Written::default_places();
            (usual.0, usual.1)
        }
        Err(e) => return Err(e.into()),
    };
    Ok((asking.socket.clone().unwrap_or(socket), asking.state.clone().unwrap_or(state)))
}

/// `tripline findings`
pub fn findings(command: &Findings) -> Result<Exit, Failure> {
    match command {
        Findings::List(args) => {
            let filter = FindingFilter {
                since: args.since,
                until: args.until,
                actor: args.actor.clone(),
                policy: args.policy.clone(),
                severity: args.severity,
                open: args.open,
                verdict: args.verdict,
                ip: None,
                limit: Some(args.limit),
            };
            let (mut rows, _) = ask(&args.asking, &Request::Findings { filter, ocsf: args.ocsf })?;
            rows.reverse();
            if args.asking.json || args.ocsf {
                return print_json(&rows);
            }
            let rows: Vec<FindingRow> = read(rows)?;
            if rows.is_empty() {
                say!("no findings");
            } else {
                show::print(&show::findings(&rows))?;
            }
        }
        Findings::Show { id, asking } => {
            let (rows, _) = ask(asking, &Request::Finding { id: id.clone() })?;
            if asking.json {
                return print_json(&rows);
            }
            rows.into_iter().try_for_each(show_finding)?;
        }
        Findings::Ack { id, asking } => {
            ask(asking, &Request::Acknowledge { id: id.clone() })?;
            say!("acknowledged");
        }
    }
    Ok(Exit::Done)
}

/// `tripline reveal`
#[derive(Args)]
pub struct RevealArgs {
    /// What stands for the session, as findings show it, or its beginning
    session: String,
    /// Why it must be known
    #[arg(value_parser = |text: &str| bounded_reason(text).map(String::from))]
    reason: String,
    #[command(flatten)]
    asking: AskArgs,
}

/// `tripline reveal`
pub fn reveal(args: &RevealArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(&args.asking, &Request::Reveal { session: args.session.clone(), reason: args.reason.clone() })?;
    if args.asking.json {
        return print_json(&rows);
    }
    for id in rows.iter().filter_map(|row| row["id"].as_str()) {
        say!("{}", shown(id));
    }
    Ok(Exit::Done)
}

/// `tripline test-finding`
pub fn test_finding(asking: &AskArgs) -> Result<Exit, Failure> {
    ask(asking, &Request::TestFinding)?;
    say!(
        "a finding of the policy `test` is recorded and on its way to every outlet: `tripline status` shows what is waiting"
    );
    Ok(Exit::Done)
}

/// `tripline status`
pub fn status(asking: &AskArgs) -> Result<Exit, Failure> {
    let (mut rows, daemon) = ask(asking, &Request::Status)?;
    let running = super::clocks::or_said(super::clocks::running(asking));
    if asking.json {
        rows.iter_mut().for_each(|row| row["clocks"] = serde_json::json!(running));
        return print_json(&rows);
    }
    let row = rows.into_iter().next().unwrap_or_default();
    if daemon {
        let commit = row["last_commit"].as_i64().unwrap_or(0);
        let commit = if commit == 0 { "never".to_owned() } else { EventTime(commit).to_string() };
        say!(
            "tripline {} runs as process {}; last commit {commit}",
            shown(row["version"].as_str().unwrap_or("?")),
            row["pid"]
        );
    } else {
        say!("the daemon is not running; this is what its ledger says");
    }
    show::print(&trails(&row))?;
    files(&row)?;
    if let Ok(coverage) = serde_json::from_value::<crate::pipeline::coverage::Coverage>(row["coverage"].clone()) {
        say!();
        super::coverage::say(&coverage, Some("`tripline status --json` has them all"))?;
    }
    let count = |key: &str| row["findings"][key].as_u64().unwrap_or(0);
    say!("\nfindings: {}, of which {} are open", count("all"), count("open"));
    let orders =
        row["orders"].as_object().into_iter().flatten().map(|(state, n)| format!("{n} {state}")).collect::<Vec<_>>();
    let hold = if row["hold"] == true { "; ON HOLD" } else { "" };
    say!("orders: {}{hold}", if orders.is_empty() { "none".to_owned() } else { orders.join(", ") });
    let waiting = |state: &str| row["orders"][state].as_u64().unwrap_or(0);
    for (state, what) in [("waiting", "approve"), ("held", "release"), ("unknown", "show")] {
        if waiting(state) > 0 {
            let text = format!(
                "{} {state}: a person is asked (`tripline orders list --in {state}`, then `orders {what}`)",
                waiting(state)
            );
            say!("orders: {}", show::paint("33", &text));
        }
    }
    let now = crate::daemon::wall_now().0;
    for mute in row["mutes"].as_array().into_iter().flatten().filter(|m| m["until"].as_i64() > Some(now)) {
        let until = EventTime(mute["until"].as_i64().unwrap_or(0));
        say!("muted until {until}: {}", shown(mute["reason"].as_str().unwrap_or("?")));
    }
    if !running.is_empty() {
        say!("\nclocks:");
        show::print(&super::clocks::table(&running))?;
    }
    for outlet in row["outlets"].as_array().into_iter().flatten() {
        let error = outlet["error"].as_str().map(|e| format!(" ({})", shown(e))).unwrap_or_default();
        say!("outlet {}: {} waiting{error}", shown(outlet["name"].as_str().unwrap_or("?")), outlet["waiting"]);
    }
    let health: Vec<_> = row["health"].as_object().into_iter().flatten().collect();
    if daemon && health.is_empty() {
        say!("health: well");
    }
    for (what, why) in health {
        say!("health: {}", show::paint("31", &format!("{}: {}", shown(what), shown(why.as_str().unwrap_or("?")))));
    }
    Ok(Exit::Done)
}

fn trails(row: &Value) -> comfy_table::Table {
    let mut table = show::table(&[
        "TRAIL",
        "LINES",
        "EVENTS",
        "REPEATED",
        "REJECTED",
        "CLIPPED",
        "LATE",
        "CLAMPED",
        "UNDATED",
        "AMBIGUOUS",
        "ORIGIN STATED",
        "ORIGIN UNREAD",
        "GAPS",
        "NEWEST EVENT",
    ]);
    for (name, trail) in row["trails"].as_object().into_iter().flatten() {
        let n = |key: &str| trail[key].to_string();
        let rejected: u64 = trail["rejects"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        let newest = trail["newest"].as_i64().map_or_else(|| "-".to_owned(), |t| EventTime(t).to_string());
        table.add_row([
            shown(name),
            n("lines"),
            n("events"),
            n("repeated"),
            rejected.to_string(),
            n("clipped"),
            n("late"),
            n("clamped"),
            n("undated"),
            n("ambiguous"),
            n("origin_stated"),
            n("origin_unread"),
            n("gaps"),
            newest,
        ]);
    }
    table
}

fn files(row: &Value) -> Result<(), Failure> {
    let mut table = show::table(&["FILE", "TRAIL", "STATE", "READ TO", "SIZE", "LAG"]);
    let mut any = false;
    for (trail, files) in row["files"].as_object().into_iter().flatten() {
        for file in files.as_array().into_iter().flatten() {
            any = true;
            let text = |key: &str| shown(file[key].as_str().unwrap_or("?"));
            table.add_row([
                text("path"),
                shown(trail),
                text("state"),
                file["offset"].to_string(),
                file["size"].to_string(),
                file["lag_bytes"].to_string(),
            ]);
        }
    }
    if any {
        say!();
        show::print(&table)?;
    }
    Ok(())
}

fn show_finding(mut row: Value) -> Result<(), Failure> {
    let finding: Finding = serde_json::from_value(row["finding"].take()).map_err(Failure::new)?;
    let events: Vec<EventRow> = serde_json::from_value(row["events"].take()).map_err(Failure::new)?;
    let orders: Vec<Order> = serde_json::from_value(row["orders"].take()).map_err(Failure::new)?;
    head(&finding, &row)?;
    say!("\nwhy:");
    for m in &finding.measures {
        say!("  {}: {} (against: {})", shown(&m.what), shown(&m.value), shown(&m.against));
    }
    say!("\nresting on, the newest first:");
    show::print(&witnesses(&finding, &events))?;
    for event in events.iter() {
        if let Some(marks) = show::marks(&event.marks) {
            say!("  {}: {marks}", event.time);
        }
    }
    let taken = &row["exposure"];
    say!(
        "\nits session asked for {} records and fetched {}, of {} customers",
        taken["records_asked"],
        taken["records_fetched"],
        taken["customers_fetched"]
    );
    if !orders.is_empty() {
        say!("\norders:");
        show::print(&show::orders(&orders))?;
    }
    Ok(())
}

/// The title of a finding, what is said of it, and what people did about it: `row` has the latter.
pub(super) fn head(finding: &Finding, row: &Value) -> Result<(), Failure> {
    say!(
        "{}",
        show::by_severity(
            finding.severity,
            &format!("{}: {}", finding.severity.name().to_uppercase(), shown(&finding.title))
        )
    );
    let mut facts = facts(finding);
    if let Some(ack) = row["acknowledged"].as_array() {
        facts.push(("looked at", shown(ack.get(1).and_then(Value::as_str).unwrap_or("?"))));
    }
    facts.extend(verdict(row).map(|said| ("verdict", said)));
    if let Some(silenced) = &finding.silenced {
        let (id, by, why) = (shown(&silenced.silence), shown(&silenced.author), shown(&silenced.reason));
        facts.push(("silenced", format!("by {by}: {why} (silence {id}); told to nobody, and no order")));
    }
    for (name, value) in facts.into_iter() {
        say!("  {name:<10} {value}");
    }
    Ok(())
}

/// What people said of a finding, where they did.
fn verdict(row: &Value) -> Option<String> {
    let judged: Judged = serde_json::from_value(row["judged"].clone()).ok()?;
    let word = shown(row["verdict"].as_str().unwrap_or("?"));
    Some(format!("{word} by {} at {}: {}", shown(&judged.by), judged.at, shown(&judged.reason)))
}

/// What is said of a finding itself, by name.
fn facts(finding: &Finding) -> Vec<(&'static str, String)> {
    let s = &finding.subject;
    let mut facts = vec![
        ("finding", finding.id.to_string()),
        ("policy", shown(&finding.policy)),
        ("happened", finding.time.to_string()),
    ];
    facts.push(("known", EventTime(finding.observed.0).to_string()));
    facts.push(("about", shown(&finding.entity)));
    let optional = [
        ("actor", s.actor.as_deref()),
        ("role", s.role.as_deref()),
        ("place", s.place.as_deref()),
        ("customer", s.customer.as_deref()),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, shown(value?)))));
    facts.extend(s.ip.map(|ip| ("address", ip.to_string())));
    facts.extend(s.session.map(|r| ("session", format!("{} (what stands for it)", crate::model::id::hex(&r.digest)))));
    facts.push(("tags", finding.tags.iter().map(|t| shown(t)).collect::<Vec<_>>().join(" ")));
    facts
}

/// The events that a finding rests on.
fn witnesses(finding: &Finding, events: &[EventRow]) -> comfy_table::Table {
    let mut table = show::table(&["TIME", "MATCHED", "ACT", "FROM", "CUSTOMER", "READ FROM", "BYTES", "DIGEST"]);
    for witness in &finding.witnesses {
        match events.iter().find(|e| e.id == witness.event) {
            Some(e) => table.add_row([
                e.time.to_string(),
                shown(&witness.what),
                format!("{} {}", e.activity.name(), e.outcome.name()),
                e.origin.ip.map(|ip| ip.to_string()).unwrap_or_default(),
                shown(e.customer.as_deref().unwrap_or("-")),
                shown(&e.source),
                format!("{}-{}", e.from, e.to),
                e.digest.chars().take(16).collect(),
            ]),
            None => table.add_row([
                witness.time.to_string(),
                shown(&witness.what),
                format!("event {}: not recorded", witness.event),
            ]),
        };
    }
    table
}

/// Prints JSON, one object a line.
pub fn print_json(rows: &[Value]) -> Result<Exit, Failure> {
    for row in rows {
        // plain ASCII: a terminal that sees it can't be told anything by it
        let text = row.to_string().chars().fold(String::new(), |mut text, c| {
            if c.is_ascii() {
                text.push(c);
            } else {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|u| text.push_str(&format!("\\u{u:04x}")));
            }
            text
        });
        say!("{text}");
    }
    Ok(Exit::Done)
}

/// The rows as what they are.
pub fn read<T: serde::de::DeserializeOwned>(rows: Vec<Value>) -> Result<Vec<T>, Failure> {
    let wrong = |e| Failure::new(format!("the daemon speaks another version: {e}"));
    rows.into_iter().map(|row| serde_json::from_value(row).map_err(wrong)).collect()
}

/// A moment: RFC 3339, a day, or a length back from now.
pub(super) fn moment(text: &str) -> Result<i64, String> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Ok(stamp.as_millisecond());
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        return day.in_tz("UTC").map(|z| z.timestamp().as_millisecond()).map_err(|e| e.to_string());
    }
    let unit = text.chars().last().and_then(|c| {
        Some(match c {
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        })
    });
    match (unit, text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse::<i64>().ok())) {
        (Some(unit), Some(n)) => Ok(crate::daemon::wall_now().0 - n.saturating_mul(unit * 1000)),
        _ => Err("write 2026-03-01T08:00Z, 2026-03-01, or 2h".into()),
    }
}
