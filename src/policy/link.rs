//! Documents into a set: names made one of a kind, references resolved, what is referred to before what refers to it.
use super::correlation;
use super::document::{Document, Sort};
use super::filter::{self, Filter};
use super::fixture;
use super::foreign::Foreign;
use super::item::Scope;
use super::{Body, Policy, PolicySet, Site, Warning, lint, ours};
use crate::model::{Digest, Millis};
use crate::syntax::error::{Fault, LoadError, did_you_mean, quoted};
use crate::syntax::field::{FieldRef, Resolver, Taxonomy};
use crate::syntax::yaml::Word;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Among how many names a near one is looked for.
const NEAR: usize = 1000;
/// The most raw fields that all policies together may name. SigmaHQ's 4,000 rules name some 500.
const RAW_FIELDS: usize = 65_536;
/// How deep correlations of correlations may be chained.
const CHAINED: usize = 32;

/// A set while it is being put together.
pub(super) struct Linker<'a> {
    pub(super) site: &'a Site,
    /// The folders of foreign rules.
    pub(super) others: &'a [Foreign],
    pub(super) documents: Vec<Document>,
    /// From name and id to the document.
    pub(super) index: BTreeMap<Arc<str>, usize>,
    pub(super) filters: Vec<Filter>,
    pub(super) resolver: Resolver,
    /// For each document its place in `rules`, once it is compiled.
    pub(super) places: Vec<Option<usize>>,
    pub(super) rules: Vec<Policy>,
    /// For each of `rules`: how it names fields, and what it needs.
    pub(super) sides: Vec<Side>,
    warnings: Vec<Warning>,
    errors: Vec<LoadError>,
    /// Faults of foreign rules, with the number of their folder.
    set_aside: Vec<(usize, LoadError)>,
    /// For each foreign rule that is left out for its level, the number of its folder.
    below: Vec<usize>,
    /// Documents that are broken, or refer to such.
    failed: BTreeSet<usize>,
}

/// A set that is put together.
pub(super) struct Linked {
    /// Of use only where there is no error.
    pub(super) set: PolicySet,
    pub(super) errors: Vec<LoadError>,
    /// Faults of foreign rules, with the number of their folder.
    pub(super) set_aside: Vec<(usize, LoadError)>,
    /// For each foreign rule that is left out for its level, the number of its folder.
    pub(super) below: Vec<usize>,
}

/// What a compiled policy's neighbours need to know of it.
pub(super) struct Side {
    pub(super) taxonomy: Taxonomy,
    pub(super) needs: BTreeSet<FieldRef>,
    pub(super) has_level: bool,
    /// What it refers to alerts as well.
    pub(super) generates: bool,
    pub(super) monotone: bool,
    /// The episode where the file gives none.
    pub(super) episode: Millis,
}

