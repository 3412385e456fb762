//! A profile as it is written: the TOML of `policies/profiles/`, where an unknown key is an error.
use super::stamp::Notation;
use crate::model::Vouched;
use crate::policy::LogSource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One profile. Raw field names are those of its format; a name may end in `|steps`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// The name that the configuration uses, and `metadata.product.name`.
    pub name: String,
    /// For people: which product, and which trail of it.
    pub title: String,
    /// How lines are written: `json`, `access` (nginx, Apache), `keycloak` or `csv`.
    pub format: String,
    /// The profile of the same records in another format: what is not said here is as there (every rule of `adjust` stands before those
    /// here), all but the keys that say where in its format a record lies (`records`, `split`, `inside`, `header`).
    #[serde(default)]
    pub like: Option<String>,
    /// `csv`: what the columns of a raw field are called, beside the field's own name; the first that a header has counts.
    #[serde(default)]
    pub columns: BTreeMap<String, OneOrMore>,
    /// What Sigma rules call this trail in their `logsource`, beside the profile's own name as `product`: `[{ product = "okta", service
    /// = "okta" }]`, with `category`, `product` and `service`.
    #[serde(default)]
    pub log_sources: Vec<LogSource>,
    /// The zone of times that state none: `UTC`, or an offset as `+02:00`. The configuration of a trail may say another. Without it:
    /// UTC.
    #[serde(default)]
    pub zone: Option<String>,
    /// Keys of arrays of which every element is a whole record.
    #[serde(default)]
    pub records: Vec<String>,
    /// The key of an array of which every element is an act of its own, sharing what surrounds it.
    #[serde(default)]
    pub split: Option<String>,
    /// Keys of wrappers that hold the record proper, as an object or as the `key="value"` text of an event logger. `csv`: columns that hold
    /// it as the text of a JSON object.
    #[serde(default)]
    pub inside: Vec<String>,
    /// `csv`: the header that holds for files without one, such as `time,actor,action,ip`.
    #[serde(default)]
    pub header: Option<String>,
    /// The product's own id of the record: one that comes twice counts once. The acts of one record (`split`) are told apart by their
    /// place in it. Without it: none, as `content_id` says.
    #[serde(default)]
    pub id: OneOrMore,
    /// What tells records of one id apart, beside it: how a sign-in ended that several records speak of.
    #[serde(default)]
    pub id_with: OneOrMore,
    /// Of records that state no id and a time to the second those that hold the same are one, in whatever order their keys stand:
    /// for products whose records come again when their API is asked again. Without it: `false`, equal records are several acts, as in
    /// access logs.
    #[serde(default)]
    pub content_id: Option<bool>,
    /// How the product compares names of people. Without it: `exactly`.
    #[serde(default)]
    pub names: Option<Spelling>,
    /// `json`: how the keys of records compare with the names of raw fields here. Collectors write keys in other letters than the product.
    /// Without it: `exactly`.
    #[serde(default)]
    pub keys: Option<Letters>,
    /// Who vouches for `actor.session.uid`. Nothing is done to a session that only a client named. Without it: `client`.
    #[serde(default)]
    pub session_vouched_by: Option<Vouched>,
    /// Who vouches for `actor.user.name` and `actor.user.uid`. Nothing is done to somebody whom only a client named. Without it: `server`.
    #[serde(default)]
    pub actor_vouched_by: Option<Vouched>,
    /// `[[recognise]]`, conditions on raw fields: a line is this product's when all conditions of one of these tables hold.
    #[serde(default)]
    pub recognise: Vec<When>,
    /// `[[time]]`, below: where the time stands. The first that can be read counts.
    #[serde(default)]
    pub time: Vec<Time>,
    /// `[fields]`: for each field of the event the raw fields that hold it, of which the first present one counts.
    #[serde(default)]
    pub fields: BTreeMap<String, OneOrMore>,
    /// `[outcome]`, below: how the product writes success and failure.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// `[cause]`, below: why a login or second factor was refused.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// `[[activity]]`, below: what was done. The first rule that fits counts.
    #[serde(default)]
    pub activity: Vec<Rule>,
    /// `[[adjust]]`, below: what else follows. Every rule that fits is applied, in order.
    #[serde(default)]
    pub adjust: Vec<Adjust>,
    /// `[estimate]`, below: how many records a download of so many bytes holds, where the trail does not say.
    #[serde(default)]
    pub estimate: Option<Estimate>,
    /// `[redact]`, below: what must not be kept, beside what never is.
    #[serde(default)]
    pub redact: Redact,
    /// What the rules of others, SigmaHQ's first of all, call the product's fields where they spell them otherwise than its
    /// records do. The name stands for the record's own key of that name, if it has one, and for all that is named here: a value
    /// fits where it fits one of them. What is named is a raw field, with or without steps; or a field of the event by its path, as
    /// this profile fills it (`status` is `success`, `failure` or `unknown`; `raw:status` is the raw field of that name); or text with
    /// raw fields in braces, which is there where all of them are: `{id.applicationName}.googleapis.com`.
    #[serde(default)]
    pub sigma: BTreeMap<String, OneOrMore>,
}

