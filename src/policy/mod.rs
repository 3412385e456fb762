//! YAML text into policies: detections, filters and correlations of Sigma, and the correlations of [`crate::operator`].
//!
//! [`load`] reads files into a [`PolicySet`]. What the language means where Sigma leaves it open:
//!
//! - **Text** is compared without regard to case unless `cased` or `re`. A number in a policy equals the same number in
//!   the event, and text that is written as that number is. An absent field matches nothing but `null`, `exists: false` and
//!   `neq`; `fieldref|neq` needs both fields.
//! - **Times** (`hour`, `day` and so on) are taken in UTC from `time`, or from the text of any other field.
//! - **Keywords** are looked for in the record as its product wrote it ([`crate::model::Event::line`]), headers that a relay
//!   put before it left out. [`Matcher::needs_line`] says that a policy relies on it.
//! - **Lists** match where one of their elements does (with `all`, one for each value). An element that is an object, and
//!   a field that holds one, is its JSON text without blanks between tokens; an element that is a list is its elements. A
//!   path goes through lists of objects: `a.b` is what any element of `a` has. A list is never `null`; `exists` asks whether
//!   the field is there, and one that is null is there.
//! - **Fields** are the paths of [`crate::model::Field`]; any other name, or `unmapped.` and a name, is a field of the
//!   record as its product writes it. In a rule whose `logsource` names a product, `status`, `time` and `duration` are that
//!   product's own, unless it says `taxonomy: ocsf`. In rules for `webserver` and `proxy` Sigma's own names mean ours, and
//!   so do those of ECS with `taxonomy: ecs`.
//! - **Filters** suppress what their selections describe, whether they say `selection` or `not selection` (see
//!   `policy/filter.rs`).
//! - **`logsource`** restricts a rule to the events of the profiles that fit it ([`Site::profiles`]); without one, or with
//!   `product: ocsf`, it is for the events of all.
//! - **Identity**: findings are named by [`Policy::decision`], which has the policy's `name` (without one its `id`, without
//!   either its title) in it: retitling a policy that has a name or an id changes no finding's id.
//! - **What an operator changes** without touching a file ([`Tuning`]) is applied to the compiled set: it changes what is
//!   decided and told, and never what is accumulated.
mod asked;
mod compile;
mod condition;
mod correlation;
mod digest;
mod document;
mod expected;
mod filter;
mod fixture;
mod foreign;
mod item;
mod link;
mod lint;
mod literals;
mod load;
mod matcher;
mod modifier;
mod ours;
mod pattern;
mod reach;
mod relate;
mod scope;
mod timeline;
mod tuning;
mod why;
mod wildcard;
mod words;

pub use crate::syntax::{Comparison, FILE_BYTES, FieldRef, LONGEST, LoadError, Range, did_you_mean};
pub use asked::Asked;
pub use correlation::{Correlation, GroupKey};
pub use document::LogSource;
pub use expected::{Entity, Expected};
pub use foreign::{Foreign, SetAside, Taken};
pub use load::{FILES, POLICIES, load, load_beside};
pub use matcher::{ActivitySet, Matcher};
pub use modifier::Placeholders;
pub use reach::{Knowledge, Lack};
pub use scope::{Scope, Selection};
pub use timeline::{BEGINNING, PolicyTest};
pub use tuning::{Response, Selections, Tuning};
pub use wildcard::Wildcard;

