//! `tripline incident …`: what belongs together, and what people do about it.
use super::ask::{ask, print_json};
use super::exposure::totals;
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure, clocks};
use crate::control::answer::bounded_reason;
use crate::control::incidents::Case;
use crate::control::wire::{Act, Request};
use crate::incident::case::{Incident, IncidentState};
use crate::report::timeline;
use clap::{Args, Subcommand};

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
    /// Say that it is a breach, and on what that rests: clocks that run from a determination begin
    Determine(Words),
    /// Say that somebody was told: the clock ends
    Told(Duty),
    /// Say that nobody need be told, and why: the clock ends
    Waive(Duty),
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

/// A clock of an incident, and words about it.
#[derive(Args)]
pub struct Duty {
    /// The incident
    id: String,
    /// The clock, as `incident show` names it: gdpr-controller/authority
    clock: String,
    /// Who was told and how, or why nobody need be
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
        Incidents::Determine(words) => act(&words.id, Act::Determine(words.text.clone()), &words.asking, "determined"),
        Incidents::Told(duty) => {
            clocks::known(&duty.clock, &duty.asking)?;
            act(&duty.id, Act::Told(duty.clock.clone(), duty.text.clone()), &duty.asking, "told")
        }
        Incidents::Waive(duty) => {
            clocks::known(&duty.clock, &duty.asking)?;
            act(&duty.id, Act::Waive(duty.clock.clone(), duty.text.clone()), &duty.asking, "not needed")
        }
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
        (false, _) => show::print(&table)?,
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
        let case: Case = serde_json::from_value(row).map_err(Failure::new)?;
        let incident = &case.incident;
        say!(
            "{}",
            show::by_severity(
                incident.severity,
                &format!("INCIDENT {} ({}), {}", &incident.id.to_string()[..12], incident.state.name(), who(incident))
            )
        );
        let from: Vec<String> = incident.addresses.iter().map(ToString::to_string).collect();
        for (name, value) in [
            ("first contact", case.first_contact.map(|at| at.to_string())),
            ("alarm", Some(incident.alarm.to_string())),
            ("contained", case.contained.map(|at| at.to_string())),
            ("latest", Some(incident.last.to_string())),
            ("from", Some(from.join(", "))),
        ] {
            if let Some(value) = value {
                say!("  {name:<14} {value}");
            }
        }
        say!("\ntimeline:");
        show::print(&timeline(&case))?;
        totals(&case.totals, &case.exposure, case.cut)?;
        let clocks = clocks::or_said(clocks::of(asking, incident));
        if !clocks.is_empty() {
            say!("\nwho must be told (no legal advice):");
            show::print(&clocks::table(&clocks))?;
        }
        say!(
            "\n`tripline exposure {}` lists every export; `tripline explain ID` says why a finding came to be",
            shown(id)
        );
    }
    Ok(Exit::Done)
}

/// How many acts of the intruder the timeline shows.
const ACTS: usize = 60;

fn timeline(case: &Case) -> comfy_table::Table {
    let (moments, more) = timeline::timeline(case, ACTS);
    let mut table = show::table(&["TIME", "WHO", "WHAT"]);
    for moment in moments {
        table.add_row([moment.at.to_string(), shown(&moment.who), shown(&moment.what)]);
    }
    if more > 0 {
        table.add_row([String::new(), String::new(), format!("… {more} acts more (--json)")]);
    }
    table
}
