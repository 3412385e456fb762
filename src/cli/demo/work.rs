//! Ordinary work: four weeks of it that are past, and the shift that goes on while the demo runs.
use super::people::{Customer, Dice, Person};
use super::portal::{Act, Export, Portal, Visit, last_days};
use crate::cli::Failure;
use crate::report::grouped;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How far back the past goes: the shipped policies learn for at least a week, and every weekday is in it four times.
pub const DAYS: i64 = 28;
/// Acts in a session of the past. With [`DAYS`] more than the 50 that the policies want before they judge.
const ACTS: i64 = 10;
/// Between two acts of the shift that goes on.
const PACE: Duration = Duration::from_millis(110);

/// Writes four weeks of ordinary work that end yesterday.
///
/// # Errors
/// A trail can't be written.
pub fn past(portal: &Portal, staff: &[Person], customers: &[Customer], dice: &mut Dice) -> Result<(), Failure> {
    let now = Timestamp::now();
    for day in (1..=DAYS).rev() {
        let day = now - SignedDuration::from_hours(24 * day);
        if matches!(TimeZone::UTC.to_datetime(day).date().weekday(), Weekday::Saturday | Weekday::Sunday) {
            continue;
        }
        // one after the other by a few seconds, so that the trail is in order of time as it would be
        let visits: Vec<Visit> = staff.iter().map(|person| Visit { person, session: dice.session() }).collect();
        for act in 0..=ACTS + 1 {
            for (n, visit) in visits.iter().enumerate() {
                let at = day + SignedDuration::from_secs(act * 900 + n as i64 * 60 + dice.between(0, 50) as i64);
                match act {
                    0 => portal.act(visit, at, &Act::Login)?,
                    n if n > ACTS => portal.act(visit, at, &Act::Logout)?,
                    _ => drop(one_act(portal, visit, customers, dice, at)?),
                }
            }
        }
    }
    Ok(())
}

/// Something that a member of staff does on any day, and how it is told.
fn one_act(
    portal: &Portal,
    visit: &Visit,
    customers: &[Customer],
    dice: &mut Dice,
    at: Timestamp,
) -> Result<String, Failure> {
    let customer = &customers[*dice.one_of(&visit.person.serves)];
    Ok(match dice.between(0, 8) {
        0..4 => {
            portal.act(visit, at, &Act::View(customer))?;
            format!("looks at {}", customer.name)
        }
        4..7 => {
            portal.act(visit, at, &Act::Query(customer))?;
            format!("looks up one delivery for {}", customer.name)
        }
        _ => {
            let days = dice.between(1, 4);
            let records = customer.month * days / 30;
            let export = Export { id: portal.new_export(), customer, days: last_days(at, days as i64), records };
            portal.act(visit, at, &Act::Ask(&export))?;
            portal.download(visit, at + SignedDuration::from_secs(1), &export, true, 0.2)?;
            format!(
                "downloads {days} day{} of {}, {} records",
                if days == 1 { "" } else { "s" },
                customer.name,
                grouped(records)
            )
        }
    })
}

/// Works on until it is told to stop; `say` hears who did what.
///
/// # Errors
/// A trail can't be written, or somebody who should be signed in is not.
pub fn shift(
    portal: &Portal,
    visits: &[Visit],
    customers: &[Customer],
    dice: &mut Dice,
    stop: &AtomicBool,
    say: impl Fn(&Person, &str),
) -> Result<(), Failure> {
    while !stop.load(Ordering::Acquire) {
        let visit = dice.one_of(visits);
        if !portal.knows(visit) {
            return Err(Failure::new(format!("{} was signed out, and should not have been", visit.person.name)));
        }
        let told = one_act(portal, visit, customers, dice, Timestamp::now())?;
        say(visit.person, &told);
        std::thread::park_timeout(PACE);
    }
    Ok(())
}
