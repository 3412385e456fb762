//! Clocks: who must be told of an incident, and by when. What the law asks is data, one file each in `policies/clocks/`; none of it is
//! legal advice.
//!
//! A clock begins when we knew (the alarm), when a person said that it is a breach (`tripline incident determine`), or when
//! another duty was met. It ends when a person says that it was met, or need not be. Where a rule can be counted in two ways, the
//! earlier end is taken.
use super::case::Incident;
use crate::model::incident::IncidentAct;
use crate::model::{FindingId, Millis, Severity, Text, WallTime};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

macro_rules! shipped {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../policies/clocks/", $name, ".toml"))),)*]
    };
}

/// Name and text of each. To add one: a file in `policies/clocks/`, and a line here.
pub static PROFILES: &[(&str, &str)] =
    shipped!["eu-611-2013", "fcc-cpni", "fcc-cpni-2007", "gdpr-controller", "gdpr-processor", "nis2", "uk-pecr",];

/// What one law or contract asks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its file's name.
    #[serde(skip)]
    pub name: String,
    /// Whom it binds.
    pub about: String,
    /// Where it is written.
    pub law: String,
    /// Whether it is in force, and what is likely to change.
    pub status: String,
    /// What is to be done.
    pub duty: Vec<Duty>,
}

/// One thing that is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// Names it within its profile.
    pub name: String,
    /// Who is to be told.
    pub to: Recipient,
    /// What is to be done, in a sentence.
    pub what: String,
    /// The article or section.
    pub rule: String,
    /// From when on time runs: `aware`, `determined`, or the name of another duty of the profile.
    pub from: String,
    /// How long; nothing where it says "without undue delay".
    #[serde(default)]
    pub within: Option<Length>,
    /// Not before so much has passed.
    #[serde(default)]
    pub not_before: Option<Length>,
    /// The draft that is for it.
    pub notice: Recipient,
}

crate::model::event::closed!(
    /// Who is to be told; a draft of a notice has the same name.
    Recipient {
        /// An authority.
        Authority = "authority",
        /// A customer whose records left.
        Customer = "customer",
        /// The people whom the records are about.
        Person = "person",
    }
);

/// A length of time as laws write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Length {
    /// Hours.
    Hours(u32),
    /// Days of 24 hours: the earlier end, where a law counts whole days.
    Days(u32),
    /// Days that are no Saturday, Sunday or holiday, to the same time of day.
    BusinessDays(u32),
    /// Months, to the same day and time.
    Months(u32),
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Length::Hours(n) => write!(f, "{n} h"),
            Length::Days(n) => write!(f, "{n} days"),
            Length::BusinessDays(n) => write!(f, "{n} business days"),
            Length::Months(1) => f.write_str("1 month"),
            Length::Months(n) => write!(f, "{n} months"),
        }
    }
}

/// When people work.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// In this zone.
    pub zone: TimeZone,
    /// And not on these days.
    pub holidays: BTreeSet<Date>,
}

impl Default for Calendar {
    fn default() -> Calendar {
        Calendar { zone: TimeZone::UTC, holidays: BTreeSet::new() }
    }
}

impl Calendar {
    /// `from` and that length; nothing where no calendar reaches.
    pub fn after(&self, from: WallTime, length: Length) -> Option<WallTime> {
        let begin = Timestamp::from_millisecond(from.0).ok()?.to_zoned_datetime(self.zone.clone());
        let end = match length {
            Length::Hours(n) => return Some(from.plus(Millis::HOUR.times(n.into()))),
            Length::Days(n) => return Some(from.plus(Millis::DAY.times(n.into()))),
            Length::Months(n) => begin.checked_add(Span::new().try_months(n).ok()?).ok()?,
            Length::BusinessDays(n) => self.business(begin, n)?,
        };
        Some(WallTime(end.timestamp().as_millisecond()))
    }

    fn business(&self, begin: ZonedDateTime, days: u32) -> Option<ZonedDateTime> {
        let mut at = begin;
        let mut left = days;
        while left > 0 {
            at = at.checked_add(Span::new().days(1)).ok()?;
            let rests = matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday);
            left -= u32::from(!rests && !self.holidays.contains(&at.date()));
        }
        Some(at)
    }
}

