//! Correlations: what is counted, summed or put in order over the events that other rules select.
use crate::model::Millis;
use crate::operator::{ComparedWith, Kind, TYPES, Terms, Words, each};
use crate::syntax::FieldRef;
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::range::{length, unique};
use crate::syntax::yaml::{Node, Word, only};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A correlation over other rules. Sigma correlation rules specification 2.1.0, and the types of [`crate::operator`].
#[derive(Clone, Debug, PartialEq)]
pub struct Correlation {
    /// Indices into [`super::PolicySet::rules`], in the order of the file.
    pub rules: Vec<usize>,
    /// Events are counted apart for each combination of these. Empty: all together.
    pub group_by: Vec<GroupKey>,
    /// Within how long.
    pub timespan: Millis,
    /// What is looked for.
    pub kind: Kind,
}

impl Correlation {
    /// Every field that it looks at: what it groups by, what it compares with, and what it counts or adds.
    pub fn fields(&self) -> impl Iterator<Item = FieldRef> {
        let (reads, fields) = each!(&self.kind, operator => (operator.reads(), operator.fields()));
        let peers = if let ComparedWith::Peers(peers) = reads.cohort { peers } else { &[] };
        let keys = self.group_by.iter().flat_map(|key| &key.fields);
        keys.chain(peers).chain(fields).copied()
    }

    /// The fields whose values it looks at.
    pub fn values(&self) -> &[FieldRef] {
        each!(&self.kind, operator => operator.fields())
    }

    /// What it is told with: the names of its rules, and the raw fields of its set.
    pub(crate) fn words<'a>(&'a self, name: impl Fn(usize) -> &'a str, raw: &'a [String]) -> Words<'a> {
        let rules = self.rules.iter().map(|rule| name(*rule)).collect();
        Words { rules, by: self.group_by.iter().map(|key| &*key.name).collect(), span: self.timespan, raw }
    }
}

/// One field to group by, aliases resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKey {
    /// As the policy names it: a field, or an alias.
    pub name: Arc<str>,
    /// The field for each of [`Correlation::rules`].
    pub fields: Vec<FieldRef>,
}

/// For each alias the rules that it names, each with its field.
pub(super) type Aliases = BTreeMap<String, Vec<(Word, String)>>;

/// The parts of a correlation, its rules and fields still by name.
pub(super) struct Written {
    pub(super) rules: Vec<Word>,
    pub(super) aliases: Aliases,
    pub(super) group_by: Vec<Word>,
    pub(super) timespan: Millis,
    pub(super) kind: Kind<Word>,
}

const SHARED: &[&str] = &["type", "rules", "aliases", "group-by", "timespan"];
/// The types that are Sigma's, which demands `group-by`; ours may be about everybody together.
const SIGMAS: &[&str] =
    &["event_count", "value_count", "value_sum", "value_avg", "value_percentile", "temporal", "temporal_ordered"];

/// Reads the value of `correlation`.
pub(super) fn read(node: &Node) -> Result<Written, Fault> {
    let map = node.map("correlation")?;
    let need = |key: &str| {
        node.get(key).ok_or_else(|| Fault::at(node.line, format!("the correlation has no {}", quoted(key))))
    };
    let type_node = need("type")?;
    let name = type_node.text("type")?;
    let keys = Kind::keys(&name).ok_or_else(|| {
        let near = did_you_mean(&name, TYPES.iter().copied());
        Fault::at(type_node.line, format!("there is no correlation type {}{near}", quoted(&name)))
    })?;
    only(map, &[SHARED, keys].concat(), &format!("a correlation of type {}", quoted(&name)))?;
    let group_by = match SIGMAS.contains(&&*name) {
        true => Some(need("group-by")?),
        false => node.get("group-by"),
    };
    let timespan_node = need("timespan")?;
    let timespan = length(timespan_node, "timespan")?;
    if timespan.0 == 0 {
        return Err(Fault::at(timespan_node.line, "`timespan` must be longer than nothing"));
    }
    let rules = unique(need("rules")?, "rules", 1)?;
    let kind = Kind::read(&name, node, &rules).unwrap_or_else(|| unreachable!("its keys are known"))?;
    Ok(Written {
        aliases: aliases(node.get("aliases"))?,
        group_by: group_by.map_or(Ok(Vec::new()), |n| unique(n, "group-by", 0))?,
        timespan,
        kind,
        rules,
    })
}

fn aliases(node: Option<&Node>) -> Result<Aliases, Fault> {
    let mut out = BTreeMap::new();
    for (alias, fields) in node.map_or(Ok(&[][..]), |n| n.map("aliases"))? {
        let mut of_rule = Vec::new();
        for (rule, field) in fields.map(&alias.text)? {
            of_rule.push((rule.clone(), field.text(&rule.text)?));
        }
        out.insert(alias.text.clone(), of_rule);
    }
    Ok(out)
}
