//! [`Matcher::blocked`]: whether a detection can select anything at all, given what the records of a trail can hold.
use super::FieldRef;
use super::item::{Item, Target};
use super::matcher::{Expression, Matcher};
use std::collections::BTreeSet;

/// What a field of a trail's events can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Possible {
    /// Anything, as far as is known.
    Any,
    /// It is never there.
    Never,
    /// One of these values, or it is not there.
    Of(BTreeSet<&'static str>),
}

/// What keeps a detection from selecting anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The field.
    pub field: FieldRef,
    /// It is there, and never with what the detection asks for.
    pub by_value: bool,
    /// What the detection asks for, for people.
    pub asks: String,
}

/// Whether something can hold for some event, and whether it can fail to.
#[derive(Clone, Copy)]
struct Can {
    hold: bool,
    fail: bool,
}

impl Matcher {
    /// What keeps it from selecting any event whose fields hold what `know` says of each; nothing where it may select one.
    pub fn blocked(&self, know: &dyn Fn(FieldRef) -> Possible, raw_fields: &[String]) -> Option<Blocked> {
        if self.expression.can(know).hold {
            return None;
        }
        let (item, field) = self.expression.culprit(know, true)?;
        Some(Blocked {
            field,
            by_value: know(field) != Possible::Never,
            asks: format!("{} {}", item.name(raw_fields), item.asks_for(raw_fields)),
        })
    }
}

impl Expression {
    /// Taken by itself, each part can do what it can; that two parts contradict each other is not seen.
    fn can(&self, know: &dyn Fn(FieldRef) -> Possible) -> Can {
        let parts = |parts: &[Expression]| parts.iter().map(|part| part.can(know)).collect::<Vec<_>>();
        match self {
            Expression::Item(item) => item.can(know),
            Expression::Not(inner) => {
                let inner = inner.can(know);
                Can { hold: inner.fail, fail: inner.hold }
            }
            Expression::All(all) => {
                let all = parts(all);
                Can { hold: all.iter().all(|can| can.hold), fail: all.iter().any(|can| can.fail) }
            }
            Expression::Any(any) => {
                let any = parts(any);
                Can { hold: any.iter().any(|can| can.hold), fail: any.iter().all(|can| can.fail) }
            }
        }
    }

    /// The first item because of which this can never hold (or, where `hold` is false, never fail), and its field.
    fn culprit(&self, know: &dyn Fn(FieldRef) -> Possible, hold: bool) -> Option<(&Item, FieldRef)> {
        let stuck = |part: &&Expression| {
            let can = part.can(know);
            if hold { !can.hold } else { !can.fail }
        };
        match self {
            Expression::Item(item) => match item.target {
                Target::Field(field) => {
                    let is_known = |field: &FieldRef| know(*field) != Possible::Any;
                    let field = [field].into_iter().chain(item.references()).find(is_known);
                    field.map(|field| (item, field))
                }
                Target::Line => None,
            },
            Expression::Not(inner) => inner.culprit(know, !hold),
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().filter(stuck).find_map(|part| part.culprit(know, hold))
            }
        }
    }
}

impl Item {
    fn can(&self, know: &dyn Fn(FieldRef) -> Possible) -> Can {
        let anything = Can { hold: true, fail: true };
        let Target::Field(field) = self.target else { return anything };
        let mut others = self.references().peekable();
        if others.peek().is_some() && others.all(|other| know(other) == Possible::Never) {
            return Can { hold: false, fail: true };
        }
        let absent = self.holds_absent();
        match know(field) {
            Possible::Any => anything,
            Possible::Never => Can { hold: absent, fail: !absent },
            Possible::Of(values) => {
                let held: Option<Vec<bool>> = values.iter().map(|value| self.matches_text(value)).collect();
                held.map_or(anything, |held| Can {
                    hold: absent || held.contains(&true),
                    fail: !absent || held.contains(&false),
                })
            }
        }
    }
}