/// One duty of one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Names it: `gdpr-controller/authority`.
    pub name: Text,
    /// The incident.
    pub incident: FindingId,
    /// Who is to be told.
    pub to: Recipient,
    /// What is to be done.
    pub what: Text,
    /// Where that is written.
    pub rule: Text,
    /// How long there is.
    pub within: Option<Text>,
    /// When time began to run; nothing where it has not yet.
    pub began: Option<WallTime>,
    /// What it is waiting for, where it has not begun.
    pub waits_for: Option<Text>,
    /// By when.
    pub due: Option<WallTime>,
    /// Not before.
    pub not_before: Option<WallTime>,
    /// What people said of it.
    pub done: Option<Done>,
}

/// A duty that was met, or need not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// When.
    pub at: WallTime,
    /// Who says so.
    pub by: Text,
    /// How it was met, or why it need not be.
    pub how: Text,
    /// It need not be met.
    pub waived: bool,
}

crate::model::event::closed!(
    /// How a clock stands.
    Standing {
        /// It has not begun.
        Waiting = "waiting",
        /// It runs.
        Running = "running",
        /// A quarter of the time is left, or less.
        Near = "near",
        /// Its time is over.
        Overdue = "overdue",
        /// To be done without undue delay: there is no number.
        NoNumber = "no number",
        /// It was met in time.
        Met = "met",
        /// It was met after its time.
        MetLate = "met late",
        /// It need not be met.
        Waived = "waived",
    }
);

impl Clock {
    /// How it stands at that time.
    pub fn standing(&self, now: WallTime) -> Standing {
        match (&self.done, self.began, self.due) {
            (Some(done), ..) if done.waived => Standing::Waived,
            (Some(done), _, Some(due)) if done.at > due => Standing::MetLate,
            (Some(_), ..) => Standing::Met,
            (None, None, _) => Standing::Waiting,
            (None, Some(_), None) => Standing::NoNumber,
            (None, Some(_), Some(due)) if now >= due => Standing::Overdue,
            (None, Some(began), Some(due)) if due.since(now).0.saturating_mul(4) <= due.since(began).0 => {
                Standing::Near
            }
            (None, Some(_), Some(_)) => Standing::Running,
        }
    }
}

/// The clocks of one incident, in the order of the profiles.
pub fn clocks(profiles: &[Profile], calendar: &Calendar, incident: &Incident) -> Vec<Clock> {
    let determined = incident.steps.iter().find(|step| matches!(step.act, IncidentAct::Determine { .. }));
    let mut clocks = Vec::new();
    for profile in profiles {
        for duty in &profile.duty {
            let done = |duty: &str| done(incident, &clock_name(&profile.name, duty));
            // what follows on something that need not be done need not be done
            let moot = done(&duty.from).filter(|before| before.waived);
            let began = match duty.from.as_str() {
                "aware" => Some(incident.known),
                "determined" => determined.map(|step| step.at),
                other => done(other).filter(|d| !d.waived).map(|d| d.at),
            };
            let after = |length: Option<Length>| calendar.after(began?, length?);
            let waits_for = match (began, duty.from.as_str()) {
                (Some(_), _) => None,
                (None, "determined") => Some("that somebody says it is a breach".into()),
                (None, other) => Some(Text::from(clock_name(&profile.name, other).as_str())),
            };
            clocks.push(Clock {
                name: clock_name(&profile.name, &duty.name).as_str().into(),
                incident: incident.id,
                to: duty.to,
                what: duty.what.as_str().into(),
                rule: format!("{}: {}", profile.law, duty.rule).as_str().into(),
                within: duty.within.map(|length| length.to_string().as_str().into()),
                began,
                waits_for,
                due: after(duty.within),
                not_before: after(duty.not_before),
                done: done(&duty.name).or(moot),
            });
        }
    }
    clocks
}

fn clock_name(profile: &str, duty: &str) -> String {
    format!("{profile}/{duty}")
}

fn done(incident: &Incident, name: &str) -> Option<Done> {
    // the first word counts: what is sent later completes it
    incident.steps.iter().find_map(|step| match &step.act {
        IncidentAct::Told { clock, how } if clock == name => {
            Some(Done { at: step.at, by: step.by.clone(), how: how.clone(), waived: false })
        }
        IncidentAct::Waive { clock, reason } if clock == name => {
            Some(Done { at: step.at, by: step.by.clone(), how: reason.clone(), waived: true })
        }
        _ => None,
    })
}

/// A clock that nears its end, or has passed it: told once each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The clock.
    pub clock: Clock,
    /// `near` or `overdue`.
    pub standing: Standing,
}

impl Reminder {
    /// What is to be told at that time.
    pub fn of(clock: Clock, now: WallTime) -> Option<Reminder> {
        let standing = clock.standing(now);
        matches!(standing, Standing::Near | Standing::Overdue).then_some(Reminder { clock, standing })
    }

