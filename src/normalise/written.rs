//! A profile as it is written: the TOML of `policies/profiles/`, where an unknown key is an error.
use super::stamp::Notation;
use crate::model::Vouched;
use crate::policy::LogSource;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One profile. Raw field names are those of its format (`decode`); a name may end in `|steps` (see [`super::getter`]).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// The name that the configuration uses, and `metadata.product.name`.
    pub name: String,
    /// For people: which product, which trail of it.
    pub title: String,
    /// How lines are written: a name of `decode::FORMATS`.
    pub format: String,
    /// What Sigma rules call this trail in their `logsource`, beside the profile's own name as `product`.
    #[serde(default)]
    pub log_sources: Vec<LogSource>,
    /// The zone of times that state none: `UTC`, or an offset as `+02:00`. The configuration of a source may say another.
    #[serde(default)]
    pub zone: Option<String>,
    /// Keys of arrays of which every element is a whole record.
    #[serde(default)]
    pub records: Vec<String>,
    /// The key of an array of which every element is an act of its own, sharing what surrounds it.
    #[serde(default)]
    pub split: Option<String>,
    /// Keys of wrappers that hold the record proper, as an object or as the `key="value"` text of an event logger.
    #[serde(default)]
    pub inside: Vec<String>,
    /// `csv`: the header that holds for files without one.
    #[serde(default)]
    pub header: Option<String>,
    /// The product's own id of the act; without one, the content is the identity.
    #[serde(default)]
    pub id: OneOrMore,
    /// What tells records of one id apart, beside it: how a sign-in ended that several records speak of.
    #[serde(default)]
    pub id_with: OneOrMore,
    /// How the product compares names of people: `exactly`, or `any_case` (an event then has them in small letters).
    #[serde(default)]
    pub names: Spelling,
    /// Who vouches for `actor.session.uid`: `server`, or `client` (where nothing is said): nothing is done to a session
    /// that only a client named.
    #[serde(default)]
    pub session_vouched_by: Option<Vouched>,
    /// A line is this product's when all conditions of one of these hold.
    #[serde(default)]
    pub recognise: Vec<When>,
    /// Where the time stands: the first that can be read.
    #[serde(default)]
    pub time: Vec<Time>,
    /// OCSF path -> raw fields, of which the first present one counts.
    #[serde(default)]
    pub fields: BTreeMap<String, OneOrMore>,
    /// How the product writes success and failure.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Why a login or second factor was refused.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// What was done: the first rule that fits.
    #[serde(default)]
    pub activity: Vec<Rule>,
    /// What else follows: every rule that fits, in order.
    #[serde(default)]
    pub adjust: Vec<Adjust>,
    /// How many records a download of so many bytes holds, where the trail does not say.
    #[serde(default)]
    pub estimate: Option<Estimate>,
    /// What must not be kept, beside what never is.
    #[serde(default)]
    pub redact: Redact,
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

/// One text, or a list of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    /// None.
    #[default]
    None,
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    pub fn as_slice(&self) -> &[String] {
        match self {
            OneOrMore::None => &[],
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    pub from: OneOrMore,
    pub notation: Notation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// Raw fields, of which the first present one counts.
    pub from: OneOrMore,
    /// Patterns, letters alike in either case.
    #[serde(default)]
    pub success: Vec<String>,
    /// Patterns, letters alike in either case.
    #[serde(default)]
    pub failure: Vec<String>,
    /// Patterns of what is neither, letters alike in either case.
    #[serde(default)]
    pub unknown: Vec<String>,
    /// Where the value is in none of the lists. A value that fits several is what the longest of their patterns says.
    #[serde(default)]
    pub otherwise: Option<String>,
    /// Where there is no value.
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
    /// Letters alike in either case.
    AnyCase,
}

/// `[cause]`: for each name of [`crate::model::Cause`] the patterns of the product's own codes or words.
#[derive(Debug, Deserialize)]
pub(super) struct Cause {
    /// Raw fields, of which the first present one counts.
    pub from: OneOrMore,
    /// Where the value is in no list; `other` without it.
    #[serde(default)]
    pub otherwise: Option<String>,
    /// Where there is no value; none without it.
    #[serde(default)]
    pub absent: Option<String>,
    /// Patterns by cause, letters alike in either case.
    #[serde(flatten)]
    pub patterns: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub when: When,
    /// The activity's name.
    pub is: String,
    /// OCSF path -> text in which `{name}` stands for a capture or a raw field.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Adjust {
    pub when: When,
    pub set: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Estimate {
    pub bytes_per_record: u64,
    /// What an answer without any record weighs.
    #[serde(default)]
    pub header_bytes: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Redact {
    /// Keys whose values are secrets, beside the usual ones.
    #[serde(default)]
    pub keys: Vec<String>,
}
