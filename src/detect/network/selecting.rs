//! [`Selecting`]: which detections can select an event, and what of the event they look at.
use crate::model::{Activity, Digest, Event, Field, Value, limits};
use crate::policy::{Body, FieldRef, PolicySet};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The detections that can select events of one product: those that are for all products among them.
#[derive(Debug)]
pub(in crate::detect) struct Selecting {
    /// For each activity, the detections that can match it at all.
    by_activity: Vec<Vec<u16>>,
    /// For each activity, the fields that its detections look at; none where the line counts.
    looks: Vec<Option<Vec<FieldRef>>>,
}

impl Selecting {
    /// Those for the events of `product`; without one those that are for all.
    pub(in crate::detect) fn of(set: &PolicySet, product: Option<&str>) -> Selecting {
        let mut by_activity = vec![Vec::new(); Activity::ALL.len()];
        for (i, policy) in set.rules.iter().enumerate() {
            let Body::Detection(matcher) = &policy.body else { continue };
            let fits = |names: &[Arc<str>]| product.is_some_and(|product| names.iter().any(|name| **name == *product));
            if !matcher.products().is_none_or(fits) {
                continue;
            }
            for activity in Activity::ALL {
                if matcher.activities().is_none_or(|set| set.contains(*activity)) {
                    by_activity[*activity as usize].push(i as u16);
                }
            }
        }
        Selecting { looks: looks(set, &by_activity), by_activity }
    }

    /// Those that can match events of that activity at all.
    pub(in crate::detect) fn detections(&self, activity: Activity) -> &[u16] {
        &self.by_activity[activity as usize]
    }

    /// The fields that they look at; nothing where the line counts.
    pub(in crate::detect) fn fields(&self, activity: Activity) -> Option<&[FieldRef]> {
        self.looks[activity as usize].as_deref()
    }
}

/// For each activity, the fields that its detections look at; none where the line counts.
fn looks(set: &PolicySet, by_activity: &[Vec<u16>]) -> Vec<Option<Vec<FieldRef>>> {
    let of = |detections: &Vec<u16>| {
        let mut fields = BTreeSet::from([FieldRef::Known(Field::Product)]);
        for &i in detections {
            let Body::Detection(matcher) = &set.rules[usize::from(i)].body else { continue };
            if matcher.needs_line() {
                return None;
            }
            fields.extend(matcher.fields());
            if matcher.trails().is_some() {
                fields.insert(FieldRef::Known(Field::Source));
            }
        }
        Some(fields.into_iter().collect())
    };
    by_activity.iter().map(of).collect()
}

/// Writes what the fields of an event hold, so that no two different events read the same.
pub(super) fn look<'f>(event: &Event, fields: impl IntoIterator<Item = &'f FieldRef>, into: &mut Vec<u8>) {
    for field in fields {
        match field.value(event) {
            // a field that is null is there
            Value::Absent => into.push(match field {
                FieldRef::Raw(_) if field.is_present(event) => 6,
                _ => 0,
            }),
            Value::Text(text) => look_at(text, 1, into),
            Value::List(list) => {
                into.push(7);
                into.extend((list.len() as u32).to_le_bytes());
                list.iter().for_each(|element| look_at(element, 1, into));
            }
            Value::Int(n) => {
                into.push(2);
                into.extend(n.to_le_bytes());
            }
            Value::Ip(std::net::IpAddr::V4(ip)) => {
                into.push(3);
                into.extend(ip.octets());
            }
            Value::Ip(std::net::IpAddr::V6(ip)) => {
                into.push(4);
                into.extend(ip.octets());
            }
            Value::Bool(b) => into.extend([5, u8::from(b)]),
        }
    }
}

/// Writes a text; of a long one its digest, for what is written is remembered.
fn look_at(text: &str, kind: u8, into: &mut Vec<u8>) {
    match text.len() > limits::FIELD_BYTES {
        true => {
            into.push(kind | 0x80);
            into.extend(Digest::of(text.as_bytes()).0);
        }
        false => {
            into.push(kind);
            into.extend((text.len() as u32).to_le_bytes());
            into.extend(text.as_bytes());
        }
    }
}
