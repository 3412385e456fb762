//! `tripline explain`: why a finding came to be, in plain words.
use super::ask::{self, print_json};
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure};
use crate::control::wire::Request;
use crate::ledger::read::Step;
use crate::model::{EventTime, Finding, Order};
use crate::pipeline::EventRow;
use clap::Args;
use serde_json::Value;

/// Which finding.
#[derive(Args)]
pub struct ExplainArgs {
    /// The finding's id, or its beginning
    #[arg(value_name = "FINDING")]
    id: String,
    #[command(flatten)]
    asking: AskArgs,
}

/// Runs `tripline explain`.
pub fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask::ask(&args.asking, &Request::Explain { id: args.id.clone() })?;
    if args.asking.json {
        return print_json(&rows);
    }
    rows.iter().try_for_each(print)?;
    Ok(Exit::Done)
}

fn print(row: &Value) -> Result<(), Failure> {
    let finding: Finding = read(&row["finding"])?;
    let events: Vec<EventRow> = read(&row["events"])?;
    ask::head(&finding, row)?;
    policy(&row["policy"], row["note"].as_str().unwrap_or_default())?;
    say!("\nthe numbers, and what they were held against:");
    if finding.measures.is_empty() {
        say!("  none: one such event is enough");
    }
    for m in &finding.measures {
        say!("  {}: {} (against: {})", shown(&m.what), shown(&m.value), shown(&m.against));
    }
    if row["chain"].is_object() {
        say!("\nhow it came about:");
        link(&row["chain"], 1)?;
        if row["chain_cut"] == true {
            say!("  (more is recorded of them than was looked at: what is older may say otherwise)");
        }
    }
    say!("\nthe events that it rests on, the newest first:");
    for witness in &finding.witnesses {
        match events.iter().find(|e| e.id == witness.event) {
            Some(event) => self::event(event, &witness.what, row["files"][event.id.to_string()].as_str())?,
            None => {
                say!("  {} matched {}: event {} is not recorded", witness.time, shown(&witness.what), witness.event)
            }
        }
    }
    if let Some(unless) = row["policy"]["unless"].as_array() {
        say!("\nany of these would have kept it from firing:");
        for way in unless.iter() {
            say!("  - {}", text(way));
        }
    }
    let taken = &row["exposure"];
    say!(
        "\nits session asked for {} records and fetched {}, of {} customers",
        taken["records_asked"],
        taken["records_fetched"],
        taken["customers_fetched"]
    );
    orders(row["orders"].as_array().map_or(&[], Vec::as_slice), &finding, &row["policy"])
}

fn policy(policy: &Value, note: &str) -> Result<(), Failure> {
    say!("\nthe policy:");
    say!("  {}", shown(note));
    if !policy.is_object() {
        return Ok(());
    }
    let said = |name: &str, value: &Value| {
        // a text that was written over several lines ends with one
        if let Some(value) = value.as_str().map(str::trim_end).filter(|v| !v.is_empty()) {
            say!("  {name:<10} {}", shown(value));
        }
        Ok::<_, Failure>(())
    };
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    said("title", &policy["title"])?;
    said("meant for", &policy["description"])?;
    said("fires at", &policy["says"])?;
    said("runbook", &policy["runbook"])?;
    for honest in list(&policy["false_positives"]) {
        say!("  {:<10} {honest}", "honest if");
    }
    for tuned in list(&policy["tuned"]) {
        say!("  {:<10} {tuned}", "tuned");
    }
    let tags = list(&policy["tags"]);
    if !tags.is_empty() {
        say!("  {:<10} {}", "tags", tags.join(" "));
    }
    say!("  {:<10} {}, line {}", "written in", text(&policy["file"]), policy["line"]);
    Ok(())
}

/// A rule of the chain, and those beneath it further in.
fn link(link: &Value, depth: usize) -> Result<(), Failure> {
    let pad = "  ".repeat(depth);
    let time = link["time"].as_i64().map(|t| EventTime(t).to_string()).unwrap_or_default();
    let held = match link["held"].as_str() {
        Some("yes") => format!("held at {time}"),
        _ => format!("may have held at {time}: what it depends on is not recorded"),
    };
    say!("{pad}{} {held}", text(&link["rule"]));
    say!("{pad}  it asks for {}", text(&link["says"]));
    if let Some(found) = link["found"].as_str() {
        say!("{pad}  there was {}", shown(found));
    }
    let without: Vec<String> = link["without"].as_array().into_iter().flatten().map(text).collect();
    if !without.is_empty() {
        say!("{pad}  not by {}", without.join(", "));
    }
    link["below"].as_array().into_iter().flatten().try_for_each(|below| self::link(below, depth + 1))
}

