//! `tripline demo`: a throw-away provider, the real daemon following it, and the break-in of April 2024, in 20 seconds.
//!
//! Everything that detects and acts is `tripline run` as it is: this process only plays the provider (its portal, its
//! staff, its trails) and the intruder, and tells what happens.

mod afterwards;
mod attack;
mod daemon;
pub mod hook;
mod people;
mod portal;
mod screen;
mod stage;
mod work;

use super::{Exit, Failure};
use crate::control::wire::Request;
use crate::ledger::read::FindingFilter;
use crate::model::{FindingId, Severity};
use crate::report::grouped;
use attack::{Found, Tally};
use daemon::Daemon;
use people::{Customer, Dice, Person};
use portal::{Portal, Visit};
use screen::Screen;
use stage::{Directory, Told};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many customers' logs the intruder wants.
const WANTED: usize = 36;
/// How long the daemon may take to have read what was written.
const READ_IN: Duration = Duration::from_secs(20);
/// Pauses for whoever reads along.
const READING: Duration = Duration::from_millis(1_500);

/// Shows it. With `keep` its directory is left behind, to be looked into.
///
/// # Errors
/// It could not be shown, or tripline did not do its job.
pub fn run(keep: bool) -> Result<Exit, Failure> {
    let told = Told::listen()?;
    let directory = Directory::new(keep)?;
    let screen = Screen::default();
    let finding = match play(directory.path(), &screen, &told) {
        Err(_) if told.is() => {
            return Err(Failure::new("the demo was stopped; its processes are ended"));
        }
        other => other?,
    };
    if keep {
        afterwards::write(directory.path(), &finding)?;
    }
    further(keep.then_some(directory.path()), &finding, &screen);
    Ok(Exit::Done)
}

/// The whole story; gives the id of the finding that ended the session.
fn play(dir: &Path, screen: &Screen, told: &Told) -> Result<FindingId, Failure> {
    let began = Instant::now();
    let mut dice = Dice(2024);
    let (staff, customers) = (people::staff(), people::customers(&mut dice));
    prologue(screen);
    screen.part("1. The provider");
    let portal = Portal::new(dir)?;
    work::past(&portal, &staff, &customers, &mut dice)?;
    let lines = grouped(portal.lines());
    screen.text(
        "   ",
        &format!(
            "{} members of staff, {} customers, and four weeks of ordinary work: {lines} lines in two log files.",
            staff.len(),
            customers.len()
        ),
    );
    daemon::configure(dir, portal.sessions())?;
    let started = Instant::now();
    let mut daemon = Daemon::start(dir)?;
    caught_up(&mut daemon, &portal, told)?;
    let took = started.elapsed().as_secs_f64();
    screen.text("   ", &format!("`tripline run` was started, has read them in {took:.1} seconds, and now knows what is usual for each of them. Here it may end a session by itself; unless it is told so, it only says what it would do."));
    told.pause(READING)?;
    let scene = Scene { portal: &portal, staff: &staff, customers: &customers, daemon: &daemon, screen, told };
    let tally = scene.day(&mut dice)?;
    caught_up(&mut daemon, &portal, told)?;
    let Some(found) = &tally.found else {
        return Err(not_stopped(&tally, &daemon, ""));
    };
    epilogue(&tally, found, &daemon, screen)?;
    screen.line("");
    screen.line(&format!("This took {:.0} seconds.", began.elapsed().as_secs_f64()));
    Ok(found.finding.id)
}

fn prologue(screen: &Screen) {
    screen.text(
        "",
        "In April 2024 somebody phished an employee of a company that sends passcode messages (\"your code is 123456\") for others, \
         signed in with the stolen password, and downloaded its logs: for every message the number, the carrier, the place and the time. \
         Here is that day again, at a company made up for this demo, with tripline following its log files.",
    );
}

/// What the day of the break-in is played with.
struct Scene<'a> {
    portal: &'a Portal,
    staff: &'a [Person],
    customers: &'a [Customer],
    daemon: &'a Daemon,
    screen: &'a Screen,
    told: &'a Told,
}

