//! `tripline silences`: which silences hold, are coming or have ended, and what each has kept quiet.
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure, ask};
use crate::control::wire::Request;
use crate::ledger::read::SilenceRow;
use crate::model::EventTime;
use crate::model::silence::{Silence, Standing};

/// Prints them, those that hold first.
pub fn run(asking: &AskArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask::ask(asking, &Request::Silences)?;
    if asking.json {
        return ask::print_json(&rows);
    }
    let mut rows: Vec<SilenceRow> = ask::read(rows)?;
    if rows.is_empty() {
        say!("no silences: `[[silence]]` in the configuration makes one");
        return Ok(Exit::Done);
    }
    let now = now();
    rows.sort_by_key(|row| (row.standing(now), row.silence.until));
    let mut table = show::table(&["STATE", "FROM", "UNTIL", "BY", "WHY", "COVERS", "FINDINGS", "ID"]);
    for SilenceRow { silence, findings, written } in &rows {
        let state = if *written { silence.standing(now).name() } else { "taken out" };
        let time = |time: EventTime| if *written { time.to_string() } else { "-".to_owned() };
        table.add_row([
            state.to_owned(),
            time(silence.from),
            time(silence.until),
            shown(&silence.author),
            shown(&silence.reason),
            shown(&silence.covers()),
            findings.to_string(),
            shown(&silence.id),
        ]);
    }
    show::print(&table)?;
    Ok(Exit::Done)
}

/// One line about a silence, for `tripline check`.
pub fn line(silence: &Silence) -> String {
    let (by, until, covers) = (shown(&silence.author), silence.until, shown(&silence.covers()));
    match silence.standing(now()) {
        Standing::Active => format!("silence by {by}, until {until}: {covers}"),
        Standing::Coming => format!("silence by {by}, from {} until {until}: {covers}", silence.from),
        Standing::Ended => format!("silence by {by}: ended at {until}, and can be taken out"),
    }
}

fn now() -> EventTime {
    EventTime(crate::daemon::wall_now().0)
}
