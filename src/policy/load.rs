//! Files of policies into one policy set: references resolved, filters put on, in an order in which what is referred to
//! comes first.
use super::correlation::{
    self, Correlation, CorrelationKind, GroupKey, NewValue, ValueSort, Written, WrittenKind,
};
use super::document::{Document, Sort, read};
use super::error::{Fault, LoadError, did_you_mean, quoted};
use super::field::{FieldRef, Resolver, Taxonomy};
use super::filter::{self, Filter};
use super::item::Scope;
use super::matcher::{Matcher, detection, in_common};
use super::{Body, Policy, PolicySet, Site, Warning, digest, lint, ours, yaml};
use crate::model::{Digest, HashParts, Millis, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most policies in one set. SigmaHQ has 4,000.
pub const POLICIES: usize = 20_000;
/// The most files.
pub const FILES: usize = 20_000;
/// The most errors that are told at once.
const ERRORS: usize = 100;

/// Reads files, each a name and its text. A later file of the same name replaces an earlier one: that is how an
/// operator's folder overrides what is shipped. Either all is well or every error is told.
pub fn load(files: &[(&str, &str)], site: &Site) -> Result<PolicySet, Vec<LoadError>> {
    let latest: BTreeMap<&str, &str> = files.iter().copied().collect();
    let mut errors = Vec::new();
    if latest.len() > FILES {
        errors.push(LoadError {
            file: "policies".into(),
            line: 0,
            message: format!("there may be {FILES} files of policies"),
        });
        return Err(errors);
    }
    let mut documents = Vec::new();
    for (name, text) in latest {
        let file: Arc<str> = name.into();
        match yaml::documents(text) {
            Ok(trees) => documents.extend(
                trees
                    .iter()
                    .map(|tree| read(tree, &file).map_err(|f| f.in_file(&file))),
            ),
            Err(fault) => errors.push(fault.in_file(&file)),
        }
    }
    let (good, bad): (Vec<_>, Vec<_>) = documents.into_iter().partition(Result::is_ok);
    errors.extend(bad.into_iter().filter_map(Result::err));
    let documents: Vec<Document> = good.into_iter().filter_map(Result::ok).collect();
    if documents.len() > POLICIES {
        errors.push(LoadError {
            file: "policies".into(),
            line: 0,
            message: format!("there may be {POLICIES} policies"),
        });
        return Err(errors);
    }
    let set = Linker::new(documents, site, &mut errors).link(&mut errors);
    errors.truncate(ERRORS);
    match errors.is_empty() {
        true => Ok(set),
        false => Err(errors),
    }
}

struct Linker<'a> {
    site: &'a Site,
    documents: Vec<Document>,
    /// From name and id to the document.
    index: BTreeMap<Arc<str>, usize>,
    filters: Vec<Filter>,
    resolver: Resolver,
    /// For each document its place in `rules`, once it is compiled.
    places: Vec<Option<usize>>,
    rules: Vec<Policy>,
    /// For each of `rules`: how it names fields, and what it needs.
    sides: Vec<Side>,
    warnings: Vec<Warning>,
}

#[derive(Clone)]
struct Side {
    taxonomy: Taxonomy,
    needs: BTreeSet<FieldRef>,
    has_level: bool,
    generates: bool,
}