impl Scene<'_> {
    /// The day of the break-in: ordinary work goes on from its beginning to its end.
    fn day(&self, dice: &mut Dice) -> Result<Tally, Failure> {
        let visits: Vec<Visit> = self.staff.iter().map(|person| Visit { person, session: dice.session() }).collect();
        for visit in &visits {
            self.portal.login(visit)?;
        }
        self.screen.part("2. An ordinary day");
        self.screen.shift.store(true, Ordering::Release);
        let stop = AtomicBool::new(false);
        let tally = std::thread::scope(|scope| {
            let mut shift_dice = Dice(7);
            let (stop, visits) = (&stop, &visits);
            let say = |who: &Person, what: &str| self.screen.work(who, what);
            let shift =
                scope.spawn(move || work::shift(self.portal, visits, self.customers, &mut shift_dice, stop, say));
            let tally = self.told.pause(READING * 2).and_then(|()| {
                self.screen.shift.store(false, Ordering::Release);
                self.screen.line("   (this goes on, behind all that follows)");
                self.break_in(dice)
            });
            stop.store(true, Ordering::Release);
            shift.thread().unpark();
            let worked = shift.join().unwrap_or_else(|_| Err(Failure::new("the shift died: this is a defect")));
            // why the shift ended matters only where the story did not fail already
            tally.and_then(|tally| worked.map(|()| tally))
        })?;
        let disturbed = visits.iter().filter(|visit| !self.portal.knows(visit)).count();
        if disturbed > 0 {
            return Err(Failure::new(format!(
                "{disturbed} members of staff were signed out, and should not have been"
            )));
        }
        Ok(tally)
    }

    fn break_in(&self, dice: &mut Dice) -> Result<Tally, Failure> {
        let (screen, told) = (self.screen, self.told);
        let Some(victim) = self.staff.last() else {
            return Err(Failure::new("nobody works here: this is a defect"));
        };
        let intruder = people::intruder(victim);
        let visit = Visit { person: &intruder, session: dice.session() };
        let served: usize = self.staff.iter().map(|person| person.serves.len()).sum();
        let others: Vec<Customer> = self.customers.iter().skip(served).take(WANTED).cloned().collect();
        screen.part(&format!("3. Somebody has {}'s password", victim.name));
        self.portal.login(&visit)?;
        screen.act(&format!("\"{}\" signs in from {}, a rented server", victim.name, intruder.address));
        told.pause(READING / 2)?;
        for finding in self.daemon.findings(&victim.login())? {
            screen.noted(&finding);
        }
        screen.line("             It may be a new laptop: nothing is done yet.");
        told.pause(READING)?;
        screen.line("");
        let wanted = others.len();
        screen.text("   ", &format!("Now a script asks for last month's passcode log of one customer after another. {wanted} customers are on its list, none of them {}'s.", victim.name));
        screen.line("");
        told.pause(READING)?;
        let tally = attack::run(self.portal, &visit, &others, self.daemon, screen, told)?;
        if tally.ended_after.is_none() || tally.found.is_none() {
            return Err(not_stopped(&tally, self.daemon, &victim.login()));
        }
        Ok(tally)
    }
}

/// What there is to say where tripline did not do its job.
fn not_stopped(tally: &Tally, daemon: &Daemon, actor: &str) -> Failure {
    let what = match tally.ended_after {
        None => format!(
            "the intruder's session was not ended: {} records of {} customers left",
            grouped(tally.left.1),
            tally.left.0
        ),
        Some(_) => "the session ended, but tripline does not say that it ended it".to_owned(),
    };
    let found = daemon.findings(actor).unwrap_or_default();
    let found: Vec<String> = found
        .iter()
        .filter(|f| f.severity >= Severity::Medium)
        .map(|f| format!("{} {}", f.severity.name(), f.policy))
        .collect();
    let orders = daemon.ask(&Request::Orders { limit: 10, state: None }).unwrap_or_default();
    let orders: Vec<String> =
        orders.iter().map(|o| format!("{} {} ({} {})", o["action"], o["state"], o["refusal"], o["note"])).collect();
    let list = |of: &[String]| {
        if of.is_empty() { "none".to_owned() } else { of.join(", ") }
    };
    Failure::new(format!(
        "{what}\nto look closer: tripline demo --keep\nfindings of medium and above: {}\norders: {}\nthe daemon's log:\n{}",
        list(&found),
        list(&orders),
        daemon.said()
    ))
}

