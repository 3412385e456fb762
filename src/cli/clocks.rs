//! Clocks as they are shown: who must be told, by when.
use super::ask::{ask, read};
use super::show::{self, shown};
use super::{AskArgs, Failure};
use crate::config::Config;
use crate::config::notices::Notices;
use crate::control::wire::Request;
use crate::incident::case::{Incident, IncidentState};
use crate::incident::clock::{self, Clock, Standing};

/// What the configuration says of notices: the one that the daemon follows, which whoever asks may not be able to read.
///
/// # Errors
/// The daemon is down, and the configuration can't be read: clocks that are not seen must not look like clocks that do not run.
pub fn notices(asking: &AskArgs) -> Result<Notices, Failure> {
    if let Ok((rows, true)) = ask(asking, &Request::Notices) {
        return read(rows)?.pop().ok_or_else(|| Failure::new("the daemon gave no answer"));
    }
    match Config::read(&asking.config) {
        Ok(config) => Ok(config.written.notices),
        Err(e) => Err(Failure::new(format!("clocks and notices are in the configuration, which can't be read: {e}"))),
    }
}

/// `found`; where the configuration can't be read, nothing, and it is said why.
pub fn or_said(found: Result<Vec<Clock>, Failure>) -> Vec<Clock> {
    found.unwrap_or_else(|e| {
        eprintln!("tripline: no clocks are shown: {e}");
        Vec::new()
    })
}

/// The clocks of an incident.
pub fn of(asking: &AskArgs, incident: &Incident) -> Result<Vec<Clock>, Failure> {
    let notices = notices(asking)?;
    let (profiles, calendar) = (notices.profiles().map_err(Failure::new)?, notices.calendar().map_err(Failure::new)?);
    Ok(clock::clocks(&profiles, &calendar, incident))
}

/// The clocks that run, near their end or have passed it, of all incidents that are not closed; the first to end first.
pub fn running(asking: &AskArgs) -> Result<Vec<Clock>, Failure> {
    if notices(asking)?.profiles().map_err(Failure::new)?.is_empty() {
        return Ok(Vec::new());
    }
    let (rows, _) = ask(asking, &Request::Incidents { limit: u32::MAX })?;
    let incidents: Vec<Incident> = read(rows)?;
    let now = crate::daemon::wall_now();
    let mut clocks = Vec::new();
    for incident in incidents.iter().filter(|incident| incident.state != IncidentState::Closed) {
        clocks.extend(of(asking, incident)?);
    }
    let runs = |c: &Clock| matches!(c.standing(now), Standing::Running | Standing::Near | Standing::Overdue);
    clocks.retain(runs);
    clocks.sort_by_key(|clock| clock.due);
    Ok(clocks)
}

/// Whether there is a clock of that name.
pub fn known(name: &str, asking: &AskArgs) -> Result<(), Failure> {
    let profiles = notices(asking)?.profiles().map_err(Failure::new)?;
    let names: Vec<String> =
        profiles.iter().flat_map(|p| p.duty.iter().map(move |d| format!("{}/{}", p.name, d.name))).collect();
    match names.iter().any(|known| known == name) {
        true => Ok(()),
        false if names.is_empty() => Err(Failure::new("no clocks are configured: see [notices]")),
        false => Err(Failure::new(format!("there is no clock {:?}; there are: {}", shown(name), names.join(" ")))),
    }
}

/// As a table.
pub fn table(clocks: &[Clock]) -> comfy_table::Table {
    let now = crate::daemon::wall_now();
    let mut table = show::table(&["CLOCK", "STANDS", "BY", "LEFT", "INCIDENT", "WHAT"]);
    for clock in clocks {
        let standing = clock.standing(now);
        let by = match (clock.due, clock.not_before, &clock.waits_for) {
            (Some(due), ..) => due.to_string(),
            (None, Some(at), _) => format!("not before {at}"),
            (None, None, Some(what)) => format!("waits for {}", shown(what)),
            (None, None, None) => "without undue delay".into(),
        };
        let left = match (&clock.done, clock.due) {
            (None, Some(due)) => hours(due.since(now).0),
            _ => String::new(),
        };
        let name = match standing {
            Standing::Overdue => show::paint("1;31", standing.name()),
            Standing::Near => show::paint("33", standing.name()),
            _ => standing.name().to_owned(),
        };
        let done = clock.done.as_ref().map(|d| format!("{} ({} by {})", shown(&d.how), d.at, shown(&d.by)));
        table.add_row([
            shown(&clock.name),
            name,
            by,
            left,
            clock.incident.to_string()[..12].to_owned(),
            done.unwrap_or_else(|| format!("{} ({})", shown(&clock.what), shown(&clock.rule))),
        ]);
    }
    table
}

fn hours(ms: i64) -> String {
    let minutes = ms / 60_000;
    let sign = if minutes < 0 { "-" } else { "" };
    format!("{sign}{} h {:02} min", minutes.abs() / 60, minutes.abs() % 60)
}
