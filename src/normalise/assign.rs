//! Text of a raw field -> the typed field of an event. What does not fit the type leaves the field as it was.
use super::coerce;
use crate::decode::address::{self, Proxies};
use crate::model::limits::FIELD_BYTES;
use crate::model::{Actor, ActorKind, Cause, Event, Export, Field, Http, Outcome, Session, Text, Vouched};

/// Whether profiles fill this field (the rest is for the enrichment, or is what the event is).
pub(super) fn may_fill(field: Field) -> bool {
    use Field::*;
    matches!(
        field,
        Outcome
            | Reason
            | Cause
            | Code
            | Sequence
            | ActorName
            | ActorUid
            | ActorType
            | ActorRole
            | SessionUid
            | SessionVouched
            | Ip
            | UserAgent
            | Customer
            | Target
            | ExportJob
            | ExportKind
            | ExportFirstDay
            | ExportLastDay
            | ExportRecords
            | ExportBytes
            | Method
            | Path
            | Status
            | Duration
    )
}

fn text(value: &str) -> Text {
    Text::new(coerce::cut(value, FIELD_BYTES))
}

/// Whether the field's own value is cut to what is kept of a text. A session's id is not among them: it may be a live secret.
fn holds_text(field: Field) -> bool {
    use Field::*;
    matches!(
        field,
        Reason
            | Code
            | ActorName
            | ActorUid
            | ActorRole
            | UserAgent
            | Customer
            | Target
            | ExportJob
            | ExportKind
            | Method
            | Path
    )
}

fn actor(event: &mut Event) -> &mut Actor {
    event.actor.get_or_insert_with(|| Actor::named(""))
}

fn export(event: &mut Event) -> &mut Export {
    event.export.get_or_insert_default()
}

fn http(event: &mut Event) -> &mut Http {
    event.http.get_or_insert_default()
}

/// Who is believed.
#[derive(Clone, Copy)]
pub(super) struct Believed<'p> {
    /// Who vouches for a session id.
    pub session: Vouched,
    /// Who vouches for the name of an actor.
    pub actor: Vouched,
    /// Nobody vouches for anything, whatever a record says of itself.
    pub is_open: bool,
    /// Who is believed to say where a request came from.
    pub proxies: &'p Proxies,
}

/// Sets `field` to what `value` says.
pub(super) fn assign(event: &mut Event, field: Field, value: &str, believed: Believed<'_>) {
    event.whole.retain(|(whole, _)| *whole != field);
    if value.len() > FIELD_BYTES && holds_text(field) {
        event.whole.push((field, value.into()));
    }
    match field {
        Field::Outcome => event.outcome = Outcome::from_name(value).unwrap_or(event.outcome),
        Field::Reason => event.reason = Some(text(value)),
        Field::Cause => event.cause = Cause::from_name(value).or(event.cause),
        Field::Code => event.code = Some(text(value)),
        Field::Sequence => set(coerce::count(value), |n| event.sequence = Some(n)),
        Field::ActorName => actor(event).name = text(value),
        Field::ActorUid => actor(event).uid = Some(text(value)),
        Field::ActorRole => actor(event).role = Some(text(value)),
        Field::ActorType => {
            if let Some(kind) = ActorKind::from_name(value) {
                actor(event).kind = kind;
            }
        }
        Field::SessionUid => event.session = Some(Session { id: text(value), vouched: believed.session }),
        Field::SessionVouched => {
            if let (Some(session), Some(who)) = (event.session.as_mut(), Vouched::from_name(value))
                && !believed.is_open
            {
                session.vouched = who;
            }
        }
        Field::Ip => origin(event, believed.proxies.origin(value)),
        Field::UserAgent => event.origin.user_agent = Some(text(value)),
        Field::Customer => event.customer = Some(text(value)),
        Field::Target => event.target = Some(text(value)),
        Field::ExportJob => export(event).job = Some(text(value)),
        Field::ExportKind => export(event).kind = Some(text(value)),
        Field::ExportFirstDay => set(coerce::day(value), |day| export(event).first_day = Some(day)),
        Field::ExportLastDay => set(coerce::day(value), |day| export(event).last_day = Some(day)),
        Field::ExportRecords => set(coerce::count(value), |n| export(event).records = Some(n)),
        Field::ExportBytes => set(coerce::count(value), |n| export(event).bytes = Some(n)),
        Field::Method => http(event).method = Some(text(value)),
        Field::Path => http(event).path = Some(text(value)),
        Field::Status => set(value.parse().ok(), |status| http(event).status = Some(status)),
        Field::Duration => set(coerce::count(value), |ms| http(event).took_ms = Some(ms)),
        _ => {}
    }
}

/// What is said later holds, unless it can't be read.
fn origin(event: &mut Event, said: address::Origin) {
    match said {
        address::Origin::Absent => {}
        address::Origin::Unread => event.marks.origin_unread = event.origin.ip.is_none(),
        address::Origin::From(from) => {
            event.origin.ip = Some(from.ip);
            (event.marks.origin_stated, event.marks.origin_unread) = (from.stated, false);
        }
    }
}

fn set<T>(value: Option<T>, put: impl FnOnce(T)) {
    if let Some(value) = value {
        put(value);
    }
}

/// An actor needs a name: its id stands in where the trail has none; without either there is no actor.
/// Its name is taken in small letters where its product compares names so.
pub(super) fn settle_actor(event: &mut Event, lower: bool, vouched: Vouched) {
    if let Some(actor) = &mut event.actor {
        actor.vouched = vouched;
    }
    if let Some(actor) = &mut event.actor
        && lower
        && actor.name.chars().any(char::is_uppercase)
    {
        actor.name = text(&actor.name.to_lowercase());
    }
    if let Some(actor) = &mut event.actor
        && actor.name.is_empty()
    {
        match &actor.uid {
            Some(uid) => actor.name = uid.clone(),
            None => event.actor = None,
        }
    }
}
