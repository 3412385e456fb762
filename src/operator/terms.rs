//! What the terms of several operators share: how they are read from a file, digested, and told.
use crate::model::{HashParts, Millis};
use crate::syntax::error::{Fault, quoted};
use crate::syntax::range::{length, length_text, range, tuple};
use crate::syntax::yaml::{Node, Word, only};
use crate::syntax::{FieldRef, Range};

/// How long an entity is only watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    /// So many days after it was first seen …
    pub days: u32,
    /// … and until it has been seen so often.
    pub observations: u32,
}

/// What so many entities use is ordinary: a carrier's or VPN's new network, a new office, a conference. For `new_value` those
/// count for whom it is new as well; for `travel`, all who use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// So many others …
    pub entities: u32,
    /// … within so long.
    pub within: Millis,
}

/// The most entities that a crowd can be told by: so many are remembered for each value.
pub const MOST_OF_CROWD: i64 = 16;

pub(super) fn need<'n>(node: &'n Node, key: &str) -> Result<&'n Node, Fault> {
    node.get(key).ok_or_else(|| Fault::at(node.line, format!("the correlation has no {}", quoted(key))))
}

/// The condition of a type that has to have one.
pub(super) fn condition<'n>(node: &'n Node, name: &str) -> Result<&'n Node, Fault> {
    node.get("condition")
        .ok_or_else(|| Fault::at(node.line, format!("a correlation of type {} needs a `condition`", quoted(name))))
}

/// The fields of a condition, and what they are held against.
pub(super) fn values(node: &Node, name: &str, others: &[&str]) -> Result<(Vec<Word>, Range), Fault> {
    let condition = condition(node, name)?;
    let field = condition
        .get("field")
        .ok_or_else(|| Fault::at(condition.line, format!("the condition of {} needs a `field`", quoted(name))))?;
    let fields = tuple(field, "field")?;
    Ok((fields, range(condition, &[&["field"], others].concat())?))
}

/// The one field of a condition, and what it is held against.
pub(super) fn value(node: &Node, name: &str, others: &[&str]) -> Result<(Word, Range), Fault> {
    let (mut fields, range) = values(node, name, others)?;
    match fields.pop() {
        Some(field) if fields.is_empty() => Ok((field, range)),
        _ => {
            let line = node.get("condition").and_then(|c| c.get("field")).map_or(node.line, |field| field.line);
            Err(Fault::at(line, format!("{} takes one field", quoted(name))))
        }
    }
}

/// The one field that a name means.
pub(super) fn one(name: &Word, fields: super::Resolve<'_>) -> Result<FieldRef, Fault> {
    Ok(fields(std::slice::from_ref(name))?[0])
}

pub(super) fn fields(node: &Node) -> Result<Vec<Word>, Fault> {
    tuple(need(node, "fields")?, "fields")
}

pub(super) fn learning(node: &Node, usual: Learning) -> Result<Learning, Fault> {
    let Some(learning) = node.get("learning") else { return Ok(usual) };
    only(learning.map("learning")?, &["days", "observations"], "`learning`")?;
    let whole = |key: &str, most, usual| match learning.get(key) {
        Some(n) => Ok(n.whole(key, 0, most)? as u32),
        None => Ok(usual),
    };
    Ok(Learning {
        days: whole("days", 400, usual.days)?,
        observations: whole("observations", 1_000_000, usual.observations)?,
    })
}

pub(super) fn crowd(node: &Node) -> Result<Option<Crowd>, Fault> {
    let Some(crowd) = node.get("crowd") else { return Ok(None) };
    only(crowd.map("crowd")?, &["entities", "within"], "`crowd`")?;
    let entities = need(crowd, "entities")?.whole("entities", 1, MOST_OF_CROWD)? as u32;
    Ok(Some(Crowd { entities, within: length(need(crowd, "within")?, "within")? }))
}

pub(super) fn digest_range(parts: HashParts, range: &Range) -> HashParts {
    range
        .bounds
        .iter()
        .fold(parts, |parts, (comparison, bound)| parts.number(*comparison as i64).part(&bound.to_le_bytes()))
}

pub(super) fn digest_crowd(parts: HashParts, crowd: Option<&Crowd>) -> HashParts {
    crowd.iter().fold(parts, |parts, c| parts.number(c.entities.into()).number(c.within.0))
}

pub(super) fn digest_learning(parts: HashParts, learning: Learning) -> HashParts {
    parts.number(learning.days.into()).number(learning.observations.into())
}

/// What a correlation is told with: the names of its rules and fields.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    /// The names of its rules.
    pub rules: Vec<&'a str>,
    /// By what it groups.
    pub by: Vec<&'a str>,
    /// Its timespan.
    pub span: Millis,
    /// The raw fields of the policy set.
    pub raw: &'a [String],
}

impl Words<'_> {
    /// Of whom: nothing where all are counted together.
    pub fn by(&self) -> String {
        if self.by.is_empty() { String::new() } else { format!(" by the same {}", self.by.join(" + ")) }
    }

    /// `1h30m`
    pub fn length(&self) -> String {
        length_text(self.span)
    }

    /// `within 1h30m`
    pub fn within(&self) -> String {
        format!("within {}", self.length())
    }

    /// The timespan in its largest unit: `90m`
    pub fn span(&self) -> String {
        span_text(self.span)
    }

    /// Its rules: `a, b or c`
    pub fn any(&self) -> String {
        enumerate(&self.rules, " or ")
    }

    /// Its rules: `a, b and c`
    pub fn each(&self) -> String {
        enumerate(&self.rules, " and ")
    }

    /// One of its rules.
    pub fn rule(&self, n: usize) -> &str {
        self.rules.get(n).copied().unwrap_or("nothing")
    }

    /// A field as policies write it.
    pub fn field(&self, field: &FieldRef) -> &str {
        field.name(self.raw)
    }

    /// A tuple of fields as policies write it.
    pub fn tuple(&self, fields: &[FieldRef]) -> String {
        let names: Vec<&str> = fields.iter().map(|f| self.field(f)).collect();
        if names.is_empty() { "events".to_owned() } else { names.join(" + ") }
    }
}

/// That an entity has not been watched for long enough.
pub(super) fn still_learning(learning: &Learning, whom: &str) -> String {
    format!(
        "fewer than {} days, or fewer than {} events, for which {whom} has been watched",
        learning.days, learning.observations
    )
}

/// `a, b and c`.
pub fn enumerate(names: &[&str], last: &str) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [most @ .., end] => format!("{}{last}{end}", most.join(", ")),
    }
}

/// The length in the largest unit that divides it: `1h`, `90m`.
pub fn span_text(span: Millis) -> String {
    for (unit, ms) in [("d", Millis::DAY.0), ("h", Millis::HOUR.0), ("m", Millis::MINUTE.0), ("s", 1000)] {
        if span.0 >= ms && span.0 % ms == 0 {
            return format!("{}{unit}", span.0 / ms);
        }
    }
    format!("{}ms", span.0)
}