impl Profile {
    /// What this profile does not say, as `base` says it.
    pub fn filled(mut self, base: &Profile) -> Profile {
        fn list<T: Clone>(own: &mut Vec<T>, base: &[T]) {
            if own.is_empty() {
                *own = base.to_vec();
            }
        }
        fn one(own: &mut OneOrMore, base: &OneOrMore) {
            if own.as_slice().is_empty() {
                *own = base.clone();
            }
        }
        list(&mut self.log_sources, &base.log_sources);
        list(&mut self.recognise, &base.recognise);
        list(&mut self.time, &base.time);
        list(&mut self.activity, &base.activity);
        self.adjust.splice(..0, base.adjust.iter().cloned());
        list(&mut self.redact.keys, &base.redact.keys);
        one(&mut self.id, &base.id);
        one(&mut self.id_with, &base.id_with);
        self.content_id = self.content_id.or(base.content_id);
        self.zone = self.zone.or_else(|| base.zone.clone());
        self.names = self.names.or(base.names);
        self.keys = self.keys.or(base.keys);
        self.session_vouched_by = self.session_vouched_by.or(base.session_vouched_by);
        self.actor_vouched_by = self.actor_vouched_by.or(base.actor_vouched_by);
        self.outcome = self.outcome.or_else(|| base.outcome.clone());
        self.cause = self.cause.or_else(|| base.cause.clone());
        self.estimate = self.estimate.or(base.estimate);
        for (path, raw) in &base.fields {
            self.fields.entry(path.clone()).or_insert_with(|| raw.clone());
        }
        self
    }
}

/// Conditions on raw fields, all of which must hold.
pub(super) type When = BTreeMap<String, Match>;

/// A condition on one raw field.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Match {
    /// `true`: it is there and not null; `false`: it is not.
    Present(bool),
    /// It is this number.
    Number(i64),
    /// It fits this pattern.
    Text(String),
    /// It fits one of these patterns.
    Any(Vec<String>),
    /// It fits none of these patterns, or is not there.
    Not {
        /// The patterns.
        not: OneOrMore,
    },
}

impl Match {
    /// The patterns that it names.
    pub fn texts(&self) -> &[String] {
        match self {
            Match::Present(_) | Match::Number(_) => &[],
            Match::Text(text) => std::slice::from_ref(text),
            Match::Any(texts) => texts,
            Match::Not { not } => not.as_slice(),
        }
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub enum OneOrMore {
    /// None.
    #[default]
    None,
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// All of them, in their order.
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMore::None => &[],
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

/// `[[time]]`: where a time stands, and how it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    /// The raw fields, of which the first present one counts.
    pub from: OneOrMore,
    /// How it is written.
    pub notation: Notation,
}

/// `[outcome]`: how the product writes success and failure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// Raw fields, of which the first present one counts.
    pub from: OneOrMore,
    /// Patterns of success, letters alike in either case.
    #[serde(default)]
    pub success: Vec<String>,
    /// Patterns of failure, letters alike in either case.
    #[serde(default)]
    pub failure: Vec<String>,
    /// Patterns of what is neither, letters alike in either case.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// The outcome where the value is in none of the lists. A value that fits several is what the longest of their patterns says.
    /// Without it: `unknown`.
    #[serde(default)]
    pub otherwise: Option<String>,
    /// The outcome where there is no value. Without it: `unknown`.
    #[serde(default)]
    pub absent: Option<String>,
}

/// How names of people compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spelling {
    /// As they are written.
    #[default]
    Exactly,
    /// Letters alike in either case; events have names in small letters.
    AnyCase,
}

/// How keys compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Letters {
    /// As they are written.
    #[default]
    Exactly,
    /// Letters alike in either case. Of two keys that differ in case only, the first counts, and the event is marked.
    AnyCase,
}

/// `[cause]`: why a login or a second factor was refused (`status_cause`). Under the name of each cause stand the patterns of the
/// product's own codes or words, letters alike in either case: `wrong_password = ["INVALID_CREDENTIALS"]`. Of several patterns that
/// fit, the one that states most counts. Without this table each refused login is a wrong password.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cause {
    /// Raw fields, of which the first present one counts.
    pub from: OneOrMore,
    /// The cause where the value is in no list. Without it: `other`.
    #[serde(default)]
    pub otherwise: Option<String>,
    /// The cause where there is no value. Without it: none.
    #[serde(default)]
    pub absent: Option<String>,
    /// Patterns by cause, letters alike in either case; of several that fit, the one that states most counts.
    #[serde(flatten)]
    pub patterns: BTreeMap<String, Vec<String>>,
}

/// `[[activity]]`: what a record is of. In `set`, `{name}` stands for what a pattern's `{name}` took, or for a raw field.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    /// Conditions on raw fields, all of which must hold. Without it: every record.
    #[serde(default)]
    pub when: When,
    /// The activity's name.
    pub is: String,
    /// `true`: only where the answer was a success that carried records (by the text of `export.records` here) or more bytes than a page
    /// has, a million (by that of `export.bytes`; scripts, styles, fonts and pictures left out): for what is fetched under whatever path.
    /// A profile that reads `http_request.url.path`, has a rule of `download` with one of these and none with `sent` and without `when` has one
    /// more of its own, which stands before the first rule of a view, a query, a call or `other` that names no path. Without it: `false`.
    #[serde(default)]
    pub sent: bool,
    /// Fields of the event, each with a text in which `{name}` stands for a capture or a raw field.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

/// `[[adjust]]`: what else follows where conditions hold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adjust {
    /// Conditions on raw fields, all of which must hold.
    pub when: When,
    /// The fields of the event, each with its text, as in `[[activity]]`.
    pub set: BTreeMap<String, String>,
}

/// `[estimate]`: how many records a download of so many bytes holds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Estimate {
    /// What one record weighs, in bytes.
    pub bytes_per_record: u64,
    /// What an answer without any record weighs, in bytes.
    #[serde(default)]
    pub header_bytes: u64,
}

/// `[redact]`: what must not be kept, beside what never is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redact {
    /// Keys whose values are secrets, beside the usual ones.
    #[serde(default)]
    pub keys: Vec<String>,
}
