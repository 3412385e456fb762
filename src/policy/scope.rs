//! Of which events a policy may make findings: `only` and `except` of the configuration.
//!
//! They are held against the event that completes a finding, whose actor, address and customer the finding names, before
//! the episode is used up: what was left out for one person keeps nobody else from being found. What a policy counts and
//! learns does not change, so nothing is forgotten, and policies that refer to it see what they saw.
use super::wildcard::Wildcard;
use crate::model::{Activity, Actor, ActorKind, Event, Field, Outcome, Value, Vouched};
use crate::syntax::error::{did_you_mean, quoted};
use crate::syntax::field::FieldRef;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Fields with their values: all fields must match, each with one of its values.
pub type Selection = BTreeMap<String, Vec<String>>;

/// The events that a policy may make findings of; without any selection all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    only: Vec<Compiled>,
    except: Vec<Compiled>,
}

/// All fields must match, each with one of its values.
type Compiled = Vec<(FieldRef, Vec<Accepts>)>;

#[derive(Clone, Debug, PartialEq)]
enum Accepts {
    Text(Wildcard),
    Network(IpNet),
}

impl Scope {
    /// Reads both; a raw field that is not in `raw_fields` is added there.
    ///
    /// # Errors
    /// A field that there is not, a value that the field can't have, or nothing where something must be.
    pub(super) fn new(only: &[Selection], except: &[Selection], raw_fields: &mut Vec<String>) -> Result<Scope, String> {
        let mut compile = |key: &str, selections: &[Selection]| {
            let read = |s| selection(s, raw_fields).map_err(|why| format!("`{key}`: {why}"));
            selections.iter().map(read).collect::<Result<Vec<_>, _>>()
        };
        Ok(Scope { only: compile("only", only)?, except: compile("except", except)? })
    }

    /// Whether a finding that `event` completes may be made. An event without the field is in no selection. An exception for somebody holds
    /// where a server says that it is them: whoever can only claim to be would claim it.
    pub fn covers(&self, event: &Event) -> bool {
        let within = |selection: &Compiled| {
            selection.iter().all(|(field, values)| values.iter().any(|v| v.accepts(field.value(event))))
        };
        let is_claimed = event.actor.as_ref().is_some_and(Actor::is_claimed);
        let is_believed = |selection: &&Compiled| !is_claimed || !names_somebody(selection);
        (self.only.is_empty() || self.only.iter().any(within)) && !self.except.iter().filter(is_believed).any(within)
    }

    /// The fields that are looked at.
    pub(super) fn fields(&self) -> impl Iterator<Item = FieldRef> {
        self.only.iter().chain(&self.except).flatten().map(|(field, _)| *field)
    }
}

/// Whether the selection is of a person, and does not itself ask who says so.
fn names_somebody(selection: &Compiled) -> bool {
    let asks =
        |fields: &[Field]| selection.iter().any(|(of, _)| fields.iter().any(|field| *of == FieldRef::Known(*field)));
    asks(&[Field::ActorName, Field::ActorUid, Field::ActorRole]) && !asks(&[Field::ActorVouched])
}

impl Accepts {
    fn accepts(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (_, Value::Absent) => false,
            (Accepts::Network(network), Value::Ip(ip)) => network.contains(&ip),
            (Accepts::Network(_), _) => false,
            (Accepts::Text(text), Value::Text(value)) => text.matches(value),
            (Accepts::Text(text), Value::Int(n)) => text.matches(&n.to_string()),
            (Accepts::Text(text), Value::Ip(ip)) => text.matches(&ip.to_string()),
            (Accepts::Text(text), Value::Bool(b)) => text.matches(&b.to_string()),
            (Accepts::Text(text), Value::List(list)) => list.iter().any(|element| text.matches(element)),
        }
    }
}

fn selection(written: &Selection, raw_fields: &mut Vec<String>) -> Result<Compiled, String> {
    if written.is_empty() {
        return Err("an empty table is every event: name a field with its values".into());
    }
    let mut compiled = Vec::new();
    for (name, values) in written {
        let field = field(name, raw_fields)?;
        if values.is_empty() {
            return Err(format!("{}: an empty list matches nothing: give values", quoted(name)));
        }
        let values = values.iter().map(|value| accepts(field, name, value)).collect::<Result<Vec<_>, _>>()?;
        compiled.push((field, values));
    }
    Ok(compiled)
}

fn field(name: &str, raw_fields: &mut Vec<String>) -> Result<FieldRef, String> {
    if let Some(field) = Field::from_path(name) {
        return Ok(FieldRef::Known(field));
    }
    let Some(raw) = name.strip_prefix("unmapped.").filter(|raw| !raw.is_empty()) else {
        return Err(format!(
            "there is no field {}{}; a product's own field is written `unmapped.NAME`",
            quoted(name),
            did_you_mean(name, Field::ALL.iter().map(|f| f.path()))
        ));
    };
    let known = raw_fields.iter().position(|f| f == raw);
    Ok(FieldRef::Raw(known.unwrap_or_else(|| {
        raw_fields.push(raw.to_owned());
        raw_fields.len() - 1
    })))
}

fn accepts(field: FieldRef, name: &str, value: &str) -> Result<Accepts, String> {
    let text = Wildcard::new(value);
    if field == FieldRef::Known(Field::Ip) && !text.is_anything() {
        let network = value.parse::<IpNet>().or_else(|_| value.parse::<IpAddr>().map(IpNet::from));
        return network
            .map(|network| Accepts::Network(network.trunc()))
            .map_err(|_| format!("{} is no network: write it as 192.0.2.0/24 or 2001:db8::/32", quoted(value)));
    }
    let words: Vec<&str> = match field {
        FieldRef::Known(Field::Activity) => Activity::ALL.iter().map(|v| v.name()).collect(),
        FieldRef::Known(Field::Outcome) => Outcome::ALL.iter().map(|v| v.name()).collect(),
        FieldRef::Known(Field::ActorType) => ActorKind::ALL.iter().map(|v| v.name()).collect(),
        FieldRef::Known(Field::ActorVouched | Field::SessionVouched) => Vouched::ALL.iter().map(|v| v.name()).collect(),
        _ => return Ok(Accepts::Text(text)),
    };
    match words.iter().any(|word| text.matches(word)) {
        true => Ok(Accepts::Text(text)),
        false => Err(format!(
            "{} can't be {}{}: it is one of {}",
            quoted(name),
            quoted(value),
            did_you_mean(value, words.iter().copied()),
            words.join(", ")
        )),
    }
}
