//! What people have the daemon do: from a request to the input that is recorded.
use super::answer::{bounded_reason, finding_id, judgement, order_id};
use super::incidents;
use super::wire::{Act, Covered, Request, Whose};
use crate::ledger::Reader;
use crate::ledger::read::Asked;
use crate::model::finding::{Ask, SessionRef};
use crate::model::incident::{IncidentAct, IncidentStep};
use crate::model::{
    Actor, Decision, HashParts, Input, Millis, Mute, OrderId, Subject, TargetKind, Text, Vouched, WallTime, id,
};
use crate::orders::{self, MOST_MUTES};
use crate::pipeline::{EventRow, Prepared, Rules};

/// A mute lasts no longer: what is planned for longer belongs into the configuration.
const LONGEST_MUTE: Millis = Millis::DAY.times(14);

/// The input that a request comes to, asked for by `by`.
///
/// # Errors
/// Why it is not done, for the person.
pub fn input(reader: &Reader, rules: &Rules, request: &Request, by: Text) -> Result<Input<Prepared>, String> {
    let at = WallTime(jiff::Timestamp::now().as_millisecond());
    Ok(match request {
        Request::Acknowledge { id } => Input::Acknowledge { at, finding: finding_id(reader, id)?, by },
        Request::Judge { id, honest, reason } => {
            Input::Judge { at, judgement: judgement(reader, id, *honest, reason)?, by }
        }
        Request::Decide { id, decision } => {
            Input::Decide { at, order: decided(reader, rules, id, *decision, &by)?, decision: *decision, by }
        }
        Request::IncidentAct { id, act } => Input::Incident(IncidentStep {
            of: incidents::incident(reader, id)?.id,
            act: incident_act(reader, act)?,
            at,
            by,
        }),
        Request::Hold { on } => Input::Hold { at, on: *on, by },
        Request::Mute { seconds, reason, covered } => {
            Input::Mute { at, mute: mute(reader, *seconds, reason, covered, at, &by)? }
        }
        Request::Unmute { id } => Input::Unmute { at, id: muted(reader, id)?, by },
        Request::Invalidate { action, target, whose, reason } => Input::Invalidate {
            at,
            ask: ask(rules, action, *target)?,
            subject: Box::new(subject(reader, rules, whose, *target)?),
            reason: bounded_reason(reason)?,
            by,
        },
        Request::Reveal { session, reason } => {
            let digest = session_digest(reader, session)?;
            Input::Reveal { at, session: id::hex(&digest).as_str().into(), reason: bounded_reason(reason)?, by }
        }
        Request::TestFinding => Input::TestFinding { at, by },
        other => return Err(format!("{other:?} changes nothing")),
    })
}

fn incident_act(reader: &Reader, act: &Act) -> Result<IncidentAct, String> {
    Ok(match act {
        Act::Note(text) => IncidentAct::Note { text: bounded_reason(text)? },
        Act::Review => IncidentAct::Review,
        Act::Close(reason) => IncidentAct::Close { reason: bounded_reason(reason)? },
        Act::Reopen(reason) => IncidentAct::Reopen { reason: bounded_reason(reason)? },
        Act::Determine(reason) => IncidentAct::Determine { reason: bounded_reason(reason)? },
        Act::Told(clock, how) => IncidentAct::Told { clock: clock_name(clock)?, how: bounded_reason(how)? },
        Act::Waive(clock, reason) => IncidentAct::Waive { clock: clock_name(clock)?, reason: bounded_reason(reason)? },
        Act::Merge(with) => IncidentAct::Merge { with: incidents::incident(reader, with)?.id },
        Act::Split(from) => IncidentAct::Split { from: finding_id(reader, from)? },
    })
}

fn clock_name(name: &str) -> Result<Text, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match name.len() <= 128 && name.contains('/') && name.chars().all(plain) {
        true => Ok(name.into()),
        false => Err("a clock is called profile/duty: `tripline incident show` lists them".into()),
    }
}

/// The one sealed session whose digest begins so.
fn session_digest(reader: &Reader, prefix: &str) -> Result<[u8; 16], String> {
    match reader.sessions_named(prefix).map_err(|e| e.to_string())?[..] {
        [one] => Ok(one),
        [] => Err(
            "no session id is sealed here that stands so: it is kept for a session's longest life, and then deleted"
                .into(),
        ),
        _ => Err("more than one session begins so: write more of it".into()),
    }
}

fn decided(reader: &Reader, rules: &Rules, id: &str, decision: Decision, by: &str) -> Result<OrderId, String> {
    let id = order_id(reader, id)?;
    let order = reader.order(&id).map_err(|e| e.to_string())?.ok_or("the order has gone")?;
    orders::refuses(&rules.response, &order, decision, by).map_or(Ok(id), Err)
}

