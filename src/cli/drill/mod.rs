//! `tripline drill`: attacks in the operator's own trails, in memory, and which policies find them.
mod acts;
mod scenarios;
mod seen;
mod stage;

use super::replay::Place;
use super::show::{by_severity, say, shown};
use super::{ConfigArgs, Exit, Failure, show};
use crate::config::Config;
use crate::daemon::rehearse::{Rehearsed, recent, rehearse, teach};
use crate::ledger::{Durability, Keys, Ledger};
use crate::model::{Activity, Event, Finding, Millis, Order, OrderState, Severity};
use crate::pipeline::Rules;
use crate::source::Until;
use clap::Args;
use scenarios::{Incident, Scenario, all};
use seen::Seen;
use serde::Serialize;
use stage::{Specimens, Stage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A scenario counts as found from this severity on.
const FOUND: Severity = Severity::High;

/// So many victims are tried before it is said that the trails do not show what a scenario needs.
const ATTEMPTS: u64 = 6;

/// Which attacks, and on what.
#[derive(Args)]
pub struct DrillArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Chooses victims, networks, customers and paces: the same number, the same attacks
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only these scenarios, with commas between them; `list` says which there are
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// So many days of the trails are read, counted back from their newest line
    #[arg(long, value_name = "N", default_value_t = 45, value_parser = clap::value_parser!(u32).range(15..=3660))]
    days: u32,
    /// JSON, one object a scenario
    #[arg(long)]
    json: bool,
}

/// What one scenario came to.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    what: &'static str,
    /// The intrusion of the public record that it abstracts.
    abstracts: Option<Incident>,
    /// What the trails lack for it; nothing where it was played.
    lacks: Option<String>,
    victim: Option<String>,
    role: Option<String>,
    /// Exports, and records in them, that it would have taken in all.
    exports: u64,
    records: u64,
    /// What found it first at high or above; else what was highest.
    found_by: Option<String>,
    severity: Option<Severity>,
    /// How much had been asked for or pulled when it was found, that act included.
    after_records: Option<u64>,
    after_minutes: Option<i64>,
    order: Option<String>,
    /// Every policy that spoke, in the order of the first time.
    policies: Vec<String>,
}

impl Report {
    fn is_found(&self) -> bool {
        self.severity.is_some_and(|severity| severity >= FOUND)
    }
}

