//! `tripline actor` and `tripline origin`: what is recorded of somebody, or of an address.
use super::ask::{self, print_json};
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure};
use crate::control::wire::{Of, Request};
use crate::incident::history::{Days, Network, SessionRow, Shown, Use, Usual, Who};
use crate::model::{EventTime, FindingRow, Order};
use clap::Args;
use serde_json::Value;
use std::net::IpAddr;

/// Lines of each list for a person; `--json` has more.
const LINES: usize = 10;

/// Which time.
#[derive(Args)]
struct Span {
    /// At or after this time: RFC 3339 (2026-03-01T08:00Z), a day (2026-03-01), or a length back from now (2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = ask::moment)]
    since: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = ask::moment)]
    until: Option<i64>,
    /// At most so many sessions, findings and orders each, the newest
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    #[command(flatten)]
    asking: AskArgs,
}

/// Of whom.
#[derive(Args)]
pub struct ActorArgs {
    /// The actor's name, as findings give it
    name: String,
    #[command(flatten)]
    span: Span,
}

/// Of which address.
#[derive(Args)]
pub struct OriginArgs {
    /// The address, IPv4 or IPv6
    #[arg(value_name = "IP")]
    ip: IpAddr,
    #[command(flatten)]
    span: Span,
}

/// Runs `tripline actor`.
pub fn actor(args: &ActorArgs) -> Result<Exit, Failure> {
    history(Of::Actor(args.name.clone()), &args.span)
}

/// Runs `tripline origin`.
pub fn origin(args: &OriginArgs) -> Result<Exit, Failure> {
    history(Of::Origin(args.ip), &args.span)
}

fn history(of: Of, span: &Span) -> Result<Exit, Failure> {
    let Span { since, until, limit, asking } = span;
    let (rows, _) =
        ask::ask(asking, &Request::History { of: of.clone(), since: *since, until: *until, limit: *limit })?;
    if asking.json {
        return print_json(&rows);
    }
    for mut row in rows {
        let findings: Vec<FindingRow> = serde_json::from_value(row["findings"].take()).map_err(Failure::new)?;
        let orders: Vec<Order> = serde_json::from_value(row["orders"].take()).map_err(Failure::new)?;
        let looked = row["looked_at"].take();
        let known: Shown = serde_json::from_value(row).map_err(Failure::new)?;
        head(&of, &known, &looked)?;
        match &of {
            Of::Actor(_) => {
                origins(&known)?;
                devices(&known)?;
                amounts(&known.days)?;
                customers(&known)?;
            }
            Of::Origin(_) => {
                origins(&known)?;
                people(&known)?;
            }
        }
        sessions(&known)?;
        concerning(&of, &findings, &orders)?;
    }
    Ok(Exit::Done)
}

fn head(of: &Of, known: &Shown, looked: &Value) -> Result<(), Failure> {
    let name = match of {
        Of::Actor(name) => shown(name),
        Of::Origin(ip) => ip.to_canonical().to_string(),
    };
    match &known.used {
        Some(Use { first, last, events }) => say!("{name}: {events} events are recorded, from {first} to {last}"),
        None => say!("{name}: no event is recorded in that time"),
    }
    if let (Of::Actor(_), Some(who)) = (of, known.actors.first().map(|a| &a.what)) {
        say!("{}", described(who));
    }
    match looked["cut"].as_str() {
        Some("time") => say!("the ledger is large and not all of it was looked at: narrow it with --since"),
        Some(_) => say!(
            "there are more: only the newest {} were looked at; narrow it with --since and --until",
            looked["events"]
        ),
        None => {}
    }
    if known.more {
        say!("there is more of something than is told apart: amounts are at least those shown");
    }
    Ok(())
}

fn described(who: &Who) -> String {
    let parts = [Some(&who.kind), who.uid.as_ref(), who.role.as_ref()];
    parts.into_iter().flatten().map(|text| shown(text)).collect::<Vec<_>>().join(", ")
}

fn origins(known: &Shown) -> Result<(), Failure> {
    titled("known origins, the last used first", known.origins.len())?;
    let mut table = show::table(&["NETWORK", "OWNER", "COUNTRY", "CITY", "LISTED", "FIRST", "LAST", "EVENTS"]);
    for origin in known.origins.iter().take(LINES) {
        let Network { prefix, owner, as_number, country, city, listed } = &origin.what;
        let number = as_number.map(|n| format!("AS{n}"));
        let owner: Vec<String> = number.into_iter().chain(owner.as_ref().map(|owner| shown(owner))).collect();
        let [prefix, country, city, listed] = [prefix, country, city, listed].map(|text| or_dash(text.as_deref()));
        let [first, last, events] = used(&origin.used);
        table.add_row([prefix, or_dash(Some(&owner.join(" "))), country, city, listed, first, last, events]);
    }
    show::print(&table)?;
    Ok(())
}