fn mute(
    reader: &Reader,
    seconds: u32,
    reason: &str,
    covered: &Covered,
    at: WallTime,
    by: &Text,
) -> Result<Mute, String> {
    let lasts = Millis::SECOND.times(seconds.into());
    if seconds == 0 || lasts > LONGEST_MUTE {
        return Err(format!("a mute lasts at least a second and at most {} days", LONGEST_MUTE.0 / Millis::DAY.0));
    }
    let known = reader.mutes().map_err(|e| e.to_string())?;
    if known.iter().filter(|m| m.until > at).count() >= MOST_MUTES {
        return Err(format!("{MOST_MUTES} mutes hold already: end one with `tripline mute end`"));
    }
    let id = HashParts::new("mute").number(at.0).part(by.as_bytes()).part(reason.as_bytes()).finish();
    let Covered { policies, actors, actions } = covered.clone();
    Ok(Mute {
        id: id::hex(&id.0[..4]).into(),
        from: at,
        until: at.plus(lasts),
        reason: bounded_reason(reason)?,
        by: by.clone(),
        policies,
        actors,
        actions,
    })
}

fn muted(reader: &Reader, prefix: &str) -> Result<Text, String> {
    let known = reader.mutes().map_err(|e| e.to_string())?;
    match known.iter().filter(|m| m.id.starts_with(prefix)).collect::<Vec<_>>()[..] {
        [one] => Ok(one.id.clone()),
        [] => Err("there is no such mute: `tripline mute list` shows them".into()),
        _ => Err("more than one mute begins so: write more of it".into()),
    }
}

fn ask(rules: &Rules, action: &str, target: TargetKind) -> Result<Ask, String> {
    let known = &rules.response.actions;
    if known.contains_key(action) {
        return Ok(Ask { action: action.into(), target });
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let names = if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") };
    Err(format!("there is no action {:?}: {names}", crate::model::Shown(action).to_string()))
}

/// Whom it is about, as the trails have shown him: a slip of the pen must not lock out a stranger.
fn subject(reader: &Reader, rules: &Rules, whose: &Whose, target: TargetKind) -> Result<Subject, String> {
    let said = |e: crate::ledger::Error| e.to_string();
    match whose {
        Whose::Finding(prefix) => {
            let id = finding_id(reader, prefix)?;
            Ok(reader.finding(&id).map_err(said)?.ok_or("the finding has gone")?.finding.subject)
        }
        Whose::Session(secret) => {
            let digest = rules.secrets.session_digest(&secret.0);
            let known = reader.events_of(Asked::Session, &id::hex(&digest)).map_err(said)?;
            let stated: Vec<&EventRow> = known.iter().filter(|e| e.vouched == Some(Vouched::Server)).collect();
            let last = stated.last().ok_or(
                "no trail of the portal's own has named that session: write its id as the portal writes it, or name a finding",
            )?;
            Ok(of_event(rules, last, Some(SessionRef { digest, by_server: true })))
        }
        Whose::Actor(_) if target == TargetKind::Session => {
            Err("which session? name it by `--session` or `--finding`".into())
        }
        Whose::Actor(name) => {
            let known = reader.events_of(Asked::Actor, name).map_err(said)?;
            match known.iter().rfind(|e| e.actor.as_ref().is_some_and(|actor| !actor.is_claimed())) {
                Some(last) => Ok(of_event(rules, last, None)),
                None if rules.directory.contains_key(name.as_str()) => {
                    Ok(Subject { actor: Some(name.as_str().into()), ..Subject::default() })
                }
                None => Err("no trail and no staff directory knows anybody of that name".into()),
            }
        }
    }
}

fn of_event(rules: &Rules, event: &EventRow, session: Option<SessionRef>) -> Subject {
    let actor = event.actor.as_ref();
    let name = actor.map(|a| a.name.clone());
    Subject {
        role: actor.and_then(|a| a.role.clone()).or_else(|| rules.directory.get(name.as_ref()?).cloned()),
        actor_uid: actor.and_then(|a| a.uid.clone()),
        is_claimed: actor.is_some_and(Actor::is_claimed),
        actor: name,
        actor_label: event.actor.as_ref().and_then(|a| a.label.clone()),
        session,
        ip: event.origin.ip,
        place: None,
        customer: None,
        export: event.export.as_ref().and_then(|export| export.job.clone()),
        trail: Some(crate::model::SourceName(event.source.as_str().into())),
    }
}