/// The numbers, as tripline has them from the trails alone, held against the provider's own.
fn epilogue(tally: &Tally, found: &Found, daemon: &Daemon, screen: &Screen) -> Result<(), Failure> {
    screen.part("4. What it came to");
    screen.sum(tally);
    let rows = daemon.ask(&Request::Finding { id: found.finding.id.to_string() })?;
    let exposure = rows.first().map(|row| &row["exposure"]);
    let number = |key: &str| exposure.and_then(|e| e[key].as_u64()).unwrap_or(0);
    let recorded = (number("records_asked"), number("records_fetched"), number("customers_fetched"));
    if recorded != (tally.asked.1, tally.left.1, tally.left.0 as u64) {
        return Err(Failure::new(format!(
            "tripline's own account differs: {} records asked for, {} left, of {} customers",
            grouped(recorded.0),
            grouped(recorded.1),
            recorded.2
        )));
    }
    let exports = exposure.and_then(|e| e["exports"].as_object()).into_iter().flatten();
    let left: Vec<&str> = exports
        .filter(|(_, row)| row["downloads"].as_u64() > Some(0))
        .filter_map(|(_, row)| row["customer"].as_str())
        .collect();
    screen.text("   ", &format!("tripline counts the same, from the log files alone, and knows whose records left: {}. They can be warned today.", crate::cli::show::shown(&left.join(", "))));
    let others = false_alarms(daemon, found)?;
    let alarms = if others == 0 { "no false alarm".to_owned() } else { format!("{others} false alarms") };
    screen.text(
        "   ",
        &format!(
            "Everybody else, and the real {}, is still signed in; {alarms}.",
            people::staff().last().map_or("user", |p| p.name)
        ),
    );
    Ok(())
}

/// Findings that a person would be told of, and that are about somebody else.
fn false_alarms(daemon: &Daemon, found: &Found) -> Result<usize, Failure> {
    let filter = FindingFilter { severity: Some(Severity::Medium), ..FindingFilter::default() };
    let rows = daemon.ask(&Request::Findings { filter, ocsf: false })?;
    let actor = found.finding.subject.actor.as_deref();
    Ok(rows.iter().filter(|row| row["finding"]["subject"]["actor"].as_str() != actor).count())
}

/// Where to look further.
fn further(kept: Option<&Path>, finding: &FindingId, screen: &Screen) {
    let Some(dir) = kept else {
        screen.text(
            "",
            "With --keep it also leaves a report, drafts of notices, and each customer's own records, and says where.",
        );
        return;
    };
    for (what, path) in [("What happened, as a report", "report/report.html"), ("Each customer's copy", "customers")] {
        let path = crate::cli::show::shown(&dir.join(path).display().to_string());
        screen.line(&format!("{what}:\n   {path}"));
    }
    let config = crate::cli::show::shown(&dir.join(daemon::CONFIG).display().to_string());
    screen
        .line(&format!("Its files are in {}. To look into them:", crate::cli::show::shown(&dir.display().to_string())));
    screen.line(&format!("   tripline findings list -c {config}"));
    screen.line(&format!("   tripline findings show {} -c {config}", &finding.to_string()[..12]));
    screen.line(&format!("   tripline orders list -c {config}"));
}

/// Waits until the daemon has read and committed every line that was written.
fn caught_up(daemon: &mut Daemon, portal: &Portal, told: &Told) -> Result<(), Failure> {
    let began = Instant::now();
    let written = portal.lines();
    loop {
        let read = daemon.lines()?;
        if read >= written {
            return Ok(());
        }
        if began.elapsed() > READ_IN {
            return Err(Failure::new(format!(
                "tripline has read {read} of {written} lines in {} seconds:\n{}",
                READ_IN.as_secs(),
                daemon.said()
            )));
        }
        told.pause(Duration::from_millis(20))?;
    }
}