impl<'a> Linker<'a> {
    pub(super) fn new(documents: Vec<Document>, others: &'a [Foreign], site: &'a Site) -> Linker<'a> {
        let mut linker = Linker {
            site,
            others,
            places: vec![None; documents.len()],
            documents,
            index: BTreeMap::new(),
            filters: Vec::new(),
            resolver: Resolver::default(),
            rules: Vec::new(),
            sides: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
            set_aside: Vec::new(),
            below: Vec::new(),
            failed: BTreeSet::new(),
        };
        linker.fill_index();
        linker
    }

    fn fill_index(&mut self) {
        let mut twice = Vec::new();
        for (i, document) in self.documents.iter().enumerate() {
            let mut handles: Vec<&Arc<str>> = document.name.iter().chain(&document.id).collect();
            handles.dedup();
            for handle in handles {
                // the first one has the name: an operator's own goes before those of others
                let known = *self.index.entry(handle.clone()).or_insert(i);
                if known == i {
                    continue;
                }
                let other = &self.documents[known];
                let (file, line) = (&other.file, other.line);
                let message = format!("{} is also the name or id of the policy at {file}:{line}", quoted(handle));
                twice.push((i, Fault::at(document.line, message)));
            }
        }
        twice.into_iter().for_each(|(i, fault)| self.refuse(i, fault));
    }

    /// Takes up that a document can't be used: an error, or of a foreign one a reason to set it aside.
    fn refuse(&mut self, i: usize, fault: Fault) {
        let document = &self.documents[i];
        let fault = fault.in_file(&document.file);
        match document.foreign {
            None => self.errors.push(fault),
            // one reason is enough
            Some(_) if self.failed.contains(&i) => {}
            Some(number) => self.set_aside.push((number, fault)),
        }
        self.failed.insert(i);
    }

    /// Whether a foreign rule is left out for its level.
    fn is_below(&self, document: &Document) -> bool {
        let least = document.foreign.and_then(|number| self.others[number].level);
        least.is_some_and(|least| document.level.is_none_or(|level| level < least))
    }

    /// Puts the set together.
    pub(super) fn link(mut self) -> Linked {
        let slips = self
            .documents
            .iter()
            .filter(|d| d.foreign.is_none())
            .flat_map(|d| d.warnings.iter().map(|fault| Warning::mistake(fault.clone().in_file(&d.file))));
        self.warnings.extend(slips);
        self.read_filters();
        for i in 0..self.documents.len() {
            if self.documents[i].sort != Sort::Filter && !self.is_below(&self.documents[i]) {
                self.place(i, &mut Vec::new());
            }
        }
        // those that a correlation refers to have been taken all the same
        let left = |i: &usize| self.documents[*i].sort != Sort::Filter && self.is_below(&self.documents[*i]);
        let left =
            (0..self.documents.len()).filter(left).filter(|i| self.places[*i].is_none() && !self.failed.contains(i));
        self.below = left.filter_map(|i| self.documents[i].foreign).collect();
        self.name_all();
        self.decide_alerts();
        let mut set = PolicySet {
            rules: self.rules,
            raw_fields: std::mem::take(&mut self.resolver.raw_fields),
            digest: Digest::of(b""),
            warnings: self.warnings,
            taken: Vec::new(),
        };
        set.warnings.extend(lint::lint(&set));
        set.warnings.extend(lint::idle_fields(&set, &self.resolver.looked_at));
        set.warnings.extend(fixture::idle(&self.documents));
        Linked { set, errors: self.errors, set_aside: self.set_aside, below: self.below }
    }

    fn read_filters(&mut self) {
        let mut refused = Vec::new();
        let filters = self.documents.iter().enumerate().filter(|(_, d)| d.sort == Sort::Filter);
        for (i, document) in filters {
            let mut scope = Scope {
                resolver: &mut self.resolver,
                taxonomy: document.taxonomy,
                placeholders: &self.site.placeholders,
            };
            let read = filter::read(i, document, &mut scope).and_then(|filter| {
                for rule in &filter.rules {
                    let target = lookup(&self.index, &rule.text, rule.line)?;
                    filter::fits(document, &self.documents[target], rule.line)?;
                }
                Ok(filter)
            });
            match read {
                Ok(filter) => self.filters.push(filter),
                Err(fault) => refused.push((i, fault)),
            }
        }
        refused.into_iter().for_each(|(i, fault)| self.refuse(i, fault));
    }

    /// Compiles a document after all that it refers to. The recursion ends, for `path` refuses a circle, and is as deep
    /// as correlations are chained, which is bounded.
    fn place(&mut self, i: usize, path: &mut Vec<usize>) {
        if self.places[i].is_some() || self.failed.contains(&i) {
            return;
        }
        path.push(i);
        let document = self.documents[i].clone();
        let first_raw = self.resolver.raw_fields.len();
        // what must hold for a response to be asked for is evaluated before
        let when = ours::asks_when(document.ours.as_ref()).and_then(|when| self.place_referred(when.as_slice(), path));
        let compiled = when.and_then(|()| match document.sort {
            Sort::Correlation => correlation::read(&document.body).and_then(|written| {
                self.place_referred(&written.rules, path)?;
                self.correlation(&document, written)
            }),
            _ => self.detection(&document).map(Some),
        });
        path.pop();
        match compiled {
            Ok(Some(_)) if self.resolver.raw_fields.len() > RAW_FIELDS => {
                let message =
                    format!("all policies together may name {RAW_FIELDS} fields of records: this one goes beyond");
                self.refuse(i, Fault::at(document.line, message));
            }
            Ok(Some((policy, side))) => {
                self.warn_of_near_names(&document, first_raw);
                self.places[i] = Some(self.rules.len());
                self.rules.push(policy);
                self.sides.push(side);
            }
            Ok(None) if document.foreign.is_some() => {
                self.refuse(i, Fault::at(document.line, "it refers to a rule that is set aside"));
            }
            // What it refers to is broken, which was said there.
            Ok(None) => drop(self.failed.insert(i)),
            Err(fault) => self.refuse(i, fault),
        }
    }

    fn place_referred(&mut self, rules: &[Word], path: &mut Vec<usize>) -> Result<(), Fault> {
        for Word { line, text } in rules {
            let fault = |message: String| Err(Fault::at(*line, message));
            let target = lookup(&self.index, text, *line)?;
            if path.contains(&target) {
                return fault(format!("{} refers back to this correlation: a circle", quoted(text)));
            }
            if path.len() > CHAINED {
                return fault(format!("correlations are chained more than {CHAINED} deep"));
            }
            if self.documents[target].sort == Sort::Filter {
                return fault(format!("{} is a filter, which selects nothing", quoted(text)));
            }
            self.place(target, path);
        }
        Ok(())
    }

    /// Makes the names one of a kind: what has only a title takes it, with the beginning of its id where two are alike. What
    /// an operator's own policies are called does not depend on those of others.
    fn name_all(&mut self) {
        let mut own: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut foreign = own.clone();
        for rule in &self.rules {
            let count = if rule.foreign.is_some() { &mut foreign } else { &mut own };
            *count.entry(rule.name.clone()).or_default() += 1;
        }
        let mut errors = Vec::new();
        for rule in self.rules.iter_mut().filter(|r| r.foreign.is_none() && !r.named && own[&r.name] > 1) {
            match &rule.id {
                Some(id) => rule.name = with_id(&rule.name, id),
                None => {
                    let message = format!(
                        "another policy is known by the same name, {}: give this one a `name`",
                        quoted(&rule.name)
                    );
                    errors.push(Fault::at(rule.line, message).in_file(&rule.file));
                }
            }
        }
        self.errors.append(&mut errors);
        let mut taken: BTreeSet<Arc<str>> =
            self.rules.iter().filter(|r| r.foreign.is_none()).map(|r| r.name.clone()).collect();
        for rule in self.rules.iter_mut().filter(|r| r.foreign.is_some()) {
            if let Some(id) = &rule.id
                && ((!rule.named && foreign[&rule.name] > 1) || taken.contains(&rule.name))
            {
                rule.name = with_id(&rule.name, id);
            }
            let (title, mut n) = (rule.name.clone(), 1);
            // ends: there are no more names than rules
            while !taken.insert(rule.name.clone()) {
                n += 1;
                rule.name = format!("{title}_{n}").into();
            }
        }
    }

    /// A correlation alerts unless another one refers to it; a detection needs a level too. `generate: true` lets what
    /// it refers to alert as well, and `generate` under `tripline` the policy that it stands in.
    fn decide_alerts(&mut self) {
        let mut referred: BTreeMap<usize, bool> =
            self.rules.iter().filter_map(|r| Some((r.asks_when?, false))).collect();
        for (rule, side) in self.rules.iter().zip(&self.sides) {
            if let Body::Correlation(c) = &rule.body {
                for target in &c.rules {
                    *referred.entry(*target).or_default() |= side.generates;
                }
            }
        }
        for (i, rule) in self.rules.iter_mut().enumerate() {
            rule.alerts |= match referred.get(&i) {
                Some(generated) => *generated,
                None => self.sides[i].has_level || matches!(rule.body, Body::Correlation(_)),
            };
            rule.referred = referred.contains_key(&i);
        }
    }

    /// Warns of something in a document, unless it is of others.
    pub(super) fn warn(&mut self, document: &Document, line: u32, message: String) {
        if document.foreign.is_none() {
            self.warnings.push(Warning::mistake(LoadError { file: document.file.clone(), line, message }));
        }
    }

    /// Says something that is worth knowing of a document, unless it is of others.
    pub(super) fn note(&mut self, document: &Document, message: String) {
        if document.foreign.is_none() {
            self.warnings.push(Warning::note(LoadError { file: document.file.clone(), line: document.line, message }));
        }
    }
}

/// A name with the beginning of an id behind it.
fn with_id(name: &str, id: &str) -> Arc<str> {
    let short: String = id.chars().take(8).collect();
    format!("{name}_{short}").into()
}

/// The document of that name or id.
pub(super) fn lookup(index: &BTreeMap<Arc<str>, usize>, name: &str, line: u32) -> Result<usize, Fault> {
    index.get(name).copied().ok_or_else(|| {
        let near = did_you_mean(name, index.keys().take(NEAR).map(|k| &**k));
        Fault::at(line, format!("there is no rule with the name or id {}{near}", quoted(name)))
    })
}
