//! Says in the log when a silence begins to hold, has ended, or was taken out of the configuration.
use crate::model::silence::{Silence, Standing};
use crate::model::{EventTime, Shown, Text, WallTime};
use std::collections::BTreeMap;

/// What was said last of each silence.
#[derive(Debug, Default)]
pub struct Said(BTreeMap<Text, (Standing, EventTime)>);

impl Said {
    /// Says what is different from what was said last. Silences go by event time; the log goes by the clock.
    pub fn say<'a>(&mut self, silences: impl Iterator<Item = &'a Silence>, at: WallTime) {
        let mut gone = std::mem::take(&mut self.0);
        for silence in silences {
            let now = (silence.standing(EventTime(at.0)), silence.until);
            let before = gone.remove(&silence.id);
            self.0.insert(silence.id.clone(), now);
            if before == Some(now) {
                continue;
            }
            let (id, by, why) = (&silence.id, Shown(&silence.author), Shown(&silence.reason));
            match now.0 {
                Standing::Active => tracing::info!(
                    "silence {id} of {by} holds until {}: {} ({why})",
                    silence.until,
                    Shown(&silence.covers())
                ),
                Standing::Coming => tracing::info!("silence {id} of {by} begins at {} ({why})", silence.from),
                Standing::Ended => tracing::info!("silence {id} of {by} has ended at {} ({why})", silence.until),
            }
        }
        gone.keys().for_each(|id| tracing::info!("silence {id} was taken out of the configuration"));
    }
}