    /// What a second one of the same has too.
    pub fn key(&self) -> String {
        format!("{} {} {}", self.clock.incident, self.clock.name, self.standing.name())
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        if self.standing == Standing::Overdue { Severity::Critical } else { Severity::High }
    }

    /// In a sentence.
    pub fn text(&self) -> String {
        let Clock { name, what, rule, due, .. } = &self.clock;
        let due = due.map(|due| due.to_string()).unwrap_or_default();
        let is = if self.standing == Standing::Overdue { "was due" } else { "is due" };
        format!("{name} {is} at {due}: {what} ({rule})")
    }
}

/// The shipped profile of that name.
///
/// # Errors
/// There is none; the names there are.
pub fn named(name: &str) -> Result<Profile, String> {
    let found = PROFILES.iter().find(|(known, _)| *known == name);
    let (_, text) = found.ok_or_else(|| {
        let known = PROFILES.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(" ");
        format!("there are no clocks {name:?}; there are: {known}")
    })?;
    let profile: Profile = toml::from_str(text).map_err(|e| format!("the clocks {name}: {e}"))?;
    Ok(Profile { name: name.to_owned(), ..profile })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::incident::IncidentStep;

    #[test]
    fn every_shipped_profile_reads_and_names_only_what_is_there() {
        for (name, _) in PROFILES {
            let profile = named(name).unwrap();
            for duty in &profile.duty {
                let known = ["aware", "determined"].contains(&duty.from.as_str())
                    || profile.duty.iter().any(|other| other.name == duty.from && other.name != duty.name);
                assert!(known, "{name}: {duty:?}");
                assert!(!(duty.within.is_some() && duty.not_before.is_some()), "{name}: {duty:?}");
            }
        }
        assert!(named("gdpr").unwrap_err().contains("gdpr-controller"));
    }

    #[test]
    fn the_first_word_counts_and_what_follows_on_something_waived_is_waived() {
        let step = |at: i64, act| IncidentStep { of: FindingId([1; 16]), act, at: WallTime(at), by: "uid 7".into() };
        let told = |at, clock: &str| step(at, IncidentAct::Told { clock: clock.into(), how: "by mail".into() });
        let mut incident = incident();
        incident.steps = vec![
            told(3_600_000, "nis2/notification"),
            told(1_000 * 3_600_000, "nis2/notification"),
            step(1, IncidentAct::Waive { clock: "eu-611-2013/initial".into(), reason: "no provider under it".into() }),
        ];
        let profiles = [named("nis2").unwrap(), named("eu-611-2013").unwrap()];
        let found = clocks(&profiles, &Calendar::default(), &incident);
        let of = |name: &str| found.iter().find(|c| c.name == name).unwrap();
        let late = WallTime(2_000 * 3_600_000);
        assert_eq!(of("nis2/notification").standing(late), Standing::Met);
        assert_eq!(of("nis2/final-report").began, Some(WallTime(3_600_000)));
        assert_eq!(of("eu-611-2013/second").standing(late), Standing::Waived);
        assert_eq!(of("nis2/early-warning").standing(late), Standing::Overdue);
        assert_eq!(of("nis2/early-warning").standing(WallTime(19 * 3_600_000)), Standing::Near);
        assert_eq!(of("nis2/recipients").standing(late), Standing::NoNumber);
    }

    fn incident() -> Incident {
        Incident {
            id: FindingId([1; 16]),
            state: super::super::case::IncidentState::Open,
            severity: Severity::High,
            first: Default::default(),
            alarm: Default::default(),
            last: Default::default(),
            known: WallTime(0),
            actors: Default::default(),
            addresses: Default::default(),
            policies: Default::default(),
            findings: Vec::new(),
            orders: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn at(text: &str) -> WallTime {
        WallTime(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn business_days_leave_out_weekends_and_holidays_and_count_in_their_zone() {
        let calendar = Calendar {
            zone: TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap(),
            holidays: ["2026-11-26".parse().unwrap()].into(),
        };
        // a Friday evening in New York is a Saturday in UTC; Thanksgiving is one of the days that do not count
        let end = calendar.after(at("2026-11-21T03:30:00Z"), Length::BusinessDays(7)).unwrap();
        assert_eq!(end, at("2026-12-03T03:30:00Z"));
        assert_eq!(
            Calendar::default().after(at("2026-01-31T12:00:00Z"), Length::Months(1)),
            Some(at("2026-02-28T12:00:00Z"))
        );
    }
}
