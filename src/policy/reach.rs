//! Whether a detection can select any event of a sort, of which only some fields are known.
use super::item::{Item, Target};
use super::matcher::{Expression, Matcher};
use crate::model::{Event, Field, Value};
use crate::syntax::field::FieldRef;

/// What is known of a field in the events of a sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowledge {
    /// It has the same value in all of them, or is in none.
    Same,
    /// It is in all of them, with any value.
    There,
    /// It may have any value, or not be there.
    Nothing,
}

/// What keeps a detection from selecting an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lack {
    /// The field.
    pub field: FieldRef,
    /// It is there, with something else.
    pub is_there: bool,
    /// What it must be, for a person.
    pub wanted: String,
}

impl Matcher {
    /// Whether it selects some event that is like `event` as far as that is `known`.
    pub fn can_select(&self, event: &Event, known: &dyn Fn(FieldRef) -> Knowledge) -> bool {
        self.is_for(event) && self.expression.can_be(true, event, known)
    }

    /// The least that keeps it from selecting any event like one of `events`, as far as those are known; nothing where it is for none of
    /// their products and trails.
    pub fn lacks<'e, What: Fn(FieldRef) -> Knowledge>(
        &self,
        events: impl Iterator<Item = (&'e Event, What)>,
        raw_fields: &[String],
    ) -> Option<Vec<Lack>> {
        let each = events.filter(|(event, _)| self.is_for(event));
        let each = each.map(|(event, known)| (self.expression.lacks(true, event, &known), event));
        // what is another act altogether says the least of what is lacking
        let far = |(failing, _): &(Vec<Failing<'_>>, &Event)| {
            let is_another = |(item, _): &Failing<'_>| item.target == Target::Field(FieldRef::Known(Field::Activity));
            (failing.iter().any(is_another), failing.len())
        };
        let (failing, event) = each.min_by_key(far)?;
        Some(failing.into_iter().filter_map(|(item, wanted)| item.lack(wanted, event, raw_fields)).collect())
    }
}

/// An item, and whether it would have to hold.
type Failing<'a> = (&'a Item, bool);

impl Expression {
    fn can_be(&self, wanted: bool, event: &Event, known: &dyn Fn(FieldRef) -> Knowledge) -> bool {
        match self {
            Expression::Item(item) => item.can_be(wanted, event, known),
            Expression::Not(inner) => inner.can_be(!wanted, event, known),
            Expression::All(parts) if wanted => parts.iter().all(|part| part.can_be(true, event, known)),
            Expression::All(parts) => parts.iter().any(|part| part.can_be(false, event, known)),
            Expression::Any(parts) if wanted => parts.iter().any(|part| part.can_be(true, event, known)),
            Expression::Any(parts) => parts.iter().all(|part| part.can_be(false, event, known)),
        }
    }

    /// The least that keeps it from being as `wanted`.
    fn lacks(&self, wanted: bool, event: &Event, known: &dyn Fn(FieldRef) -> Knowledge) -> Vec<Failing<'_>> {
        if self.can_be(wanted, event, known) {
            return Vec::new();
        }
        match self {
            Expression::Item(item) => vec![(item, wanted)],
            Expression::Not(inner) => inner.lacks(!wanted, event, known),
            Expression::All(parts) | Expression::Any(parts) => {
                let each = parts.iter().map(|part| part.lacks(wanted, event, known));
                match matches!(self, Expression::All(_)) == wanted {
                    true => each.flatten().collect(),
                    false => each.min_by_key(Vec::len).unwrap_or_default(),
                }
            }
        }
    }
}

impl Item {
    fn can_be(&self, wanted: bool, event: &Event, known: &dyn Fn(FieldRef) -> Knowledge) -> bool {
        let Target::Field(field) = self.target else {
            // a line can hold any words
            return true;
        };
        let presence = self.only_presence().filter(|_| known(field) == Knowledge::There);
        // what is held against a field that no event has holds for none
        let is_nowhere = |of: FieldRef| known(of) == Knowledge::Same && of.value(event) == Value::Absent;
        if wanted && self.references().next().is_some() && self.references().all(is_nowhere) {
            return false;
        }
        match presence {
            Some(there) => there == wanted,
            None if known(field) != Knowledge::Same
                || self.references().any(|field| known(field) != Knowledge::Same) =>
            {
                true
            }
            None => self.matches(event) == wanted,
        }
    }

    fn lack(&self, wanted: bool, event: &Event, raw_fields: &[String]) -> Option<Lack> {
        let Target::Field(field) = self.target else { return None };
        let referred = self.references().find(|other| wanted && other.value(event) == Value::Absent);
        let field = referred.unwrap_or(field);
        let is_there = field.value(event) != Value::Absent;
        let not = if wanted { "" } else { "anything but " };
        Some(Lack { field, is_there, wanted: format!("{not}{}", self.asks_for(raw_fields)) })
    }
}
