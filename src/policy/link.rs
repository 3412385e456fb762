//! Documents into a set: names made one of a kind, references resolved, what is referred to before what refers to it.
use super::correlation::{self, Written};
use super::document::{Document, Sort};
use super::error::{Fault, LoadError, did_you_mean, quoted};
use super::field::{FieldRef, Resolver, Taxonomy};
use super::filter::{self, Filter};
use super::fixture;
use super::item::Scope;
use super::yaml::Word;
use super::{Body, Policy, PolicySet, Site, Warning, lint};
use crate::model::{Digest, Millis};
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
    /// Documents that are broken, or refer to such.
    failed: BTreeSet<usize>,
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
    pub(super) fn new(documents: Vec<Document>, site: &'a Site) -> Linker<'a> {
        let mut linker = Linker {
            site,
            places: vec![None; documents.len()],
            documents,
            index: BTreeMap::new(),
            filters: Vec::new(),
            resolver: Resolver::default(),
            rules: Vec::new(),
            sides: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
            failed: BTreeSet::new(),
        };
        linker.fill_index();
        linker
    }

    fn fill_index(&mut self) {
        for (i, document) in self.documents.iter().enumerate() {
            let mut handles: Vec<&Arc<str>> = document.name.iter().chain(&document.id).collect();
            handles.dedup();
            for handle in handles {
                if let Some(other) = self.index.insert(handle.clone(), i) {
                    let other = &self.documents[other];
                    let (file, line) = (&other.file, other.line);
                    let message = format!("{} is also the name or id of the policy at {file}:{line}", quoted(handle));
                    self.errors.push(Fault::at(document.line, message).in_file(&document.file));
                }
            }
        }
    }

    /// The set, and every error: it is of use only where there is none.
    pub(super) fn link(mut self) -> (PolicySet, Vec<LoadError>) {
        self.read_filters();
        for i in 0..self.documents.len() {
            if self.documents[i].sort != Sort::Filter {
                self.place(i, &mut Vec::new());
            }
        }
        self.name_all();
        self.decide_alerts();
        let mut set = PolicySet {
            rules: self.rules,
            raw_fields: std::mem::take(&mut self.resolver.raw_fields),
            digest: Digest::of(b""),
            warnings: self.warnings,
        };
        set.warnings.extend(lint::lint(&set));
        set.warnings.extend(lint::idle_fields(&set, &self.resolver.looked_at));
        set.warnings.extend(fixture::idle(&self.documents));
        (set, self.errors)
    }

    fn read_filters(&mut self) {
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
                Err(fault) => self.errors.push(fault.in_file(&document.file)),
            }
        }
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
        let compiled = match document.sort {
            Sort::Correlation => correlation::read(&document.body).and_then(|written| {
                self.place_referred(&written, path)?;
                self.correlation(&document, written)
            }),
            _ => self.detection(&document).map(Some),
        };
        path.pop();
        match compiled {
            Ok(Some(_)) if self.resolver.raw_fields.len() > RAW_FIELDS => {
                let message =
                    format!("all policies together may name {RAW_FIELDS} fields of records: this one goes beyond");
                self.failed.insert(i);
                self.errors.push(Fault::at(document.line, message).in_file(&document.file));
            }
            Ok(Some((policy, side))) => {
                self.warn_of_near_names(&document, first_raw);
                self.places[i] = Some(self.rules.len());
                self.rules.push(policy);
                self.sides.push(side);
            }
            // What it refers to is broken, which was said there.
            Ok(None) => drop(self.failed.insert(i)),
            Err(fault) => {
                self.failed.insert(i);
                self.errors.push(fault.in_file(&document.file));
            }
        }
    }

    fn place_referred(&mut self, written: &Written, path: &mut Vec<usize>) -> Result<(), Fault> {
        for Word { line, text } in &written.rules {
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

    /// Makes the names one of a kind: what has only a title takes it, with the beginning of its id where two are alike.
    fn name_all(&mut self) {
        let mut count: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for rule in &self.rules {
            *count.entry(rule.name.clone()).or_default() += 1;
        }
        for rule in self.rules.iter_mut().filter(|r| !r.named && count[&r.name] > 1) {
            match &rule.id {
                Some(id) => {
                    let short: String = id.chars().take(8).collect();
                    rule.name = format!("{}_{short}", rule.name).into();
                }
                None => {
                    let message = format!(
                        "another policy is known by the same name, {}: give this one a `name`",
                        quoted(&rule.name)
                    );
                    self.errors.push(Fault::at(rule.line, message).in_file(&rule.file));
                }
            }
        }
    }

    /// A correlation alerts unless another one refers to it; a detection needs a level too. `generate: true` lets what
    /// it refers to alert as well, and `generate` under `tripline` the policy that it stands in.
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
            rule.alerts |= match referred.get(&i) {
                Some(generated) => *generated,
                None => self.sides[i].has_level || matches!(rule.body, Body::Correlation(_)),
            };
            rule.referred = referred.contains_key(&i);
        }
    }

    pub(super) fn warn(&mut self, document: &Document, line: u32, message: String) {
        self.warnings.push(Warning(LoadError { file: document.file.clone(), line, message }));
    }
}

/// The document of that name or id.
pub(super) fn lookup(index: &BTreeMap<Arc<str>, usize>, name: &str, line: u32) -> Result<usize, Fault> {
    index.get(name).copied().ok_or_else(|| {
        let near = did_you_mean(name, index.keys().take(NEAR).map(|k| &**k));
        Fault::at(line, format!("there is no rule with the name or id {}{near}", quoted(name)))
    })
}
