//! One correlation into a policy: its rules, keys and fields from names into places.
use super::correlation::{Correlation, CorrelationKind, GroupKey, ValueSort, Written, WrittenKind};
use super::document::Document;
use super::error::{Fault, did_you_mean, quoted};
use super::extension::{self, Amount, Baseline, Concurrent, NewValue};
use super::field::{FieldRef, Taxonomy};
use super::link::{Linker, Side, lookup};
use super::matcher::in_common;
use super::yaml::Word;
use super::{Body, Policy, digest};
use crate::model::{Digest, Field, Millis};
use std::collections::BTreeSet;

impl Linker<'_> {
    /// Compiles a correlation, all that it refers to being compiled; nothing where something of that is broken.
    pub(super) fn correlation(
        &mut self,
        document: &Document,
        written: Written,
    ) -> Result<Option<(Policy, Side)>, Fault> {
        let mut rules = Vec::new();
        for Word { line, text } in &written.rules {
            match self.places[lookup(&self.index, text, *line)?] {
                Some(place) if rules.contains(&place) => {
                    let message = format!("{} is referred to twice, by name and by id", quoted(text));
                    return Err(Fault::at(*line, message));
                }
                Some(place) => rules.push(place),
                // where that is an error, it was said there
                None if document.foreign.is_none()
                    && self.documents[lookup(&self.index, text, *line)?].foreign.is_some() =>
                {
                    return Err(Fault::at(*line, format!("{} is a foreign rule that is set aside", quoted(text))));
                }
                None => return Ok(None),
            }
        }
        let taxonomies: Vec<Taxonomy> = rules.iter().map(|r| self.sides[*r].taxonomy).collect();
        check_aliases(&written)?;
        let correlation = Correlation {
            group_by: self.group_by(&written, &taxonomies)?,
            kind: self.kind(&written, &taxonomies)?,
            timespan: written.timespan,
            rules,
        };
        let of_rules = correlation.rules.iter().map(|r| self.rules[*r].accumulation);
        let of_rules: Vec<Digest> = of_rules.collect();
        let accumulation = digest::accumulation(&correlation, &of_rules, &self.resolver.raw_fields);
        let side = Side {
            taxonomy: taxonomies[0],
            needs: self.needs(&correlation),
            has_level: document.level.is_some(),
            generates: document.generate,
            monotone: self.monotone(&correlation),
            episode: correlation.timespan.clamp(Millis::HOUR, Millis::DAY),
        };
        let policy = self.policy(document, Body::Correlation(correlation), accumulation, &side)?;
        Ok(Some((policy, side)))
    }

    /// Resolves the keys to group by: an alias names a field for each rule, a field is the same for all.
    fn group_by(&mut self, written: &Written, taxonomies: &[Taxonomy]) -> Result<Vec<GroupKey>, Fault> {
        let mut keys = Vec::new();
        for key in &written.group_by {
            let mut fields = Vec::new();
            for (rule, taxonomy) in written.rules.iter().zip(taxonomies) {
                let field = aliased(written, key, &rule.text)?;
                fields.push(self.resolver.resolve(field, *taxonomy));
            }
            keys.push(GroupKey { name: key.text.as_str().into(), fields });
        }
        Ok(keys)
    }

    fn kind(&mut self, written: &Written, taxonomies: &[Taxonomy]) -> Result<CorrelationKind, Fault> {
        let mut resolve = |fields: &[Word]| {
            let fields = fields.iter().map(|f| self.field(f, written, taxonomies));
            fields.collect::<Result<Vec<_>, _>>()
        };
        Ok(match &written.kind {
            WrittenKind::EventCount(range) => CorrelationKind::EventCount(range.clone()),
            WrittenKind::Values { sort, fields, range, percentile } => {
                let (fields, range) = (resolve(fields)?, range.clone());
                let field = fields[0];
                match sort {
                    ValueSort::Count => CorrelationKind::ValueCount { fields, range },
                    ValueSort::Sum => CorrelationKind::ValueSum { field, range },
                    ValueSort::Avg => CorrelationKind::ValueAvg { field, range },
                    ValueSort::Percentile => CorrelationKind::ValuePercentile { field, percentile: *percentile, range },
                }
            }
            WrittenKind::Temporal { ordered, range } => {
                CorrelationKind::Temporal { ordered: *ordered, range: range.clone() }
            }
            WrittenKind::Ours(ours) => extend(ours, resolve)?,
        })
    }

    /// A field whose values are looked at: the same one in all rules.
    fn field(&mut self, name: &Word, written: &Written, taxonomies: &[Taxonomy]) -> Result<FieldRef, Fault> {
        let fault = |why: &str| Err(Fault::at(name.line, format!("{} {why}", quoted(&name.text))));
        if written.aliases.contains_key(&name.text) {
            return fault("is an alias, which has a meaning in `group-by` only (Sigma, field name aliases)");
        }
        let resolved = taxonomies.iter().map(|t| self.resolver.resolve(&name.text, *t));
        let resolved: BTreeSet<FieldRef> = resolved.collect();
        match resolved.first() {
            Some(field) if resolved.len() == 1 => Ok(*field),
            _ => fault("means different fields in the rules referred to, which differ in taxonomy"),
        }
    }

    fn needs(&self, correlation: &Correlation) -> BTreeSet<FieldRef> {
        let of_rules = || {
            correlation.rules.iter().enumerate().map(|(i, rule)| {
                let keys = correlation.group_by.iter().map(|k| k.fields[i]);
                &self.sides[*rule].needs | &keys.collect()
            })
        };
        let all_needed = matches!(&correlation.kind, CorrelationKind::Temporal { range: None, .. });
        let mut needs: BTreeSet<FieldRef> = match all_needed {
            true => of_rules().flatten().collect(),
            false => in_common(of_rules()),
        };
        needs.extend(correlation.kind.fields());
        if let CorrelationKind::Risk(_) = &correlation.kind {
            // the signs make up for one another
            needs.clear();
        }
        needs
    }

    /// Whether it makes no difference to `correlation` by which event `rule` comes to hold. Where an event that arrives late
    /// makes it hold at a later one, it is the late one's fields that are taken up, and where runs are kept as few, fewer times.
    fn keeps_order(&self, rule: usize, correlation: &Correlation) -> bool {
        let Body::Correlation(inner) = &self.rules[rule].body else { return true };
        let keyed = |key: &GroupKey| inner.group_by.iter().any(|k| k.name == key.name);
        matches!(correlation.kind, CorrelationKind::Temporal { .. } | CorrelationKind::Risk(_))
            && matches!(inner.kind, CorrelationKind::EventCount(_) | CorrelationKind::ValueSum { .. })
            && correlation.group_by.iter().all(keyed)
    }

    fn monotone(&self, correlation: &Correlation) -> bool {
        correlation.rules.iter().all(|r| self.rules[*r].monotone && self.keeps_order(*r, correlation))
            && match &correlation.kind {
                CorrelationKind::EventCount(range) | CorrelationKind::ValueCount { range, .. } => {
                    range.only_from_below()
                }
                CorrelationKind::ValueSum { field, range } => never_negative(*field) && range.only_from_below(),
                CorrelationKind::Temporal { range, .. } => range.as_ref().is_none_or(|r| r.only_from_below()),
                CorrelationKind::Concurrent(concurrent) => concurrent.range.only_from_below(),
                CorrelationKind::Risk(risk) => risk.range.only_from_below(),
                CorrelationKind::ValueAvg { .. }
                | CorrelationKind::ValuePercentile { .. }
                | CorrelationKind::NewValue(_)
                | CorrelationKind::Travel(_)
                | CorrelationKind::Baseline(_)
                | CorrelationKind::Absence(_) => false,
            }
    }
}

