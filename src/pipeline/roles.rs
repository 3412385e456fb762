//! Which role somebody has. Policies leave roles out (`invoicing: { actor.user.role: billing }`), so whoever can write one into a trail
//! would write himself an exception: where there is a staff directory, it says who has which role.
use super::prepare::Ready;
use super::{Outcome, Rules, findings};
use crate::model::{Actor, ActorKind, Event, EventTime, Finding, HashParts, Measure, Millis, Severity, Text};

/// The policy of the finding that a trail gives somebody a role that the directory does not.
pub const DISPUTED: &str = "actor_role_disputed";

impl Rules {
    /// Gives somebody the role that is believed, and returns the one that the trail stated where that is another of the directory's:
    /// then neither counts. A trail that calls roles by other names than the directory does contradicts nothing.
    pub(super) fn settle_role(&self, actor: &mut Actor) -> Option<Text> {
        let listed = self.directory.get(&actor.name);
        if self.directory.is_empty() || actor.kind != ActorKind::User && listed.is_none() {
            return None;
        }
        if actor.is_claimed() {
            // whose role it would be only the client says
            actor.role = None;
            return None;
        }
        let Some(stated) = actor.role.take() else {
            actor.role = listed.cloned();
            return None;
        };
        let known: Text = stated.to_lowercase();
        match listed {
            Some(listed) if listed.to_lowercase() == known => actor.role = Some(listed.clone()),
            _ if self.directory_roles.contains(&known) => return Some(stated),
            listed => actor.role = listed.cloned(),
        }
        None
    }
}

impl Outcome {
    /// Says that a trail gives somebody another role than the directory does: once a week for whoever stands in it, and for each role of
    /// those who don't.
    pub(super) fn tell_of_role(&mut self, event: &Event, stated: &Text, at: EventTime) {
        let Some(actor) = &event.actor else { return };
        let listed = self.core.rules.directory.get(&actor.name).cloned();
        let key = match &listed {
            Some(_) => format!("{DISPUTED} {}", actor.name),
            None => format!("{DISPUTED} unlisted {}", stated.to_lowercase()),
        };
        let week = at.episode(Millis::DAY.times(7));
        if self.is_first(key.as_str().into(), week) {
            let id = HashParts::new(DISPUTED).part(key.as_bytes()).number(week).finish().short();
            let finding = disputed(&self.core.rules, (event, actor), (stated, listed.as_ref()), (at, id));
            self.found(finding);
        }
    }
}

fn disputed(
    rules: &Rules,
    (event, actor): (&Event, &Actor),
    (stated, listed): (&Text, Option<&Text>),
    (at, id): (EventTime, crate::model::ContentDigest),
) -> Finding {
    let title = "A trail gives somebody a role that the staff directory does not: no exception for either holds";
    let entity = format!("trail={} actor.user.name={}", event.evidence.source.as_str(), actor.name).into();
    let mut finding = findings::own(id, DISPUTED, title, Severity::Medium, at, event.observed, entity);
    finding.subject = findings::subject(rules, event);
    finding.measures.push(Measure {
        what: "role".into(),
        value: stated.clone(),
        against: listed.map_or("none: not in the directory".into(), |listed| format!("the directory: {listed}").into()),
    });
    finding
}

impl Ready {
    /// Settles the role of its actor; under another name than before where it was named anew.
    pub(super) fn settle_role(&mut self, rules: &Rules) {
        if let Some(actor) = &mut self.event.actor {
            actor.role = self.disputed.take().or(actor.role.take());
            self.disputed = rules.settle_role(actor);
        }
    }
}