/// Drills.
pub fn run(args: &DrillArgs) -> Result<Exit, Failure> {
    super::show::ends_with_a_verdict();
    let chosen = chosen(&args.scenarios)?;
    if args.scenarios.iter().any(|name| name == "list") {
        list(args.json)?;
        return Ok(Exit::Done);
    }
    let config = Config::read(&args.config.config)?;
    let place = Place::new(None)?;
    let keys = Arc::new(Keys::throw_away().map_err(Failure::new)?);
    let rules = Arc::new(config.rules(keys.secrets())?);
    let learning = Arc::new(config.rules(keys.secrets())?.learning());
    let mut ledger = Ledger::open(place.path(), Durability::None, keys)?;
    let now = crate::daemon::wall_now();
    let recent = recent(&rules, config.trails(Until::EndOfFile, &rules), args.days, now)?;
    let left_out = recent.left_out;
    let bar = super::replay::progress(&recent.trails);
    let mut seen = Seen::default();
    let lines = teach(&learning, &mut ledger, recent, now, &mut |event| seen.see(event), &mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    if seen.events == 0 {
        return Err(Failure::new("the trails have no line that can be read: there is nobody to attack"));
    }
    let mut specimens = Specimens::new();
    for specimen in rules.trails.values().flat_map(|profile| rules.normaliser.specimens(*profile)) {
        specimens.entry(specimen.event.product.clone()).or_default().push(specimen);
    }
    let mut reports = Vec::new();
    for scenario in chosen {
        reports.push(play(scenario, (&seen, &specimens), &rules, &ledger, args.seed)?);
    }
    if args.json {
        for report in &reports {
            say!("{}", serde_json::to_string(report).map_err(Failure::new)?);
        }
    } else {
        say!("{lines} lines up to {}; {} people and keys; {left_out} files left out\n", seen.end, seen.actors.len());
        print(&reports)?;
    }
    let missed = reports.iter().any(|r| r.lacks.is_none() && !r.is_found());
    // what was never played has shown nothing
    let nothing_played = reports.iter().all(|r| r.lacks.is_some());
    Ok(if missed || nothing_played { Exit::NotWell } else { Exit::Done })
}

/// What there is to play, and the intrusion that each abstracts.
fn list(json: bool) -> Result<(), Failure> {
    for s in all() {
        if json {
            let row = serde_json::json!({ "scenario": s.name, "what": s.what, "abstracts": s.incident });
            say!("{row}");
            continue;
        }
        say!("{}\n    {}", s.name, s.what);
        match &s.incident {
            Some(incident) => say!("    abstracts {incident}"),
            None => say!("    a way of attack; no one intrusion"),
        }
    }
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Scenario>, Failure> {
    if let Some(unknown) = names.iter().find(|name| *name != "list" && all().all(|s| s.name != *name)) {
        let known: Vec<&str> = all().map(|s| s.name).collect();
        return Err(Failure::new(format!("there is no scenario {unknown}; there are {}", known.join(", "))));
    }
    Ok(all().filter(|s| names.is_empty() || names.iter().any(|name| name == s.name)).collect())
}

fn play(
    scenario: &'static Scenario,
    known: (&Seen, &Specimens),
    rules: &Arc<Rules>,
    ledger: &Ledger,
    seed: u64,
) -> Result<Report, Failure> {
    let (stage, played) = staged(scenario, known, rules, seed);
    let victim = stage.victim.as_ref().map(ToString::to_string);
    let role = stage.role.as_ref().map(ToString::to_string);
    let mut report = Report {
        scenario: scenario.name,
        what: scenario.what,
        abstracts: scenario.incident,
        lacks: played.err(),
        victim,
        role,
        exports: 0,
        records: 0,
        found_by: None,
        severity: None,
        after_records: None,
        after_minutes: None,
        order: None,
        policies: Vec::new(),
    };
    if report.lacks.is_some() {
        return Ok(report);
    }
    let mut events = stage.events;
    for event in &mut events {
        event.customer_kind = event.customer.as_ref().and_then(|c| rules.watch_list.get(c)).cloned();
    }
    events.sort_by_key(|event| event.time);
    let rehearsed = rehearse(rules, ledger, &events)?;
    judge(&mut report, &events, &rehearsed);
    Ok(report)
}

/// Plays the scenario. What can't be done to one victim may be done to another, so several are tried.
fn staged<'a>(
    scenario: &Scenario,
    (seen, specimens): (&'a Seen, &'a Specimens),
    rules: &'a Rules,
    seed: u64,
) -> (Stage<'a>, Result<(), stage::Lack>) {
    let mut attempt = 0;
    loop {
        let mut stage = Stage::new(seen, &rules.enricher, specimens, seed, scenario.name, attempt);
        let played = (scenario.play)(&mut stage).and_then(|()| stage.settle());
        attempt += 1;
        if played.is_ok() || attempt >= ATTEMPTS {
            return (stage, played);
        }
    }
}

fn judge(report: &mut Report, events: &[Event], rehearsed: &Rehearsed) {
    let (exports, records) = taken(events);
    (report.exports, report.records) = (exports, records);
    for (_, finding) in &rehearsed.found {
        let name = finding.policy.to_string();
        if !report.policies.contains(&name) {
            report.policies.push(name);
        }
    }
    let ours = |f: &Finding| !crate::pipeline::OWN_POLICIES.contains(&&*f.policy);
    let told = || rehearsed.found.iter().filter(|(_, f)| ours(f));
    let first = told().find(|(_, f)| f.severity >= FOUND);
    let Some((number, finding)) = first.or_else(|| told().max_by_key(|(n, f)| (f.severity, usize::MAX - n))) else {
        return;
    };
    report.found_by = Some(finding.policy.to_string());
    report.severity = Some(finding.severity);
    report.after_records = Some(taken(&events[..=*number]).1);
    let begun = events.first().map_or(finding.time, |event| event.time);
    report.after_minutes = Some(events[*number].time.since(begun).0 / Millis::MINUTE.0);
    report.order = rehearsed.orders.iter().min_by_key(|o| (o.state == OrderState::Refused, o.time)).map(would);
}

/// How many exports were asked for or pulled, and how many records in them. What was asked for and fetched counts once.
fn taken(events: &[Event]) -> (u64, u64) {
    let mut exports: BTreeMap<String, u64> = BTreeMap::new();
    for event in events.iter().filter(|e| matches!(e.activity, Activity::ExportRequested | Activity::Download)) {
        let export = event.export.as_ref();
        let job = export.and_then(|x| x.job.as_ref()).map_or_else(|| event.id.to_string(), ToString::to_string);
        let most = exports.entry(job).or_default();
        *most = (*most).max(export.and_then(|x| x.records).unwrap_or(0));
    }
    (exports.len() as u64, exports.values().sum())
}

fn would(order: &Order) -> String {
    let why = order.refusal.map(|why| format!(" refused: {}", why.name())).unwrap_or_default();
    format!("{} on the {}{why}", order.action, order.target.name())
}

fn print(reports: &[Report]) -> Result<(), Failure> {
    let mut table = show::table(&[
        "SCENARIO",
        "VICTIM",
        "ROLE",
        "EXPORTS",
        "RECORDS",
        "FOUND BY",
        "SEVERITY",
        "AFTER RECORDS",
        "MINUTES",
        "ORDER",
    ]);
    for r in reports.iter().filter(|r| r.lacks.is_none()) {
        let number = |n: Option<String>| n.unwrap_or_else(|| "-".into());
        table.add_row([
            r.scenario.to_owned(),
            shown(r.victim.as_deref().unwrap_or("-")),
            shown(r.role.as_deref().unwrap_or("-")),
            r.exports.to_string(),
            r.records.to_string(),
            r.found_by.as_deref().map_or_else(|| "nothing".into(), shown),
            r.severity.map_or_else(|| "-".into(), |s| by_severity(s, s.name())),
            number(r.after_records.map(|n| n.to_string())),
            number(r.after_minutes.map(|n| n.to_string())),
            r.order.as_deref().map_or_else(|| "-".into(), shown),
        ]);
    }
    show::print(&table)?;
    for r in reports.iter().filter(|r| r.lacks.is_none() && !r.is_found()) {
        let incident = r.abstracts.map(|i| format!("; so it was at {}, {}", i.who, i.year)).unwrap_or_default();
        say!("not found: {}: {}{incident}", r.scenario, r.what);
    }
    for r in reports {
        if let Some(why) = &r.lacks {
            say!("not played: {}: {}", r.scenario, shown(why));
        }
    }
    let played = reports.iter().filter(|r| r.lacks.is_none()).count();
    let found = reports.iter().filter(|r| r.is_found()).count();
    let without = match reports.len() - played {
        0 => String::new(),
        n => format!("; {n} can't be played with these trails, and count neither way"),
    };
    say!("\n{found} of {played} found at {} or above{without}", FOUND.name());
    Ok(())
}
