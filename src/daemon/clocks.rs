//! Reminds people of clocks that near their end, or have passed it.
use super::delivery::send;
use super::wall_now;
use super::writer::ToWriter;
use crate::config::Config;
use crate::control::incidents;
use crate::incident::case::IncidentState;
use crate::incident::clock::{Reminder, clocks};
use crate::ledger::Reader;
use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

/// Looks at the clocks of all incidents that are not closed, and has the writer tell what is to be told. The writer knows what was
/// told before.
pub async fn remind(config: &Config, ledger: PathBuf, to: SyncSender<ToWriter>) -> Result<(), String> {
    let notices = &config.written.notices;
    let (profiles, calendar) = (notices.profiles()?, notices.calendar()?);
    if profiles.is_empty() {
        return Ok(());
    }
    // reads the findings of weeks: not on the runtime's own threads
    let look = move || -> Result<Vec<Reminder>, String> {
        let reader = Reader::open(&ledger).map_err(|e| e.to_string())?;
        let incidents = incidents::incidents(&reader).map_err(|e| e.to_string())?;
        let open = incidents.iter().filter(|incident| incident.state != IncidentState::Closed);
        let all = open.flat_map(|incident| clocks(&profiles, &calendar, incident));
        Ok(all.filter_map(|clock| Reminder::of(clock, wall_now())).collect())
    };
    let reminders = tokio::task::spawn_blocking(look).await.map_err(|e| e.to_string())??;
    for reminder in reminders {
        if !send(&to, ToWriter::Remind(Box::new(reminder))).await {
            break;
        }
    }
    Ok(())
}
