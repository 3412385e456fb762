//! Says in the log when a silence begins to hold, has ended, or was taken out of the configuration.
use crate::model::silence::{Silence, Standing};
use crate::model::{EventTime, Shown, Text, WallTime};
use std::collections::BTreeMap;

/// What was said last of each silence.
#[derive(Debug, Default)]
pub struct Said(BTreeMap<Text, (Standing, EventTime)>);

impl Said {
    /// Logs what is different from what was said last. Silences go by event time; the log goes by the clock.
    pub fn say<'a>(&mut self, silences: impl Iterator<Item = &'a Silence>, at: WallTime) {
        self.news(silences, at).iter().for_each(|line| tracing::info!("{line}"));
    }

    fn news<'a>(&mut self, silences: impl Iterator<Item = &'a Silence>, at: WallTime) -> Vec<String> {
        let mut gone = std::mem::take(&mut self.0);
        let mut lines = Vec::new();
        for silence in silences {
            let now = (silence.standing(EventTime(at.0)), silence.until);
            let before = gone.remove(&silence.id);
            self.0.insert(silence.id.clone(), now);
            if before == Some(now) {
                continue;
            }
            let (id, by, why) = (&silence.id, Shown(&silence.author), Shown(&silence.reason));
            let (from, until, covers) = (silence.from, silence.until, silence.covers());
            lines.push(match now.0 {
                Standing::Active => format!("silence {id} of {by} holds until {until}: {} ({why})", Shown(&covers)),
                Standing::Coming => format!("silence {id} of {by} begins at {from} ({why})"),
                Standing::Ended => format!("silence {id} of {by} has ended at {until} ({why})"),
            });
        }
        lines.extend(gone.keys().map(|id| format!("silence {id} was taken out of the configuration")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_end_and_disappearance_are_said_once_each() {
        let mut silence = Silence {
            from: EventTime(10),
            until: EventTime(20),
            actors: vec!["ana".into()],
            ..Silence::taken_out(crate::model::silence::Silenced {
                silence: "5".into(),
                author: "bo\u{1b}[2J".into(),
                reason: "a drill".into(),
            })
        };
        let mut said = Said::default();
        let mut words = |silence: Option<&Silence>, at| said.news(silence.into_iter(), WallTime(at)).join("|");
        assert!(words(Some(&silence), 0).contains("begins at 1970-01-01T00:00:00.010Z (a drill)"));
        assert_eq!(words(Some(&silence), 9), "");
        let holds = words(Some(&silence), 10);
        assert!(holds.contains("holds until") && holds.contains(": actors ana (a drill)"), "{holds}");
        assert!(!holds.contains('\u{1b}'), "{holds}");
        assert!(words(Some(&silence), 20).contains("has ended"));
        silence.until = EventTime(30);
        assert!(words(Some(&silence), 21).contains("holds until"), "it was extended");
        assert_eq!(words(None, 22), "silence 5 was taken out of the configuration");
        assert_eq!(words(None, 23), "");
    }
}
