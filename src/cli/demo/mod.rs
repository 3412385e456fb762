//! `tripline demo`: a throw-away provider, the real daemon following it, and the break-in of April 2024, in 20 seconds.
//!
//! Everything that detects and acts is `tripline run` as it is: this process only plays the provider (its portal, its staff, its
//! trails), the intruder, and the narrator.

mod attack;
mod daemon;
pub mod hook;
mod people;
mod portal;
mod screen;
mod stage;
mod work;

use super::{Exit, Failure};
use attack::Tally;
use daemon::Daemon;
use people::{Customer, Dice, Person};
use portal::{Portal, Visit};
use screen::{Screen, grouped};
use stage::{Directory, Told};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many customers' logs the intruder wants.
const WANTED: usize = 36;
/// How long the daemon may take to have read what was written.
const READ_IN: Duration = Duration::from_secs(20);

/// Shows it.
///
/// # Errors
/// It could not be shown, or the session was not ended.
pub fn run(keep: bool) -> Result<Exit, Failure> {
    let told = Told::listen()?;
    let directory = Directory::new(keep)?;
    let shown = play(&directory, keep, &told);
    match shown {
        Err(_) if told.is() => Err(Failure::new("the demo was stopped; its processes are ended and its files removed")),
        other => other.map(|()| Exit::Done),
    }
}

fn play(directory: &Directory, keep: bool, told: &Told) -> Result<(), Failure> {
    let screen = Screen::default();
    let mut dice = Dice(2024);
    let staff = people::staff();
    let customers = people::customers(&mut dice);
    let portal = Portal::new(directory.path())?;
    work::past(&portal, &staff, &customers, &mut dice)?;
    daemon::configure(directory.path(), portal.sessions())?;
    let began = Instant::now();
    let mut daemon = Daemon::start(directory.path())?;
    caught_up(&mut daemon, &portal, told)?;
    screen.line(&format!("{} lines in {:?}", portal.lines(), began.elapsed()));
    let victim = &staff[staff.len() - 1];
    let intruder = people::intruder(victim);
    let visits: Vec<Visit> = staff.iter().map(|person| Visit { person, session: dice.session() }).collect();
    let visit = Visit { person: &intruder, session: dice.session() };
    let stop = AtomicBool::new(false);
    let mut shift_dice = Dice(4);
    let tally = std::thread::scope(|scope| {
        let shift = scope.spawn(|| work::shift(&portal, &visits, &customers, &mut shift_dice, &stop, |p, w| screen.work(p, w)));
        let tally = || -> Result<Tally, Failure> {
            for visit in &visits { portal.login(visit)?; }
            told.pause(Duration::from_secs(2))?;
            portal.login(&visit)?;
            attack::run(&portal, &visit, &customers[24..24 + WANTED], &daemon, &screen, told)
        };
        let tally = tally();
        stop.store(true, Ordering::Release);
        shift.thread().unpark();
        let _ = shift.join();
        tally
    })?;
    caught_up(&mut daemon, &portal, told)?;
    screen.line(&format!("{:?} {:?} {:?} {:?}", tally.asked, tally.left, tally.refused, tally.ended_after));
    let _ = (keep, grouped(1));
    Ok(())
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
            return Err(Failure::new(format!("tripline has read {read} of {written} lines in {} seconds:\n{}", READ_IN.as_secs(), daemon.said())));
        }
        told.pause(Duration::from_millis(20))?;
    }
}
