//! One correlation into a policy: its rules, keys and fields from names into places.
use super::correlation::{Correlation, GroupKey, Written};
use super::document::Document;
use super::link::{Linker, Side, lookup};
use super::matcher::in_common;
use super::{Body, Policy, digest};
use crate::model::{Digest, Millis};
use crate::operator::{Kind, Needs, Terms, each};
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::field::{FieldRef, Taxonomy};
use crate::syntax::yaml::Word;
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

    fn kind(&mut self, written: &Written, taxonomies: &[Taxonomy]) -> Result<Kind, Fault> {
        written.kind.resolve(&mut |fields| fields.iter().map(|f| self.field(f, written, taxonomies)).collect())
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
        let mut needs: BTreeSet<FieldRef> = match each!(&correlation.kind, operator => operator.needs()) {
            Needs::All => of_rules().flatten().collect(),
            Needs::Any => in_common(of_rules()),
            Needs::None => return BTreeSet::new(),
        };
        needs.extend(correlation.values());
        needs
    }

    /// Whether it makes no difference to `correlation` by which event `rule` comes to hold. Where an event that arrives late
    /// makes it hold at a later one, it is the late one's fields that are taken up, and where runs are kept as few, fewer times.
    fn keeps_order(&self, rule: usize, correlation: &Correlation) -> bool {
        let Body::Correlation(inner) = &self.rules[rule].body else { return true };
        let keyed = |key: &GroupKey| inner.group_by.iter().any(|k| k.name == key.name);
        matches!(correlation.kind, Kind::Temporal(_) | Kind::Risk(_))
            && matches!(inner.kind, Kind::EventCount(_) | Kind::ValueSum(_))
            && correlation.group_by.iter().all(keyed)
    }

    fn monotone(&self, correlation: &Correlation) -> bool {
        correlation.rules.iter().all(|r| self.rules[*r].monotone && self.keeps_order(*r, correlation))
            && each!(&correlation.kind, operator => operator.is_monotone())
    }
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
