//! The case of April 2024: with a phished password, customer after customer's passcode log is asked for and downloaded.
use super::daemon::Daemon;
use super::people::Customer;
use super::portal::{Act, Export, Portal, Visit, last_month};
use super::screen::Screen;
use super::stage::Told;
use crate::cli::Failure;
use crate::control::wire::Request;
use crate::model::{Finding, Order, OrderState, Severity};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How long a file takes to be sent.
const DOWNLOAD: Duration = Duration::from_millis(400);
/// How long the script waits after a refusal, and after a few of them.
const REFUSED: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(40));
/// How many refusals are shown one by one.
const SHOWN: usize = 4;
/// Within this time the session must have been ended.
const DEADLINE: Duration = Duration::from_secs(10);

/// What became of the attack, as the provider itself counts it.
#[derive(Default)]
pub struct Tally {
    /// Customers and records that were asked for, …
    pub asked: (usize, u64),
    /// … that left, …
    pub left: (usize, u64),
    /// … and that were refused.
    pub refused: (usize, u64),
    /// From when the first request stood in the trail until the session was gone.
    pub ended_after: Option<Duration>,
    /// What the daemon found and did, as `tripline findings show` would say it.
    pub found: Option<Found>,
}

/// What the daemon found and did.
pub struct Found {
    /// The order, with the hook's answer.
    pub order: Order,
    /// The finding that first asked for it.
    pub finding: Finding,
    /// What was found of the same actor on the way there, each too little to act upon.
    pub signs: Vec<Finding>,
}

/// Asks for the last month of every one of `customers`, one after the other, until all are through.
///
/// # Errors
/// A trail can't be written, the daemon does not answer, or we are told to stop.
pub fn run(
    portal: &Portal,
    visit: &Visit,
    customers: &[Customer],
    daemon: &Daemon,
    screen: &Screen,
    told: &Told,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut began = None;
    let days = last_month(Timestamp::now());
    for customer in customers {
        let export = Export { id: portal.new_export(), customer, days, records: customer.month };
        let granted = portal.request(visit, &Act::Ask(&export))?;
        let first = *began.get_or_insert_with(Instant::now);
        add(&mut tally.asked, &export);
        if granted {
            screen.asked(customer);
            let sent = Instant::now();
            while sent.elapsed() < DOWNLOAD {
                if tally.ended_after.is_none() && !portal.knows(visit) {
                    tally.ended_after = Some(first.elapsed());
                    tally.found = found(daemon, visit, told)?;
                    if let (Some(found), Some(after)) = (&tally.found, tally.ended_after) {
                        screen.found(found, after);
                    }
                }
                told.pause(Duration::from_millis(1))?;
            }
            portal.download(visit, Timestamp::now(), &export, true, sent.elapsed().as_secs_f64())?;
            add(&mut tally.left, &export);
            screen.left(customer, tally.ended_after.is_some());
        } else {
            portal.download(visit, Timestamp::now(), &export, false, 0.001)?;
            add(&mut tally.refused, &export);
            let shown = tally.refused.0 <= SHOWN;
            if shown {
                screen.refused(customer);
            }
            told.pause(if shown { REFUSED.0 } else { REFUSED.1 })?;
        }
        if tally.ended_after.is_none() && first.elapsed() > DEADLINE {
            break;
        }
    }
    screen.more_refused(tally.refused.0.saturating_sub(SHOWN));
    Ok(tally)
}

fn add(to: &mut (usize, u64), export: &Export) {
    to.0 += 1;
    to.1 += export.records;
}

/// What the daemon says about why it ended the session, once it has heard from the hook.
fn found(daemon: &Daemon, visit: &Visit, told: &Told) -> Result<Option<Found>, Failure> {
    let login = visit.person.login();
    let waits = [OrderState::Pending, OrderState::Started];
    let asked = Instant::now();
    loop {
        let rows = daemon.ask(&Request::Orders { limit: 10, state: None })?;
        let mut orders = rows.into_iter().filter_map(|row| serde_json::from_value::<Order>(row).ok());
        let order = orders.find(|o| o.actor.as_deref() == Some(login.as_str()) && !waits.contains(&o.state));
        if let Some(order) = order {
            let mut signs = daemon.findings(&login)?;
            let finding = signs.iter().find(|f| order.findings.first() == Some(&f.id)).cloned();
            signs.retain(|f| f.severity < Severity::Medium);
            return Ok(finding.map(|finding| Found { order, finding, signs }));
        }
        if asked.elapsed() > DEADLINE {
            return Ok(None);
        }
        told.pause(Duration::from_millis(5))?;
    }
}
