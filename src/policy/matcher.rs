//! A detection made ready: which events it selects.
use super::condition::{Condition, parse};
use super::item::{Item, Scope, Target, keywords, read};
use crate::model::{Activity, Event, Field, Text};
use crate::syntax::error::{Fault, quoted};
use crate::syntax::field::FieldRef;
use crate::syntax::yaml::{Kind, Node, Word};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A set of activities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivitySet(u32);

impl ActivitySet {
    /// Every activity.
    pub const ALL: ActivitySet = ActivitySet((1 << Activity::ALL.len()) - 1);

    /// Those for which `wanted` holds.
    pub fn of(wanted: impl Fn(Activity) -> bool) -> ActivitySet {
        let bits = Activity::ALL.iter().filter(|a| wanted(**a));
        ActivitySet(bits.fold(0, |set, a| set | 1 << *a as u32))
    }

    /// Whether `activity` is in it.
    pub const fn contains(self, activity: Activity) -> bool {
        self.0 >> activity as u32 & 1 == 1
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: ActivitySet) -> ActivitySet {
        ActivitySet(self.0 | other.0)
    }

    const fn and(self, other: ActivitySet) -> ActivitySet {
        ActivitySet(self.0 & other.0)
    }

    const fn others(self) -> ActivitySet {
        ActivitySet(ActivitySet::ALL.0 & !self.0)
    }
}