fn event(e: &EventRow, matched: &str, path: Option<&str>) -> Result<(), Failure> {
    say!("  {} {} {}, matched {}", e.time, e.activity.name(), e.outcome.name(), shown(matched));
    let line = |name: &str, value: String| {
        if !value.is_empty() {
            say!("    {name:<9} {value}");
        }
        Ok::<_, Failure>(())
    };
    let optional = |text: Option<&str>| text.map(shown);
    let join = |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let who = e.actor.as_ref().map(|a| {
        let more = join(vec![optional(a.uid.as_deref()), Some(a.kind.name().to_owned()), optional(a.role.as_deref())]);
        format!("{} ({more})", shown(&a.name))
    });
    let o = &e.origin;
    line("who", who.unwrap_or_default())?;
    line("session", e.session.as_ref().map(|s| format!("{} (what stands for it)", shown(s))).unwrap_or_default())?;
    let place = vec![
        o.ip.map(|ip| ip.to_string()),
        optional(o.city.as_deref()),
        optional(o.country.as_deref()),
        o.as_number.map(|n| format!("AS{n}")),
        optional(o.as_name.as_deref()),
        o.listed.as_ref().map(|kind| format!("listed as {}", shown(kind))),
    ];
    line("from", join(place))?;
    let version = o.device_version.map(|v| v.to_string());
    line("with", join(vec![optional(o.device_family.as_deref()), version, optional(o.device_os.as_deref())]))?;
    line("customer", optional(e.customer.as_deref()).unwrap_or_default())?;
    line("target", optional(e.target.as_deref()).unwrap_or_default())?;
    if let Some(x) = &e.export {
        let records =
            x.records.map(|n| format!("{n} records{}", if x.records_estimated { " (estimated)" } else { "" }));
        let bytes = x.bytes.map(|n| format!("{n} bytes"));
        let days = match x.everything {
            true => Some("no readable range: counted as everything".to_owned()),
            false => x.days().map(|n| format!("{n} days of data")),
        };
        let job = x.job.as_deref().map(|job| format!("export {}", shown(job)));
        line("export", join(vec![job, optional(x.kind.as_deref()), records, days, bytes]))?;
    }
    let file = path.map_or_else(|| format!("a file of inode {} (no longer followed)", e.file.inode), shown);
    line("read", format!("trail {}, {file}, bytes {} to {}", shown(&e.source), e.from, e.to))?;
    line("digest", format!("{} (SHA-256 of the line, its first 16 bytes)", shown(&e.digest)))?;
    line("event", e.id.to_string())?;
    line("marked", show::marks(&e.marks).unwrap_or_default())?;
    Ok(())
}

fn orders(orders: &[Value], finding: &Finding, policy: &Value) -> Result<(), Failure> {
    if orders.is_empty() {
        let why = match (&finding.silenced, finding.asks.is_empty()) {
            (Some(silenced), _) => format!("it is under a silence of {}", shown(&silenced.author)),
            (None, true) => match policy["asks_when"].as_str() {
                Some(rule) => format!("its policy asks for one only where {} holds too", shown(rule)),
                None => "its policy asks for none".to_owned(),
            },
            (None, false) => "none is recorded".to_owned(),
        };
        say!("\norders: none ({why})");
        return Ok(());
    }
    say!("\norders:");
    for value in orders {
        let order: Order = read(&value["order"])?;
        say!(
            "  {} on the {}: {}. {}",
            shown(&order.action),
            order.target.name(),
            order.state.name(),
            text(&value["why"])
        );
        for step in read::<Vec<Step>>(&value["steps"])? {
            let why: Vec<String> = [step.refusal, step.note].into_iter().flatten().map(|t| shown(&t)).collect();
            let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(": ")) };
            say!("    {} {}{why}", step.at, shown(&step.state));
        }
        say!("    order {}", order.id);
    }
    Ok(())
}

fn text(value: &Value) -> String {
    shown(value.as_str().unwrap_or("?"))
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    T::deserialize(value).map_err(|e| Failure::new(format!("the daemon speaks another version: {e}")))
}
