//! Files of policies into one policy set.
use super::document::{Document, read};
use super::foreign::{self, Foreign};
use super::link::Linker;
use super::{PolicySet, Site, tuning};
use crate::model::{Digest, HashParts};
use crate::syntax::error::LoadError;
use crate::syntax::yaml;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most policies in one set. SigmaHQ has 4,000.
pub const POLICIES: usize = 20_000;
/// The most files.
pub const FILES: usize = 20_000;
/// The most errors that are told at once.
const ERRORS: usize = 100;

/// Reads files, each a name and its text. A later file of the same name replaces an earlier one: that is how an
/// operator's folder overrides what is shipped. Either all is well or every error is told.
///
/// # Errors
/// Every fault of every file, each with its line.
pub fn load(files: &[(&str, &str)], site: &Site) -> Result<PolicySet, Vec<LoadError>> {
    load_beside(files, &[], site)
}

/// The same with rules of others beside them, of which those that cannot be used are set aside ([`PolicySet::taken`]).
///
/// # Errors
/// Every fault of every file that is not foreign, each with its line.
pub fn load_beside(files: &[(&str, &str)], others: &[Foreign], site: &Site) -> Result<PolicySet, Vec<LoadError>> {
    let latest: BTreeMap<&str, &str> = files.iter().copied().collect();
    let mut errors = Vec::new();
    let mut documents = read_all(latest.iter().map(|(name, text)| (*name, *text)), None, &mut errors);
    let mut faults = Vec::new();
    for (number, other) in others.iter().enumerate() {
        let mut set_aside = Vec::new();
        let files = other.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        documents.extend(read_all(files, Some(number), &mut set_aside));
        faults.extend(set_aside.into_iter().map(|fault| (number, fault)));
    }
    if latest.len() + others.iter().map(|o| o.files.len()).sum::<usize>() > FILES || documents.len() > POLICIES {
        let message = format!("there may be {FILES} files with {POLICIES} policies together");
        errors.push(LoadError { file: "policies".into(), line: 0, message });
        return Err(errors);
    }
    let mut linked = Linker::new(documents, others, site).link();
    faults.append(&mut linked.set_aside);
    let mut set = linked.set;
    set.taken = foreign::taken(others, &set.rules, faults, &linked.below);
    set.digest = digest(&latest, others, site);
    errors.extend(linked.errors);
    if errors.is_empty() {
        errors.extend(tuning::apply(&mut set, &site.tuning));
    }
    errors.truncate(ERRORS);
    match errors.is_empty() {
        true => Ok(set),
        false => Err(errors),
    }
}

fn digest(files: &BTreeMap<&str, &str>, others: &[Foreign], site: &Site) -> Digest {
    let mut parts = HashParts::new("tripline policy set 1").number(files.len() as i64);
    for (name, text) in files {
        parts = parts.part(name.as_bytes()).part(text.as_bytes());
    }
    for other in others {
        parts = parts.part(format!("{:?} {:?}", other.trails, other.level).as_bytes());
        let files = other.files.iter();
        parts = files.fold(parts, |parts, (name, text)| parts.part(name.as_bytes()).part(text.as_bytes()));
    }
    parts = parts.number(site.placeholders.len() as i64);
    for (name, values) in &site.placeholders {
        parts = parts.part(name.as_bytes()).number(values.len() as i64);
        parts = values.iter().fold(parts, |parts, v| parts.part(v.as_bytes()));
    }
    for profile in &site.profiles {
        parts = parts.part(profile.name.as_bytes()).number(profile.sources.len() as i64);
        for source in &profile.sources {
            for text in [&source.category, &source.product, &source.service] {
                parts = parts.part(text.as_deref().unwrap_or_default().as_bytes());
            }
        }
    }
    parts.part(format!("{:?}", site.tuning).as_bytes()).finish()
}

fn read_all<'t>(
    files: impl Iterator<Item = (&'t str, &'t str)>,
    foreign: Option<usize>,
    errors: &mut Vec<LoadError>,
) -> Vec<Document> {
    let mut documents = Vec::new();
    for (name, text) in files.take(FILES) {
        let file: Arc<str> = name.into();
        let trees = yaml::documents(text).unwrap_or_else(|fault| {
            errors.push(fault.in_file(&file));
            Vec::new()
        });
        for tree in &trees {
            match read(tree, &file) {
                // what is ours to say of a policy, others do not say
                Ok(document) if foreign.is_some() => documents.push(Document { foreign, ours: None, ..document }),
                Ok(document) => documents.push(document),
                Err(fault) => errors.push(fault.in_file(&file)),
            }
        }
    }
    documents
}