/// Which events a detection selects.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub(super) expression: Expression,
    products: Option<Vec<Arc<str>>>,
    trails: Option<Arc<[Text]>>,
    activities: ActivitySet,
    needs_line: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Expression {
    Item(Item),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

impl Matcher {
    /// `products`: the profiles whose events it is for, or nothing where it is for all.
    pub(super) fn new(expression: Expression, products: Option<Vec<Arc<str>>>) -> Matcher {
        Matcher {
            activities: expression.activities().0,
            needs_line: expression.needs_line(),
            expression,
            products,
            trails: None,
        }
    }

    /// The same for the events of these trails only, where there are any.
    pub(super) fn of_trails(self, trails: Option<Arc<[Text]>>) -> Matcher {
        Matcher { trails, ..self }
    }

    /// Whether it selects `event`.
    pub fn matches(&self, event: &Event) -> bool {
        self.activities.contains(event.activity) && self.is_for(event) && self.expression.matches(event)
    }

    /// Whether it is for events of that product and trail.
    pub(super) fn is_for(&self, event: &Event) -> bool {
        self.products.as_ref().is_none_or(|p| p.contains(&event.product))
            && self.trails.as_ref().is_none_or(|t| t.iter().any(|name| name == event.evidence.source.as_str()))
    }

    /// The activities whose events it can select at all; nothing where it is all of them.
    pub fn activities(&self) -> Option<ActivitySet> {
        (self.activities != ActivitySet::ALL).then_some(self.activities)
    }

    /// The profiles whose events it is for; nothing where it is for all. An empty list selects no event at all.
    pub fn products(&self) -> Option<&[Arc<str>]> {
        self.products.as_deref()
    }

    /// The trails whose events it is for; nothing where it is for all.
    pub fn trails(&self) -> Option<&[Text]> {
        self.trails.as_deref()
    }

    /// Whether keywords are looked for in the line ([`Event::line`]).
    pub fn needs_line(&self) -> bool {
        self.needs_line
    }

    /// Every field that it may look at.
    pub fn fields(&self) -> BTreeSet<FieldRef> {
        let mut fields = BTreeSet::new();
        self.expression.fields(&mut fields);
        fields
    }

    /// The fields without which it selects nothing.
    pub(super) fn needs(&self) -> BTreeSet<FieldRef> {
        self.expression.needs()
    }
}

impl Expression {
    pub(super) fn matches(&self, event: &Event) -> bool {
        match self {
            Expression::Item(item) => item.matches(event),
            Expression::Not(inner) => !inner.matches(event),
            Expression::All(parts) => parts.iter().all(|p| p.matches(event)),
            Expression::Any(parts) => parts.iter().any(|p| p.matches(event)),
        }
    }

    /// The activities for which it can hold, and whether it holds for all their events.
    fn activities(&self) -> (ActivitySet, bool) {
        match self {
            Expression::Item(item) if item.target == Target::Field(FieldRef::Known(Field::Activity)) => {
                let decided: Option<Vec<bool>> = Activity::ALL.iter().map(|a| item.matches_text(a.name())).collect();
                match decided {
                    Some(held) => (ActivitySet::of(|a| held[a as usize]), true),
                    None => (ActivitySet::ALL, false),
                }
            }
            Expression::Item(_) => (ActivitySet::ALL, false),
            Expression::Not(inner) => match inner.activities() {
                (set, true) => (set.others(), true),
                (_, false) => (ActivitySet::ALL, false),
            },
            Expression::All(parts) => parts.iter().fold((ActivitySet::ALL, true), |(set, exact), p| {
                let (other, also) = p.activities();
                (set.and(other), exact && also)
            }),
            Expression::Any(parts) => parts.iter().fold((ActivitySet(0), true), |(set, exact), p| {
                let (other, also) = p.activities();
                (set.or(other), exact && also)
            }),
        }
    }

    fn fields(&self, into: &mut BTreeSet<FieldRef>) {
        match self {
            Expression::Item(item) => {
                if let Target::Field(field) = item.target {
                    into.insert(field);
                }
                into.extend(item.references());
            }
            Expression::Not(inner) => inner.fields(into),
            Expression::All(parts) | Expression::Any(parts) => parts.iter().for_each(|p| p.fields(into)),
        }
    }

    fn needs_line(&self) -> bool {
        match self {
            Expression::Item(item) => item.target == Target::Line,
            Expression::Not(inner) => inner.needs_line(),
            Expression::All(parts) | Expression::Any(parts) => parts.iter().any(Expression::needs_line),
        }
    }

    fn needs(&self) -> BTreeSet<FieldRef> {
        match self {
            Expression::Item(item) => match item.target {
                Target::Field(field) if !item.holds_absent() => [field].into_iter().chain(item.references()).collect(),
                _ => BTreeSet::new(),
            },
            Expression::Not(_) => BTreeSet::new(),
            Expression::All(parts) => parts.iter().flat_map(Expression::needs).collect(),
            Expression::Any(parts) => in_common(parts.iter().map(Expression::needs)),
        }
    }
}

/// What is in all of the sets.
pub(super) fn in_common(sets: impl Iterator<Item = BTreeSet<FieldRef>>) -> BTreeSet<FieldRef> {
    sets.reduce(|a, b| &a & &b).unwrap_or_default()
}

/// A detection as read.
pub(super) struct Detection {
    pub(super) condition: Condition,
    pub(super) expression: Expression,
    /// The selections that no condition uses.
    pub(super) unused: Vec<Word>,
}

/// Reads the search identifiers and the condition of `detection` or `filter`; `skip` are the keys that are neither.
pub(super) fn detection(node: &Node, section: &str, skip: &[&str], scope: &mut Scope<'_>) -> Result<Detection, Fault> {
    let map = node.map(section)?;
    let mut names = Vec::new();
    let mut selections = Vec::new();
    for (key, value) in map.iter().filter(|(k, _)| k.text != "condition" && !skip.contains(&k.text.as_str())) {
        if key.text == "timeframe" {
            return Err(Fault::at(
                key.line,
                "`timeframe` is Sigma's old form and not supported: write a correlation with a `timespan`",
            ));
        }
        names.push(key);
        selections.push(selection(&key.text, value, scope)?);
    }
    let texts = node
        .get("condition")
        .ok_or_else(|| Fault::at(node.line, format!("{} has no `condition`", quoted(section))))?
        .texts("condition")?;
    let words: Vec<&str> = names.iter().map(|n| n.text.as_str()).collect();
    let mut conditions =
        texts.iter().map(|word| parse(&word.text, &words, word.line)).collect::<Result<Vec<_>, _>>()?;
    let condition = match conditions.len() {
        0 => return Err(Fault::at(node.line, "`condition` is an empty list")),
        1 => conditions.remove(0),
        _ => Condition::Or(conditions),
    };
    let mut used = vec![false; names.len()];
    condition.mark_used(&mut used);
    let unused = names.iter().zip(&used).filter(|(_, used)| !**used);
    Ok(Detection {
        expression: lower(&condition, &selections),
        condition,
        unused: unused.map(|(name, _)| (*name).clone()).collect(),
    })
}

fn lower(condition: &Condition, selections: &[Expression]) -> Expression {
    let all = |parts: &[Condition]| parts.iter().map(|p| lower(p, selections)).collect();
    match condition {
        Condition::Selection(index) => selections[*index].clone(),
        Condition::Not(inner) => Expression::Not(Box::new(lower(inner, selections))),
        Condition::And(parts) => Expression::All(all(parts)),
        Condition::Or(parts) => Expression::Any(all(parts)),
    }
}

fn selection(name: &str, node: &Node, scope: &mut Scope<'_>) -> Result<Expression, Fault> {
    match &node.kind {
        Kind::Map(map) if map.is_empty() => Err(empty(name, node)),
        Kind::Map(map) => {
            let items = map.iter().map(|(key, value)| read(&key.text, key.line, value, scope));
            Ok(one_or(items.map(|i| i.map(Expression::Item)).collect::<Result<_, _>>()?, Expression::All))
        }
        Kind::List(list) if list.is_empty() => Err(empty(name, node)),
        Kind::List(list) => {
            let parts = list.iter().map(|node| match node.kind {
                Kind::List(_) => Err(Fault::at(node.line, "a list in a list has no meaning in a selection")),
                _ => selection(name, node, scope),
            });
            Ok(one_or(parts.collect::<Result<_, _>>()?, Expression::Any))
        }
        Kind::Null => Err(empty(name, node)),
        _ => Ok(Expression::Item(keywords(node, scope)?)),
    }
}

fn empty(name: &str, node: &Node) -> Fault {
    Fault::at(node.line, format!("selection {} is empty", quoted(name)))
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}