fn devices(known: &Shown) -> Result<(), Failure> {
    titled("devices, the last used first", known.devices.len())?;
    let mut table = show::table(&["DEVICE", "FIRST", "LAST", "EVENTS"]);
    for device in known.devices.iter().take(LINES) {
        let [first, last, events] = used(&device.used);
        table.add_row([shown(&device.what.name()), first, last, events]);
    }
    show::print(&table)?;
    Ok(())
}

fn amounts(days: &Days) -> Result<(), Failure> {
    say!("\nusual amounts a day, of {} days on which something is recorded:", days.active);
    let mut table = show::table(&["WHAT", "MEDIAN", "90TH PERCENTILE", "MOST", "ON"]);
    for (what, Usual { median, p90, max, max_day }) in
        [("exports", days.exports), ("records", days.records), ("customers", days.customers)]
    {
        let on = if max == 0 { "-".to_owned() } else { max_day.to_string().chars().take(10).collect() };
        table.add_row([what.to_owned(), median.to_string(), p90.to_string(), max.to_string(), on]);
    }
    show::print(&table)?;
    Ok(())
}

fn customers(known: &Shown) -> Result<(), Failure> {
    titled("customers, the most served first", known.customers.len())?;
    let mut table = show::table(&["CUSTOMER", "FIRST", "LAST", "EVENTS", "EXPORTS", "RECORDS"]);
    for c in known.customers.iter().take(LINES) {
        let [first, last, events] = used(&c.used);
        table.add_row([shown(&c.customer), first, last, events, c.exports.to_string(), c.records.to_string()]);
    }
    show::print(&table)?;
    Ok(())
}

fn people(known: &Shown) -> Result<(), Failure> {
    titled("who came from there, the last first", known.actors.len())?;
    let mut table = show::table(&["WHO", "WHAT", "FIRST", "LAST", "EVENTS"]);
    for who in known.actors.iter().take(LINES) {
        let [first, last, events] = used(&who.used);
        table.add_row([shown(&who.what.name), described(&who.what), first, last, events]);
    }
    show::print(&table)?;
    Ok(())
}

fn sessions(known: &Shown) -> Result<(), Failure> {
    let more = if known.more_sessions { "; there are older ones" } else { "" };
    say!("\nsessions, the newest last{more}:");
    let header =
        ["FROM", "TO", "WHO", "ADDRESS", "DEVICE", "EVENTS", "FAILED", "CUSTOMERS", "EXPORTS", "RECORDS", "SESSION"];
    let mut table = show::table(&header);
    for s in &known.sessions {
        let SessionRow { session, actors, used: u, addresses, devices, failures, customers, .. } = s;
        let [first, last, events] = used(u);
        let session = session.as_ref().map(|s| s.chars().take(12).collect::<String>());
        table.add_row([
            first,
            last,
            listed(actors.iter().map(|a| a.to_string())),
            listed(addresses.iter().map(ToString::to_string)),
            listed(devices.iter().cloned()),
            events,
            failures.to_string(),
            customers.len().to_string(),
            s.exports.to_string(),
            s.records.to_string(),
            or_dash(session.as_deref()),
        ]);
    }
    show::print(&table)?;
    Ok(())
}

fn concerning(of: &Of, findings: &[FindingRow], orders: &[Order]) -> Result<(), Failure> {
    let open = if matches!(of, Of::Actor(_)) { "open findings" } else { "findings" };
    if findings.is_empty() {
        say!("\n{open}: none");
    } else {
        say!("\n{open}, the newest last:");
        show::print(&show::findings(findings.iter().rev()))?;
    }
    if !orders.is_empty() {
        say!("\norders, the newest first:");
        show::print(&show::orders(orders))?;
    }
    Ok(())
}

fn titled(what: &str, length: usize) -> Result<(), Failure> {
    let of = if length > LINES { format!(" ({LINES} of {length})") } else { String::new() };
    say!("\n{what}{of}:");
    Ok(())
}

fn used(u: &Use) -> [String; 3] {
    let minute = |at: EventTime| at.to_string().chars().take(16).collect::<String>() + "Z";
    [minute(u.first), minute(u.last), u.events.to_string()]
}

/// The first, and how many more.
fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(1);
    let first: Vec<String> = all.take(1).map(|text| shown(&text)).collect();
    match (first.first(), more) {
        (None, _) => "-".to_owned(),
        (Some(one), 0) => one.clone(),
        (Some(one), more) => format!("{one} +{more}"),
    }
}

fn or_dash(text: Option<&str>) -> String {
    text.filter(|t| !t.is_empty()).map_or_else(|| "-".to_owned(), shown)
}