use crate::model::finding::Ask;
use crate::model::{Digest, Event, Millis, Severity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Policies that belong together.
#[derive(Clone, Debug)]
pub struct PolicySet {
    /// Every detection and correlation; what is referred to comes before what refers to it.
    pub rules: Vec<Policy>,
    /// The raw fields that some policy names: a field's place here is its index in [`crate::model::Event::unmapped`].
    pub raw_fields: Vec<String>,
    /// Digest of the files and of what the site adds: the same digest, the same set.
    pub digest: Digest,
    /// What is allowed and yet hardly meant.
    pub warnings: Vec<Warning>,
    /// What became of foreign rules.
    pub taken: Vec<Taken>,
}

/// One detection or correlation.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Sigma's `name`, else the title in small letters with `_` between its words. One of a kind in its set.
    pub name: Arc<str>,
    /// Sigma's `id`.
    pub id: Option<Arc<str>>,
    /// One line for people.
    pub title: Arc<str>,
    /// More for people.
    pub description: String,
    /// Sigma's `level`; medium where the policy has none.
    pub severity: Severity,
    /// ATT&CK techniques and the like.
    pub tags: Vec<Arc<str>>,
    /// When it may fire without cause, for people.
    pub false_positives: Vec<String>,
    /// What to do when it fires, for people.
    pub runbook: Option<String>,
    /// Its file.
    pub file: Arc<str>,
    /// The line where it begins.
    pub line: u32,
    /// Which events it is for.
    pub logsource: LogSource,
    /// What it looks for.
    pub body: Body,
    /// Whether it makes findings of its own, and is not only there for a correlation.
    pub alerts: bool,
    /// Whether a correlation refers to it.
    pub referred: bool,
    /// What its findings ask for.
    pub asks: Vec<Ask>,
    /// The rule that must hold too, at an event for which they ask for it.
    pub asks_when: Option<usize>,
    /// It fires once for an entity in each stretch of this length, counted from 1970.
    pub episode: Millis,
    /// Whether more events can only make it fire earlier or also.
    pub monotone: bool,
    /// The fields without which it is blind.
    pub needs: Vec<FieldRef>,
    /// Its own tests.
    pub tests: Vec<PolicyTest>,
    /// Digest of what is accumulated: selections, keys, timespan. State belongs to it.
    pub accumulation: Digest,
    /// Digest of that and of what is decided: thresholds, learning, episode. Findings are named by it.
    pub decision: Digest,
    /// Of which events it may make findings: the configuration says so.
    pub scope: Scope,
    /// What the configuration changed of it, for people.
    pub tuned: Vec<String>,
    /// The configuration turned it off.
    pub off: bool,
    named: bool,
    /// Of which folder of foreign rules it is.
    foreign: Option<usize>,
    /// By what findings of it are named, whatever its title becomes.
    identity: Arc<str>,
    product: String,
}

impl Policy {
    /// Whether it is of a folder of foreign rules.
    pub fn is_foreign(&self) -> bool {
        self.foreign.is_some()
    }

    /// Whether it may make a finding that `event` completes.
    pub fn tells(&self, event: &Event) -> bool {
        self.alerts && self.scope.covers(event)
    }
}

/// What a policy looks for.
#[derive(Clone, Debug)]
pub enum Body {
    /// Single events.
    Detection(Matcher),
    /// Events together.
    Correlation(Correlation),
}

/// Something allowed and yet hardly meant, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, and what.
    pub at: LoadError,
    /// It is only worth knowing: a rule that somebody else wrote is like that, and works.
    pub is_note: bool,
}

impl Warning {
    fn mistake(at: LoadError) -> Warning {
        Warning { at, is_note: false }
    }

    fn note(at: LoadError) -> Warning {
        Warning { at, is_note: true }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.at.fmt(f)
    }
}

/// What the site adds to the files: values for placeholders, which products there are, and what is to be otherwise.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// For the modifier `expand`.
    pub placeholders: Placeholders,
    /// The profiles whose events there can be.
    pub profiles: Vec<Profile>,
    /// What the configuration changes, by the policies' names.
    pub tuning: BTreeMap<String, Tuning>,
}

/// A profile, and the log sources in Sigma's words that its events are of.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Its name, as in [`crate::model::Event::product`]; also a Sigma `product`.
    pub name: String,
    /// Further log sources: `{product: aws, service: cloudtrail}`, `{category: webserver}`.
    pub sources: Vec<LogSource>,
}

impl Site {
    /// The profiles whose events a rule of that logsource is for; nothing where it is for all events. A profile fits
    /// where one of its sources has every value that the rule gives. Where no profiles
    /// are told, the product is taken for a profile's name, and category and service restrict nothing.
    fn products(&self, rule: &LogSource) -> Option<Vec<Arc<str>>> {
        if *rule == LogSource::default() || rule.product.as_deref() == Some("ocsf") {
            return None;
        }
        if self.profiles.is_empty() {
            return rule.product.as_deref().map(|product| vec![product.into()]);
        }
        let given = |rule: &Option<String>, of: &Option<String>| rule.is_none() || rule == of;
        let fits = |s: &LogSource| {
            given(&rule.category, &s.category) && given(&rule.product, &s.product) && given(&rule.service, &s.service)
        };
        let by_name = |p: &Profile| p.sources.is_empty() && rule.product.as_ref() == Some(&p.name);
        let fitting = self.profiles.iter().filter(|p| by_name(p) || p.sources.iter().any(fits));
        Some(fitting.map(|p| p.name.as_str().into()).collect())
    }
}

impl PolicySet {
    /// The policy of that name.
    pub fn get(&self, name: &str) -> Option<&Policy> {
        self.rules.iter().find(|r| &*r.name == name)
    }

    /// The names of the policies that accumulate what the keys of those slices begin with.
    pub fn accumulating(&self, prefix: [u8; 8]) -> String {
        let names = self.rules.iter().filter(|r| r.accumulation.0.starts_with(&prefix)).map(|r| &*r.name);
        names.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