impl<'a> Linker<'a> {
    fn new(documents: Vec<Document>, site: &'a Site, errors: &mut Vec<LoadError>) -> Linker<'a> {
        let mut index: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for (i, document) in documents.iter().enumerate() {
            let mut handles: Vec<&Arc<str>> = document.name.iter().chain(&document.id).collect();
            handles.dedup();
            for handle in handles {
                if let Some(other) = index.insert(handle.clone(), i) {
                    let other: &Document = &documents[other];
                    errors.push(LoadError {
                        file: document.file.clone(),
                        line: document.line,
                        message: format!(
                            "{} is also the name or id of the policy at {}:{}",
                            quoted(handle),
                            other.file,
                            other.line
                        ),
                    });
                }
            }
        }
        Linker {
            site,
            places: vec![None; documents.len()],
            documents,
            index,
            filters: Vec::new(),
            resolver: Resolver::default(),
            rules: Vec::new(),
            sides: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn link(mut self, errors: &mut Vec<LoadError>) -> PolicySet {
        self.read_filters(errors);
        let mut failed = BTreeSet::new();
        for i in 0..self.documents.len() {
            if self.documents[i].sort != Sort::Filter {
                self.place(i, &mut Vec::new(), &mut failed, errors);
            }
        }
        self.name_all(errors);
        self.decide_alerts();
        let mut parts = HashParts::new("tripline policy set 1");
        for rule in &self.rules {
            parts = parts.part(rule.name.as_bytes()).part(&rule.decision.0);
        }
        let mut set = PolicySet {
            rules: self.rules,
            raw_fields: self.resolver.raw_fields,
            digest: parts.finish(),
            warnings: self.warnings,
        };
        let more = lint::lint(&set);
        set.warnings.extend(more);
        set
    }

    fn read_filters(&mut self, errors: &mut Vec<LoadError>) {
        for (i, document) in self
            .documents
            .iter()
            .enumerate()
            .filter(|(_, d)| d.sort == Sort::Filter)
        {
            let mut scope = Scope {
                resolver: &mut self.resolver,
                taxonomy: document.taxonomy,
                placeholders: &self.site.placeholders,
            };
            let read = filter::read(i, document, &mut scope).and_then(|filter| {
                for (line, rule) in &filter.rules {
                    self.documents
                        .get(lookup(&self.index, rule, *line)?)
                        .map_or(Ok(()), |target| filter::fits(document, target, *line))?;
                }
                Ok(filter)
            });
            match read {
                Ok(filter) => self.filters.push(filter),
                Err(fault) => errors.push(fault.in_file(&document.file)),
            }
        }
    }

    /// Compiles a document after all that it refers to. The recursion ends, for `path` refuses a circle, and is as deep
    /// as correlations are chained.
    fn place(
        &mut self,
        i: usize,
        path: &mut Vec<usize>,
        failed: &mut BTreeSet<usize>,
        errors: &mut Vec<LoadError>,
    ) {
        if self.places[i].is_some() || failed.contains(&i) {
            return;
        }
        path.push(i);
        let document = self.documents[i].clone();
        let compiled = match document.sort {
            Sort::Correlation => correlation::read(&document.body).and_then(|written| {
                self.place_referred(&written, path, failed, errors)?;
                self.correlation(&document, written)
            }),
            _ => self.detection(&document).map(Some),
        };
        path.pop();
        match compiled {
            Ok(Some((policy, side))) => {
                self.places[i] = Some(self.rules.len());
                self.rules.push(policy);
                self.sides.push(side);
            }
            // What it refers to is broken, which was said there.
            Ok(None) => drop(failed.insert(i)),
            Err(fault) => {
                failed.insert(i);
                errors.push(fault.in_file(&document.file));
            }
        }
    }

    fn place_referred(
        &mut self,
        written: &Written,
        path: &mut Vec<usize>,
        failed: &mut BTreeSet<usize>,
        errors: &mut Vec<LoadError>,
    ) -> Result<(), Fault> {
        for (line, name) in &written.rules {
            let target = lookup(&self.index, name, *line)?;
            if path.contains(&target) {
                return Err(Fault::at(
                    *line,
                    format!("{} refers back to this correlation: a circle", quoted(name)),
                ));
            }
            if path.len() > 32 {
                return Err(Fault::at(
                    *line,
                    "correlations are chained more than 32 deep",
                ));
            }
            if self.documents[target].sort == Sort::Filter {
                return Err(Fault::at(
                    *line,
                    format!("{} is a filter, which selects nothing", quoted(name)),
                ));
            }
            self.place(target, path, failed, errors);
        }
        Ok(())
    }

    fn detection(&mut self, document: &Document) -> Result<(Policy, Side), Fault> {
        let first_raw = self.resolver.raw_fields.len();
        let mut scope = Scope {
            resolver: &mut self.resolver,
            taxonomy: document.taxonomy,
            placeholders: &self.site.placeholders,
        };
        let (_, expression, unused) = detection(&document.body, "detection", &[], &mut scope)?;
        for (line, name) in unused.iter().filter(|(_, n)| !n.starts_with('_')) {
            self.warn(
                document,
                *line,
                format!("selection {} is used by no condition", quoted(name)),
            );
        }
        let applied: Vec<&Filter> = self
            .filters
            .iter()
            .filter(|f| f.covers(document, &self.documents))
            .collect();
        let mut parts = HashParts::new("tripline detection accumulation 1");
        parts = digest::tree(parts, &document.body);
        for text in [
            &document.logsource.category,
            &document.logsource.product,
            &document.logsource.service,
        ] {
            parts = parts.part(text.as_deref().unwrap_or_default().as_bytes());
        }
        parts = parts.number(document.taxonomy as i64);
        for (name, values) in &self.site.placeholders {
            if document.body.mentions(name) {
                parts = values
                    .iter()
                    .fold(parts.part(name.as_bytes()), |p, v| p.part(v.as_bytes()));
            }
        }
        for filter in &applied {
            parts = digest::tree(parts, &self.documents[filter.document].body);
        }
        let expression = applied
            .iter()
            .fold(expression, |e, filter| filter.put_on(e));
        let matcher = Matcher::new(expression, self.site.products(&document.logsource));
        for name in self.resolver.raw_fields[first_raw..].to_vec() {
            let near = super::field::nearly_known(&name);
            if !near.is_empty() {
                self.warn(
                    document,
                    document.body.line,
                    format!(
                        "{} is no field of the event and is looked for in the record itself{near}",
                        quoted(&name)
                    ),
                );
            }
        }
        let needs = matcher.needs();
        let side = Side {
            taxonomy: document.taxonomy,
            needs,
            has_level: document.level.is_some(),
            generates: false,
        };
        let policy = self.policy(
            document,
            Body::Detection(matcher),
            parts.finish(),
            Millis::HOUR,
            true,
            &side,
        )?;
        Ok((policy, side))
    }

    fn correlation(
        &mut self,
        document: &Document,
        written: Written,
    ) -> Result<Option<(Policy, Side)>, Fault> {
        let mut rules = Vec::new();
        for (line, name) in &written.rules {
            match self.places[lookup(&self.index, name, *line)?] {
                Some(place) if rules.contains(&place) => {
                    return Err(Fault::at(
                        *line,
                        format!("{} is referred to twice, by name and by id", quoted(name)),
                    ));
                }
                Some(place) => rules.push(place),
                None => return Ok(None),
            }
        }
        let taxonomies: Vec<Taxonomy> = rules.iter().map(|r| self.sides[*r].taxonomy).collect();
        let group_by = self.group_by(&written, &taxonomies)?;
        let kind = self.kind(&written, &taxonomies)?;
        let correlation = Correlation {
            rules,
            group_by,
            timespan: written.timespan,
            kind,
        };
        let of_rules: Vec<Digest> = correlation
            .rules
            .iter()
            .map(|r| self.rules[*r].accumulation)
            .collect();
        let accumulation = digest::accumulation(&correlation, &of_rules, &self.resolver.raw_fields);
        let side = Side {
            taxonomy: taxonomies[0],
            needs: self.needs(&correlation),
            has_level: document.level.is_some(),
            generates: document.generate,
        };
        let usual = correlation.timespan.clamp(Millis::HOUR, Millis::DAY);
        let monotone = self.monotone(&correlation);
        let policy = self.policy(
            document,
            Body::Correlation(correlation),
            accumulation,
            usual,
            monotone,
            &side,
        )?;
        Ok(Some((policy, side)))
    }

    /// Resolves the keys to group by: an alias names a field for each rule, a field is the same for all.
    fn group_by(
        &mut self,
        written: &Written,
        taxonomies: &[Taxonomy],
    ) -> Result<Vec<GroupKey>, Fault> {
        let names: Vec<&str> = written.rules.iter().map(|(_, n)| n.as_str()).collect();
        for (alias, of_rules) in &written.aliases {
            for (line, rule, _) in of_rules {
                if !names.contains(&rule.as_str()) {
                    let near = did_you_mean(rule, names.iter().copied());
                    return Err(Fault::at(
                        *line,
                        format!(
                            "alias {} names {}, which this correlation does not refer to{near}",
                            quoted(alias),
                            quoted(rule)
                        ),
                    ));
                }
            }
            if !written.group_by.iter().any(|(_, g)| g == alias) {
                let line = of_rules.first().map_or(0, |(line, ..)| *line);
                return Err(Fault::at(
                    line,
                    format!(
                        "alias {} is not in `group-by`, the only place where it has a meaning",
                        quoted(alias)
                    ),
                ));
            }
        }
        let mut keys = Vec::new();
        for (line, name) in &written.group_by {
            let mut fields = Vec::new();
            for ((_, rule), taxonomy) in written.rules.iter().zip(taxonomies) {
                let field = match written.aliases.get(name) {
                    None => name,
                    Some(of_rules) => match of_rules.iter().find(|(_, r, _)| r == rule) {
                        Some((_, _, field)) => field,
                        None => {
                            return Err(Fault::at(
                                *line,
                                format!(
                                    "alias {} names no field for {}",
                                    quoted(name),
                                    quoted(rule)
                                ),
                            ));
                        }
                    },
                };
                fields.push(self.resolver.resolve(field, *taxonomy));
            }
            keys.push(GroupKey {
                name: name.as_str().into(),
                fields,
            });
        }
        Ok(keys)
    }

    fn kind(
        &mut self,
        written: &Written,
        taxonomies: &[Taxonomy],
    ) -> Result<CorrelationKind, Fault> {
        let mut resolve = |fields: &[(u32, String)]| {
            let fields = fields.iter().map(|(line, name)| {
                if written.aliases.contains_key(name) {
                    return Err(Fault::at(*line, format!("alias {} has a meaning in `group-by` only (Sigma, field name aliases)", quoted(name))));
                }
                let resolved: BTreeSet<FieldRef> = taxonomies.iter().map(|t| self.resolver.resolve(name, *t)).collect();
                match resolved.first() {
                    Some(field) if resolved.len() == 1 => Ok(*field),
                    _ => Err(Fault::at(*line, format!("{} means different fields in the rules referred to, which differ in taxonomy", quoted(name)))),
                }
            });
            fields.collect::<Result<Vec<_>, _>>()
        };
        Ok(match &written.kind {
            WrittenKind::EventCount(range) => CorrelationKind::EventCount(range.clone()),
            WrittenKind::Values {
                sort,
                fields,
                range,
                percentile,
            } => {
                let (fields, range) = (resolve(fields)?, range.clone());
                let field = fields[0];
                match sort {
                    ValueSort::Count => CorrelationKind::ValueCount { fields, range },
                    ValueSort::Sum => CorrelationKind::ValueSum { field, range },
                    ValueSort::Avg => CorrelationKind::ValueAvg { field, range },
                    ValueSort::Percentile => CorrelationKind::ValuePercentile {
                        field,
                        percentile: *percentile,
                        range,
                    },
                }
            }
            WrittenKind::Temporal { ordered, range } => CorrelationKind::Temporal {
                ordered: *ordered,
                range: range.clone(),
            },
            WrittenKind::NewValue {
                fields,
                days,
                observations,
                new_for,
            } => CorrelationKind::NewValue(NewValue {
                fields: resolve(fields)?,
                learning_days: *days,
                learning_observations: *observations,
                new_for: *new_for,
            }),
        })
    }

    fn needs(&self, correlation: &Correlation) -> BTreeSet<FieldRef> {
        let of_rules = || {
            correlation.rules.iter().enumerate().map(|(i, rule)| {
                let keys = correlation.group_by.iter().map(|k| k.fields[i]);
                &self.sides[*rule].needs | &keys.collect()
            })
        };
        let all_needed = matches!(
            &correlation.kind,
            CorrelationKind::Temporal { range: None, .. }
        );
        let mut needs: BTreeSet<FieldRef> = match all_needed {
            true => of_rules().flatten().collect(),
            false => in_common(of_rules()),
        };
        needs.extend(correlation.kind.fields());
        needs
    }

    fn monotone(&self, correlation: &Correlation) -> bool {
        correlation.rules.iter().all(|r| self.rules[*r].monotone)
            && match &correlation.kind {
                CorrelationKind::EventCount(range) | CorrelationKind::ValueCount { range, .. } => {
                    range.only_from_below()
                }
                // The amounts of our own fields are never negative; what a raw field holds is not known.
                CorrelationKind::ValueSum { field, range } => {
                    matches!(field, FieldRef::Known(_)) && range.only_from_below()
                }
                CorrelationKind::Temporal { range, .. } => {
                    range.as_ref().is_none_or(|r| r.only_from_below())
                }
                CorrelationKind::ValueAvg { .. }
                | CorrelationKind::ValuePercentile { .. }
                | CorrelationKind::NewValue(_) => false,
            }
    }

    fn policy(
        &mut self,
        document: &Document,
        body: Body,
        accumulation: Digest,
        usual_episode: Millis,
        monotone: bool,
        side: &Side,
    ) -> Result<Policy, Fault> {
        let product = match &body {
            Body::Detection(matcher) => matcher
                .products()
                .and_then(|p| p.first())
                .map_or("test", |p| p)
                .to_owned(),
            Body::Correlation(c) => self.rules[c.rules[0]].product.clone(),
        };
        let ours = ours::read(
            document.ours.as_ref(),
            &mut self.resolver,
            side.taxonomy,
            &product,
        )?;
        let episode = ours.episode.unwrap_or(usual_episode);
        let slug = slug(&document.title);
        let identity: &str = document
            .name
            .as_deref()
            .or(document.id.as_deref())
            .unwrap_or(&slug);
        let kind = match &body {
            Body::Correlation(c) => Some(&c.kind),
            Body::Detection(_) => None,
        };
        Ok(Policy {
            decision: digest::decision(identity, accumulation, kind, episode),
            accumulation,
            name: document
                .name
                .clone()
                .unwrap_or_else(|| slug.as_str().into()),
            id: document.id.clone(),
            title: document.title.as_str().into(),
            description: document.description.clone(),
            severity: document.level.unwrap_or(Severity::Medium),
            tags: document.tags.clone(),
            false_positives: document.false_positives.clone(),
            runbook: ours.runbook,
            file: document.file.clone(),
            line: document.line,
            named: document.name.is_some(),
            logsource: document.logsource.clone(),
            product,
            body,
            alerts: false,
            referred: false,
            asks: ours.asks,
            episode,
            monotone,
            needs: side.needs.iter().copied().collect(),
            tests: ours.tests,
        })
    }

    /// Makes the names one of a kind: what has only a title takes it, with the beginning of its id where two are alike.
    fn name_all(&mut self, errors: &mut Vec<LoadError>) {
        let mut count: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for rule in &self.rules {
            *count.entry(rule.name.clone()).or_default() += 1;
        }
        for rule in self
            .rules
            .iter_mut()
            .filter(|r| !r.named && count[&r.name] > 1)
        {
            match &rule.id {
                Some(id) => {
                    let short: String = id.chars().take(8).collect();
                    rule.name = format!("{}_{short}", rule.name).into();
                }
                None => errors.push(LoadError {
                    file: rule.file.clone(),
                    line: rule.line,
                    message: format!(
                        "another policy is known by the same name, {}: give this one a `name`",
                        quoted(&rule.name)
                    ),
                }),
            }
        }
    }

    /// A correlation alerts unless another one refers to it; a detection needs a level too. `generate: true` lets what
    /// it refers to alert as well.
    fn decide_alerts(&mut self) {
        let mut referred: BTreeMap<usize, bool> = BTreeMap::new();
        for (rule, side) in self.rules.iter().zip(&self.sides) {
            if let Body::Correlation(c) = &rule.body {
                for target in &c.rules {
                    *referred.entry(*target).or_default() |= side.generates;
                }
            }
        }
        for (i, rule) in self.rules.iter_mut().enumerate() {
            rule.alerts = match referred.get(&i) {
                Some(generated) => *generated,
                None => self.sides[i].has_level || matches!(rule.body, Body::Correlation(_)),
            };
            rule.referred = referred.contains_key(&i);
        }
    }

    fn warn(&mut self, document: &Document, line: u32, message: String) {
        self.warnings.push(Warning(LoadError {
            file: document.file.clone(),
            line,
            message,
        }));
    }
}

fn lookup(index: &BTreeMap<Arc<str>, usize>, name: &str, line: u32) -> Result<usize, Fault> {
    index.get(name).copied().ok_or_else(|| {
        let near = did_you_mean(name, index.keys().map(|k| &**k));
        Fault::at(
            line,
            format!(
                "there is no rule with the name or id {}{near}",
                quoted(name)
            ),
        )
    })
}

/// The title as a name: `Many failed logins` is `many_failed_logins`.
fn slug(title: &str) -> String {
    let words = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty());
    let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("_");
    slug.chars().take(100).collect()
}
