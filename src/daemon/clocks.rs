//! Reminds people of clocks that near their end, or have passed it.
use super::doors::{Control, Local, ToWriter};
use super::wall_now;
use crate::config::Config;
use crate::config::notices::Notices;
use crate::control::incidents;
use crate::health::Health;
use crate::incident::case::IncidentState;
use crate::incident::clock::{Reminder, clocks};
use crate::ledger::{FILE, Reader};
use std::path::Path;
use tokio::task::JoinHandle;

/// Looks at clocks, one look at a time, and never in the way of anything else.
#[derive(Default)]
pub struct Clocks(Option<JoinHandle<()>>);

impl Clocks {
    /// Begins to look, unless the look before is still going on.
    pub fn look(&mut self, config: &Config, to: &ToWriter, health: &Health) {
        if config.written.notices.is_silent() || self.0.as_ref().is_some_and(|look| !look.is_finished()) {
            return;
        }
        let (notices, ledger) = (config.written.notices.clone(), config.written.state_dir.join(FILE));
        let (to, health) = (to.clone(), health.clone());
        // reads the findings of weeks
        self.0 = Some(tokio::task::spawn_blocking(move || match remind(&notices, &ledger, &to) {
            Ok(()) => health.well("clocks"),
            Err(e) => health.wrong("clocks", e),
        }));
    }
}

/// Has the writer tell what is to be told of the clocks of all incidents that are not closed. The writer knows what was told before.
fn remind(notices: &Notices, ledger: &Path, to: &ToWriter) -> Result<(), String> {
    let (profiles, calendar) = (notices.profiles()?, notices.calendar()?);
    let reader = Reader::open(ledger).map_err(|e| e.to_string())?;
    let (incidents, cut) = incidents::all_incidents(&reader).map_err(|e| e.to_string())?;
    let open = incidents.iter().filter(|incident| incident.state != IncidentState::Closed);
    let all = open.flat_map(|incident| clocks(&profiles, &calendar, incident));
    for reminder in all.filter_map(|clock| Reminder::of(clock, wall_now())) {
        // a writer that has no room for it is busy, or waits for the disk: it is looked for again in a minute
        if !to.offer(Control::Local(Local::Remind(Box::new(reminder)))) {
            break;
        }
    }
    match cut {
        false => Ok(()),
        true => {
            Err("there are more findings of high severity than are looked at: clocks of old incidents are not told of"
                .into())
        }
    }
}
