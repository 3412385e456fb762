//! `[notices]`: who must be told of an incident, by when, and what drafts are filled with.
use crate::incident::clock::{self, Calendar, Duty, Length, Profile, Recipient};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// `[notices]`: who must be told of an incident, by when, and what drafts are filled with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notices {
    /// Your name and address, as notices have it. Without it: left for you to fill in.
    #[serde(default)]
    pub provider: Option<String>,
    /// Whom to ask, as notices have it. Without it: left for you to fill in.
    #[serde(default)]
    pub contact: Option<String>,
    /// What a record of each kind of log holds: `{ mfa = "phone number, carrier, state, date and time" }`. Without it: left for you to
    /// fill in.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The clocks that run for each incident, names of shipped profiles: `eu-611-2013`, `fcc-cpni`, `fcc-cpni-2007`, `gdpr-controller`,
    /// `gdpr-processor`, `nis2`, `uk-pecr`.
    #[serde(default)]
    pub clocks: Vec<String>,
    /// `[[notices.contract]]`: clocks of your own.
    #[serde(default)]
    pub contract: Vec<Contract>,
    /// In whose zone business days begin: an IANA name. Without it: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Days that are no business days: `["2026-12-25"]`.
    #[serde(default)]
    pub holidays: Vec<String>,
    /// A folder with drafts of your own, `authority.md`, `customer.md` and `person.md`; what is not there is the shipped one. Without
    /// it: the shipped drafts.
    #[serde(default)]
    pub templates: Option<PathBuf>,
}

/// `[[notices.contract]]`: what you have agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Names the clock: `contract/NAME`.
    pub name: String,
    /// How many hours there are, from the alarm on.
    pub hours: u32,
    /// Whom to tell, and how.
    pub what: String,
}

impl Notices {
    /// Whether no clock is to run.
    pub fn is_silent(&self) -> bool {
        self.clocks.is_empty() && self.contract.is_empty()
    }

    /// The clocks that are to run.
    ///
    /// # Errors
    /// What is not there, for a person.
    pub fn profiles(&self) -> Result<Vec<Profile>, String> {
        let mut profiles = self.clocks.iter().map(|name| clock::named(name)).collect::<Result<Vec<_>, _>>()?;
        profiles.extend(self.contract.iter().map(Contract::profile));
        Ok(profiles)
    }

    /// When people work.
    ///
    /// # Errors
    /// There is no such zone or day.
    pub fn calendar(&self) -> Result<Calendar, String> {
        let zone = match &self.time_zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|e| format!("time_zone: {e}"))?,
        };
        let day =
            |text: &String| text.parse::<Date>().map_err(|_| format!("holidays: {text:?} is no day: write 2026-12-25"));
        Ok(Calendar { zone, holidays: self.holidays.iter().map(day).collect::<Result<_, _>>()? })
    }

    /// What is wrong with it.
    pub fn fault(&self) -> Option<String> {
        let names: Vec<&str> = self.contract.iter().map(|c| c.name.as_str()).collect();
        let plain = |name: &&&str| {
            !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if let Some(odd) = names.iter().find(|name| !plain(name)) {
            return Some(format!("contract {odd:?}: a name has letters, digits, `-`, `_` and `.`, at most 64"));
        }
        let once: BTreeSet<&str> = names.iter().copied().collect();
        let clocks: BTreeSet<&String> = self.clocks.iter().collect();
        if once.len() < names.len() || clocks.len() < self.clocks.len() {
            return Some("one of `clocks`, or a contract, is there twice: give each contract a name of its own".into());
        }
        let missing =
            |dir: &PathBuf| (!dir.is_dir()).then(|| format!("templates {}: there is no such folder", dir.display()));
        self.profiles().err().or_else(|| self.calendar().err()).or_else(|| self.templates.as_ref().and_then(missing))
    }
}

impl Contract {
    fn profile(&self) -> Profile {
        Profile {
            name: "contract".into(),
            about: "What you have agreed to".into(),
            law: "contract".into(),
            status: "As you have written it.".into(),
            duty: vec![Duty {
                name: self.name.clone(),
                to: Recipient::Customer,
                what: self.what.clone(),
                rule: self.name.clone(),
                from: "aware".into(),
                within: Some(Length::Hours(self.hours)),
                not_before: None,
                notice: Recipient::Customer,
            }],
        }
    }
}