/// Whether the field holds counts, so that a sum of it only grows; what a raw field holds is not known.
fn never_negative(field: FieldRef) -> bool {
    use Field::*;
    matches!(field, FieldRef::Known(ExportRecords | ExportBytes | ExportDays | Status | Duration | Sequence))
}

/// A type of ours with its fields from names into places.
fn extend(
    ours: &extension::Written,
    mut resolve: impl FnMut(&[Word]) -> Result<Vec<FieldRef>, Fault>,
) -> Result<CorrelationKind, Fault> {
    use extension::Written as Ours;
    Ok(match ours {
        Ours::NewValue(NewValue { fields, learning, new_for, crowd }) => CorrelationKind::NewValue(NewValue {
            fields: resolve(fields)?,
            learning: *learning,
            new_for: *new_for,
            crowd: *crowd,
        }),
        Ours::Travel(travel) => CorrelationKind::Travel(travel.clone()),
        Ours::Concurrent(Concurrent { fields, range }) => {
            CorrelationKind::Concurrent(Concurrent { fields: resolve(fields)?, range: range.clone() })
        }
        Ours::Baseline(b) => CorrelationKind::Baseline(Baseline {
            measure: match &b.measure {
                Amount::Count => Amount::Count,
                Amount::Sum(field) => Amount::Sum(resolve(std::slice::from_ref(field))?[0]),
                Amount::Distinct(fields) => Amount::Distinct(resolve(fields)?),
            },
            history: b.history,
            learning: b.learning,
            percentile: b.percentile,
            peers: resolve(&b.peers)?,
            floor: b.floor,
            range: b.range.clone(),
        }),
        Ours::Absence(absence) => CorrelationKind::Absence(absence.clone()),
        Ours::Risk(risk) => CorrelationKind::Risk(risk.clone()),
    })
}

/// Refuses aliases that say nothing.
fn check_aliases(written: &Written) -> Result<(), Fault> {
    for (alias, of_rules) in &written.aliases {
        for (rule, _) in of_rules {
            if !written.rules.iter().any(|r| r.text == rule.text) {
                let near = did_you_mean(&rule.text, written.rules.iter().map(|r| r.text.as_str()));
                return Err(Fault::at(
                    rule.line,
                    format!(
                        "alias {} names {}, which this correlation does not refer to{near}",
                        quoted(alias),
                        quoted(&rule.text)
                    ),
                ));
            }
        }
        if !written.group_by.iter().any(|g| g.text == *alias) {
            return Err(Fault::at(
                of_rules.first().map_or(0, |(rule, _)| rule.line),
                format!("alias {} is not in `group-by`, the only place where it has a meaning", quoted(alias)),
            ));
        }
    }
    Ok(())
}

/// The field that `key` is in the events of `rule`.
fn aliased<'a>(written: &'a Written, key: &'a Word, rule: &str) -> Result<&'a str, Fault> {
    let Some(of_rules) = written.aliases.get(&key.text) else {
        return Ok(&key.text);
    };
    let field = of_rules.iter().find(|(r, _)| r.text == rule).map(|(_, field)| field.as_str());
    field.ok_or_else(|| {
        let message = format!("alias {} names no field for {}", quoted(&key.text), quoted(rule));
        Fault::at(key.line, message)
    })
}
